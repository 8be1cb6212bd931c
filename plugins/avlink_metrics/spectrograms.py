"""The log mel of torchaudio's defaults, as Synchformer was trained with it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

_RATE, _FFT, _WINDOW, _HOP, _BANDS = 16000, 1024, 400, 160, 128
_COLUMNS = 66
_MEAN, _STD = -4.2677393, 4.5689974


def synchformer_mel(segment: Tensor) -> Tensor:
    """(128, 66) of 0.64 s: ln(mel + 1e-6) of 25 ms windows every 10 ms, one column of 0 at the end, normalised as AST.

    Windows are centred on their moment, ends are reflected; 128 triangles of HTK's mel scale to 8 kHz on powers.
    """
    window = torch.hann_window(_WINDOW)
    spectrum = torch.stft(
        segment, _FFT, _HOP, _WINDOW, window=window, center=True, pad_mode="reflect", return_complex=True
    )
    mel = torch.log(_bands() @ spectrum.abs() ** 2 + 1e-6)
    mel = pad(mel, (0, _COLUMNS - mel.shape[1]))[:, :_COLUMNS]
    return (mel - _MEAN) / (2 * _STD)


@lru_cache(maxsize=1)
def _bands() -> Tensor:
    """Triangles in hertz between places that are even in mel, (128, 513)."""
    top = 2595 * np.log10(1 + _RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, _BANDS + 2) / 2595) - 1)
    bins = np.linspace(0, _RATE / 2, _FFT // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return torch.from_numpy(np.maximum(0.0, np.minimum(rising, falling)).T.copy()).float()
