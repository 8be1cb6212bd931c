"""A single media file as an edit of one clip, so that planning, caching and writing are those of a timeline."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

from avlink.core.errors import InputError, MediaError
from avlink.core.file_digest import FileState
from avlink.core.limits import CLIP_S
from avlink.core.paths import sweep_leftovers
from avlink.edit.direction import Edit, Made
from avlink.edit.report import Rendered
from avlink.timeline.read import timeline_suffixes
from avlink.timeline.values import ClipRef, Source
from avlink.timeline.walk import item_id

MOVIES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts", ".flv", ".3gp")
"""Suffixes of movies that are written. WebM holds only pictures that are copied from one."""


class FileEdit(Edit[Made]):
    """A media file that is given its sound or its pictures. `outputs` are the files that are written."""

    outputs: tuple[Path, ...]

    @property
    def planned(self) -> Path:
        """The movie that is written, or the sound."""
        return self.outputs[-1]

    @property
    def folder_written(self) -> Path:
        """The folder of the first file that is written."""
        return self.outputs[0].parent

    def prepare(self) -> None:
        """Remove what killed runs left in the folders that are written."""
        for folder in {output.parent for output in self.outputs}:
            sweep_leftovers(folder, now_s=time.time())


def is_media_file(path: Path) -> bool:
    """Return whether an input is a media file: anything that exists and has no suffix of a timeline.

    Raises InputError when there is nothing of that name.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; give a timeline or a media file")
    return path.is_file() and path.suffix.lower().lstrip(".") not in timeline_suffixes()


def only_source(state: FileState, *, track: str, duration_s: Fraction, recorded: str = "") -> Source:
    """Return a media file as the source of a clip that fills a timeline of `duration_s`.

    Raises MediaError for a file that is longer than a clip may be.
    """
    path = state.path
    CLIP_S.check(float(duration_s), path, MediaError)
    clip = ClipRef(
        id=item_id(0, Fraction(0), duration_s),
        name=path.name,
        track=track,
        layer=0,
        timeline_start_s=Fraction(0),
        timeline_duration_s=duration_s,
        source_start_s=Fraction(0),
        media=(),
    )
    return Source(
        clip=clip,
        path=path,
        digest=state.digest,
        start_s=Fraction(0),
        duration_s=duration_s,
        states=(state,),
        recorded=recorded,
    )


def raise_input_errors(rendered: Rendered) -> None:
    """Raise the failure of a run's only clip when the file itself is at fault: there is nothing else to report."""
    for failure in rendered.failures.values():
        if isinstance(failure, InputError):
            raise failure
