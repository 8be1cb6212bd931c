"""Configuration of a model as data: recipes and bundles hold these tables, the engine builds modules from them.

No torch here, so that recipes validate without it. Sections and equations are those of the AV-Link paper.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from avlink.core.codec_config import AnyVAEConfig, HiFiGANConfig, MelSpec, VAEConfig, VocoderConfig, VocosConfig
from avlink.core.motion_config import (
    AlignerConfig,
    AnySpotterConfig,
    ControllerConfig,
    FlowSpotterConfig,
    MotionConfig,
    ReadoutConfig,
)
from avlink.core.tables import Positive, Table

Part = Literal[
    "vae",
    "vocoder",
    "audio_text",
    "audio",
    "video_text",
    "video",
    "motion",
    "controller",
    "fusion_v2a",
    "fusion_a2v",
    "fusion",
    "fusion_hits",
    "spotter",
    "readout",
    "aligner",
]
"""A component of a model, by the name that it has in bundles and recipes."""
COMPONENTS: tuple[Part, ...] = get_args(Part)
"""The components in the order in which they are built."""


class TextConfig(Table):
    """Byte-level text encoder of the built-in model; `kind = "t5"` names an external encoder of width `dim`."""

    kind: Literal["bytes", "t5"] = "bytes"
    dim: Positive = 1024
    layers: Positive = 2
    heads: Positive = 4
    max_length: Positive = 64
    words: int = Field(default=0, ge=0)
    """Rows of a table of hashed words (fastText), whose vectors are added to the bytes of the audio's captions. Without
    it a word has to be learned from its letters."""


class DiTConfig(Table):
    """One backbone (section 3.2, appendix B)."""

    dim: Positive = 1024
    depth: Positive = 24
    heads: Positive = 16
    mlp_ratio: Positive = 4
    rope_base: float = 10000.0
    """Base of the rotary embedding: the slowest rotation is 1/`rope_base` radians per position."""
    prediction: Literal["velocity", "data"] = "velocity"
    """Output of the network; the path turns predicted data into velocities (engine/flow/path.py)."""
    pooled_text: bool = False
    """Add the mean of the caption's tokens to the embedding of the flow time, so that words reach every modulation
    besides the cross-attention (Stable Diffusion 3). Not in the paper."""


class VideoConfig(Table):
    """Pictures of the video backbone (appendix B: 1x2x2 patches of 36x64 RGB at 6 fps)."""

    fps: Positive = 6
    frames: Positive = 31
    height: Positive = 36
    width: Positive = 64
    patch: Annotated[tuple[Positive, Positive, Positive], Field(strict=False)] = (1, 2, 2)
    """Patch size in (time, height, width)."""

    @model_validator(mode="after")
    def _patches_tile(self) -> VideoConfig:
        if self.frames % self.patch[0] or self.height % self.patch[1] or self.width % self.patch[2]:
            raise ValueError(f"patch {self.patch} does not tile {self.frames}x{self.height}x{self.width} pixels")
        if self.fps % self.patch[0]:  # windows start at whole seconds
            raise ValueError(f"patches of {self.patch[0]} frames do not tile a second of {self.fps}")
        return self

    @property
    def moments_per_second(self) -> float:
        """Patches that follow each other in one second (eta_v of eq. 4)."""
        return self.fps / self.patch[0]

    def frames_of(self, seconds: float) -> int:
        """Return the frames of the whole patches that cover `seconds`."""
        return -int(-seconds * self.moments_per_second // 1) * self.patch[0]


Described = Literal["pictures", "sound"]
"""The medium whose extracted features condition the other one."""


class ExtractedConfig(Table):
    """Features of a pretrained extractor in place of the activations of the conditioning backbone.

    Those of pictures stand for the video backbone in V2A (table 2, features type), those of sound for the audio
    backbone in A2V (TempoTokens). The other direction keeps its backbones.
    """

    name: str
    """The name that its plugin registers, or that of a built-in extractor."""
    dim: Positive
    """Width of the features of one row."""
    fps: Positive = 6
    """Rows per second that the model reads. An extractor of pictures is given so many of them."""
    medium: Described = "pictures"
    """The medium that it describes."""


Injection = Literal["fusion", "cross_attention", "direct", "text", "adapter"]


class FusionConfig(Table):
    """Fusion Blocks (section 3.3): `blocks` of them at regular intervals in both backbones.

    Fields other than `dim`, `heads`, `blocks` and `mlp_ratio` are the variants of table 2; defaults are the paper's.
    """

    dim: Positive = 1024
    heads: Positive = 16
    blocks: Positive = 8
    mlp_ratio: Positive = 4
    injection: Injection = "fusion"
    """Path of conditioning features into the generated stream: self-attention over both streams; cross-attention from
    each to the other; one added vector per moment (Movie Gen Audio); further prompt tokens (Diff-Foley); or attention
    to a few words that stand for the whole clip (FoleyCrafter's semantic adapter)."""
    reinject: bool = True
    """Symmetric feature reinjection: refine the conditioning stream too. Off: only read it."""
    after: Positive | None = None
    """The one block of the conditioning backbone that all Fusion Blocks read; None means at regular intervals."""
    shared: bool = False
    """Share one set of parameters among V2A, A2V and joint generation (section 4.4)."""
    extracted: ExtractedConfig | None = None
    local_windows: Annotated[tuple[Positive, ...], Field(strict=False)] = ()
    """Half-widths in moments of the windows whose means are added to every word of injection "text"; one word of the
    whole clip comes with them (TempoTokens has 1, 2, 4, 8). Empty leaves both out."""
    aligned_init: float = 0.0
    """Initial value of a learned query and key bias on every cosine component: attention starts as RoPE's bump at one
    moment of both streams. 0 leaves it out, as in the paper."""

    @property
    def one_way(self) -> bool:
        """True if the injection reads the conditioning stream and can never refine it."""
        return self.injection not in ("fusion", "cross_attention")

    @property
    def refines_condition(self) -> bool:
        """True if the conditioning stream depends on the generated one behind the first Fusion Block."""
        return self.reinject and not self.one_way

    def extracted_of(self, medium: Described) -> ExtractedConfig | None:
        """Return the extractor, if it describes that medium."""
        return self.extracted if self.extracted is not None and self.extracted.medium == medium else None

    @model_validator(mode="after")
    def _windows_have_words(self) -> FusionConfig:
        if self.local_windows and self.injection != "text":
            raise ValueError('fusion.local_windows widen the words of a prompt: set fusion.injection = "text"')
        return self


class AVLinkConfig(Table):
    """Configuration of the whole engine."""

    mel: MelSpec = MelSpec()
    vae: AnyVAEConfig = VAEConfig()
    vocoder: VocoderConfig = HiFiGANConfig()
    text: TextConfig = TextConfig(kind="t5")
    audio: DiTConfig = DiTConfig()
    video: DiTConfig = DiTConfig()
    picture: VideoConfig = VideoConfig()
    fusion: FusionConfig = FusionConfig()
    motion: MotionConfig | None = None
    controller: ControllerConfig | None = None
    spotter: AnySpotterConfig | None = None
    readout: ReadoutConfig | None = None
    """Reads motion from the video backbone's features where the motion stem is left out."""
    aligner: AlignerConfig | None = None
    """Guides the sampler of sound towards what fits the pictures."""

    @model_validator(mode="after")
    def _vocoder_fits(self) -> AVLinkConfig:
        vocoder, mel = self.vocoder, self.mel
        if not isinstance(vocoder, VocosConfig):
            return self
        if mel.n_fft % vocoder.head_frames or mel.hop_samples % vocoder.head_frames:
            raise ValueError(f"vocoder.head_frames = {vocoder.head_frames} must divide mel.n_fft and mel.hop_samples")
        if mel.centered and (vocoder.noise or vocoder.mel_base or vocoder.head_frames > 1 or vocoder.corrections):
            raise ValueError("vocoder.noise, mel_base, head_frames and corrections need mel.centered = false")
        return self

    @model_validator(mode="after")
    def _variants_fit(self) -> AVLinkConfig:
        fusion, depth = self.fusion, min(self.audio.depth, self.video.depth)
        if fusion.after is not None and fusion.after > depth:
            raise ValueError(f"fusion.after = {fusion.after}: the backbones have {depth} blocks")
        one_way = fusion.one_way or fusion.after is not None or fusion.extracted is not None
        if fusion.shared and one_way:
            raise ValueError("fusion.shared is for Fusion Blocks between both backbones, which this fusion has not")
        if self.controller is not None and fusion.injection in ("direct", "text"):
            raise ValueError("controller: hits are added between Fusion Blocks, which this injection has not")
        if self.fusion_for_hits and fusion.shared:
            raise ValueError("controller.own_fusion is for models with a fusion for each direction, not a shared one")
        if self.readout is not None and (self.motion is None or fusion.extracted_of("pictures") is not None):
            raise ValueError("readout: it learns the motion stem's tokens from the video backbone, and needs both")
        return self

    @property
    def flow_spotter(self) -> FlowSpotterConfig | None:
        """The spotter, if it reads motion maps."""
        return self.spotter if isinstance(self.spotter, FlowSpotterConfig) else None

    @property
    def fusion_for_hits(self) -> bool:
        """True if sound that follows hits has Fusion Blocks of its own."""
        return self.controller is not None and self.controller.own_fusion

    @property
    def tokens_per_second(self) -> float:
        """Audio tokens per second (eta_a of eq. 4)."""
        return self.mel.sample_rate / self.mel.hop_samples / self.vae.downsampling

    @property
    def window_tokens(self) -> int:
        """Audio tokens of one window: as many as fit into the duration of its pictures (129 in the paper)."""
        return int(self.picture.frames / self.picture.fps * self.tokens_per_second)


PAPER = AVLinkConfig(mel=MelSpec(scaled=False))
"""The paper's sizes, with GenAU's VAE and vocoder and a text width of 1024 (flan-t5-large)."""
