"""Tables of the kinds sonify and visualize. Options of components are checked by the component (hooks/components)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    ConfigDict,
    Field,
    PrivateAttr,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from avlink.core import clock
from avlink.core.tables import Table

FORMAT = 1
"""Recipe format that this version reads."""

ALL_VALUES = {"values": "all"}
"""Context of `model_dump` that also gives the defaults which digests of recipes leave out."""

PLACEHOLDERS = ("clip.name", "clip.track", "source.name")
"""Placeholders of prompt templates, in braces."""

Names = Annotated[tuple[str, ...], Field(strict=False)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


@dataclass(frozen=True, slots=True)
class RecipeSource:
    """Origin of a recipe: a name for messages, the layer that set each dotted key, and the folders of its files."""

    label: str = "the default recipe"
    origins: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)

    def origin(self, key: str) -> str | None:
        """Return the layer that set `key`, or the nearest table around it; None for a default."""
        while key:
            if key in self.origins:
                return self.origins[key]
            key = key.rpartition(".")[0]
        return None

    def path(self, key: str, text: str) -> Path:
        """Return the path that `text`, the value of `key`, names.

        Values of a recipe file are relative to its folder, also when another recipe extends it. Values of the command
        line or of a program are relative to the working directory.
        """
        folder = self.folders.get(self.origin(key) or "", Path())
        return folder / Path(text).expanduser()


class ComponentChoice(Table):
    """A component by name: its name in `use`, all other keys are its options. A bare string is a name alone."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)
    use: str

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"use": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, Any]:
        """The options as the recipe gives them, not yet validated."""
        return dict(self.model_extra or {})


Chain = Annotated[tuple[ComponentChoice, ...], Field(strict=False)]


class SelectTable(Table):
    """Selection of the clips that get sound, or pictures; all conditions that are set must hold."""

    tracks: Names = ()
    """Names of video tracks, whose clips are taken whole, hidden or not; empty means the visible parts of all tracks.

    For pictures these are names of sound tracks.
    """
    clips: Names = ()
    """Patterns for names of clips, such as "door*"; case does not matter."""
    markers: Names = ()
    """Patterns for the name or comment of a marker on the clip, or on a track or the timeline while it is visible."""
    colours: Names = ()
    """Colours or labels of the clip, or of a marker on it."""
    min_duration_s: float = Field(default=0.0, ge=0)
    """Clips that are visible for a shorter time get no sound."""


class ReadTable(Table):
    """Facts about the input that its file does not say itself."""

    timeline: str = ""
    """Name of the timeline in a file that holds several."""
    rate: float | str | None = None
    """Frames per second of an EDL, and of image sequences without a rate: 25, 29.97 or "30000/1001"."""

    @field_validator("rate")
    @classmethod
    def _is_a_rate(cls, value: float | str | None) -> float | str | None:
        if value is not None and _as_rate(value) is None:
            raise ValueError('it is no frame rate; write one such as 25, 29.97 or "30000/1001"')
        return value

    @property
    def frames_per_second(self) -> Fraction | None:
        """`rate` exactly; a literal 29.97 means 30000/1001."""
        return None if self.rate is None else _as_rate(self.rate)


def _as_rate(value: float | str) -> Fraction | None:
    try:
        rate = clock.exact_rate(clock.exact_number(value) if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return clock.exact_rate(float(rate)) if 1 <= rate <= 1000 else None


class BackendChoice(Table):
    """The generation backend by name, with its options."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)
    on: ComponentChoice | None = None
    """Executor that runs it, such as "ray"; by default this machine. Results and cache keys do not depend on it."""


class PromptTable(Table):
    """Prompts of the model. `template` may hold {clip.name}, {clip.track} and {source.name}."""

    template: str = ""
    negative: str = ""

    @field_validator("template")
    @classmethod
    def _known_placeholders(cls, value: str) -> str:
        for found in re.findall(r"\{([^{}]*)\}", value):
            if found not in PLACEHOLDERS:
                raise ValueError(f"{{{found}}} is no placeholder; known: {', '.join(PLACEHOLDERS)}")
        return value

    def fill(self, values: Mapping[str, str]) -> str:
        """Return the template with its placeholders replaced; those without a value are left out."""
        return re.sub(r"\{([^{}]*)\}", lambda match: values.get(match[1], ""), self.template).strip()


class StemsTable(Table):
    """Post-processing and writing of stems."""

    track_name: str = Field(default="FOLEY", min_length=1)
    """Name of the track for synchronised foley."""
    ambience_track_name: str = Field(default="AMB", min_length=1)
    """Name of the track for stems that clips or markers request as ambience."""
    sample_rate: int = Field(default=48000, ge=8000, le=192000)
    bit_depth: Literal[16, 24, 32] = 24
    """Bits per sample; 32 is floating point."""
    post: Chain = ()
    handle_s: float = Field(default=1.0, ge=0, le=60)
    """Length generated beyond both ends of the visible part, as far as media reach: trimming a clip within it later
    needs no new generation."""
    write_handles: bool = False
    """Write stem files with these handles, in whole frames, so that clips can be extended in an editing program."""
    duck_db: float | None = Field(default=None, ge=0, le=60)
    """Attenuation of stems while the production sound is heard; by default none."""
    spotting: bool = True
    """Mark the impacts in stems of foley as cue points in their files, as markers on their clips, and in sheets.

    At most the 500 strongest impacts of one stem are marked.
    """

    @property
    def handle(self) -> Fraction:
        """`handle_s` exactly."""
        return Fraction(self.handle_s).limit_denominator(1000)

    def track_of(self, role: Literal["sync", "ambience"]) -> str:
        """Return the name of the track for stems of a role."""
        return self.track_name if role == "sync" else self.ambience_track_name


class RunTable(Table):
    """Seed, takes and batches of a run."""

    seed: Seed = 0
    """Seed of the run; each job derives its own from it and from the job's identity."""
    takes: int = Field(default=1, ge=1, le=99)
    max_batch_s: float = Field(default=60.0, gt=0)
    """Seconds of sound that are generated in one batch."""


class WriteTable(Table):
    """The items that are written to the timeline, and further files beside it."""

    items: Literal["clip", "hits"] = "clip"
    """One stem for each clip ("clip"), or one item with handles for each of its hits where they are known ("hits")."""
    alternatives: int = Field(default=3, ge=1, le=20)
    """Number of takes of each item, the chosen one included, where a backend chooses sounds for hits."""
    also: Names = ()
    """Names of timeline formats that are written too."""
    preview: bool = False
    """Write a movie of the whole timeline with its sound (.preview.mp4)."""
    preview_production: bool = False
    """Mix the production sound into the preview."""
    preview_height: int = Field(default=540, ge=36, le=4320)
    """Maximum height of the preview in pixels."""
    zero_based: bool = False
    """Let ranges of stems count from the first sample of their files, as Kdenlive reads them, and not from their
    timecode."""
    program: Literal["resolve"] | None = Field(default=None, alias="for")
    """`for = "resolve"` writes the timeline as Resolve reads it: plain absolute paths, a range for each medium, and
    ranges that count from the timecode in its file."""

    @model_validator(mode="after")
    def _one_count(self) -> WriteTable:
        if self.zero_based and self.program == "resolve":
            raise ValueError(
                'zero_based = true is not for Resolve, which counts from timecode; use it or for = "resolve"'
            )
        return self

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        # Digests of recipes from before these keys existed stay valid.
        values: dict[str, Any] = handler(self)
        values["for"] = values.pop("program")
        if info.context == ALL_VALUES:
            return values
        later = {"items": "clip", "alternatives": 3, "zero_based": False, "for": None}
        return {key: value for key, value in values.items() if key not in later or value != later[key]}


class Recipe(Table):
    """Base of all kinds of recipes."""

    kind: str
    format: Literal[1]
    _source: RecipeSource = PrivateAttr(default_factory=RecipeSource)

    @property
    def source(self) -> RecipeSource:
        """Origin of this recipe."""
        return self._source


class RunRecipe(Recipe):
    """The part that recipes of runs share: options of plugins that take part in the run."""

    plugins: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """A table for each plugin, by the name of its entry point; the plugin checks what is in it."""

    @model_serializer(mode="wrap")
    def _without_empty_plugins(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Digests of recipes from before this table existed stay valid.
        values: dict[str, Any] = handler(self)
        return values if self.plugins else {key: value for key, value in values.items() if key != "plugins"}


class SonifyRecipe(RunRecipe):
    """`kind = "sonify"`: sound for the clips of a timeline or a media file."""

    kind: Literal["sonify"] = "sonify"
    format: Literal[1] = 1
    read: ReadTable = ReadTable()
    select: SelectTable = SelectTable()
    backend: BackendChoice = BackendChoice(name="fusion-v2a")
    prompt: PromptTable = PromptTable()
    stems: StemsTable = StemsTable()
    run: RunTable = RunTable()
    write: WriteTable = WriteTable()


class PictureTable(Table):
    """Scaling and placing of generated pictures."""

    upscale: int = Field(default=8, ge=1, le=32)
    """Integer factor by which the model's pictures are enlarged in both directions."""
    track_name: str = Field(default="PICTURE", min_length=1)
    """Name of the track for generated pictures."""
    repeats: bool = False
    """Generate a picture for each of two equal sounds at one place, as of a stereo pair on two tracks."""


class VisualizeRecipe(RunRecipe):
    """`kind = "visualize"`: pictures for the sound clips of a timeline, or for a sound file."""

    kind: Literal["visualize"] = "visualize"
    format: Literal[1] = 1
    read: ReadTable = ReadTable()
    select: SelectTable = SelectTable()
    backend: BackendChoice = BackendChoice(name="fusion-a2v")
    prompt: PromptTable = PromptTable()
    picture: PictureTable = PictureTable()
    run: RunTable = RunTable()
