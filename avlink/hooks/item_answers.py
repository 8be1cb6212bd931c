"""Answers of backends that choose a sound for each hit: checked before anything is planned with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from avlink.core.errors import PluginError
from avlink.core.values import HitSounds, ItemSound


def checked_sounds(answer: object, component: str, *, hits: int, takes: int) -> Sequence[HitSounds]:
    """Return the sounds that a component has chosen for `hits` hits, at most `takes` for each.

    Raises PluginError unless each is a `HitSounds`, there is one for each hit, and each sound names its content.
    """
    rows: list[Any] = list(answer) if isinstance(answer, list | tuple) else [answer]
    wrong = next((type(one).__name__ for one in rows if not isinstance(one, HitSounds)), None)
    if wrong is not None:
        raise PluginError(f"{component} gave {wrong} as the sounds of a hit, not HitSounds")
    if len(rows) != hits:
        raise PluginError(f"{component} chose sounds for {len(rows)} of {hits} hits")
    for row in rows:
        named = (isinstance(one, ItemSound) and one.item and one.choice for one in row.takes)
        if len(row.takes) > takes or not all(named):
            raise PluginError(
                f"{component} chose {len(row.takes)} sounds for a hit; they must be at most {takes}, each an ItemSound "
                "that names its content in `item` and `choice`"
            )
    return rows
