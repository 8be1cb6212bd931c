"""The list of the authors and licences of sounds, as licences that ask for credit demand it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from avlink.core.values import SoundUse
from avlink.library.values import Sound

_UNKNOWN = "licence not stated"


def credits_text(sounds: Iterable[Sound | SoundUse]) -> str:
    """Return a text that names each sound once, by licence and author, for the credits of a film; "" for no sounds.

    Sounds without a stated licence come last: their terms are to be looked up.
    """
    groups: dict[tuple[bool, str, str], set[str]] = defaultdict(set)
    for sound in sounds:
        told = sound if isinstance(sound, SoundUse) else sound.description
        licence, author = told.licence, told.author
        groups[not licence, licence or _UNKNOWN, author].add(f"{sound.library}: {sound.name}")
    parts = []
    for (_, licence, author), names in sorted(groups.items()):
        head = f"{licence}, by {author}" if author else licence
        parts.append("\n".join([head, *(f"  {name}" for name in sorted(names))]))
    return "\n\n".join(parts) + "\n" if parts else ""
