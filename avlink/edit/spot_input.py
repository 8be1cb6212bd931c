"""The input of a spotting: a timeline, or a media file as a timeline of one clip, and the result of an earlier run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from avlink.core.errors import InputError, MediaError
from avlink.core.limits import CLIP_S
from avlink.core.outputs import Outputs
from avlink.core.paths import check_file_name, check_place
from avlink.core.recipe import SpotRecipe
from avlink.core.recipe.schema import ReadTable
from avlink.edit.media_file import is_media_file
from avlink.edit.project import check_holds, check_roots, content_file, default_output, media_folder
from avlink.edit.result_names import result_base
from avlink.edit.sources import timecode_s
from avlink.media.probe import probe, require_video
from avlink.session import Session
from avlink.timeline.hit_edits import read_hit_record
from avlink.timeline.item import rational_time
from avlink.timeline.media_refs import FILM_SUFFIXES
from avlink.timeline.read import TimelineFile, read_timeline
from avlink.timeline.resolve import MediaRoots
from avlink.timeline.timebase import Timebase, timebase
from avlink.timeline.timecode import can_drop
from avlink.timeline.write import check_output

WORD = "spotted"
"""The word in the names of results: cut.spotted.otio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotRequest:
    """A request to spot: `input` is a timeline or a media file.

    `output` None means `<name>.spotted.otio` beside the input. Missing media is searched by name in the folders of
    `media_root`; a clip whose media is not found ends the run before it begins, unless `skip_missing` leaves it out.
    `force` looks again instead of reading the cache. Files that AVLink did not write are refused as outputs, unless
    `overwrite` keeps them as `.bak`. Raises OutputError for an output such as "." that names no file.

    `guide` is "production" for the clips' own sound, or the path of a file with the sound of the timeline: hits are
    those that are heard in it. `preview` also writes a movie with the hits drawn in.
    """

    input: Path
    recipe: SpotRecipe
    output: Path | None = None
    media_root: tuple[Path, ...] = ()
    skip_missing: bool = False
    device: str = "auto"
    force: bool = False
    overwrite: bool = False
    guide: str | None = None
    preview: bool = False

    def __post_init__(self) -> None:
        if self.output is not None:
            check_file_name(self.output)


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """A timeline, or a film as a timeline of one clip. Relative media paths count from `folder`."""

    file: TimelineFile
    timebase: Timebase
    folder: Path
    roots: MediaRoots


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotInput(Footage):
    """Footage whose hits are written to `output`. `previous` is the result of an earlier run that it will replace.

    `kept` is the copy that will hold that result where it was changed after AVLink wrote it.
    """

    output: Path
    outputs: Outputs
    previous: otio.schema.Timeline | None = None
    kept: Path | None = None

    def check(self, media: tuple[Path, ...]) -> None:
        """Raise OutputError or TimelineError for an output that cannot be written, or is one of the inputs."""
        check_holds(self.file, self.output)
        check_output(self.output, inputs=(self.file.path, *media))
        if self.previous is None:
            self.outputs.check(content_file(self.output))


def open_input(request: SpotRequest, session: Session) -> SpotInput:
    """Read the input of a request, and the result of an earlier run.

    Raises InputError for roots that are no folders and files that cannot be used.
    """
    outputs = session.outputs(overwrite=request.overwrite)
    footage = read_footage(request.input, request.recipe.read, request.media_root, session)
    file = footage.file
    if is_media_file(request.input):
        output = request.output or _beside(request.input, outputs)
    else:
        output = request.output or default_output(file, WORD, None, outputs)
    check_place(output)
    previous = _previous(output, outputs, request.input)
    content = content_file(output)
    changed = previous is not None and outputs.unchanged(content) is None
    return SpotInput(
        file=file,
        timebase=footage.timebase,
        folder=footage.folder,
        output=output,
        roots=footage.roots,
        outputs=outputs,
        previous=previous,
        kept=outputs.backup_path(content) if changed else None,
    )


def read_footage(path: Path, read: ReadTable, media_root: Sequence[Path], session: Session) -> Footage:
    """Read a timeline or a film.

    Raises InputError for roots that are no folders and files that cannot be used.
    """
    check_roots(media_root)
    file = _film(path) if is_media_file(path) else read_timeline(path, read)
    return Footage(
        file=file,
        timebase=timebase(file.timeline, file.drop_frame),
        folder=media_folder(file, session),
        roots=MediaRoots(tuple(media_root)),
    )


def _beside(path: Path, outputs: Outputs) -> Path:
    def named(base: Path) -> Path:
        return base.with_name(f"{base.name}.{WORD}.otio")

    return named(result_base(path, FILM_SUFFIXES, named, outputs))


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


def _previous(output: Path, outputs: Outputs, source: Path) -> otio.schema.Timeline | None:
    """Return the timeline at a path if AVLink wrote it, or put hits into it."""
    if not output.exists() or (source.exists() and output.samefile(source)):
        return None
    try:
        timeline = read_timeline(output).timeline
    except InputError:
        return None
    known = outputs.receipt(content_file(output)) is not None
    return timeline if known or any(read_hit_record(clip) is not None for clip in timeline.find_clips()) else None
