"""Tables of a training recipe about its stages: steps, optimiser, conditioning, devices and logs. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from avlink.core.sampling import SOUND, AlignedAt, SampleConfig
from avlink.core.tables import Ints, Positive, Table

StageName = Literal[
    "vae",
    "vocoder",
    "codec",
    "appearance",
    "motion",
    "spotter",
    "audio",
    "video",
    "readout",
    "aligner",
    "fusion_v2a",
    "fusion_hits",
    "fusion_a2v",
    "fusion_joint",
    "reflow_v2a",
]
STAGES: tuple[StageName, ...] = get_args(StageName)
"""Stages in the order in which they run: codec, motion stem, spotter, backbones, readout, aligner, fusions, reflow."""

ONE_WAY: Mapping[str, Task] = {
    "fusion_v2a": "v2a",
    "fusion_hits": "v2a",
    "fusion_a2v": "a2v",
    "reflow_v2a": "v2a",
}
"""The one task of each stage that trains Fusion Blocks of one direction; a joint fusion has those of its table."""

ALONE: Mapping[str, tuple[StageName, ...]] = {"sound": ("vae", "vocoder", "codec", "audio"), "pictures": ("video",)}
"""Stages that can be trained on sound alone, or on pictures alone."""
Task = Literal["v2a", "a2v", "both"]
"""Sound from pictures, pictures from sound, or both from text alone."""


class Rates(Table):
    """Probabilities and distributions that are sampled per clip in the training of backbones and Fusion Blocks."""

    text_drop: float = Field(default=0.1, ge=0, le=1)
    """Probability of dropping the text of the generated modality."""
    other_text_drop: float = Field(default=0.2, ge=0, le=1)
    """Probability of dropping the text of the conditioning modality."""
    no_condition: float = Field(default=0.1, ge=0, le=1)
    """Probability of dropping all conditions at once, for classifier-free guidance (C.2)."""
    hits_drop: float = Field(default=0.35, ge=0, le=1)
    """Probability of dropping the hits of a temporal controller; those of edited clips are never dropped."""
    motion_drop: float = Field(default=0.0, ge=0, le=1)
    """Probability that a step goes without the tokens of the motion stem, so that the Fusion Blocks learn to read
    moments from the video backbone too."""
    time_location: float = 0.0
    """Mean of the logit-normal distribution of flow time: 0 centres on t = 0.5, less is noisier (D.1)."""
    time_scale: float = Field(default=1.0, gt=0)
    """Standard deviation of that normal."""
    shortest_s: float | None = Field(default=None, gt=0)
    """In stage `audio`: train on stretches of a random length between this and the window, one length a batch, from a
    random place of each clip (3.2: sound of variable length). Left out: on whole windows."""


BACKBONE_RATES = Rates()
"""Sections C.1 and D.1 for a backbone alone."""
FUSION_RATES = Rates(text_drop=0.5, time_location=-1.0)
"""Sections C.1 and D.1 for Fusion Blocks."""


class TeacherTable(Table):
    """In the stage `reflow_v2a`: sampling by the model that the stage starts from, whose ends the student learns."""

    steps: Positive = 8
    """Steps over the whole path."""
    segments: Positive = 1
    """Stretches of the path of which each becomes a straight line: the steps that the student is to take."""
    guidance: float = Field(default=SOUND.guidance, ge=1)
    guidance_rescale: float = Field(default=SOUND.guidance_rescale, ge=0, le=1)
    shift: float = Field(default=SOUND.shift, ge=0.01, le=100)
    """Shift of the steps towards noise, which the student is sampled with, too."""
    text_guidance: float = Field(default=1.0, ge=0, le=50)
    """Guidance by words alone that the student is sampled with, see `SampleConfig`: a reflow puts guidance by the
    picture into the weights, but little of that by words."""

    @model_validator(mode="after")
    def _segments_have_steps(self) -> TeacherTable:
        if self.steps % self.segments:
            raise ValueError(f"steps = {self.steps} do not divide among {self.segments} segments")
        return self

    def of_student(self, config: SampleConfig) -> SampleConfig:
        """Return `config` with the student's steps, a segment each; guidance by the picture is in its weights."""
        return replace(
            config,
            steps=self.segments,
            solver="euler",
            shift=self.shift,
            guidance=1.0,
            text_guidance=self.text_guidance,
        )


class StageTable(Table):
    """Optimiser, schedule and validation of one stage."""

    steps: Positive
    batch: Positive
    """Clips per step, over all ranks."""
    micro_batch: Positive | None = None
    """Maximum number of clips per forward pass; gradients accumulate to the batch. By default a rank takes its share at
    once. If it is no larger than that share, a run draws the same noise on any number of ranks."""
    lr: float = Field(default=1e-3, gt=0)
    """Peak learning rate of AdamW."""
    muon_lr: float | None = Field(default=None, gt=0)
    """Peak learning rate of Muon for weight matrices; by default AdamW trains them too."""
    betas: Annotated[tuple[float, float], Field(strict=False)] = (0.9, 0.99)
    eps: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    clip_norm: float = Field(default=1.0, gt=0)
    """Maximum norm of gradients; larger ones are scaled down to it."""
    warmup_steps: int = Field(default=30, ge=0)
    decay: float = Field(default=0.4, ge=0, le=1)
    """Share of the steps, at the end, over which the learning rate falls to zero."""
    ema: float = Field(default=0.998, ge=0, lt=1)
    finetune: bool = False
    """In fusion stages: train the backbone of the generated modality too (table 2, w/FT)."""
    untrained: bool = False
    """In fusion stages: both backbones begin with random weights and learn together (MM-Diffusion)."""
    motion: bool = True
    """In fusion stages: train the motion stem too, if the model has one."""
    stft_sizes: Ints = (256, 512, 1024)
    """In codec stages: window lengths of the spectral loss."""
    stft_drawn: Positive | None = None
    """In codec stages: the number of these window lengths that each step draws; None takes all."""
    periodicity: float = Field(default=0.0, ge=0)
    """In codec stages: weight of a penalty on noise that repeats itself at the hop rate, a buzz."""
    adversarial: float = Field(default=0.0, ge=0)
    """In the stage `codec`: weight of the discriminators' judgement, and half that of their features."""
    motion_weight: float = Field(default=0.0, ge=0)
    """In stages that learn to make pictures: weight of the loss of differences between neighbouring frames. Of a
    picture's values few move, and a small model spends itself on the others. Not in the paper."""
    onset_weight: float = Field(default=0.0, ge=0)
    """In fusion stages that make sound: weight of the loss of onsets that a linear layer reads from the video stream.
    The flow loss hardly falls while synchrony is learned. Not in the paper."""
    distill: float = Field(default=0.0, ge=0)
    """In fusion stages that make sound: weight of the distance between velocities without and with the motion stem, in
    the steps that go without it (`motion_drop`). The velocity with it holds what the picture tells, without noise."""
    tasks: Annotated[tuple[Task, ...], Field(strict=False, min_length=1)] = ("v2a", "a2v")
    """Tasks of a joint fusion, among which every batch is divided."""
    teacher: TeacherTable = TeacherTable()
    text_drop: float | None = Field(default=None, ge=0, le=1)
    """This and the next seven fields override those of `Rates`; by default they are the paper's for the stage."""
    other_text_drop: float | None = Field(default=None, ge=0, le=1)
    no_condition: float | None = Field(default=None, ge=0, le=1)
    hits_drop: float | None = Field(default=None, ge=0, le=1)
    motion_drop: float | None = Field(default=None, ge=0, le=1)
    time_location: float | None = None
    time_scale: float | None = Field(default=None, gt=0)
    shortest_s: float | None = Field(default=None, gt=0)
    validate_every: int = Field(default=0, ge=0)
    """Steps between validations on held-out clips; 0 means only at the end."""
    checkpoint_every: Positive = 100

    def rates(self, usual: Rates) -> Rates:
        """Return `usual` with the values that this table sets."""
        said = {name: getattr(self, name) for name in Rates.model_fields}
        return usual.model_copy(update={name: value for name, value in said.items() if value is not None})


class ParallelTable(Table):
    """Parallelism of a training; may change when a run is resumed."""

    mode: Literal["none", "ddp", "fsdp"] = "none"
    """One process; replicas on every rank (DDP); or parameters, gradients and averages in shards (FSDP2)."""
    activation_checkpointing: bool = False
    """Recompute activations inside blocks instead of keeping them: a fraction of the memory, a third more time."""
    compile: bool = False
    """Compile each block (torch.compile)."""
    async_save: bool = False
    """Write checkpoints in the background while training continues."""


class LogTable(Table):
    """Logs besides one line of JSON per step."""

    judge: bool = True
    """Validate each stage on held-out clips, at its end at least."""
    frechet: Annotated[tuple[str, ...], Field(strict=False)] = ("log-mel", "rgb-cells")
    """Extractors for Fréchet distances between generated and true held-out clips: "vggish" gives FAD, "inception" FID,
    "i3d" FVD, with checkpoints named in [extractors.NAME]. "log-mel" and "rgb-cells" need no checkpoint, and give
    neither FAD nor FID. All are biased for few clips: compare them within one training only."""
    tensorboard: bool = False
    """Write event files for TensorBoard to OUT/tensorboard; needs the extra `train`."""


class Conditioning(Table):
    """Flow times of the conditioning modality (section 4.4)."""

    times: Literal["fixed", "uniform", "mixed"] = "fixed"
    """In training: the fixed times of inference, or uniform ones (table 2; figure 3 needs such a model). "mixed" also
    gives each modality a flow time of its own in the task `both`: one training for every direction (AVDiT)."""
    t_video: float = Field(default=0.96, gt=0, le=1)
    """Flow time of the video stream for V2A."""
    t_audio: float = Field(default=0.8, gt=0, le=1)
    """Flow time of the audio stream for A2V."""


class AlignmentTable(Table):
    """Guidance by the model's aligner where `avlink ablate` measures the recipe; see `avlink.core.sampling`.

    Elsewhere a run says it: `backend.options.alignment`, or `alignment` of `avlink evaluate`.
    """

    weight: float = Field(default=0.0, ge=0, le=50)
    """0 is none."""
    at: AlignedAt = "predicted"
