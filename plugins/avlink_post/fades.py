"""Raised-cosine fades at both ends, so that stems cut in and out without a click."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from avlink import SoundSource
    from avlink_post.options import FadesOptions


def fade_ends(sound: SoundSource, options: FadesOptions) -> SoundSource:
    """Return `sound` with a fade-in and a fade-out; the first and last sample are 0 where a fade has a length.

    Fades that are together longer than the sound are shortened in proportion, so that they do not overlap.
    """
    fade_in = round(options.fade_in_s * sound.sample_rate)
    fade_out = round(options.fade_out_s * sound.sample_rate)
    if fade_in + fade_out > sound.num_samples:
        fade_in = fade_in * sound.num_samples // (fade_in + fade_out)
        fade_out = sound.num_samples - fade_in if fade_out else 0
    return _Faded(sound, fade_in, fade_out)


class _Faded:
    """A `SoundSource` that begins and ends in silence; `fade_in` and `fade_out` are in samples."""

    def __init__(self, sound: SoundSource, fade_in: int, fade_out: int) -> None:
        self._sound, self._fade_in, self._fade_out = sound, fade_in, fade_out
        self.sample_rate, self.channels, self.num_samples = sound.sample_rate, sound.channels, sound.num_samples

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        start, stop, _ = slice(start, stop).indices(self.num_samples)
        samples = self._sound.read(start, stop)
        from_end = self.num_samples - stop
        if start >= self._fade_in and from_end >= self._fade_out:
            return samples
        samples = samples.copy()
        length = samples.shape[1]
        rising = _rise(self._fade_in)[start:stop]
        # The fade-out is the fade-in counted from the end.
        falling = _rise(self._fade_out)[from_end : from_end + length][::-1]
        samples[:, : rising.size] *= rising
        samples[:, length - falling.size :] *= falling
        return samples


def _rise(length: int) -> NDArray[np.float32]:
    """Return a raised cosine from exactly 0 towards 1, in `length` samples."""
    return (0.5 - 0.5 * np.cos(np.pi * np.arange(length) / max(1, length))).astype(np.float32)
