"""Configuration of a model as data: recipes and bundles hold these tables, the engine builds modules from them.

No torch here, so that recipes validate without it. Sections and equations are those of the AV-Link paper.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from avlink.core.hits import HIT_KINDS

Positive = Annotated[int, Field(gt=0)]
Ints = Annotated[tuple[Positive, ...], Field(strict=False)]
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
]
"""A component of a model, by the name that it has in bundles and recipes."""
COMPONENTS: tuple[Part, ...] = get_args(Part)
"""The components in the order in which they are built."""


class Table(BaseModel):
    """Base of all tables of recipes and bundles: frozen, without unknown keys and without coercion of values."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class MelSpec(Table):
    """Parameters of a log-mel spectrogram; VAE and vocoder must agree on every one."""

    sample_rate: Positive = 16000
    n_fft: Positive = 1024
    hop_samples: Positive = 160
    n_mels: Positive = 64
    fmin_hz: float = 0.0
    fmax_hz: float = 8000.0
    floor: float = Field(default=1e-5, gt=0)
    """Smallest mel magnitude; quieter bins are raised to it."""
    ceiling: float = Field(default=54.6, gt=0)
    """Magnitude that is mapped to +1; `floor` is mapped to -1. With `scaled = false` logarithms stay as they are."""
    scaled: bool = True
    filters: Literal["slaney", "htk"] = "slaney"
    """Slaney's mel scale with filters of unit area (HiFi-GAN, GenAU), or HTK's with filters of unit height (Vocos)."""
    log: Literal["natural", "decimal"] = "natural"
    """Base of the logarithm; Make-An-Audio 2 uses decimal logarithms."""
    power_floor: float = Field(default=0.0, ge=0)
    """Added to the power of every bin before the square root, as in HiFi-GAN (1e-9)."""
    centered: bool = False
    """Centre frame k on sample k * hop (Vocos) instead of half a hop later."""

    @model_validator(mode="after")
    def _scaled_by_natural_logarithms(self) -> MelSpec:
        if self.scaled and self.log != "natural":
            raise ValueError("a scaled mel is of natural logarithms; set scaled = false or log = 'natural'")
        return self


class VAEConfig(Table):
    """1D-VAE on mel frames (GenAU): one stage per entry of `mult`, each but the last halving time."""

    channels: Positive = 512
    mult: Ints = (1, 2, 4)
    encoder_blocks: Positive = 3
    decoder_blocks: Positive = 4
    kernel: Positive = 3
    decoder_kernel: Positive | None = None
    """Kernel of the decoder's residual blocks where it differs from the encoder's (Make-An-Audio 2)."""
    halved: Annotated[tuple[int, ...], Field(strict=False)] | None = None
    """Indices of the stages after which time is halved; None means all but the last."""
    pad_late: bool = False
    """Pad strided convolutions with one frame at the end (Make-An-Audio 2) instead of one at each side."""
    z_channels: Positive = 256
    latent_channels: Positive = 64
    linear_path: bool = False
    """Add a linear map beside encoder and decoder, initialised with principal components: partials become sharp within
    minutes of training, where convolutions alone take hours. Not in GenAU."""

    @property
    def downsampling(self) -> int:
        """Mel frames per latent token."""
        return int(2 ** len(self.halvings))

    @property
    def halvings(self) -> tuple[int, ...]:
        """Indices of the stages after which time is halved."""
        return tuple(range(len(self.mult) - 1)) if self.halved is None else self.halved


class ConvNeXtVAEConfig(Table):
    """VAE of ConvNeXt blocks on mel frames, which see a few neighbours alone. It has a linear path, as in `VAEConfig`.

    GenAU's norms and attention see the whole window: a loud hit changes the silence around it. Not in the paper.
    """

    kind: Literal["convnext"]
    dim: Positive = 384
    """Width of the blocks at the rate of the tokens."""
    encoder_layers: Positive = 3
    decoder_layers: Positive = 4
    fine_dim: Positive = 192
    """Width of the decoder's last blocks, at the rate of the mel frames."""
    fine_layers: Positive = 2
    mlp_ratio: Positive = 3
    downsampling: Positive = 2
    """Mel frames per latent token."""
    latent_channels: Positive = 64
    linear_path: Literal[True] = True


def _vae_kind(value: object) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return "convnext" if kind == "convnext" else "resnet"


AnyVAEConfig = Annotated[
    Annotated[VAEConfig, Tag("resnet")] | Annotated[ConvNeXtVAEConfig, Tag("convnext")], Discriminator(_vae_kind)
]


class VocosConfig(Table):
    """ConvNeXt backbone with an inverse-STFT head (Vocos). Defaults are the publishers'."""

    kind: Literal["vocos"] = "vocos"
    dim: Positive = 512
    layers: Positive = 8
    mlp_ratio: Positive = 3
    head_frames: Positive = 1
    """STFT frames that the head makes of one mel frame, each as much shorter: 2 place an attack twice as exactly."""
    mel_base: bool = False
    """Start the magnitudes from those that the mel states, and let the network predict the difference."""
    noise: bool = False
    """Add white noise shaped by a second magnitude. Magnitudes and phases alone repeat themselves from frame to frame
    in steady noise, which buzzes at the hop rate."""
    corrections: int = Field(default=0, ge=0)
    """Times that the sound is brought to the mel it was made for: its own is taken, and each band scaled by what it
    lacks. Noise alone misses its mel by 2 dB at random; after three corrections by 1 dB."""


class HiFiGANConfig(Table):
    """HiFi-GAN generator; the product of `rates` is the mel hop."""

    kind: Literal["hifigan"] = "hifigan"
    rates: Ints = (5, 4, 2, 2, 2)
    kernels: Ints = (16, 16, 8, 4, 4)
    channels: Positive = 1024
    resblock: Literal[1, 2] = 1
    """Type 1 has two convolutions per dilation, type 2 one (HiFi-GAN's V3)."""
    resblock_kernels: Ints = (3, 7, 11)
    dilations: Annotated[tuple[Ints, ...], Field(strict=False)] = ((1, 3, 5),) * 3
    """Dilations of the residual blocks of each kernel."""


class BigVGANConfig(Table):
    """BigVGAN generator: HiFi-GAN with periodic activations, computed at twice the rate against aliasing."""

    kind: Literal["bigvgan"] = "bigvgan"
    rates: Ints = (4, 4, 2, 2, 2, 2)
    kernels: Ints = (8, 8, 4, 4, 4, 4)
    channels: Positive = 1536
    resblock_kernels: Ints = (3, 7, 11)
    dilations: Annotated[tuple[Ints, ...], Field(strict=False)] = ((1, 3, 5),) * 3
    activation: Literal["snake", "snakebeta"] = "snakebeta"
    tanh: bool = True
    """Bound the output by tanh (version 1) instead of clipping it (version 2)."""
    final_bias: bool = True


class GriffinLimConfig(Table):
    """Phase reconstruction by torchaudio's Griffin-Lim, without weights."""

    kind: Literal["griffin-lim"] = "griffin-lim"
    iterations: Positive = 48


VocoderConfig = Annotated[VocosConfig | HiFiGANConfig | BigVGANConfig | GriffinLimConfig, Field(discriminator="kind")]


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


class ExtractedConfig(Table):
    """Features of a pretrained extractor in place of the video backbone's activations (table 2, features type)."""

    name: str
    """The name that its plugin registers."""
    dim: Positive
    """Width of the features of one picture."""
    fps: Positive = 6
    """Pictures per second that the extractor is given."""


Injection = Literal["fusion", "cross_attention", "direct", "text"]


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
    each to the other; one added vector per moment (Movie Gen Audio); or as further prompt tokens (Diff-Foley)."""
    reinject: bool = True
    """Symmetric feature reinjection: refine the conditioning stream too. Off: only read it."""
    after: Positive | None = None
    """The one block of the conditioning backbone that all Fusion Blocks read; None means at regular intervals."""
    shared: bool = False
    """Share one set of parameters among V2A, A2V and joint generation (section 4.4)."""
    extracted: ExtractedConfig | None = None
    aligned_init: float = 0.0
    """Initial value of a learned query and key bias on every cosine component: attention starts as RoPE's bump at one
    moment of both streams. 0 leaves it out, as in the paper."""


class MotionConfig(Table):
    """Motion stem: convolutions on frames and signed frame differences, attended in the fusion. Not in the paper."""

    fps: Positive = 24
    dim: Positive = 192
    widths: Ints = (48, 96)
    layers: Positive = 4
    look_widths: Annotated[tuple[Positive, Positive, Positive], Field(strict=False)] = (24, 48, 64)
    """Channels of the convolutions on single frames, at full, half and quarter size."""
    look_blocks: int = Field(default=0, ge=0)
    """Residual blocks after these convolutions."""
    classes: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Classes that the stem predicts at each onset (materials, in the built-in model)."""


class ControllerConfig(Table):
    """Temporal controller: hits as a condition of the audio stream (FoleyCrafter). Not in the paper."""

    dim: Positive = 1024
    layers: Positive = 4
    bins: Positive = 8
    """Places of an impulse within one audio token."""
    kinds: Annotated[tuple[str, ...], Field(strict=False)] = HIT_KINDS
    """Kinds of hits that it tells apart."""
    alone: bool = False
    """Leave out the motion stem's tokens where hits are given for the whole clip: nothing but hits says then when
    something sounds, and a hit that was deleted stays silent. Needs a fusion that was trained with `motion_drop`."""
    own_fusion: bool = False
    """Give sound that follows hits Fusion Blocks of its own (`fusion_hits`): without hits the model stays as it was."""


class SpotterConfig(MotionConfig):
    """A motion stem that is trained to spot, with an input size of its own. Its classes may be kinds of hits."""

    width: int = Field(default=64, gt=0, multiple_of=4)
    height: int = Field(default=36, gt=0, multiple_of=4)


class HitHeadConfig(Table):
    """Heads on the onset curve of a motion stem and a curve of motion, which are averaged. Not in the paper."""

    width: Positive = 32
    kernel: int = Field(default=9, gt=0)
    """Taps of its convolutions: an odd number of sixtieths of a second."""
    members: Positive = 3  # heads that start from other weights
    tokens: int = Field(default=0, ge=0)
    """Channels that the stem's motion tokens are reduced to; 0 leaves them out."""

    @model_validator(mode="after")
    def _centred(self) -> HitHeadConfig:
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel = {self.kernel} has no middle; take an odd number")
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
    spotter: SpotterConfig | None = None

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
        one_way = fusion.injection in ("direct", "text") or fusion.after is not None or fusion.extracted is not None
        if fusion.shared and one_way:
            raise ValueError("fusion.shared is for Fusion Blocks between both backbones, which this fusion has not")
        if self.controller is not None and fusion.injection in ("direct", "text"):
            raise ValueError("controller: hits are added between Fusion Blocks, which this injection has not")
        if self.fusion_for_hits and fusion.shared:
            raise ValueError("controller.own_fusion is for models with a fusion for each direction, not a shared one")
        return self

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
