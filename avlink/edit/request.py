"""Requests to sonify or visualize: the input and options of one run, besides its recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avlink.core.paths import check_file_name
from avlink.core.recipe import SonifyRecipe, VisualizeRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class EditRequest:
    """Options that both directions share. `input` is a timeline or a media file.

    `output` None means beside the input. `base` replaces the input without its suffix as the beginning of default
    names: "out/cut" gives out/cut.foley.otio and out/cut.stems, or out/cut.foley.wav and out/cut.foley.mp4.

    Missing media is searched by name in the folders of `media_root`. A clip whose media is not found fails, unless
    `skip_missing` leaves it out; with `stop_if_missing` nothing is generated at all. `force` generates again
    instead of reading the cache; `dry_run` plans and stops. Files that AVLink did not write are refused as outputs,
    unless `overwrite` keeps them as `.bak`.

    Raises OutputError for an output such as "." that names no file.
    """

    input: Path
    recipe: SonifyRecipe | VisualizeRecipe
    output: Path | None = None
    base: Path | None = None
    media_root: tuple[Path, ...] = ()
    skip_missing: bool = False
    stop_if_missing: bool = False
    device: str = "auto"
    force: bool = False
    overwrite: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.output is not None:
            check_file_name(self.output)


@dataclass(frozen=True, slots=True, kw_only=True)
class SonifyRequest(EditRequest):
    """A request for sound. `stems` is the folder for the stems of a timeline; None means beside the output.

    `credits` is a text file for the authors and licences of the recordings that were used.
    """

    recipe: SonifyRecipe
    stems: Path | None = None
    credits: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualizeRequest(EditRequest):
    """A request for pictures. A media file as input must have sound."""

    recipe: VisualizeRecipe
