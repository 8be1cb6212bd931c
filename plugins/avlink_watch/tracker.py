"""Stability of files that arrive: how long each has looked the same. Pure; the monotonic time is handed in.

A modification time proves nothing: copies keep the original's, and the clocks of servers differ. Only the time that a
file has looked the same to this process counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from avlink_watch.scan import SeenFile, Signature

_LONGEST_PAUSE_S = 30.0


@dataclass(slots=True)
class Candidate:
    """A file that may still be arriving. Times are seconds of the monotonic clock.

    It has looked the same since `since`, and is due for the next check at `next_check_s`. `stage` is that check: to
    inspect the file or, once it is complete, to fingerprint its content. `broken` says why it never will be complete.
    `media` is the media of a timeline, each with its signature and the time since when it has that. `missing` are the
    names of media that is not there, for which the timeline waits since `waits_since`; `waits_for` is the reason that
    was last reported. `tries` counts failed checks that were not the file's fault.
    """

    seen: SeenFile
    since: float
    next_check_s: float
    stage: Literal["inspect", "fingerprint"] = "inspect"
    waits_since: float | None = None
    waits_for: str = ""
    media: dict[Path, tuple[Signature | None, float]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    tries: int = 0
    broken: str = ""

    @property
    def path(self) -> str:
        """The path from the watched folder."""
        return self.seen.path


class StabilityTracker:
    """The candidates of one folder."""

    def __init__(self, *, quiet_s: float, patience_s: float) -> None:
        self.quiet_s, self.patience_s = quiet_s, patience_s
        self.candidates: dict[str, Candidate] = {}

    def update(self, files: Iterable[SeenFile], now: float) -> None:
        """Compare with a listing of files that are new: a changed one starts over, a gone one is dropped."""
        listed: Mapping[str, SeenFile] = {seen.path: seen for seen in files}
        for path in [path for path in self.candidates if path not in listed]:
            del self.candidates[path]
        for path, seen in listed.items():
            known = self.candidates.get(path)
            if known is None or known.seen.signature != seen.signature:
                self.candidates[path] = Candidate(seen=seen, since=now, next_check_s=now + self.quiet_s)
            else:
                known.seen = seen

    def due(self, now: float) -> Candidate | None:
        """Return the candidate that has waited longest for its check; None if none is due."""
        ready = [one for one in self.candidates.values() if one.next_check_s <= now]
        return min(ready, key=lambda one: (one.next_check_s, one.path), default=None)

    def next_check_s(self) -> float | None:
        """Return the time at which the next candidate is due; None if there is none."""
        return min((one.next_check_s for one in self.candidates.values()), default=None)

    def out_of_patience(self, candidate: Candidate, now: float) -> bool:
        """Return True if a file has been stable for so long that nothing more is expected to arrive."""
        return now - candidate.since >= self.quiet_s + self.patience_s

    def postpone(self, candidate: Candidate, now: float) -> None:
        """Delay the next check, the longer the file has been stable, but never beyond the end of patience."""
        # Half of the time that it has been stable: an upload of hours is not read hundreds of times.
        pause = min(max(self.quiet_s, (now - candidate.since) / 2), max(self.quiet_s, _LONGEST_PAUSE_S))
        last = candidate.since + self.quiet_s + self.patience_s
        candidate.next_check_s = min(now + pause, last) if now < last else now + pause

    def forget(self, path: str) -> None:
        """Drop a file that is in the ledger now, or gone."""
        self.candidates.pop(path, None)


def media_stable_at(
    candidate: Candidate, signatures: Mapping[Path, Signature | None], now: float, quiet_s: float
) -> float:
    """Record the signatures of a timeline's media; return the time at which all will have been stable for `quiet_s`.

    A result of `now` or less means that they are.
    """
    recorded = {}
    for path, signature in signatures.items():
        known = candidate.media.get(path)
        recorded[path] = known if known is not None and known[0] == signature else (signature, now)
    candidate.media = recorded
    return max((since + quiet_s for _, since in recorded.values()), default=now)
