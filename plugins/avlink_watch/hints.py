"""Hints of the system that something changed: reason to look now, and never what is known of a file.

The system tells nothing of what others write to a network disk, tells once too often or not at all of what is moved,
linked or appended, and goes silent when a folder is replaced. So everything works without, only later.
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

from avlink_watch.names import is_ignored

# Reading a file makes these, and we read them all.
_OF_READING = frozenset({"opened", "closed_no_write"})


class Hints:
    """Follows folders, and calls `wake` with a folder from another thread when something changed in it."""

    def __init__(self, wake: Callable[[Path], None]) -> None:
        self._wake = wake
        self._observer: Any = None
        self._watches: dict[Path, tuple[tuple[int, int], ObservedWatch | None]] = {}

    def follow(self, root: Path, identity: tuple[int, int], *, below: bool) -> str | None:
        """Follow a folder, anew if another took its place. A sentence if the system will not tell of it."""
        known = self._watches.get(root)
        if known is not None and known[0] == identity:
            return None
        self.leave(root)
        try:
            if self._observer is None:
                self._observer = Observer()
                self._observer.start()
            watch = self._observer.schedule(_Handler(root, self._wake), str(root), recursive=below)
        except (OSError, RuntimeError) as error:
            # Noted all the same, so that it is said once.
            self._watches[root] = (identity, None)
            return (
                f"the system does not tell of changes ({getattr(error, 'strerror', None) or error}); looking is enough"
            )
        self._watches[root] = (identity, watch)
        return None

    def leave(self, root: Path) -> None:
        """Do not follow a folder any more, as when it is gone."""
        _, watch = self._watches.pop(root, (None, None))
        if watch is not None:
            with contextlib.suppress(Exception):
                # Of a folder that is gone the system may have taken the watch back before.
                self._observer.unschedule(watch)

    def close(self) -> None:
        """Follow nothing any more."""
        observer, self._observer = self._observer, None
        self._watches.clear()
        if observer is not None:
            observer.stop()
            observer.join(timeout=5)


class _Handler(FileSystemEventHandler):
    def __init__(self, root: Path, wake: Callable[[Path], None]) -> None:
        self._root, self._wake = root, wake

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in _OF_READING:
            return
        paths = [os.fsdecode(path) for path in (event.src_path, getattr(event, "dest_path", "")) if path]
        # What we write ourselves is no reason to look, nor is what is not finished.
        if any(not _ignored(path, self._root) for path in paths):
            self._wake(self._root)


def _ignored(path: str, root: Path) -> bool:
    return any(is_ignored(part) for part in os.path.relpath(path, root).split(os.sep))
