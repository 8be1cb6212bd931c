"""Origins of generated sounds in the cache: the recordings that a sound was made of, and what it lacks."""

from __future__ import annotations

import json
from dataclasses import asdict

from avlink.core.errors import PluginError
from avlink.core.hashing import digest
from avlink.core.store import Store
from avlink.core.values import SoundOrigin, SoundSource, SoundUse

_FORMAT = 1
NO_ORIGIN = SoundOrigin()


def origin_of(sound: SoundSource) -> SoundOrigin | None:
    """Return the origin that a generated sound tells of itself, None if it tells none. Raises PluginError."""
    origin = getattr(sound, "origin", None)
    if origin is not None and not isinstance(origin, SoundOrigin):
        raise PluginError(f"it gave {type(origin).__name__} as the origin of a sound, not SoundOrigin")
    return origin


def keep_origin(store: Store, raw_key: str, origin: SoundOrigin | None) -> None:
    """Keep the origin of the sound with a raw key; a sound that tells none needs no entry.

    Raises OutputError when the cache cannot be written.
    """
    if origin is None:
        return
    fields = {"uses": [asdict(use) for use in origin.uses], "notes": list(origin.notes)}
    store.put_text(_key(raw_key), ".json", json.dumps(fields, ensure_ascii=False))


def kept_origin(store: Store, raw_key: str) -> SoundOrigin:
    """Return the origin of the sound with a raw key, an empty one where nothing is known."""
    text = store.get_text(_key(raw_key))
    if text is None:
        return NO_ORIGIN
    try:
        fields = json.loads(text)
        return SoundOrigin(uses=tuple(SoundUse(**use) for use in fields["uses"]), notes=tuple(fields["notes"]))
    except (ValueError, TypeError, KeyError):
        return NO_ORIGIN


def _key(raw_key: str) -> str:
    return digest(["origin", _FORMAT, raw_key])
