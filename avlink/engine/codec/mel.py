"""Log-mel spectrograms as GenAU, HiFi-GAN, Make-An-Audio 2 and Vocos define them; `MelSpec` tells them apart."""

from __future__ import annotations

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from avlink.core.codec_config import MelSpec
from avlink.engine.torchaudio import torchaudio


class LogMel(nn.Module):
    """Log-mel frames of sound in [-1, 1], one every `hop_samples`."""

    window: Tensor
    filters: Tensor

    def __init__(self, spec: MelSpec) -> None:
        super().__init__()
        self.spec = spec
        # (bins, mels). Slaney's filters have equal areas, so that white noise is equally strong in all bands; HTK's
        # have equal heights.
        filters = torchaudio.functional.melscale_fbanks(
            spec.n_fft // 2 + 1,
            spec.fmin_hz,
            spec.fmax_hz,
            spec.n_mels,
            spec.sample_rate,
            norm="slaney" if spec.filters == "slaney" else None,
            mel_scale=spec.filters,
        )
        # Not persistent: both follow from the spec, and public checkpoints hold neither.
        self.register_buffer("window", torch.hann_window(spec.n_fft), persistent=False)
        self.register_buffer("filters", filters, persistent=False)
        low, high = math.log(spec.floor), math.log(spec.ceiling)
        self.offset, self.scale = ((low + high) / 2, (high - low) / 2) if spec.scaled else (0.0, 1.0)
        if spec.log == "decimal":
            # log10(x) = ln(x) / ln(10).
            self.scale = math.log(10)
        self.lowest = (low - self.offset) / self.scale
        """Value of a band at or below the floor."""

    def spectrum(self, sound: Float[Tensor, "batch samples"]) -> Complex[Tensor, "batch bins frames"]:
        """Return the STFT in `samples` // hop frames (at least one)."""
        spec = self.spec
        # HiFi-GAN's padding puts frame k at the middle of hop k, at (k + 1/2) hop. Centred, it stands at the start, at
        # k hop.
        pad = spec.n_fft // 2 if spec.centered else (spec.n_fft - spec.hop_samples) // 2
        # Reflection needs more samples than it adds: shorter sounds are padded with silence.
        mode = "reflect" if sound.shape[-1] > pad else "constant"
        padded = nn.functional.pad(sound[:, None], (pad, pad), mode=mode)[:, 0]
        spectrum = torch.stft(
            padded, spec.n_fft, spec.hop_samples, window=self.window, center=False, return_complex=True
        )
        # Centring gives one frame more than there are hops; every codec here has as many frames as hops.
        return spectrum[..., : max(1, sound.shape[-1] // spec.hop_samples)]

    def magnitudes(self, sound: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch bins frames"]:
        """Return magnitudes of the STFT."""
        spectrum = self.spectrum(sound)
        if self.spec.power_floor:
            # HiFi-GAN adds it before the root, whose gradient at 0 is infinite.
            return (spectrum.real.square() + spectrum.imag.square() + self.spec.power_floor).sqrt()
        return spectrum.abs()

    def scaled(self, magnitudes: Float[Tensor, "batch bins frames"]) -> Float[Tensor, "batch mels frames"]:
        """Return log-mel frames of magnitudes, scaled to about [-1, 1] if `spec.scaled`."""
        # Of magnitudes: mels of powers have other values, which public weights do not fit.
        mel = self.filters.T @ magnitudes
        return (mel.clamp(min=self.spec.floor).log() - self.offset) / self.scale

    def forward(self, sound: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch mels frames"]:
        """Return log-mel frames of at least one hop of sound."""
        return self.scaled(self.magnitudes(sound))

    def amplitudes(self, mel: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch mels frames"]:
        """Return mel magnitudes: the inverse of the scaling and the logarithm."""
        return (mel * self.scale + self.offset).exp()
