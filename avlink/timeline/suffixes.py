"""What the suffix of a media file says of it."""

from __future__ import annotations

FILM_SUFFIXES = (".mov", ".mp4", ".mxf", ".mkv", ".avi", ".m4v", ".mpg", ".mts", ".webm", ".wmv", ".ts", ".3gp", ".flv")
"""What films are called, to know one by the name of its clip."""
SOUND_SUFFIXES = (".wav", ".bwf", ".aif", ".aiff", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".opus", ".w64", ".caf")
"""What sound files are called."""
_WITH_ALPHA = (".png", ".tif", ".tiff", ".psd", ".tga", ".exr", ".gif", ".webp", ".svg", ".ai")
_WITHOUT_ALPHA = (".jpg", ".jpeg", ".bmp", ".dpx", ".heic", ".avif")


def may_be_transparent(url: str) -> bool:
    """Whether a picture file may have an alpha channel, as titles, logos and mattes do."""
    return url.lower().endswith(_WITH_ALPHA)


def is_still(url: str) -> bool:
    """Whether a media file is a single picture."""
    return url.lower().endswith((*_WITH_ALPHA, *_WITHOUT_ALPHA))
