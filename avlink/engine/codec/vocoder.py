"""Vocoders, mel frames to sound: Vocos (the trainable default) and Griffin-Lim; `gan` has HiFi-GAN and BigVGAN."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avlink.core.architecture import (
    BigVGANConfig,
    GriffinLimConfig,
    HiFiGANConfig,
    MelSpec,
    VocoderConfig,
    VocosConfig,
)
from avlink.engine.codec.gan import BigVGAN, HiFiGAN
from avlink.engine.codec.mel import LogMel
from avlink.engine.torchaudio import torchaudio


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution over time, then an MLP over channels, scaled by `gamma` (Liu et al. 2022)."""

    def __init__(self, dim: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(dim, dim, 7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.pwconv1 = nn.Linear(dim, hidden)
        self.pwconv2 = nn.Linear(hidden, dim)
        # Layer scale: a deep stack starts as the mean of its blocks instead of their sum.
        self.gamma = nn.Parameter(torch.full((dim,), 1.0 / layers))

    def forward(self, x: Float[Tensor, "batch dim frames"]) -> Float[Tensor, "batch dim frames"]:
        y = self.norm(self.dwconv(x).transpose(1, 2))
        y = self.gamma * self.pwconv2(nn.functional.gelu(self.pwconv1(y)))
        return x + y.transpose(1, 2)


class Vocos(nn.Module):
    """Magnitude and phase of every STFT frame from the mel, then one inverse STFT (Siuzdak 2023).

    Frames are placed as in the mel: Vocos calls that padding "same", or "center" for a centred mel.
    """

    window: Tensor

    def __init__(self, config: VocosConfig, spec: MelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.embed = nn.Conv1d(spec.n_mels, config.dim, 7, padding=3)
        self.norm = nn.LayerNorm(config.dim, eps=1e-6)
        self.convnext = nn.ModuleList(
            ConvNeXtBlock(config.dim, config.mlp_ratio * config.dim, config.layers) for _ in range(config.layers)
        )
        self.final_layer_norm = nn.LayerNorm(config.dim, eps=1e-6)
        # n_fft / 2 + 1 log magnitudes, then as many phases. A phase needs no wrapping: the real and imaginary parts are
        # periodic in it.
        self.out = nn.Linear(config.dim, spec.n_fft + 2)
        self.register_buffer("window", torch.hann_window(spec.n_fft), persistent=False)

    def spectrum(self, mel: Float[Tensor, "batch mels frames"]) -> Tensor:
        """Return the complex STFT, (batch, bins, frames)."""
        x = self.norm(self.embed(mel).transpose(1, 2)).transpose(1, 2)
        for block in self.convnext:
            x = block(x)
        # In fp32 from here on: torch has no complex numbers of bf16.
        magnitude, phase = self.out(self.final_layer_norm(x.transpose(1, 2))).transpose(1, 2).float().chunk(2, dim=1)
        # The bound is Vocos' own: exp() of an outlier would otherwise drown the whole sound.
        return torch.polar(magnitude.exp().clamp(max=1e2), phase)

    def forward(self, mel: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch samples"]:
        """Return frames * hop samples of sound."""
        n_fft, hop, frames = self.spec.n_fft, self.spec.hop_samples, mel.shape[-1]
        if self.spec.centered:
            # The last hop lies between the last frame and a missing one: the last frame is repeated.
            spectrum = self.spectrum(nn.functional.pad(mel, (0, 1), mode="replicate"))
            whole: Tensor = torch.istft(spectrum, n_fft, hop, window=self.window, length=frames * hop)
            return whole
        spectrum = self.spectrum(mel)
        # torch.istft inverts centred frames only, so overlap-add is done here, over (frames - 1) * hop + n_fft samples.
        # (batch, n_fft, frames): the columns that `fold` adds up, each a hop later.
        pieces = torch.fft.irfft(spectrum, n_fft, dim=1) * self.window[:, None]
        length = (frames - 1) * hop + n_fft
        fold = {"output_size": (1, length), "kernel_size": (1, n_fft), "stride": (1, hop)}
        sound = nn.functional.fold(pieces, **fold)[:, 0, 0]
        weight = nn.functional.fold(self.window.square()[None, :, None].expand(1, -1, frames), **fold)[0, 0, 0]
        # The analysis window is applied twice, so its squares are divided out. At the edges, which are cut off, their
        # sum is nearly 0.
        pad = (n_fft - hop) // 2
        return (sound / weight.clamp(min=1e-3))[:, pad : pad + frames * hop]


class GriffinLim(nn.Module):
    """Least-squares magnitudes from the mel, phase by torchaudio's Griffin-Lim (1984); has no parameters."""

    window: Tensor
    inverse: Tensor

    def __init__(self, config: GriffinLimConfig, spec: MelSpec) -> None:
        super().__init__()
        self.spec, self.iterations = spec, config.iterations
        # Parameters are counted on the meta device, which has no pseudo-inverse.
        with torch.device("cpu"):
            self.mel = LogMel(spec)
            inverse = torch.linalg.pinv(self.mel.filters.T)
        self.register_buffer("window", torch.hann_window(spec.n_fft), persistent=False)
        self.register_buffer("inverse", inverse, persistent=False)

    def forward(self, mel: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch samples"]:
        """Return frames * hop samples of sound."""
        n_fft, hop, frames = self.spec.n_fft, self.spec.hop_samples, mel.shape[-1]
        amplitudes = self.mel.amplitudes(mel)
        # Values at the floor are silence: inverted as they are, they would hiss.
        magnitudes = (self.inverse @ torch.where(amplitudes <= self.spec.floor * 1.01, 0.0, amplitudes)).clamp(min=0.0)
        # torchaudio's frames are centred on multiples of the hop, ours half a hop later. Silent frames are padded on
        # both sides, and the middle is cut out half a hop earlier.
        lead = -(-n_fft // hop)
        padded = nn.functional.pad(magnitudes, (lead, lead))
        # Fast Griffin-Lim with torchaudio's momentum (Perraudin et al. 2013), started at phase 0 instead of a random
        # one: a mel always gives the same sound.
        sound = torchaudio.functional.griffinlim(
            padded,
            window=self.window,
            n_fft=n_fft,
            hop_length=hop,
            win_length=n_fft,
            power=1.0,
            n_iter=self.iterations,
            momentum=0.99,
            length=(frames + 2 * lead - 1) * hop,
            rand_init=False,
        )
        start = lead * hop - hop // 2
        return sound[:, start : start + frames * hop]


def build_vocoder(config: VocoderConfig, spec: MelSpec) -> nn.Module:
    """Return the untrained vocoder that `config` describes."""
    if isinstance(config, VocosConfig):
        return Vocos(config, spec)
    if isinstance(config, HiFiGANConfig):
        return HiFiGAN(config, spec)
    if isinstance(config, BigVGANConfig):
        return BigVGAN(config, spec)
    return GriffinLim(config, spec)
