"""The events of a clip as hits."""

from __future__ import annotations

from fractions import Fraction

from avlink.core.hits import UNKNOWN_KIND, Hit
from avlink.foundry.clip import ClipInfo

_KIND_OF_MATERIAL = {"air": "flash", "water": "splash"}
_KIND_OF_GROUP = {"bounce": "drop", "step": "step"}


def hit_kind(group: str, material: str) -> str:
    """Return the kind, of `HIT_KINDS`, of an event with this material in a scene of this group."""
    return _KIND_OF_MATERIAL.get(material) or _KIND_OF_GROUP.get(group, UNKNOWN_KIND)


def true_hits(clip: ClipInfo) -> tuple[Hit, ...]:
    """Return the events of a clip."""
    return tuple(
        Hit(time_s=Fraction(event.time_s), strength=event.strength, kind=hit_kind(clip.group, event.material))
        for event in clip.events
    )
