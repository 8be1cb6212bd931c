"""Transitions as they are heard: the stretch in which both sides play, and the fades of the two.

A transition takes no time on its track. Around the cut the outgoing item is seen `out_offset` longer and the incoming
one `in_offset` earlier (OpenTimelineIO, schema Transition); both are heard as long as they are seen, with equal power:
the gains of the two sides are a cosine and a sine of one angle, whose squares add to 1 at every moment.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import opentimelineio as otio

from avlink.core import clock
from avlink.timeline.view import View

_ZERO = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fade:
    """A stretch of the timeline over which a clip comes (`rising`) or goes.

    `alone` when nothing is on the other side: what lies under it shows through.
    """

    start_s: Fraction
    duration_s: Fraction
    rising: bool
    alone: bool = False

    @property
    def end_s(self) -> Fraction:
        """End on the timeline."""
        return self.start_s + self.duration_s


class FadeIndex:
    """Fades sorted by time, to find those over one clip among thousands quickly."""

    def __init__(self, fades: Iterable[Fade] = ()) -> None:
        self._fades = sorted(fades, key=_start_s)
        self._longest_s = max((fade.duration_s for fade in self._fades), default=_ZERO)

    def within(self, start_s: Fraction, end_s: Fraction) -> list[Fade]:
        """Return the fades that reach into (start_s, end_s)."""
        # Sorted by start alone: one that reaches in begins at most the longest of all before it.
        first = bisect_left(self._fades, start_s - self._longest_s, key=_start_s)
        last = bisect_left(self._fades, end_s, key=_start_s)
        return [fade for fade in self._fades[first:last] if start_s < fade.end_s]

    def joined(self, fades: Iterable[Fade]) -> FadeIndex:
        """Return an index with more fades."""
        more = list(fades)
        return FadeIndex([*self._fades, *more]) if more else self


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """The reach of a transition at one edge of an item: `before_s` and `after_s` the cut.

    `alone` when a gap or nothing is on the other side.
    """

    before_s: Fraction = _ZERO
    after_s: Fraction = _ZERO
    alone: bool = False

    def fade(self, cut_s: Fraction, view: View, *, rising: bool) -> tuple[Fade, ...]:
        """Return the fade around a cut of a track's own time, placed on the timeline; none where nothing overlaps."""
        span = view.edges(cut_s - self.before_s, cut_s + self.after_s) if self.before_s + self.after_s else None
        if span is None or span[1] is None or not view.speed:
            return ()
        # In a sequence that runs backwards, what came in goes out.
        rises = rising == (view.speed > 0)
        return (Fade(start_s=span[0], duration_s=span[1] - span[0], rising=rises, alone=self.alone),)


def overlaps(track: otio.schema.Track, index: int) -> tuple[Overlap, Overlap]:
    """Return the reach of the transitions at the start and the end of a track's item."""
    return _overlap(track, index - 1, index - 2), _overlap(track, index + 1, index + 2)


def _overlap(track: otio.schema.Track, at: int, beyond: int) -> Overlap:
    if not 0 <= at < len(track) or not isinstance(track[at], otio.schema.Transition):
        return Overlap()
    transition = track[at]
    alone = not 0 <= beyond < len(track) or isinstance(track[beyond], otio.schema.Gap)
    return Overlap(before_s=_offset_s(transition.in_offset), after_s=_offset_s(transition.out_offset), alone=alone)


def _start_s(fade: Fade) -> Fraction:
    return fade.start_s


def _offset_s(offset: otio.opentime.RationalTime | None) -> Fraction:
    """Return the seconds of an offset; 0 for one that is missing, negative or at no valid rate."""
    try:
        return _ZERO if offset is None else max(_ZERO, clock.exact_time(offset.value, offset.rate))
    except (ValueError, OverflowError):
        return _ZERO
