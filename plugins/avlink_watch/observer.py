"""Change notifications of the system: a reason to scan now, never a source of facts about a file.

There are none for writes of other machines to a network disk; moves, links and appends are reported too often or not at
all; and they stop when a folder is replaced. So everything also works without them, only later.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import ObservedWatch

from avlink_watch.scan import is_ignored

# The worker causes these by reading every file.
_READ_EVENTS = frozenset({"opened", "closed_no_write"})


class ChangeObserver:
    """Observes folders, and calls `wake` with a folder from another thread when something changed in it."""

    def __init__(self, wake: Callable[[Path], None]) -> None:
        self._wake = wake
        self._observer: Any = None
        self._watches: dict[Path, tuple[tuple[int, int], ObservedWatch | None]] = {}

    def watch(self, root: Path, identity: tuple[int, int], *, recursive: bool) -> str | None:
        """Observe a folder, anew if another took its place. Returns a sentence if the system sends no notifications."""
        known = self._watches.get(root)
        if known is not None and known[0] == identity:
            return None
        self.unwatch(root)
        try:
            if self._observer is None:
                # Only when needed: it starts threads.
                self._observer = Observer()
                self._observer.start()
            watched = self._observer.schedule(_Handler(root, self._wake), str(root), recursive=recursive)
        except (OSError, RuntimeError) as error:
            # Recorded all the same, so that it is reported once.
            self._watches[root] = (identity, None)
            return (
                f"the system does not tell of changes ({getattr(error, 'strerror', None) or error}); looking is enough"
            )
        self._watches[root] = (identity, watched)
        return None

    def unwatch(self, root: Path) -> None:
        """Stop observing a folder, as when it is gone."""
        _, watched = self._watches.pop(root, (None, None))
        if watched is not None:
            with contextlib.suppress(Exception):
                # The system removes the watch of a deleted folder by itself.
                self._observer.unschedule(watched)

    def close(self) -> None:
        """Stop observing all folders."""
        observer, self._observer = self._observer, None
        self._watches.clear()
        if observer is not None:
            observer.stop()
            observer.join(timeout=5)


class _Handler(FileSystemEventHandler):
    def __init__(self, root: Path, wake: Callable[[Path], None]) -> None:
        self._root, self._wake = root, wake

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in _READ_EVENTS:
            return
        paths = [os.fsdecode(path) for path in (event.src_path, getattr(event, "dest_path", "")) if path]
        # Our own results and unfinished files are no reason to scan.
        if any(not _ignored(path, self._root) for path in paths):
            self._wake(self._root)


def _ignored(path: str, root: Path) -> bool:
    return any(is_ignored(part) for part in os.path.relpath(path, root).split(os.sep))
