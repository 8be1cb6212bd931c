"""Raised-cosine fades at both ends, so that stems cut in and out without a click."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from avlink.core.values import Waveform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from avlink_post.plugin import FadesOptions


def fade_ends(wave: Waveform, options: FadesOptions) -> Waveform:
    """`wave` faded in and out; the first and the last sample are zero wherever a fade has a length.

    Fades that do not fit are shortened in proportion, so that they meet and never overlap.
    """
    fade_in = round(options.fade_in_s * wave.sample_rate)
    fade_out = round(options.fade_out_s * wave.sample_rate)
    if fade_in + fade_out > wave.num_samples:
        fade_in = fade_in * wave.num_samples // (fade_in + fade_out)
        fade_out = wave.num_samples - fade_in if fade_out else 0
    samples = wave.samples.copy()
    if fade_in:
        samples[:, :fade_in] *= _rise(fade_in)
    if fade_out:
        samples[:, -fade_out:] *= _rise(fade_out)[::-1]
    return Waveform(samples=samples, sample_rate=wave.sample_rate)


def _rise(length: int) -> NDArray[np.float32]:
    """From exactly 0 towards 1 in `length` samples."""
    return (0.5 - 0.5 * np.cos(np.pi * np.arange(length) / length)).astype(np.float32)
