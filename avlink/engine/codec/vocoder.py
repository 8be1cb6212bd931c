"""Vocoders, mel frames to sound: Vocos (the trainable default) and Griffin-Lim; `gan` has HiFi-GAN and BigVGAN."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from avlink.core.codec_config import BigVGANConfig, GriffinLimConfig, HiFiGANConfig, MelSpec, VocoderConfig, VocosConfig
from avlink.engine.codec.convnext import ConvNeXtBlock
from avlink.engine.codec.gan import BigVGAN, HiFiGAN
from avlink.engine.codec.mel import LogMel
from avlink.engine.torchaudio import torchaudio

_LIMIT = 1e2
"""Largest magnitude, Vocos' own."""
_MOST_CORRECTED = 8.0
"""Largest gain of a correction as a logarithm: 70 dB."""
_SILENT = 0.01
"""A scaled mel that is no higher above its floor is silence."""
_HALF_POWER = -0.5 * math.log(2)


class Vocos(nn.Module):
    """Magnitude and phase of every STFT frame from the mel, then one inverse STFT (Siuzdak 2023).

    Frames are placed as in the mel: Vocos calls that padding "same", or "center" for a centred mel. With
    `config.mel_base` and `config.noise`, which are not in Vocos, sound starts as white noise in the colours of the mel,
    and the network learns what else is in it.
    """

    window: Tensor
    spread: Tensor
    band_sums: Tensor
    bands_to_bins: Tensor

    def __init__(self, config: VocosConfig, spec: MelSpec) -> None:
        super().__init__()
        self.spec, self.config = spec, config
        self.embed = nn.Conv1d(spec.n_mels, config.dim, 7, padding=3)
        self.norm = nn.LayerNorm(config.dim, eps=1e-6)
        self.convnext = nn.ModuleList(
            ConvNeXtBlock(config.dim, config.mlp_ratio * config.dim, config.layers) for _ in range(config.layers)
        )
        self.final_layer_norm = nn.LayerNorm(config.dim, eps=1e-6)
        self.n_fft, self.hop = spec.n_fft // config.head_frames, spec.hop_samples // config.head_frames
        self.parts = 3 if config.noise else 2
        # For each frame of the head n_fft / 2 + 1 log magnitudes, then as many phases. A phase needs no wrapping: the
        # real and imaginary parts are periodic in it.
        self.out = nn.Linear(config.dim, config.head_frames * self.parts * (self.n_fft // 2 + 1))
        self.register_buffer("window", torch.hann_window(self.n_fft), persistent=False)
        if config.mel_base:
            self._start_from_mel()
        if config.corrections:
            with torch.device("cpu"):
                self.mel = LogMel(spec)
                self.register_buffer("bands_to_bins", _spread(self.mel.filters), persistent=False)

    def _start_from_mel(self) -> None:
        spec, bins = self.spec, self.n_fft // 2 + 1
        # Parameters are counted on the meta device, which computes nothing.
        with torch.device("cpu"):
            mel = LogMel(spec)
            spread = _spread(LogMel(spec.model_copy(update={"n_fft": self.n_fft})).filters)
        self.register_buffer("spread", spread, persistent=False)
        # A band is a sum over its bins: divided by the sum of its weights, it is their mean. Magnitudes of noise grow
        # with the root of the window's length.
        shorter = -0.5 * math.log(self.config.head_frames)
        self.register_buffer("band_sums", mel.filters.sum(0).clamp(min=1e-8).log() - shorter, persistent=False)
        self.mel_scale, self.mel_offset = mel.scale, mel.offset
        with torch.no_grad():
            self.out.bias.zero_()
            if self.config.noise:
                # Both parts start with half the power of the mel, so that both learn from the first step on.
                bias = self.out.bias.view(self.config.head_frames, self.parts, bins)
                bias[:, 0] = _HALF_POWER
                # The mean magnitude of complex noise is 0.886 of its deviation (Rayleigh).
                bias[:, 2] = _HALF_POWER - math.log(0.886)

    def spectrum(self, mel: Float[Tensor, "batch mels frames"]) -> tuple[Tensor, Tensor | None]:
        """Return the complex STFT, (batch, bins, frames), and the magnitudes of noise of unit variance, if any."""
        x = self.norm(self.embed(mel).transpose(1, 2)).transpose(1, 2)
        for block in self.convnext:
            x = block(x)
        per_frame, limit = self.config.head_frames, _LIMIT
        # In fp32 from here on: torch has no complex numbers of bf16.
        made = self.out(self.final_layer_norm(x.transpose(1, 2))).float()
        made = rearrange(made, "b t (k p n) -> p b n (t k)", k=per_frame, p=self.parts)
        if self.config.mel_base:
            # Frames of the head lie between those of the mel, and so do their magnitudes.
            finer = nn.functional.interpolate(mel.float(), scale_factor=float(per_frame), mode="linear")
            base = self.spread @ (finer * self.mel_scale + self.mel_offset - self.band_sums[:, None])
            made = torch.stack([base + made[0], made[1], *(base + part for part in made[2:])])
            limit = self.n_fft / 2
        # Bounded: exp() of an outlier would otherwise drown the whole sound.
        spectrum = torch.polar(made[0].exp().clamp(max=limit), made[1])
        return spectrum, made[2].exp().clamp(max=limit) if self.config.noise else None

    def _noise_spectrum(self, noise: Float[Tensor, "batch samples"]) -> Tensor:
        pad = (self.n_fft - self.hop) // 2
        padded = nn.functional.pad(noise, (pad, pad))
        spectrum = torch.stft(padded, self.n_fft, self.hop, window=self.window, center=False, return_complex=True)
        # Of unit variance in every bin.
        return spectrum / self.window.square().sum().sqrt()

    def sounds(
        self, mel: Float[Tensor, "batch mels frames"], noises: Float[Tensor, "sounds batch samples"]
    ) -> list[Float[Tensor, "batch samples"]]:
        """Return one sound for each white noise of unit variance; they differ in it alone."""
        spectrum, loudness = self.spectrum(mel)
        assert loudness is not None, "this vocoder takes no noise"
        return [self._finish(spectrum + loudness * self._noise_spectrum(noise), mel) for noise in noises]

    def forward(self, mel: Float[Tensor, "batch mels frames"], first_frame: int = 0) -> Float[Tensor, "batch samples"]:
        """Return frames * hop samples of sound.

        `mel` begins with frame `first_frame` of a longer sound, whose noise, if it has any, is one in all parts.
        """
        samples = mel.shape[-1] * self.spec.hop_samples
        if self.spec.centered:
            # The last hop lies between the last frame and a missing one: the last frame is repeated.
            spectrum, _ = self.spectrum(nn.functional.pad(mel, (0, 1), mode="replicate"))
            whole: Tensor = torch.istft(spectrum, self.n_fft, self.hop, window=self.window, length=samples)
            return whole
        if self.config.noise:
            noise = white_noise(first_frame * self.spec.hop_samples, samples).to(mel.device)
            return self.sounds(mel, noise.expand(1, mel.shape[0], -1))[0]
        return self._finish(self.spectrum(mel)[0], mel)

    def _finish(self, spectrum: Tensor, mel: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch samples"]:
        sound = _inverse_stft(spectrum, self.window, self.hop)
        for _ in range(self.config.corrections):
            own = self.mel.spectrum(sound)
            missing = (mel - self.mel.scaled(own.abs())) * self.mel.scale
            # Bounded: a band that is silent in one of both would be scaled by millions. Bands at the floor are silence,
            # which would hiss if they were brought to it.
            missing = missing.clamp(-_MOST_CORRECTED, _MOST_CORRECTED)
            missing = torch.where(mel <= self.mel.lowest + _SILENT, -_MOST_CORRECTED, missing)
            gains = (self.bands_to_bins @ missing).exp()
            sound = _inverse_stft(own * gains, self.mel.window, self.spec.hop_samples)
        return sound


def _spread(filters: Float[Tensor, "bins mels"]) -> Float[Tensor, "bins mels"]:
    """Return weights that interpolate a value of each band to the bins."""
    # Bins under no filter (below the first band, above the last) take that of the nearest bin.
    heard = (filters.sum(1) > 0).nonzero()[:, 0]
    near = filters[heard[(torch.arange(len(filters))[:, None] - heard).abs().argmin(1)]]
    return near / near.sum(1, keepdim=True)


def _inverse_stft(spectrum: Tensor, window: Float[Tensor, " n_fft"], hop: int) -> Float[Tensor, "batch samples"]:
    """Return the sound whose frame k is centred on (k + 1/2) hop; torch.istft inverts centred frames only."""
    frames, n_fft = spectrum.shape[-1], len(window)
    sound = _overlap_add(torch.fft.irfft(spectrum, n_fft, dim=1) * window[:, None], hop)
    weight = _overlap_add(window.square()[None, :, None].expand(1, -1, frames), hop)[0]
    # The analysis window is applied twice, so its squares are divided out. At the edges, which are cut off, their sum
    # is nearly 0.
    pad = (n_fft - hop) // 2
    return (sound / weight.clamp(min=1e-3))[:, pad : pad + frames * hop]


def _overlap_add(pieces: Float[Tensor, "batch n_fft frames"], hop: int) -> Float[Tensor, "batch samples"]:
    """Return the sum of all frames, each a hop later, over (frames - 1) hop + n_fft samples."""
    batch, n_fft, frames = pieces.shape
    if n_fft % hop:
        length = (frames - 1) * hop + n_fft
        return nn.functional.fold(pieces, (1, length), (1, n_fft), stride=(1, hop))[:, 0, 0]
    # Whole hops are added as blocks, which takes half the time of `fold`.
    blocks = pieces.reshape(batch, -1, hop, frames)
    count = blocks.shape[1]
    total = pieces.new_zeros(batch, hop, frames + count - 1)
    for number in range(count):
        total[:, :, number : number + frames] += blocks[:, number]
    return total.transpose(1, 2).flatten(1)


_NOISE_BLOCK = 65536


def white_noise(start: int, samples: int) -> Float[Tensor, "1 samples"]:
    """Return `samples` of white noise of unit variance from sample `start` on; the same wherever it is cut."""
    first, last = start // _NOISE_BLOCK, (start + samples - 1) // _NOISE_BLOCK
    blocks = [
        torch.randn(_NOISE_BLOCK, generator=torch.Generator().manual_seed(block)) for block in range(first, last + 1)
    ]
    offset = start - first * _NOISE_BLOCK
    return torch.cat(blocks)[None, offset : offset + samples]


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
