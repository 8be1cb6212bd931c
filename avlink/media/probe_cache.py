"""Probe results remembered between runs as long as the identity of the file is the same, like digests of files.

Probing opens a file and decodes a picture: milliseconds for a small file, and far more for a large one on a server. A
long edit has thousands.
"""

from __future__ import annotations

import json
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import avlink
from avlink.core.errors import MediaError
from avlink.core.file_digest import FileIdentity, file_identity
from avlink.core.hashing import digest, fraction_text
from avlink.core.store import Store
from avlink.media.probe import AudioInfo, MediaInfo, VideoInfo, probe

_CODE_VERSION = 4
"""Increased when probing gives another result for the same file."""


def cached_probe(path: Path, store: Store) -> MediaInfo:
    """Probe a media file, or return the remembered result. Raises MediaError; failures are not remembered.

    Raises MediaChanged when the file changes while it is read.
    """
    try:
        identity = file_identity(path)
    except MediaError:
        # Probing says it in other words for each reason.
        return probe(path)
    key = digest(["probe", avlink.__version__, _CODE_VERSION, *identity.to_json()])
    known = _read(path, store.get_text(key))
    if known is None:
        known = _probe_unchanged(path, identity)
        parts = {"duration_s": known.duration_s, "video": known.video, "audio": known.audio, "recorded": known.recorded}
        store.put_text(key, ".txt", json.dumps({name: _plain(part) for name, part in parts.items()}))
    return known


def _probe_unchanged(path: Path, identity: FileIdentity) -> MediaInfo:
    """Probe a file. Raises MediaChanged if it has another identity afterwards, MediaError if it cannot be used."""
    try:
        return probe(path)
    finally:
        # A file that is being replaced may also look broken.
        identity.check()


def _read(path: Path, text: str | None) -> MediaInfo | None:
    """Return a remembered result; None if there is none, or a broken one."""
    try:
        parts = {name: _exact(part) for name, part in json.loads(text or "null").items()}
        video, audio = parts["video"], parts["audio"]
        return MediaInfo(
            path=path,
            duration_s=parts["duration_s"],
            video=None if video is None else VideoInfo(**video),
            audio=None if audio is None else AudioInfo(**audio),
            recorded=parts["recorded"],
        )
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError):
        return None


def _plain(value: Any) -> Any:
    """Return a value as JSON: fractions as lists of their text, streams as tables of their fields."""
    if isinstance(value, Fraction):
        return [fraction_text(value)]
    if isinstance(value, VideoInfo | AudioInfo):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value


def _exact(value: Any) -> Any:
    if isinstance(value, list):
        return Fraction(*value)
    return {name: _exact(part) for name, part in value.items()} if isinstance(value, dict) else value
