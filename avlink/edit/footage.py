"""The footage of a run: a timeline that was read, or a film as a timeline of one clip, and where its media lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from avlink.core.errors import MediaError
from avlink.core.limits import CLIP_S
from avlink.core.recipe.schema import ReadTable
from avlink.edit.media_file import is_media_file
from avlink.edit.project import check_roots, media_folder
from avlink.edit.sources import timecode_s
from avlink.media.probe import probe, require_video
from avlink.session import Session
from avlink.timeline.item import rational_time
from avlink.timeline.read import TimelineFile, read_timeline
from avlink.timeline.resolve import MediaRoots
from avlink.timeline.timebase import Timebase, timebase
from avlink.timeline.timecode import can_drop


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """A timeline, or a film as a timeline of one clip. Relative media paths count from `folder`.

    `roots` are shared by all that looks for media: each folder is listed once, and folders may lie on slow servers.
    """

    file: TimelineFile
    timebase: Timebase
    folder: Path
    roots: MediaRoots


def read_footage(
    path: Path, read: ReadTable, media_root: Sequence[Path], session: Session, *, sound: bool = False
) -> Footage:
    """Read a timeline or a film. Of a bundle its pictures are unpacked, or its `sound`.

    Raises InputError for roots that are no folders and files that cannot be used.
    """
    check_roots(media_root)
    file = _film(path) if is_media_file(path) else read_timeline(path, read)
    return Footage(
        file=file,
        timebase=timebase(file.timeline, file.drop_frame),
        folder=media_folder(file, session, sound=sound),
        roots=MediaRoots(tuple(media_root)),
    )


def _film(path: Path) -> TimelineFile:
    """Return a media file as a timeline of one clip, which counts from the timecode of the file.

    Raises MediaError for a file without pictures, or one that is longer than a clip may be.
    """
    info = probe(path)
    video = require_video(info)
    CLIP_S.check(float(info.duration_s), path, MediaError)
    rate, start_s = float(video.rate), timecode_s(video) or Fraction(0)
    span = otio.opentime.TimeRange(rational_time(start_s, rate), rational_time(info.duration_s, rate))
    ref = otio.schema.ExternalReference(target_url=path.name, available_range=span)
    timeline = otio.schema.Timeline(path.stem, global_start_time=rational_time(start_s, rate))
    timeline.tracks.append(
        otio.schema.Track("V1", [otio.schema.Clip(path.name, ref, span)], kind=otio.schema.TrackKind.Video)
    )
    drop_frame = ";" in (video.timecode or "") and can_drop(video.rate)
    return TimelineFile(timeline=timeline, path=path, folder=path.parent, drop_frame=drop_frame)
