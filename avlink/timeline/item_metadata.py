"""The metadata of items: which hit a stem is the sound of, and which recording a take of it is.

A stem carries the id of its clip, and that of its item where each hit of the clip is one. A take of an item carries its
moment in the media, so that a take which people chose is known again wherever the clip lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from avlink.core.hashing import fraction_text
from avlink.timeline.values import HitItem, Job, StemPlacement

_ITEM, _NAMED, _HIT, _CHOICE, _MOMENT = "item", "named", "hit", "choice", "hit_s"


def item_metadata(placement: StemPlacement) -> dict[str, Any]:
    """Return what the stem of an item says of itself; nothing for the stem of a whole clip."""
    if placement.hit is None:
        return {}
    moment = fraction_text(placement.hit.time_s)
    return {_ITEM: placement.clip.id, _NAMED: placement.clip.name, _MOMENT: moment}


def take_details(job: Job, item: HitItem) -> dict[str, object]:
    """Return what a take of an item says of itself: its hit in the media, by kind and words, and its recording."""
    source, hit = job.source, item.hit
    first_s = source.start_s + (source.duration_s if source.speed < 0 else 0)
    told = " ".join([fraction_text(first_s + hit.time_s * source.speed), hit.kind, hit.words]).strip()
    return {_HIT: told, **({} if item.sound is None else {_CHOICE: item.sound.choice})}


def is_same_hit(made: Mapping[str, Any], job: Job, item: HitItem) -> bool:
    """Return whether a take is a sound of the hit of a job, by its metadata."""
    return made.get(_HIT) == take_details(job, item)[_HIT]


def choice_of(made: Mapping[str, Any]) -> str:
    """Return the name of the sound that a take is, by its metadata: that of the clip's, or of its hit's.

    It is the same whatever level and place the sound has.
    """
    if not isinstance(made.get(_HIT), str):
        return str(made.get("raw_key"))
    chosen = made.get(_CHOICE) or made.get("raw_key")
    return f"{made.get('source_digest')} {made[_HIT].split(' ')[0]} {chosen}"


def has_choice(made: Mapping[str, Any], choice: str | None = None) -> bool:
    """Return whether a take is a sound that was chosen for one hit; with `choice` that one."""
    known = made.get(_CHOICE)
    return isinstance(known, str) and choice in (None, known)


def stem_id(said: Mapping[str, Any]) -> str:
    """Return the id by which a stem is known from run to run: that of its item, else that of its clip."""
    return str(said.get(_ITEM) or said.get("id", ""))


def item_moment(said: Mapping[str, Any]) -> str | None:
    """Return the time of the hit of an item in its clip, as `fraction_text`; None for the stem of a whole clip."""
    moment = said.get(_MOMENT) if _ITEM in said else None
    return moment if isinstance(moment, str) else None


def written_name(said: Mapping[str, Any]) -> str | None:
    """Return the name that a stem was written with; None where that is not known."""
    name = said.get(_NAMED) or said.get("clip")
    return name if isinstance(name, str) else None


def renamed(name: str, said: Mapping[str, Any], before: str, after: str) -> str | None:
    """Return the name of an item whose take `before` gives way to the take `after`; None where a person named it."""
    if _NAMED not in said or name != said[_NAMED] or not before or not after or not name.endswith(before):
        return None
    return name.removesuffix(before) + after
