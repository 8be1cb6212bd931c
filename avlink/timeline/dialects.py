"""OTIO as programs read it that take ranges and paths in a way of their own: Kdenlive, and Resolve. All in place."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from urllib.parse import unquote

import opentimelineio as otio

from avlink.timeline.item import own_range, rational_time, seconds
from avlink.timeline.media_refs import MediaRef
from avlink.timeline.own_time import shift_own_time
from avlink.timeline.resolve import media_start, remote_scheme
from avlink.timeline.stem_edits import note_shift, stems_in_place
from avlink.timeline.timebase import frame_rate

_RESOLVE = "Resolve_OTIO"
_SLACK_S = Fraction(1, 1000)
"""A stamp in a file counts samples, and differs from the frame that it names by less."""
_DRIVE = re.compile(r"/[A-Za-z]:[\\/]")


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSpan:
    """A media file: the real time from midnight to its first frame by its own timecode, 0 without, and its length.

    `rate` is in frames per second; None for sound.
    """

    path: Path
    start_s: Fraction
    duration_s: Fraction
    rate: Fraction | None = None


def count_from_zero(timeline: otio.schema.Timeline) -> None:
    """Let the ranges of stems count from the first sample of the file that is heard, not from its timecode."""
    for _, stem, _ in stems_in_place(timeline):
        there = stem.media_reference.available_range
        start_s = None if there is None else seconds(there.start_time)
        if start_s:
            # All takes by one shift, so that another take still begins at the same picture.
            shift_own_time(stem, -start_s)
            note_shift(stem, -start_s)


def address_resolve(timeline: otio.schema.Timeline) -> None:
    """Mark a timeline as one that Resolve reads, so that tracks of ours state their channels as Resolve does."""
    if _RESOLVE not in timeline.metadata:
        timeline.metadata[_RESOLVE] = {"Resolve OTIO Meta Version": "1.0"}
    if timeline.global_start_time is None:
        timeline.global_start_time = otio.opentime.RationalTime(0, frame_rate(timeline))


def write_for_resolve(
    timeline: otio.schema.Timeline, folder: Path | None, span_of: Callable[[otio.schema.Clip, str], MediaSpan | None]
) -> None:
    """Name media by plain absolute paths, and count ranges from the timecode in the file, which Resolve reads there.

    Every medium gets a range. `span_of` finds and measures the file of a clip's URL; of media that is not found, or is
    no film or sound, only the path is written. Relative URLs count from `folder`; without one all URLs stay, as those
    of a bundle must.
    """
    for clip in timeline.find_clips():
        refs = clip.media_references()
        local = {key: ref for key, ref in refs.items() if _is_local(ref)}
        spans = {key: span_of(clip, ref.target_url) for key, ref in local.items()}
        # Stated, because a range of its media would become that of the clip.
        clip.source_range = own_range(clip)
        active = spans.get(clip.active_media_reference_key)
        if active is not None and clip.source_range is not None:
            _count_from_timecode(clip, clip.source_range, active)
        for key, ref in local.items():
            span = spans[key]
            if folder is not None:
                ref.target_url = plain_path(ref.target_url, folder) if span is None else str(span.path.absolute())
            if span is not None and ref.available_range is None and clip.source_range is not None:
                rate = frame_rate(timeline) if span.rate is None else float(span.rate)
                ref.available_range = otio.opentime.TimeRange(
                    rational_time(span.start_s, rate), rational_time(span.duration_s, rate)
                )


def plain_path(url: str, folder: Path) -> str:
    """Return a local URL or path as a plain absolute path, whether or not there is such a file."""
    if not url.lower().startswith("file:"):
        return url if re.match(r"[A-Za-z]:[\\/]|\\\\", url) else str((folder / url).absolute())
    path = unquote(re.sub(r"^file:(//(localhost)?(?=/))?", "", url, flags=re.IGNORECASE))
    return path[1:] if _DRIVE.match(path) else path


def _is_local(ref: otio.core.MediaReference) -> bool:
    return isinstance(ref, otio.schema.ExternalReference) and bool(ref.target_url) and not remote_scheme(ref.target_url)


def _count_from_timecode(clip: otio.schema.Clip, shown: otio.opentime.TimeRange, span: MediaSpan) -> None:
    there = clip.media_reference.available_range
    stated_s, shown_s = None if there is None else seconds(there.start_time), seconds(shown.start_time)
    if stated_s is None and shown_s is not None:
        ref = MediaRef(key="", kind="file")
        stated_s = shown_s - media_start(ref, shown_s, timecode_s=span.start_s, file_duration_s=span.duration_s)
    if stated_s is not None and abs(span.start_s - stated_s) > _SLACK_S:
        shift_own_time(clip, span.start_s - stated_s)
