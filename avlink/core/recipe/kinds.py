"""Recipes of the kinds train, evaluate and ablate; and all kinds by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from avlink.core.architecture import AVLinkConfig, Part
from avlink.core.recipe.data import DataTable, FoundryData, PhysicsData, media_of
from avlink.core.recipe.generate import GenerateRecipe
from avlink.core.recipe.schema import Names, Recipe, Seed, SonifyRecipe, VisualizeRecipe
from avlink.core.recipe.spot import SpotRecipe
from avlink.core.recipe.stages import (
    ALONE,
    AlignmentTable,
    Conditioning,
    LogTable,
    ParallelTable,
    StageName,
    StageTable,
)
from avlink.core.sampling import SOUND, AlignedAt, SolverName

_NOT_OF_REFLOW = {
    *("motion", "motion_weight", "onset_weight", "distill", "tasks"),
    *("other_text_drop", "no_condition", "time_location", "time_scale"),
}
"""Fields of a stage of the fusion that a reflow does not read."""


class TrainRecipe(Recipe):
    """`kind = "train"`: data, model, and the stages of a training."""

    kind: Literal["train"] = "train"
    format: Literal[1] = 1
    name: str = Field(default="model", min_length=1)
    """Name of the bundle."""
    seed: Seed = 0
    bf16: bool = False
    """Compute matrix products in bfloat16 where the device is fast at it; weights stay fp32."""
    start_from: str | Names = ()
    """Bundles, by name or folder, whose weights training starts from; of several with the same part, the last counts.

    With them, some stages alone (--stages) give a whole bundle. Folders are relative to the recipe file."""
    start_parts: Annotated[tuple[Part, ...], Field(strict=False)] = ()
    """Components that are taken from `start_from`; empty means all."""
    start_partly: Annotated[tuple[Part, ...], Field(strict=False)] = ()
    """Components of which only tensors of equal shape are taken, as of a backbone whose latents have other channels;
    the other tensors start at random."""
    data: DataTable = FoundryData()
    model: AVLinkConfig = AVLinkConfig()
    conditioning: Conditioning = Conditioning()
    alignment: AlignmentTable = AlignmentTable()
    stages: dict[StageName, StageTable] = Field(default_factory=dict)
    extractors: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options of the extractors that model.fusion.extracted and log.frechet name, as `extractors.clip.checkpoint`."""
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

    @model_validator(mode="after")
    def _hits_have_a_fusion(self) -> TrainRecipe:
        if "fusion_hits" in self.stages and not self.model.fusion_for_hits:
            raise ValueError("stage 'fusion_hits' trains a fusion of its own: set model.controller.own_fusion = true")
        return self

    @model_validator(mode="after")
    def _spotter_is_there(self) -> TrainRecipe:
        if "spotter" not in self.stages:
            return self
        if self.model.flow_spotter is None:
            raise ValueError("stage 'spotter' trains a network on motion maps: add [model.spotter] with kind = 'flow'")
        if len(self.stages) > 1 or not isinstance(self.data, PhysicsData):
            raise ValueError(
                "stage 'spotter' learns from rendered scenes, which other stages cannot: set data.source = 'physics', "
                "and train it alone"
            )
        return self

    @model_validator(mode="after")
    def _readout_is_there(self) -> TrainRecipe:
        if "readout" in self.stages and self.model.readout is None:
            raise ValueError("stage 'readout' trains the model's readout: add [model.readout]")
        return self

    @model_validator(mode="after")
    def _reflow_has_a_fusion(self) -> TrainRecipe:
        if "reflow_v2a" not in self.stages:
            return self
        fusion = self.model.fusion
        if fusion.shared or fusion.extracted_of("pictures") is not None or self.model.fusion_for_hits:
            raise ValueError(
                "stage 'reflow_v2a' straightens one fusion for sound that reads the video backbone: leave out "
                "model.fusion.shared, model.fusion.extracted and model.controller.own_fusion"
            )
        unread = sorted(self.stages["reflow_v2a"].model_fields_set & _NOT_OF_REFLOW)
        if unread or self.conditioning.times != "fixed":
            named = f"stages.reflow_v2a.{unread[0]}" if unread else "conditioning.times"
            raise ValueError(f"{named} says nothing to a reflow, which learns its teacher's path; leave it out")
        return self

    @model_validator(mode="after")
    def _untrained_backbones_learn(self) -> TrainRecipe:
        for name, table in self.stages.items():
            if table.untrained and name not in ("fusion_v2a", "fusion_a2v", "fusion_joint"):
                raise ValueError(
                    f"stages.{name}.untrained: this stage does not train both backbones; the stages fusion_v2a, "
                    "fusion_a2v and fusion_joint can"
                )
        return self

    @model_validator(mode="after")
    def _aligner_is_there(self) -> TrainRecipe:
        if "aligner" in self.stages and self.model.aligner is None:
            raise ValueError("stage 'aligner' trains the model's aligner: add [model.aligner]")
        if self.alignment.weight and self.model.aligner is None:
            raise ValueError("alignment.weight guides by the model's aligner: add [model.aligner]")
        return self

    @model_validator(mode="after")
    def _edited_clips_are_controlled(self) -> TrainRecipe:
        if not isinstance(self.data, FoundryData) or not self.data.edited:
            return self
        if self.model.controller is None:
            raise ValueError("data.edited is for models with a temporal controller: add [model.controller]")
        controlled = "fusion_hits" if self.model.fusion_for_hits else "fusion_v2a"
        for name in self.stages:
            if name not in ("vae", "vocoder", "audio", "reflow_v2a", controlled):
                raise ValueError(
                    f"stage '{name}' cannot learn from data.edited: its pictures would not fit their sound"
                )
        return self

    @property
    def starts(self) -> tuple[str, ...]:
        """Bundles of `start_from`, as a tuple."""
        return (self.start_from,) if isinstance(self.start_from, str) else self.start_from


class EvaluateRecipe(Recipe):
    """`kind = "evaluate"`: the bundle, or folders of clips, to evaluate, with data and metrics."""

    kind: Literal["evaluate"] = "evaluate"
    format: Literal[1] = 1
    bundle: str = "builtin"
    """A shipped bundle by name, or a bundle's folder."""
    split: Literal["test", "held_out", "transfer"] = "test"
    """Split of the foundry's clips: held_out has the styles of training, transfer other styles, test both."""
    clips: int = Field(default=128, ge=1)
    seed: Seed = 0
    steps: int | None = Field(default=None, ge=1)
    """Steps of the solver for sounds. Left out: those of the bundle, as with `shift`, `guidance` and
    `text_guidance`."""
    solver: SolverName = SOUND.solver
    shift: float | None = Field(default=None, ge=0.01, le=100)
    """Shift of the steps of sounds towards noise (Esser et al. 2024); 1 is none."""
    guidance: float | None = Field(default=None, ge=0)
    """Weight of classifier-free guidance; 1 is none."""
    text_guidance: float | None = Field(default=None, ge=0)
    """Weight of guidance by words alone, if `guidance` is 1."""
    guidance_rescale: float = Field(default=SOUND.guidance_rescale, ge=0, le=1)
    """Share by which guided sound is brought back to its level without guidance (Lin et al. 2024)."""
    alignment: float = Field(default=SOUND.alignment, ge=0, le=50)
    """Weight of guidance by the bundle's aligner; 0 is none."""
    alignment_at: AlignedAt = SOUND.alignment_at
    """Latents that the aligner reads: `predicted` (Seeing-and-Hearing) or `noisy` (Diff-Foley)."""
    captions: bool = False
    baselines: bool = True
    """Also evaluate the baselines: the model without its stem, without pictures, and its other direction."""
    media_dir: str | None = None
    """Folder of real clips, scored against the onsets of their own sound.

    Folders are relative to the recipe file, or on the command line to the working directory.
    """
    generated: str | None = None
    """Folder of generated clips, which are then evaluated against those in `reference` instead of a bundle."""
    reference: str | None = None
    """Folder of reference clips. Pairs have equal names but for the suffix; files of one name are one clip."""
    judge: Annotated[tuple[Literal["sound", "pictures"], ...], Field(strict=False)] = ()
    """Generated modality: by default the sound if there is one, else the pictures. The other is the reference's."""
    metrics: Names = ()
    """Metrics by name; by default all whose extractors have a checkpoint or need none."""
    extractors: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options of the metrics' extractors, as `extractors.vggish.checkpoint`."""
    max_s: float = Field(default=30.0, gt=0, le=600)
    """Seconds from the start of each clip that are evaluated."""


class AblateRecipe(Recipe):
    """`kind = "ablate"`: training recipes that differ in one setting, trained alike and evaluated on the same clips."""

    kind: Literal["ablate"] = "ablate"
    format: Literal[1] = 1
    base: str = "ablation/backbones"
    """Training recipe whose stages are trained once, and which all variants extend."""
    variants: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    """Training recipes, compared by the stages that the base lacks: one each, besides an aligner's or a reflow's. The
    first sets the compute budget."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Values that override those of the base and all variants, such as `set.data.clips`.

    Values for stages that a recipe lacks are ignored."""
    seeds: Annotated[tuple[Seed, ...], Field(strict=False, min_length=1)] = (0,)
    """Each variant is trained once per seed, on the same backbones."""
    compute: Literal["flops", "steps"] = "flops"
    """Budget that is equal for all: operations, so that an expensive variant takes fewer steps, or steps."""
    clips: int = Field(default=96, ge=1)
    """Clips of the base's held-out split for the evaluation."""
    steps: int = Field(default=8, ge=1)
    guidance: float = Field(default=3.0, ge=0)
    extractors: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options of the extractors that variants use. Variants whose checkpoint is missing are left out and named."""
    sweep: str | Names = ()
    """Variants that are also evaluated at each flow time in `sweep_times` (figure 3)."""
    sweep_times: Annotated[tuple[float, ...], Field(strict=False)] = ()
    curves: Names = ()
    """Variants that are also validated every `curve_every` steps, to show how fast they learn (figure 6)."""
    curve_every: int = Field(default=100, ge=1)

    @property
    def swept(self) -> tuple[str, ...]:
        """Names of the variants of `sweep`."""
        return _stems((self.sweep,) if isinstance(self.sweep, str) else self.sweep)

    @property
    def followed(self) -> tuple[str, ...]:
        """Names of the variants of `curves`."""
        return _stems(self.curves)


def _stems(recipes: Names) -> tuple[str, ...]:
    return tuple(Path(name).stem for name in recipes)


KINDS: Mapping[str, type[Recipe]] = {
    "sonify": SonifyRecipe,
    "visualize": VisualizeRecipe,
    "spot": SpotRecipe,
    "train": TrainRecipe,
    "evaluate": EvaluateRecipe,
    "ablate": AblateRecipe,
    "generate": GenerateRecipe,
}
