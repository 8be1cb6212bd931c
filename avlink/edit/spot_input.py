"""The input of a spotting: a timeline, or a media file as a timeline of one clip, and the result of an earlier run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import opentimelineio as otio

from avlink.core.errors import InputError
from avlink.core.outputs import Outputs
from avlink.core.paths import check_file_name, check_place
from avlink.core.recipe import SpotRecipe
from avlink.edit.footage import Footage, read_footage
from avlink.edit.media_file import is_media_file
from avlink.edit.project import check_holds, content_file, default_output
from avlink.edit.result_names import result_base
from avlink.session import Session
from avlink.timeline.hit_edits import read_hit_record
from avlink.timeline.media_refs import FILM_SUFFIXES
from avlink.timeline.read import read_timeline
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
    if is_media_file(request.input):
        output = request.output or _beside(request.input, outputs)
    else:
        output = request.output or default_output(footage.file, WORD, None, outputs)
    check_place(output)
    previous = _previous(output, outputs, request.input)
    content = content_file(output)
    changed = previous is not None and outputs.unchanged(content) is None
    return SpotInput(
        file=footage.file,
        timebase=footage.timebase,
        folder=footage.folder,
        roots=footage.roots,
        output=output,
        outputs=outputs,
        previous=previous,
        kept=outputs.backup_path(content) if changed else None,
    )


def _beside(path: Path, outputs: Outputs) -> Path:
    def named(base: Path) -> Path:
        return base.with_name(f"{base.name}.{WORD}.otio")

    return named(result_base(path, FILM_SUFFIXES, named, outputs))


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
