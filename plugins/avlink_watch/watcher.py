"""A watcher of several folders: their locks, their state, and the loop over them."""

from __future__ import annotations

import contextlib
import queue
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from avlink import InputError
from avlink_watch.events import Told
from avlink_watch.folder import Folder
from avlink_watch.ledger import Ledger, StateTrouble
from avlink_watch.lock import only_one
from avlink_watch.loop import STOP, Loop
from avlink_watch.places import Places, places_of
from avlink_watch.recipe import WatchRecipe
from avlink_watch.rules import Rules

_LONGEST_PAUSE_S = 300.0


class Watcher:
    """Watches folders. `mail` takes STOP, from other threads and from signals; `once` ends when all is settled.

    `done` and `failed` count files of this run, `stopped` says whether it was told to stop.
    """

    def __init__(self, folders: Sequence[Path], recipe: WatchRecipe, rules: Rules, *, device: str, once: bool) -> None:
        """Raises InputError for folders that cannot be watched together, or whose results would be found as new."""
        self.mail: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.done = self.failed = 0
        self.stopped = False
        self._recipe, self._rules, self._device, self._once = recipe, rules, device, once
        self._places = _all_places(folders, recipe)

    def run(self, *, retry: bool = False) -> Iterator[Told]:
        """Watch; with `retry`, what failed before is tried again.

        When the state cannot be written any more, all is begun anew from what it says once it can be.

        Raises InputError for folders that are not there or watched already, and for what lets everything fail;
        StateTrouble when there is trouble from the start, or in a run that ends.
        """
        pause_s, began = 0.0, False
        while not self.stopped:
            try:
                with contextlib.closing(self._watch(retry=retry and not began)) as events:
                    for event in events:
                        began, pause_s = True, 0.0
                        yield event
                break
            except StateTrouble as error:
                if self._once or not began:
                    raise
                pause_s = min(max(2 * pause_s, self._recipe.retry.backoff_s), _LONGEST_PAUSE_S)
                yield Told(event="paused", text=f"{error}; waiting until that is better", more={"wait_s": pause_s})
            self._wait(pause_s)
        how = "stopped" if self.stopped else "all is done"
        counts = {"done": self.done, "failed": self.failed, "stopped": self.stopped}
        yield Told(event="ended", text=f"{how}: {self.done} done, {self.failed} failed", more=counts)

    def _watch(self, *, retry: bool) -> Generator[Told, None, None]:
        told: deque[Told] = deque()
        with contextlib.ExitStack() as held:
            folders = [self._open(place, told, held, retry=retry) for place in self._places]
            loop = Loop(folders, self._recipe, device=self._device, once=self._once, mail=self.mail, told=told)
            try:
                with contextlib.closing(loop.run()) as events:
                    yield from events
            finally:
                self.stopped = self.stopped or loop.stopped
                self.done += sum(folder.results.done for folder in folders)
                self.failed += sum(folder.results.failed for folder in folders)

    def _open(self, place: Places, told: deque[Told], held: contextlib.ExitStack, *, retry: bool) -> Folder:
        state = place.state.with_name(f"{place.state.name}.sqlite3")
        if not place.root.is_dir() and (self._once or not state.exists()):
            # One that was watched before may be a disk that is not mounted yet.
            raise InputError(f"{place.root} is no folder; make it first, or name another")
        held.enter_context(only_one(place.state.with_name(f"{place.state.name}.lock"), place.root))
        ledger = Ledger(state)
        held.callback(ledger.close)
        # Nothing is new where results of any of them go; and a folder that is watched by itself is not part of another.
        skip = frozenset().union(*(other.own for other in self._places), (other.root for other in self._places))
        folder = Folder(place, self._recipe, self._rules, ledger, told.append, skip=skip, once=self._once)
        for note in ledger.notes:
            folder.say("warning", note)
        again = ledger.retry_failed() if retry else 0
        text = f"watching {place.root}; results go to {place.output}" + (f"; trying {again} again" if again else "")
        folder.say("watching", text, output=str(place.output), recipe=self._recipe.source.label, retried=again)
        return folder

    def _wait(self, pause_s: float) -> None:
        with contextlib.suppress(queue.Empty):
            while self.mail.get(timeout=pause_s) != STOP:
                pass
            self.stopped = True


def _all_places(folders: Sequence[Path], recipe: WatchRecipe) -> list[Places]:
    places = list({place.root: place for place in (places_of(folder, recipe) for folder in folders)}.values())
    if Path(recipe.output).expanduser().is_absolute() and len(places) > 1:
        raise InputError(
            f"results of {len(places)} folders cannot all go to {recipe.output}, where files of one name would meet; "
            "give a folder that is in each of them, or watch each by itself"
        )
    for place in places:
        for other in places:
            if place is not other and place.root.is_relative_to(other.output):
                raise InputError(
                    f"{place.root} is where results of {other.root} go, and would be watched; leave it out"
                )
    return places
