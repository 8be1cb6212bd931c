"""The tables of a training recipe: how long each stage learns, from what. Knows no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from avlink.core.architecture import Positive, Table

STAGES = ("vae", "vocoder", "appearance", "motion", "audio", "video", "fusion_v2a", "fusion_a2v", "fusion_joint")
"""In the order in which they run: codec, motion stem (its look at single frames first), backbones, fusions."""

StageName = Literal[
    "vae", "vocoder", "appearance", "motion", "audio", "video", "fusion_v2a", "fusion_a2v", "fusion_joint"
]
ALONE: Mapping[str, tuple[StageName, ...]] = {"sound": ("vae", "vocoder", "audio"), "pictures": ("video",)}
"""The stages that learn from sound, or from pictures, alone."""
Part = Literal[
    "vae", "vocoder", "audio_text", "audio", "video_text", "video", "motion", "fusion_v2a", "fusion_a2v", "fusion"
]
"""The components of a model."""
Task = Literal["v2a", "a2v", "both"]
"""Sound for pictures, pictures for sound, or both from words alone."""


class Rates(Table):
    """What is drawn at random for each clip while a backbone or a fusion learns."""

    text_drop: float = Field(default=0.1, ge=0, le=1)
    """How often the text of the generated modality is left out."""
    other_text_drop: float = Field(default=0.2, ge=0, le=1)
    """How often that of the conditioning modality is."""
    no_condition: float = Field(default=0.1, ge=0, le=1)
    """The share of clips that lose all conditions at once, for guidance (C.2)."""
    time_location: float = 0.0
    """Mean of the normal whose sigmoid is the flow time: 0 is as much noise as data, less is noisier (D.1)."""
    time_scale: float = Field(default=1.0, gt=0)
    """Its deviation."""


BACKBONE_RATES = Rates()
"""Section C.1 and D.1 for a backbone alone."""
FUSION_RATES = Rates(text_drop=0.5, time_location=-1.0)
"""Section C.1 and D.1 for Fusion Blocks."""


class StageTable(Table):
    """How one stage learns."""

    steps: Positive
    batch: Positive
    """Clips in one step, on all ranks together."""
    micro_batch: Positive | None = None
    """Clips in one forward pass at most; their gradients add up to the batch. Left out, a rank takes its share at once.
    With one that is no larger than that share, a run draws the same noise on any number of ranks."""
    lr: float = Field(default=1e-3, gt=0)
    """AdamW's learning rate at its peak."""
    muon_lr: float | None = Field(default=None, gt=0)
    """Muon's, for the weight matrices; left out, AdamW takes them too."""
    betas: Annotated[tuple[float, float], Field(strict=False)] = (0.9, 0.99)
    eps: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    clip_norm: float = Field(default=1.0, gt=0)
    """Gradients of a larger norm are scaled down to it."""
    warmup_steps: int = Field(default=30, ge=0)
    decay: float = Field(default=0.4, ge=0, le=1)
    """The last part of the run, over which the learning rate falls to zero."""
    ema: float = Field(default=0.998, ge=0, lt=1)
    finetune: bool = False
    """In stages of the fusion: the backbone of what is generated learns too (table 2, w/FT)."""
    tasks: Annotated[tuple[Task, ...], Field(strict=False, min_length=1)] = ("v2a", "a2v")
    """What a joint fusion learns; they share out every batch."""
    text_drop: float | None = Field(default=None, ge=0, le=1)
    """This and the next four are those of `Rates`; left out, they are the paper's for the stage."""
    other_text_drop: float | None = Field(default=None, ge=0, le=1)
    no_condition: float | None = Field(default=None, ge=0, le=1)
    time_location: float | None = None
    time_scale: float | None = Field(default=None, gt=0)
    validate_every: int = Field(default=0, ge=0)
    """Steps between judgements on held-out clips; 0 is only at the end."""
    checkpoint_every: Positive = 100

    def rates(self, usual: Rates) -> Rates:
        """What this table says, and `usual` where it says nothing."""
        said = {name: getattr(self, name) for name in Rates.model_fields}
        return usual.model_copy(update={name: value for name, value in said.items() if value is not None})


class ParallelTable(Table):
    """How a training uses its devices; may change between two starts of one run."""

    mode: Literal["none", "ddp", "fsdp"] = "none"
    """One process; whole copies on every rank; or parameters, gradients and averages in shards (FSDP2)."""
    activation_checkpointing: bool = False
    """Compute the insides of blocks twice instead of keeping them: a fraction of the memory, a third more time."""
    compile: bool = False
    """Compile each block (torch.compile)."""
    async_save: bool = False
    """Write checkpoints while training goes on."""


class LogTable(Table):
    """What is noted besides a line of JSON for every step."""

    judge: bool = True
    """Whether each stage is judged on held-out clips, at its end at least."""
    frechet: Annotated[tuple[str, ...], Field(strict=False)] = ("log-mel", "rgb-cells")
    """Extractors by which generated held-out sounds, or pictures, are compared with true ones, as a whole: FAD is that
    of "vggish", FID of "inception", FVD of "i3d", whose checkpoints are then named in [extractors.NAME]. "log-mel" and
    "rgb-cells" need none, and are no FAD and no FID. All are biased by few clips: compare them within a training
    only."""
    tensorboard: bool = False
    """Event files for TensorBoard in OUT/tensorboard; needs the extra `train`."""


class Conditioning(Table):
    """Flow times at which the conditioning modality stands (section 4.4)."""

    times: Literal["fixed", "uniform"] = "fixed"
    """In training: where it stands when it generates, or anywhere (table 2; figure 3 is drawn from such a model)."""
    t_video: float = Field(default=0.96, gt=0, le=1)
    """For V2A."""
    t_audio: float = Field(default=0.8, gt=0, le=1)
    """For A2V."""
