"""The kinds of recipes that models are made and measured by: train, evaluate, ablate; and all kinds by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from avlink.core.architecture import AVLinkConfig
from avlink.core.recipe.data import DataTable, FoundryData, media_of
from avlink.core.recipe.schema import Names, Recipe, Seed, SonifyRecipe, VisualizeRecipe
from avlink.core.recipe.stages import (
    ALONE,
    Conditioning,
    LogTable,
    ParallelTable,
    Part,
    StageName,
    StageTable,
)


class TrainRecipe(Recipe):
    """`kind = "train"`: data, model, and how long each stage learns."""

    kind: Literal["train"] = "train"
    format: Literal[1] = 1
    name: str = Field(default="model", min_length=1)
    """The bundle's name."""
    seed: Seed = 0
    bf16: bool = False
    """Matrix products in bfloat16 where the processor is quick at it; weights stay fp32."""
    start_from: str | Names = ()
    """A shipped bundle by name, or a bundle's folder, whose weights training begins with instead of chance; of several
    that have the same part, the last one counts.

    With it, some stages alone (--stages) make a whole bundle. In a recipe file relative to that file."""
    start_parts: Annotated[tuple[Part, ...], Field(strict=False)] = ()
    """The components that are taken from it; none means all that it has."""
    data: DataTable = FoundryData()
    model: AVLinkConfig = AVLinkConfig()
    conditioning: Conditioning = Conditioning()
    stages: dict[StageName, StageTable] = Field(default_factory=dict)
    extractors: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options of the extractors that model.fusion.extracted and log.frechet name: `extractors.clip.checkpoint`."""
    parallel: ParallelTable = ParallelTable()
    log: LogTable = LogTable()

    @model_validator(mode="after")
    def _media_are_enough(self) -> TrainRecipe:
        media = media_of(self.data)
        for name in self.stages:
            if media != "both" and name not in ALONE[media]:
                can = ", ".join(ALONE[media])
                raise ValueError(f"stage '{name}' cannot learn from data.media = '{media}' alone; these can: {can}")
        return self

    @property
    def starts(self) -> tuple[str, ...]:
        """The bundles of `start_from`."""
        return (self.start_from,) if isinstance(self.start_from, str) else self.start_from


class EvaluateRecipe(Recipe):
    """`kind = "evaluate"`: which bundle is measured, and on what."""

    kind: Literal["evaluate"] = "evaluate"
    format: Literal[1] = 1
    bundle: str = "builtin"
    """A shipped bundle by name, or a folder."""
    split: Literal["test", "held_out", "transfer"] = "test"
    """Which of the foundry's clips: held_out is as trained on, transfer is in other styles, test is both."""
    clips: int = Field(default=128, ge=1)
    seed: Seed = 0
    steps: int = Field(default=8, ge=1)
    guidance: float = Field(default=3.5, ge=0)
    captions: bool = False
    baselines: bool = True
    """Measure what the model is compared with, too: without its stem, without the picture, and its other direction."""
    media_dir: str | None = None
    """A folder of real clips that are scored against the onsets of their own sound.

    In a recipe file all folders are relative to that file, on the command line to the working directory.
    """
    generated: str | None = None
    """A folder of generated clips. With it, no bundle is measured, but these against those in `reference`."""
    reference: str | None = None
    """A folder of true clips: a pair has one name but for the suffix, and two files of one name are one clip."""
    judge: Annotated[tuple[Literal["sound", "pictures"], ...], Field(strict=False)] = ()
    """What was generated: without, the sound where there is one, else the pictures. The rest is the reference's."""
    metrics: Names = ()
    """Metrics by name: without, all whose extractors have a checkpoint. Those that need none are always there."""
    extractors: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options of the metrics' extractors: of each its checkpoint, as `extractors.vggish.checkpoint`."""
    max_s: float = Field(default=30.0, gt=0, le=600)
    """How much of each clip is looked at, in seconds from its start."""


class AblateRecipe(Recipe):
    """`kind = "ablate"`: training recipes that differ in one thing, trained alike and measured on the same clips."""

    kind: Literal["ablate"] = "ablate"
    format: Literal[1] = 1
    base: str = "ablation/backbones"
    """The training recipe whose stages are learned once, and that all variants extend."""
    variants: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    """Training recipes; their stages that the base has not are what is compared. The first one sets the measure."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Values that the base and all variants have in common, whatever they say, such as `set.data.clips`.

    Of a stage that a recipe has not, they say nothing."""
    seeds: Annotated[tuple[Seed, ...], Field(strict=False, min_length=1)] = (0,)
    """Each variant is trained once with each of them, on the same backbones."""
    compute: Literal["flops", "steps"] = "flops"
    """What is equal for all: operations, so that a dearer variant takes fewer steps, or steps."""
    clips: int = Field(default=96, ge=1)
    """Clips of the base's held-out split on which each is measured."""
    steps: int = Field(default=8, ge=1)
    guidance: float = Field(default=3.0, ge=0)
    extractors: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options of the extractors that variants read. Those whose checkpoint is not there are left out, by name."""
    sweep: str | None = None
    """The variant that is also measured at each of `sweep_times` (figure 3)."""
    sweep_times: Annotated[tuple[float, ...], Field(strict=False)] = ()


KINDS: Mapping[str, type[Recipe]] = {
    "sonify": SonifyRecipe,
    "visualize": VisualizeRecipe,
    "train": TrainRecipe,
    "evaluate": EvaluateRecipe,
    "ablate": AblateRecipe,
}
