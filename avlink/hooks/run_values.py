"""Values that hooks of a run get and return: frozen, in exact seconds, without objects of the timeline or of torch."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from pathlib import Path

from avlink.core.values import Prompt
from avlink.hooks.descriptors import Direction

_SEEDS = 1 << 63


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingMedia:
    """A media reference of which no file was found, neither where it points nor below the folders of `--media-root`.

    `url` is the reference as the project has it, `name` its last part; where a clip has no reference, as in an EDL,
    `url` is empty and `name` is the name of the clip. `folder` is the folder of the project.
    """

    url: str
    name: str
    folder: Path
    clip: str
    track: str
    direction: Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class RunClip:
    """A clip that gets sound or pictures, with the media file that it shows.

    Times are exact seconds: on the timeline from its start, in the media from the first frame or sample of the file.
    `speed` is seconds of media per second of timeline: below 0 backwards, 0 frozen. `project` is the input of the run.
    `id` is unique within the project. `has_own_prompt` states that the project has words for this clip, in a marker or
    in its metadata; otherwise its prompt is that of the recipe.
    """

    id: str
    name: str
    track: str
    timeline_start_s: Fraction
    timeline_duration_s: Fraction
    media: Path
    media_start_s: Fraction
    media_duration_s: Fraction
    speed: Fraction
    has_own_prompt: bool
    project: Path
    direction: Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSettings:
    """The settings of a clip that a plugin may change before the run is planned.

    `seed` is that of the first take, 0 to 2^63 - 1; None lets AVLink derive one from the run's seed and the media.
    `gain_db` amplifies the stem; None means 0 dB. Raises ValueError for values out of range.
    """

    prompt: Prompt
    seed: int | None = None
    gain_db: float | None = None

    def __post_init__(self) -> None:
        if self.seed is not None and not 0 <= self.seed < _SEEDS:
            raise ValueError(f"seed = {self.seed} is not from 0 to 2^63 - 1")
        if self.gain_db is not None and not isfinite(self.gain_db):
            raise ValueError(f"gain_db = {self.gain_db} is no finite number")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStem:
    """A finished file of a clip: a stem, or a movie of its generated pictures.

    `take` counts from 1. `cached` states that the file or what it was made from existed already. `item` is the name of
    the item, where each hit of the clip is one; "" for the stem of a whole clip.
    """

    path: Path
    clip: RunClip
    take: int
    prompt: Prompt
    seed: int
    cached: bool
    item: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProject:
    """A finished run. `outputs` are the files that it wrote besides the stems: the project first, then those beside it.

    `stems` are the files that the outputs refer to. `failed` counts the clips that failed.
    """

    input: Path
    outputs: tuple[Path, ...]
    stems: tuple[Path, ...]
    failed: int
    direction: Direction
