"""Preprocessing of sound: mono samples, and the log mel front ends that networks were trained with."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from avlink import Content, SoundSource, read_whole

_VGGISH_RATE, _VGGISH_WINDOW, _VGGISH_HOP, _VGGISH_FFT = 16000, 400, 160, 512


_SYNC_RATE, _SYNC_FFT, _SYNC_WINDOW, _SYNC_HOP, _SYNC_BANDS = 16000, 1024, 400, 160, 128
_SYNC_COLUMNS = 66
_SYNC_MEAN, _SYNC_STD = -4.2677393, 4.5689974


def mono(content: Content, sample_rate: int) -> Tensor:
    """Return the samples of a sound in mono. Raises ValueError if it has another rate, TypeError if it is no sound."""
    if not isinstance(content, SoundSource):
        raise TypeError(f"a sound is wanted, not {type(content).__name__}")
    if content.sample_rate != sample_rate:
        raise ValueError(f"the sound has {content.sample_rate} Hz, not {sample_rate}")
    samples = read_whole(content).samples
    return torch.tensor(samples.mean(axis=0) if len(samples) > 1 else samples[0])


def vggish_patches(sound: Tensor) -> Tensor:
    """Return log mel patches of 0.96 s without overlap, (patches, 1, 96, 64) (Hershey et al. 2017; vggish_params).

    Magnitudes of 25 ms windows every 10 ms, 64 bands of 125 to 7500 Hz that are triangles in mel, ln(. + 0.01). A
    sound that is too short for one patch is padded with silence; the original returns no patch for it.
    """
    least = _VGGISH_WINDOW + 95 * _VGGISH_HOP
    if len(sound) < least:
        sound = torch.nn.functional.pad(sound, (0, least - len(sound)))
    # Double precision: the logarithm of nearly silent bands amplifies rounding errors.
    frames = sound.double().unfold(0, _VGGISH_WINDOW, _VGGISH_HOP)
    # A periodic window and magnitudes, not powers, as in the original's mel_features.py.
    window = torch.hann_window(_VGGISH_WINDOW, periodic=True, dtype=torch.float64)
    spectrum = torch.fft.rfft(frames * window, n=_VGGISH_FFT).abs()
    mel = torch.log(spectrum @ _vggish_bands() + 0.01)
    count = len(mel) // 96
    return mel[: count * 96].reshape(count, 1, 96, 64).float()


@lru_cache(maxsize=1)
def _vggish_bands() -> Tensor:
    bins = _htk_mel(np.linspace(0, _VGGISH_RATE / 2, _VGGISH_FFT // 2 + 1))
    return torch.from_numpy(_triangles(bins, float(_htk_mel(125.0)), float(_htk_mel(7500.0)), 64))


def kaldi_fbank(sound: Tensor, bands: int) -> Tensor:
    """Return Kaldi's log mel filter bank at 16 kHz, (frames, bands), as torchaudio.compliance without dither.

    From each window of 25 ms (every 10 ms, whole windows only) the mean is subtracted; then pre-emphasis by 0.97, a
    symmetric Hann window, power of 512 bins, triangles in mel from 20 Hz to 8 kHz, ln of at least the float32 epsilon.
    """
    if len(sound) < 400:
        return sound.new_zeros(0, bands)
    frames = sound.double().unfold(0, 400, 160)
    frames = frames - frames.mean(dim=1, keepdim=True)
    # Kaldi repeats the first sample of each window for the pre-emphasis.
    before = torch.cat((frames[:, :1], frames[:, :-1]), dim=1)
    frames = frames - 0.97 * before
    window = torch.hann_window(400, periodic=False, dtype=torch.float64)
    power = torch.fft.rfft(frames * window, n=512).abs() ** 2
    # Kaldi leaves out the last bin, at half the rate.
    mel = power[:, :256] @ _kaldi_bands(bands)
    return mel.clamp(min=float(np.finfo(np.float32).eps)).log().float()


@lru_cache(maxsize=4)
def _kaldi_bands(bands: int) -> Tensor:
    bins = _htk_mel(np.arange(256) * 16000 / 512)
    return torch.from_numpy(_triangles(bins, float(_htk_mel(20.0)), float(_htk_mel(8000.0)), bands, with_zero=True))


def synchformer_mel(segment: Tensor) -> Tensor:
    """Return the log mel spectrogram of 0.64 s as Synchformer's, (128, 66), normalised as in AST.

    ln(mel + 1e-6) of 25 ms windows every 10 ms, with one column of 0 at the end. Windows are centred, ends are
    reflected; 128 triangles of HTK's mel scale to 8 kHz on powers (the defaults of torchaudio).
    """
    window = torch.hann_window(_SYNC_WINDOW)
    spectrum = torch.stft(
        segment, _SYNC_FFT, _SYNC_HOP, _SYNC_WINDOW, window=window, center=True, pad_mode="reflect", return_complex=True
    )
    mel = torch.log(_synchformer_bands() @ spectrum.abs() ** 2 + 1e-6)
    mel = torch.nn.functional.pad(mel, (0, _SYNC_COLUMNS - mel.shape[1]))[:, :_SYNC_COLUMNS]
    # AST divides by twice the deviation.
    return (mel - _SYNC_MEAN) / (2 * _SYNC_STD)


@lru_cache(maxsize=1)
def _synchformer_bands() -> Tensor:
    """Return triangles in hertz between edges that are even in mel, (128, 513)."""
    top = 2595 * np.log10(1 + _SYNC_RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, _SYNC_BANDS + 2) / 2595) - 1)
    bins = np.linspace(0, _SYNC_RATE / 2, _SYNC_FFT // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return torch.from_numpy(np.maximum(0.0, np.minimum(rising, falling)).T.copy()).float()


def _htk_mel(hz: float | np.ndarray) -> np.ndarray:
    # 1127 ln(1 + f / 700) equals 2595 lg(1 + f / 700), both of which are called HTK's.
    return np.asarray(1127.0 * np.log(1.0 + np.asarray(hz) / 700.0))


def _triangles(bins: np.ndarray, low: float, high: float, bands: int, *, with_zero: bool = False) -> np.ndarray:
    """Return triangles of height 1 with edges even in mel, (bins, bands). The bin of 0 Hz is 0 unless `with_zero`."""
    edges = np.linspace(low, high, bands + 2)
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    found = np.maximum(0.0, np.minimum(rising, falling))
    if not with_zero:
        found[0] = 0.0
    return found
