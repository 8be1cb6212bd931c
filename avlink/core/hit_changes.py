"""Changes between two lists of hits, in groups that are far enough apart to be heard separately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from avlink.core.hits import Hit


@dataclass(frozen=True, slots=True, kw_only=True)
class HitChange:
    """Hits that were taken away, added or changed near each other. `hits` are all hits, with these changes alone."""

    first_s: float
    last_s: float
    hits: tuple[Hit, ...]


def same_sound(one: Sequence[Hit], other: Sequence[Hit]) -> bool:
    """Return whether two lists of hits ask for the same sound: by time, length, strength, kind and words."""
    return {_sound_of(hit) for hit in one} == {_sound_of(hit) for hit in other}


def hit_changes(before: Sequence[Hit], after: Sequence[Hit], *, apart_s: float) -> tuple[HitChange, ...]:
    """Return the changes from `before` to `after`, ascending; moments less than `apart_s` apart are one change.

    Hits are equal if they would sound the same: by time, length, strength, kind and words.
    """
    gone = {_sound_of(hit): hit for hit in before}
    new = {_sound_of(hit): hit for hit in after}
    changed = sorted(
        [hit for key, hit in gone.items() if key not in new] + [hit for key, hit in new.items() if key not in gone],
        key=lambda hit: hit.time_s,
    )
    groups: list[list[Hit]] = []
    for hit in changed:
        if groups and hit.time_s - max(one.time_s + one.duration_s for one in groups[-1]) < apart_s:
            groups[-1].append(hit)
        else:
            groups.append([hit])
    return tuple(_change(group, gone, new) for group in groups)


def _sound_of(hit: Hit) -> tuple[object, ...]:
    return hit.time_s, hit.duration_s, hit.strength, hit.kind, hit.words


def _change(group: Sequence[Hit], gone: dict[tuple[object, ...], Hit], new: dict[tuple[object, ...], Hit]) -> HitChange:
    keys = {_sound_of(hit) for hit in group}
    stay = [hit for key, hit in gone.items() if key not in keys]
    come = [hit for key, hit in new.items() if key in keys and key not in gone]
    return HitChange(
        first_s=float(group[0].time_s),
        last_s=max(float(hit.time_s + hit.duration_s) for hit in group),
        hits=tuple(sorted([*stay, *come], key=lambda hit: hit.time_s)),
    )
