"""What a sonify run is asked for, besides what its recipe says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avlink.core.recipe import SonifyRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class SonifyRequest:
    """`input` is a timeline or a media file; `output` None means beside it.

    `base` is what the names of such outputs begin with, instead of the input without its suffix: of "out/cut" come
    out/cut.foley.otio and out/cut.stems, or out/cut.foley.wav and out/cut.foley.mp4.

    `media_root` are folders in which missing media is searched by name; clips whose media is not found then have
    failed, or with `skip_missing` are left out; with `stop_if_missing` nothing is done at all. `stems` is the folder
    for the stems of a timeline; None means beside the output, under its name. `force` generates anew
    what is in the cache; `dry_run` plans and stops.
    """

    input: Path
    recipe: SonifyRecipe
    output: Path | None = None
    base: Path | None = None
    media_root: tuple[Path, ...] = ()
    skip_missing: bool = False
    stop_if_missing: bool = False
    stems: Path | None = None
    device: str = "auto"
    force: bool = False
    dry_run: bool = False
