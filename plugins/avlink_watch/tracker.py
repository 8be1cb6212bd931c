"""Which files have been quiet for long enough to be looked into. Pure: the time, which never jumps, is handed in.

A modification time says nothing here: copies keep the original's, and the clocks of servers differ. What counts is how
long a file has looked the same to us.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from avlink_watch.scan import Seen, Signature

_LONGEST_PAUSE_S = 30.0


@dataclass(slots=True)
class Candidate:
    """A file on its way in. Times are in seconds of the monotonic clock.

    `since` is when it began to look as it does, `next_look_s` when it is worth a look again. `stage` is what is next:
    to look into it or, once it is all there, to weigh it (to name its content). `broken` says why it never will be.
    `media` is what a timeline needs, with what each looked like and since when; `missing` are the names of what it
    needs and is not there, for which it waits since `waits_since`.
    """

    seen: Seen
    since: float
    next_look_s: float
    stage: Literal["look", "weigh"] = "look"
    waits_since: float | None = None
    waits_for: str = ""
    media: dict[Path, tuple[Signature | None, float]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    tries: int = 0
    broken: str = ""

    @property
    def path(self) -> str:
        """Its path from the watched folder."""
        return self.seen.path


class Tracker:
    """The candidates of one folder."""

    def __init__(self, *, quiet_s: float, patience_s: float) -> None:
        self.quiet_s, self.patience_s = quiet_s, patience_s
        self.candidates: dict[str, Candidate] = {}

    def update(self, files: Iterable[Seen], now: float) -> None:
        """Take in a listing of all files that are not settled. One that changed begins anew, one that left is gone."""
        listed: Mapping[str, Seen] = {seen.path: seen for seen in files}
        for path in [path for path in self.candidates if path not in listed]:
            del self.candidates[path]
        for path, seen in listed.items():
            known = self.candidates.get(path)
            if known is None or known.seen.signature != seen.signature:
                self.candidates[path] = Candidate(seen=seen, since=now, next_look_s=now + self.quiet_s)
            else:
                known.seen = seen

    def due(self, now: float) -> Candidate | None:
        """The candidate that has waited longest for a look; None if none is worth one now."""
        ready = [one for one in self.candidates.values() if one.next_look_s <= now]
        return min(ready, key=lambda one: (one.next_look_s, one.path), default=None)

    def next_look_s(self) -> float | None:
        """When the next candidate is due."""
        return min((one.next_look_s for one in self.candidates.values()), default=None)

    def out_of_patience(self, candidate: Candidate, now: float) -> bool:
        """Whether it has been quiet for so long that nothing more will come."""
        return now - candidate.since >= self.quiet_s + self.patience_s

    def later(self, candidate: Candidate, now: float) -> None:
        """Look at it again, after a pause that grows with how long it has been quiet."""
        pause = min(max(self.quiet_s, (now - candidate.since) / 2), max(self.quiet_s, _LONGEST_PAUSE_S))
        last = candidate.since + self.quiet_s + self.patience_s
        candidate.next_look_s = min(now + pause, last) if now < last else now + pause

    def forget(self, path: str) -> None:
        """It is settled, or gone."""
        self.candidates.pop(path, None)


def quiet_media(candidate: Candidate, looks: Mapping[Path, Signature | None], now: float, quiet_s: float) -> float:
    """Note what a timeline's media look like now; when all of them will have been quiet for long enough.

    A result of `now` or less means that they have.
    """
    noted = {}
    for path, signature in looks.items():
        known = candidate.media.get(path)
        noted[path] = known if known is not None and known[0] == signature else (signature, now)
    candidate.media = noted
    return max((since + quiet_s for _, since in noted.values()), default=now)
