"""Which sound clips get a picture: all that can be heard, or those that a recipe wants."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from avlink.core.recipe.schema import SelectTable
from avlink.timeline.select import on_tracks, timeline_order, wished
from avlink.timeline.values import ClipRef, Skip, left_out


def select_sounds(items: Sequence[ClipRef | Skip], *, wish: SelectTable) -> tuple[ClipRef | Skip, ...]:
    """The sound clips to work on, in timeline order, and everything else that is there as skips.

    Sounds hide nothing, so all clips of all tracks are taken, or of those that the wish names: by their names, or A1,
    A2, ... from the first. Of them, what it does not name by clip, marker or colour is not there at all.

    Raises TimelineError when a track of that name does not exist, or nothing at all is as wished.
    """
    found = on_tracks(items, wish.tracks, kind="sound") if wish.tracks else list(items)
    return tuple(sorted((_worth_a_picture(item, wish) for item in wished(found, wish)), key=timeline_order))


def _worth_a_picture(item: ClipRef | Skip, wish: SelectTable) -> ClipRef | Skip:
    if isinstance(item, Skip):
        return item
    if item.mode == "off":
        return left_out(item, "is switched off for AVLink (its mode is off)")
    if item.timeline_duration_s < Fraction(wish.min_duration_s).limit_denominator(1_000_000):
        return left_out(item, f"is heard for less than {wish.min_duration_s:g} s (select.min_duration_s)")
    if not item.speed:
        return left_out(item, "stands still (its speed is 0), and so nothing of it is heard")
    return item
