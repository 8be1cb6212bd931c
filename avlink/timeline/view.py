"""The view of a composition from the timeline: a window of timeline time, and an affine map to its own time.

Own time = `offset_s` + `speed` x timeline time. Nested sequences, trims and time warps compose to one such map, in
exact fractions; a speed of 0 is a frozen picture. OTIO has the same map as `opentime.TimeTransform`, in floats.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

_ZERO = Fraction(0)
Span = tuple[Fraction, Fraction | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Own time over timeline time within [first_s, last_s) of the timeline; `last_s` None means without end.

    Where transitions reach over its edges it is heard `lead_s` earlier and `trail_s` longer than that.
    """

    offset_s: Fraction = _ZERO
    speed: Fraction = Fraction(1)
    first_s: Fraction = _ZERO
    last_s: Fraction | None = None
    lead_s: Fraction = _ZERO
    trail_s: Fraction = _ZERO

    def own_time(self, timeline_s: Fraction) -> Fraction:
        """Return the moment of its own time that is seen at a timeline time."""
        return self.offset_s + self.speed * timeline_s

    def edges(self, begin_s: Fraction, end_s: Fraction | None) -> Span | None:
        """Return the timeline span of [begin_s, end_s) of its own time, in order and not cut; None if it has none.

        `end_s` None means without end: then that edge is the window's.
        """
        if self.speed == 0:
            # A frozen composition shows one moment of its own throughout the window, and no other at all.
            inside = begin_s <= self.offset_s and (end_s is None or self.offset_s < end_s)
            return (self.first_s, self.last_s) if inside else None
        if self.speed == 1:
            # Most clips; a division of fractions takes as long as all the rest.
            return begin_s - self.offset_s, None if end_s is None else end_s - self.offset_s
        begins_s = (begin_s - self.offset_s) / self.speed
        ends_s = None if end_s is None else (end_s - self.offset_s) / self.speed
        if self.speed > 0:
            return begins_s, ends_s
        return (self.first_s if ends_s is None else ends_s), begins_s

    def clamp(self, timeline_s: Fraction) -> Fraction:
        """Return the moment of the window that is nearest to a timeline time."""
        nearest_s = max(timeline_s, self.first_s)
        return nearest_s if self.last_s is None else min(nearest_s, self.last_s)

    def cut(self, span: Span | None, *, heard: bool = False) -> Span | None:
        """Return the part of a timeline span that lies in the window, or is `heard` through it; None if none does."""
        if span is None:
            return None
        first_s, last = self.first_s, self.last_s
        if heard:
            first_s, last = first_s - self.lead_s, None if last is None else last + self.trail_s
        first_s = max(span[0], first_s)
        ends = [end for end in (span[1], last) if end is not None]
        last_s = min(ends) if ends else None
        return None if last_s is not None and last_s <= first_s else (first_s, last_s)

    def inner(
        self,
        begin_s: Fraction,
        end_s: Fraction | None,
        *,
        at_s: Fraction,
        speed: Fraction,
        window: Span,
        heard: Span,
    ) -> View:
        """Return the view of a child that fills [begin_s, end_s) of this time and shows its own from `at_s` on.

        It is seen within `window` of the timeline, and heard within `heard`, which transitions make longer. With a
        speed below 0 the child shows the same range of its own from the end backwards, so `end_s` must be known.
        """
        start_s = at_s
        if speed < 0:
            # A range that runs backwards is seen from its end.
            assert end_s is not None, "what runs backwards needs an end"
            start_s -= (end_s - begin_s) * speed
        trail_s = _ZERO if window[1] is None or heard[1] is None else heard[1] - window[1]
        return replace(
            self,
            offset_s=start_s + speed * (self.offset_s - begin_s),
            speed=speed * self.speed,
            first_s=window[0],
            last_s=window[1],
            lead_s=window[0] - heard[0],
            trail_s=trail_s,
        )
