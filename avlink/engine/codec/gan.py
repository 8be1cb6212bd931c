"""Generators of GAN vocoders: HiFi-GAN (the paper's) and BigVGAN.

Convolutions are plain, since checkpoints are loaded with their weight norm fused. Names of parameters are the
publishers'.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv1d, conv_transpose1d, leaky_relu, pad

from avlink.core.codec_config import BigVGANConfig, HiFiGANConfig, MelSpec


def _conv(channels: int, kernel: int, dilation: int) -> nn.Conv1d:
    # This padding keeps the length for odd kernels, as all published models have them.
    return nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=dilation * (kernel - 1) // 2)


def _upsamplers(config: HiFiGANConfig | BigVGANConfig) -> list[nn.ConvTranspose1d]:
    # Every stage halves the channels.
    widths = [config.channels >> stage for stage in range(len(config.rates) + 1)]
    return [
        # (frames - 1) rate + kernel - 2 padding samples, which is frames * rate where kernel - rate is even.
        nn.ConvTranspose1d(a, b, kernel, rate, padding=(kernel - rate) // 2)
        for a, b, kernel, rate in zip(widths, widths[1:], config.kernels, config.rates, strict=False)
    ]


def _check_rates(name: str, rates: tuple[int, ...], hop: int) -> None:
    if math.prod(rates) != hop:
        raise ValueError(f"{name} rates {rates} make {math.prod(rates)} samples, hop is {hop}")


class _ResBlock1(nn.Module):
    """HiFi-GAN's residual block of type 1: two convolutions per dilation."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(_conv(channels, kernel, dilation) for dilation in dilations)
        self.convs2 = nn.ModuleList(_conv(channels, kernel, 1) for _ in dilations)

    def forward(self, x: Float[Tensor, "batch c samples"]) -> Float[Tensor, "batch c samples"]:
        for first, second in zip(self.convs1, self.convs2, strict=True):
            x = x + second(leaky_relu(first(leaky_relu(x, 0.1)), 0.1))
        return x


class _ResBlock2(nn.Module):
    """HiFi-GAN's residual block of type 2: one convolution per dilation."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_conv(channels, kernel, dilation) for dilation in dilations)

    def forward(self, x: Float[Tensor, "batch c samples"]) -> Float[Tensor, "batch c samples"]:
        for conv in self.convs:
            x = x + conv(leaky_relu(x, 0.1))
        return x


class HiFiGAN(nn.Module):
    """HiFi-GAN's generator (Kong et al. 2020)."""

    def __init__(self, config: HiFiGANConfig, spec: MelSpec) -> None:
        super().__init__()
        _check_rates("HiFi-GAN", config.rates, spec.hop_samples)
        self.spec, self.config = spec, config
        self.conv_pre = nn.Conv1d(spec.n_mels, config.channels, 7, padding=3)
        self.ups = nn.ModuleList(_upsamplers(config))
        block = _ResBlock1 if config.resblock == 1 else _ResBlock2
        self.resblocks = nn.ModuleList(
            block(config.channels >> stage, kernel, dilations)
            for stage in range(1, len(config.rates) + 1)
            for kernel, dilations in zip(config.resblock_kernels, config.dilations, strict=True)
        )
        self.conv_post = nn.Conv1d(config.channels >> len(config.rates), 1, 7, padding=3)

    def forward(self, mel: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch samples"]:
        """Return frames * hop samples of sound in [-1, 1]."""
        x, kinds = self.conv_pre(mel), len(self.config.resblock_kernels)
        for stage, up in enumerate(self.ups):
            x = up(leaky_relu(x, 0.1))
            blocks = self.resblocks[stage * kinds : (stage + 1) * kinds]
            # Receptive fields of several sizes, fused by their mean.
            x = torch.stack([block(x) for block in blocks]).mean(0)
        # Here the slope is torch's default of 0.01, not 0.1, as in the publishers' code: the weights depend on it.
        sound = self.conv_post(leaky_relu(x)).tanh()[:, 0]
        # An odd kernel - rate makes a stage one sample too long: the excess is cut at the end.
        return sound[:, : mel.shape[-1] * self.spec.hop_samples]


def sinc_filter(taps: int, cutoff: float, transition: float) -> Float[Tensor, "1 1 taps"]:
    """Return a Kaiser-windowed low-pass filter (Kaiser 1974) of unit sum.

    `cutoff` and `transition`, half the width of the transition band, are fractions of the sample rate.
    """
    half = taps // 2
    # Kaiser's formulas: attenuation in dB from length and width, and beta from attenuation.
    attenuation = 2.285 * (half - 1) * math.pi * 4 * transition + 7.95
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    elif attenuation >= 21:
        beta = 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    else:
        beta = 0.0
    window = torch.kaiser_window(taps, periodic=False, beta=beta)
    # An even number of taps has its centre between two of them.
    time = torch.arange(-half, taps - half) + (0.0 if taps % 2 else 0.5)
    # The factor 2 cutoff of an ideal low-pass filter is left out, as the sum is divided out.
    response = window * torch.sinc(2 * cutoff * time)
    return (response / response.sum())[None, None]


class _Snake(nn.Module):
    """x + sin^2(a x) / b per channel, with a and b stored as logarithms (Ziyin et al. 2020)."""

    def __init__(self, channels: int, *, own_magnitude: bool) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels))
        if own_magnitude:
            self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Float[Tensor, "batch c samples"]) -> Float[Tensor, "batch c samples"]:
        alpha = self.alpha.exp()[:, None]
        # Snake has one parameter per channel, SnakeBeta a magnitude of its own.
        beta = self.beta.exp()[:, None] if hasattr(self, "beta") else alpha
        # 1e-9 is the publishers'. x + sin^2 keeps a slope of 1 on average: periodic, and still unbounded.
        return x + (alpha * x).sin().square() / (beta + 1e-9)


class _Upsample2(nn.Module):
    """Up-sampling by two: zeros between the samples, then a low-pass filter."""

    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        # BigVGAN's filter for a factor of two: cutoff 0.5 / 2, transition 0.6 / 2, six taps for each of the two
        # samples.
        self.register_buffer("filter", sinc_filter(12, 0.25, 0.3))

    def forward(self, x: Float[Tensor, "batch c samples"]) -> Float[Tensor, "batch c samples2"]:
        channels, taps = x.shape[1], self.filter.shape[-1]
        edge = taps // 2 - 1
        # Repeated edges, which are cut off again: zeros would ring at both ends.
        wide = pad(x, (edge, edge), mode="replicate")
        # Times 2: zeros between the samples halve the mean.
        made = 2 * conv_transpose1d(wide, self.filter.expand(channels, -1, -1), stride=2, groups=channels)
        # The repeated edges are `2 * edge` samples long by now, and the filter delays by (taps - 2) / 2.
        start = 2 * edge + (taps - 2) // 2
        return made[..., start : start + 2 * x.shape[-1]]


class _LowPass(nn.Module):
    """A low-pass filter that keeps every second sample."""

    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", sinc_filter(12, 0.25, 0.3))

    def forward(self, x: Float[Tensor, "batch c samples"]) -> Float[Tensor, "batch c samples2"]:
        channels, taps = x.shape[1], self.filter.shape[-1]
        # An even number of taps has no middle one: one sample more on the right undoes the half sample of `_Upsample2`.
        wide = pad(x, (taps // 2 - 1, taps // 2), mode="replicate")
        return conv1d(wide, self.filter.expand(channels, -1, -1), stride=2, groups=channels)


class _Downsample2(nn.Module):
    """Down-sampling by two; a module around `_LowPass`, as in the publishers' parameter names."""

    def __init__(self) -> None:
        super().__init__()
        self.lowpass = _LowPass()

    def forward(self, x: Float[Tensor, "batch c samples"]) -> Float[Tensor, "batch c samples2"]:
        out: Tensor = self.lowpass(x)
        return out


class _AliasFreeSnake(nn.Module):
    """An activation at twice the rate, so that its harmonics do not alias (Karras et al. 2021)."""

    def __init__(self, channels: int, *, own_magnitude: bool) -> None:
        super().__init__()
        self.act = _Snake(channels, own_magnitude=own_magnitude)
        self.upsample, self.downsample = _Upsample2(), _Downsample2()

    def forward(self, x: Float[Tensor, "batch c samples"]) -> Float[Tensor, "batch c samples"]:
        out: Tensor = self.downsample(self.act(self.upsample(x)))
        return out


class _AMPBlock1(nn.Module):
    """BigVGAN's residual block of type 1: an alias-free activation before each convolution."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...], *, own_magnitude: bool) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(_conv(channels, kernel, dilation) for dilation in dilations)
        self.convs2 = nn.ModuleList(_conv(channels, kernel, 1) for _ in dilations)
        self.activations = nn.ModuleList(
            _AliasFreeSnake(channels, own_magnitude=own_magnitude) for _ in range(2 * len(dilations))
        )

    def forward(self, x: Float[Tensor, "batch c samples"]) -> Float[Tensor, "batch c samples"]:
        pairs = zip(self.convs1, self.convs2, self.activations[::2], self.activations[1::2], strict=True)
        for first, second, before, between in pairs:
            x = x + second(between(first(before(x))))
        return x


class BigVGAN(nn.Module):
    """BigVGAN's generator (Lee et al. 2023), of both versions."""

    def __init__(self, config: BigVGANConfig, spec: MelSpec) -> None:
        super().__init__()
        _check_rates("BigVGAN", config.rates, spec.hop_samples)
        self.spec, self.config = spec, config
        own_magnitude = config.activation == "snakebeta"
        self.conv_pre = nn.Conv1d(spec.n_mels, config.channels, 7, padding=3)
        self.ups = nn.ModuleList(nn.ModuleList([up]) for up in _upsamplers(config))
        self.resblocks = nn.ModuleList(
            _AMPBlock1(config.channels >> stage, kernel, dilations, own_magnitude=own_magnitude)
            for stage in range(1, len(config.rates) + 1)
            for kernel, dilations in zip(config.resblock_kernels, config.dilations, strict=True)
        )
        last = config.channels >> len(config.rates)
        self.activation_post = _AliasFreeSnake(last, own_magnitude=own_magnitude)
        self.conv_post = nn.Conv1d(last, 1, 7, padding=3, bias=config.final_bias)

    def forward(self, mel: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch samples"]:
        """Return frames * hop samples of sound in [-1, 1]."""
        x, kinds = self.conv_pre(mel), len(self.config.resblock_kernels)
        for stage, ups in enumerate(self.ups):
            assert isinstance(ups, nn.ModuleList)
            for up in ups:
                x = up(x)
            blocks = self.resblocks[stage * kinds : (stage + 1) * kinds]
            x = torch.stack([block(x) for block in blocks]).mean(0)
        sound = self.conv_post(self.activation_post(x))[:, 0]
        # Version 2 clips instead of bending by tanh.
        sound = sound.tanh() if self.config.tanh else sound.clamp(-1.0, 1.0)
        return sound[:, : mel.shape[-1] * self.spec.hop_samples]
