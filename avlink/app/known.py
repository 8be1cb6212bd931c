"""What media files hold, remembered between runs by path, size and time of change, as the digests of their content are.

Looking into a file opens it and decodes a picture: milliseconds for a small one, and far more for a large one on a
server. A long edit has thousands.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import avlink
from avlink.core.hashing import digest, fraction_text
from avlink.core.store import Store
from avlink.media.probe import AudioInfo, MediaInfo, VideoInfo, probe

_CODE_VERSION = 1
"""Raised when looking into the same file would say something else."""


def known_probe(path: Path, store: Store) -> MediaInfo:
    """What a media file holds. Raises MediaError for what cannot be used, which is looked into each time."""
    try:
        resolved = path.resolve()
        stat = resolved.stat()
    except (OSError, ValueError):
        return probe(path)
    key = digest(["probe", avlink.__version__, _CODE_VERSION, str(resolved), stat.st_size, stat.st_mtime_ns])
    known = _read(path, store.text(key))
    if known is None:
        known = probe(path)
        store.put_note(key, ".txt", json.dumps(_row(known)))
    return known


def _row(info: MediaInfo) -> dict[str, Any]:
    row: dict[str, Any] = {"duration_s": fraction_text(info.duration_s), "video": None, "audio": None}
    if info.video is not None:
        video = info.video
        row["video"] = {
            "rate": fraction_text(video.rate),
            "width": video.width,
            "height": video.height,
            "rotation": video.rotation,
            "start_s": fraction_text(video.start_s),
            "timecode": video.timecode,
            "codec": video.codec,
        }
    if info.audio is not None:
        audio = info.audio
        row["audio"] = {
            "sample_rate": audio.sample_rate,
            "channels": audio.channels,
            "start_s": fraction_text(audio.start_s),
            "codec": audio.codec,
        }
    return row


def _read(path: Path, text: str | None) -> MediaInfo | None:
    """The note on a file; None where there is none, or a broken one."""
    try:
        row = json.loads(text or "null")
        video, audio = row["video"], row["audio"]
        return MediaInfo(
            path=path,
            duration_s=Fraction(row["duration_s"]),
            video=None if video is None else VideoInfo(**{**video, **_fractions(video, "rate", "start_s")}),
            audio=None if audio is None else AudioInfo(**{**audio, **_fractions(audio, "start_s")}),
        )
    except (ValueError, KeyError, TypeError, ZeroDivisionError):
        return None


def _fractions(row: dict[str, str], *names: str) -> dict[str, Fraction]:
    return {name: Fraction(row[name]) for name in names}
