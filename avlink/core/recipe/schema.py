"""What each kind of recipe may say. Values are checked here; component options by the component (hooks/components)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from avlink.core import clock

FORMAT = 1
"""The recipe format that this version reads."""

PLACEHOLDERS = ("clip.name", "clip.track", "source.name")
"""What a prompt template may hold in braces."""

Names = Annotated[tuple[str, ...], Field(strict=False)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a recipe came from: a name for messages, the layer that set each dotted key, and the files' folders."""

    label: str = "the default recipe"
    origins: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)

    def origin(self, key: str) -> str | None:
        """The layer that set `key`, or the nearest table around it; None for a default."""
        while key:
            if key in self.origins:
                return self.origins[key]
            key = key.rpartition(".")[0]
        return None

    def path(self, key: str, text: str) -> Path:
        """The file or folder that `text`, the value of `key`, names.

        What a recipe file says starts from that file's folder, also when another recipe extends it; what the command
        line says, or a program, starts from the working directory.
        """
        folder = self.folders.get(self.origin(key) or "", Path())
        return folder / Path(text).expanduser()


class Table(BaseModel):
    """Base of all tables: unknown keys are refused, values are not coerced, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Step(Table):
    """One processor of a chain: its name in `use`, all other keys are its options. A bare string is just the name."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    use: str

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"use": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, Any]:
        """The options as the recipe gives them, not yet checked."""
        return dict(self.model_extra or {})


Chain = Annotated[tuple[Step, ...], Field(strict=False)]


class Select(Table):
    """Which clips get sound, or pictures; everything that is set must hold."""

    tracks: Names = ()
    """Names of video tracks, whose clips are taken whole, hidden or not; none means what is seen of all tracks.

    For pictures they are names of sound tracks.
    """
    clips: Names = ()
    """Patterns for names of clips, such as "door*"; capitals do not matter."""
    markers: Names = ()
    """Patterns for the name or comment of a marker on the clip, or on a track or the timeline where it is seen."""
    colours: Names = ()
    """Colours or labels of the clip, or of a marker on it."""
    min_duration_s: float = Field(default=0.0, ge=0)
    """What is seen for a shorter time gets no sound."""


class Read(Table):
    """How the input is read, where it does not say so itself."""

    timeline: str = ""
    """Which timeline of a file that holds several, by its name."""
    rate: float | str | None = None
    """Frames per second of an EDL, and of image sequences that tell none: 25, 29.97 or "30000/1001"."""

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
        rate = clock.exact_rate(Fraction(value) if isinstance(value, str) else value)
    except (ValueError, ZeroDivisionError):
        return None
    return clock.exact_rate(float(rate)) if 1 <= rate <= 1000 else None


class BackendChoice(Table):
    """The generation backend by name, and its own options."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)
    on: Step | None = None
    """Where it works, by the name of a place that a plugin offers, such as "ray"; without, on this machine. The sound
    is the same, and so is what the cache knows of it."""


class PromptTable(Table):
    """The words given to the model. `template` may hold {clip.name}, {clip.track} and {source.name}."""

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
        """The template with its placeholders replaced; those without a value become nothing."""
        return re.sub(r"\{([^{}]*)\}", lambda match: values.get(match[1], ""), self.template).strip()


class Stems(Table):
    """How stems are finished and written."""

    track_name: str = Field(default="FOLEY", min_length=1)
    """The track of foley in sync."""
    ambience_track_name: str = Field(default="AMB", min_length=1)
    """The track of what clips or markers ask for as ambience."""
    sample_rate: int = Field(default=48000, ge=8000, le=192000)
    bit_depth: Literal[16, 24, 32] = 24
    """32 is floating point."""
    post: Chain = ()
    handle_s: float = Field(default=1.0, ge=0, le=60)
    """How much more than is seen is generated at both ends of a clip, where its media has it: a clip that is trimmed
    within it needs nothing new."""
    write_handles: bool = False
    """Whether the stem files have these handles, so that they can be trimmed outwards in an editing program."""
    duck_db: float | None = Field(default=None, ge=0, le=60)
    """How far stems go down while the project's own sound is heard; without, they are left as they are."""
    spotting: bool = True
    """Mark what is struck in stems of foley: as cue points in their files, as markers on their clips, in sheets.

    Of very many hits in one stem the 500 strongest are marked.
    """

    @property
    def handle(self) -> Fraction:
        """`handle_s` exactly."""
        return Fraction(self.handle_s).limit_denominator(1000)

    def track_of(self, role: Literal["sync", "ambience"]) -> str:
        """The name of the track for stems of a role."""
        return self.track_name if role == "sync" else self.ambience_track_name


class Run(Table):
    """How the run goes."""

    seed: Seed = 0
    """Each job derives its own from this and from what it is."""
    takes: int = Field(default=1, ge=1, le=99)
    max_batch_s: float = Field(default=60.0, gt=0)
    """Seconds of sound that are generated at once."""


class Write(Table):
    """What else is written beside the timeline."""

    also: Names = ()
    """Names of timeline formats."""
    preview: bool = False
    """Whether a movie of the whole timeline with its sound is written (.preview.mp4)."""
    preview_production: bool = False
    """Whether the project's own sound is heard in it too."""
    preview_height: int = Field(default=540, ge=36, le=4320)
    """Its height in pixels at most."""


class Recipe(Table):
    """What all kinds share."""

    kind: str
    format: Literal[1]
    _source: Source = PrivateAttr(default_factory=Source)

    @property
    def source(self) -> Source:
        """Where this recipe came from."""
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
    read: Read = Read()
    select: Select = Select()
    backend: BackendChoice = BackendChoice(name="fusion-v2a")
    prompt: PromptTable = PromptTable()
    stems: Stems = Stems()
    run: Run = Run()
    write: Write = Write()


class Picture(Table):
    """How generated pictures are finished."""

    upscale: int = Field(default=8, ge=1, le=32)
    """Each pixel of the model becomes this many, in both directions."""
    track_name: str = Field(default="PICTURE", min_length=1)
    """The track of a timeline on which they are put."""
    repeats: bool = False
    """Whether a sound that is there twice at one place, as the two tracks of a stereo pair, gets a picture for each."""


class VisualizeRecipe(RunRecipe):
    """`kind = "visualize"`: pictures for the sound clips of a timeline, or for a sound file."""

    kind: Literal["visualize"] = "visualize"
    format: Literal[1] = 1
    read: Read = Read()
    select: Select = Select()
    backend: BackendChoice = BackendChoice(name="fusion-a2v")
    prompt: PromptTable = PromptTable()
    picture: Picture = Picture()
    run: Run = Run()
