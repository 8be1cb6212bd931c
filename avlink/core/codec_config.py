"""Tables of the audio codec: mel spectrograms, 1D-VAEs and vocoders. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from avlink.core.tables import Ints, Positive, Table, kind_of


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
    return "convnext" if kind_of(value) == "convnext" else "resnet"


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
