"""References of clips to their media, and what the suffix of a file tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

import opentimelineio as otio

from avlink.core import clock
from avlink.timeline.image_sequences import ImageNames, MissingImage, check_padding, is_pattern, names_of_pattern
from avlink.timeline.item import moment_s, seconds, shown_time, table

MediaKind: TypeAlias = Literal["file", "images", "generator", "missing"]

FILM_SUFFIXES = (".mov", ".mp4", ".mxf", ".mkv", ".avi", ".m4v", ".mpg", ".mts", ".webm", ".wmv", ".ts", ".3gp", ".flv")
"""Suffixes of films, to recognise one by the name of its clip."""
SOUND_SUFFIXES = (".wav", ".bwf", ".aif", ".aiff", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".opus", ".w64", ".caf")
"""Suffixes of sound files."""
_WITH_ALPHA = (".png", ".tif", ".tiff", ".psd", ".tga", ".exr", ".gif", ".webp", ".svg", ".ai")
_WITHOUT_ALPHA = (".jpg", ".jpeg", ".bmp", ".dpx", ".heic", ".avif")


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRef:
    """A reference of a clip to its media.

    `start_s` and `duration_s` are the media's own range as the timeline states it; the start is usually the timecode
    of its first frame. None where the timeline does not state it.
    """

    key: str
    kind: MediaKind
    url: str = ""
    start_s: Fraction | None = None
    duration_s: Fraction | None = None
    images: ImageNames | None = None
    """File names of an image sequence, for that kind only."""
    reel: str = ""
    """Reel of an edit decision list, by which its media may be called."""
    keyed: bool = False
    """True for a picture that is keyed over those under it, which show through."""
    refused: str = ""
    """Sentence on why it is not looked for; "" for most."""


def may_be_transparent(url: str) -> bool:
    """Return whether a picture file may have an alpha channel, as titles, logos and mattes do."""
    return url.lower().endswith(_WITH_ALPHA)


def is_still(url: str) -> bool:
    """Return whether a media file is a single picture."""
    return url.lower().endswith((*_WITH_ALPHA, *_WITHOUT_ALPHA))


def media_refs(clip: otio.schema.Clip, image_rate: Fraction | None = None) -> tuple[MediaRef, ...]:
    """Return all media references of a clip, the active one first, the others by key.

    `image_rate` is the rate of image sequences that state none.
    """
    refs = clip.media_references()
    active = clip.active_media_reference_key
    # In the order of keys, so that every run tries the same file first.
    return tuple(_media_ref(key, refs[key], image_rate) for key in sorted(refs, key=lambda key: (key != active, key)))


def _image_names(
    ref: otio.schema.ImageSequenceReference, duration_s: Fraction | None, image_rate: Fraction | None
) -> ImageNames | None:
    """Return the file names of an image sequence; None where it has no valid rate.

    Raises ValueError for padding beyond the limit.
    """
    span, step = ref.available_range, max(1, ref.frame_step)
    rate = _rate(ref.rate) or (None if span is None else _rate(span.duration.rate)) or image_rate
    if rate is None:
        return None
    policies = otio.schema.ImageSequenceReference.MissingFramePolicy
    missing: MissingImage = "error"
    if ref.missing_frame_policy != policies.error:
        missing = "hold" if ref.missing_frame_policy == policies.hold else "black"
    check_padding(ref.frame_zero_padding)
    return ImageNames(
        prefix=ref.name_prefix or "",
        suffix=ref.name_suffix or "",
        first=ref.start_frame,
        step=step,
        padding=max(0, ref.frame_zero_padding),
        rate=rate / step,
        num_images=_count(duration_s, rate / step),
        missing=missing,
    )


def _images_by_name(key: str, ref: otio.schema.ExternalReference, image_rate: Fraction | None) -> MediaRef | None:
    """Return the image sequence that a reference to one file stands for, as programs without that schema write it."""
    span, url = ref.available_range, ref.target_url or ""
    if not is_still(url) or not is_pattern(url):
        return None
    rate = (None if span is None else _rate(span.duration.rate)) or image_rate
    if rate is None:
        return MediaRef(key=key, kind="images", url=url)
    start_s = None if span is None else seconds(span.start_time)
    duration_s = None if span is None else seconds(span.duration)
    found = names_of_pattern(url, rate, first=None, num_images=_count(duration_s, rate))
    if found is None:
        return None
    return MediaRef(key=key, kind="images", url=found[0], start_s=start_s, duration_s=duration_s, images=found[1])


def _rate(value: float) -> Fraction | None:
    try:
        return clock.exact_rate(value)
    except (ValueError, OverflowError):
        return None


def _count(duration_s: Fraction | None, rate: Fraction) -> int | None:
    return None if duration_s is None else max(1, clock.to_index(duration_s, rate))


def _media_ref(key: str, ref: otio.core.MediaReference, image_rate: Fraction | None) -> MediaRef:
    try:
        return _any_media_ref(key, ref, image_rate)
    except ValueError as error:
        return MediaRef(key=key, kind="images", url=_base_url(ref), refused=str(error))


def _base_url(ref: otio.core.MediaReference) -> str:
    return str(getattr(ref, "target_url", "") or getattr(ref, "target_url_base", "") or "")


def _any_media_ref(key: str, ref: otio.core.MediaReference, image_rate: Fraction | None) -> MediaRef:
    span = ref.available_range
    if span is not None and moment_s(span.start_time) is None and not isinstance(ref, otio.schema.GeneratorReference):
        refused = f"the range of its media begins at no time ({shown_time(span.start_time)})"
        return MediaRef(key=key, kind="file", url=getattr(ref, "target_url", "") or "", refused=refused)
    start_s = None if span is None else moment_s(span.start_time)
    duration_s = None if span is None else seconds(span.duration)
    said = table(ref.metadata, "cmx_3600")
    reel, keyed = str(said.get("reel", "")), said.get("key") is True
    if isinstance(ref, otio.schema.ExternalReference):
        return _images_by_name(key, ref, image_rate) or MediaRef(
            key=key,
            kind="file",
            url=ref.target_url or "",
            start_s=start_s,
            duration_s=duration_s,
            reel=reel,
            keyed=keyed,
        )
    if isinstance(ref, otio.schema.ImageSequenceReference):
        return MediaRef(
            key=key,
            kind="images",
            url=ref.target_url_base or "",
            start_s=start_s,
            duration_s=duration_s,
            images=_image_names(ref, duration_s, image_rate),
        )
    if isinstance(ref, otio.schema.GeneratorReference):
        return MediaRef(key=key, kind="generator")
    return MediaRef(key=key, kind="missing", reel=reel, keyed=keyed)
