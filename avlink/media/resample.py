"""Sample rate conversion by an exact ratio without delay: sample n stays at n / rate seconds.

A polyphase filter with a Kaiser-windowed sinc, flat to 0.9 of the lower Nyquist frequency and below -90 dB beyond it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

from avlink.core.sound import SpooledSound, read_blocks
from avlink.core.values import SoundSource, Waveform

_ZERO_CROSSINGS = 64
_KAISER_BETA = 9.0
_CUTOFF = 0.955
_BLOCK_SAMPLES = 1 << 17
# Codecs give 1024 samples at a time; starting the filter that often costs more than filtering.
_LEAST_BLOCK_SAMPLES = 1 << 15
_TAPS_A_SAMPLE = 8


def resample(wave: Waveform, sample_rate: int) -> Waveform:
    """Return the sound at another rate, with round(num_samples * sample_rate / wave.sample_rate) samples, halves up.

    Beyond its ends the sound is taken as silence. Raises ValueError if the rate is not positive.
    """
    if sample_rate == wave.sample_rate:
        return wave
    converter = _converter(wave, sample_rate)
    out = np.empty((wave.channels, converter.length(wave.num_samples)), np.float32)
    filled = 0
    for block in _converted(wave, converter):
        out[:, filled : filled + block.shape[1]] = block
        filled += block.shape[1]
    return Waveform(samples=out, sample_rate=sample_rate)


def resample_spooled(sound: SoundSource, sample_rate: int) -> SoundSource:
    """Resample in constant memory, by way of a temporary file. Raises OutputError if that cannot be written."""
    if sample_rate == sound.sample_rate:
        return sound
    blocks = _converted(sound, _converter(sound, sample_rate))
    return SpooledSound(blocks, sample_rate=sample_rate, channels=sound.channels)


def _converter(sound: SoundSource, sample_rate: int) -> Resampler:
    if sample_rate <= 0:
        raise ValueError(f"a sample rate must be positive, got {sample_rate}")
    return Resampler(sound.sample_rate, sample_rate, channels=sound.channels)


def _converted(sound: SoundSource, converter: Resampler) -> Iterator[NDArray[np.float32]]:
    for block in read_blocks(sound, _BLOCK_SAMPLES):
        yield converter.push(block)
    yield converter.flush()


class Resampler:
    """Resamples sound that comes in blocks; the result does not depend on where the blocks are cut."""

    def __init__(self, rate_in: int, rate_out: int, *, channels: int) -> None:
        shared = gcd(rate_in, rate_out)
        self._up, self._down = rate_out // shared, rate_in // shared
        self._filter, self._half = _low_pass(self._up, self._down)
        self._least = max(_LEAST_BLOCK_SAMPLES, len(self._filter) // _TAPS_A_SAMPLE)
        # Input samples from index `_base` on, a multiple of `_down` so that output positions fall on whole indices.
        self._kept = np.zeros((channels, 0), np.float32)
        self._waiting: list[NDArray[np.float32]] = []
        self._base = 0
        self._seen = 0
        self._made = 0

    def length(self, samples_in: int) -> int:
        """Return the number of output samples for `samples_in` input samples."""
        return (2 * samples_in * self._up + self._down) // (2 * self._down)

    def push(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take another block (channels, samples); return the samples that are ready."""
        self._waiting.append(block)
        if sum(waiting.shape[1] for waiting in self._waiting) < self._least:
            return self._make(self._made)
        self._take_waiting()
        known = max(0, (self._seen - 1) * self._up - self._half) // self._down if self._seen else 0
        return self._make(max(known, self._made))

    def flush(self) -> NDArray[np.float32]:
        """Return the remaining samples, with silence after the end."""
        self._take_waiting()
        return self._make(self.length(self._seen))

    def _take_waiting(self) -> None:
        self._kept = np.concatenate([self._kept, *self._waiting], axis=1)
        self._seen += sum(waiting.shape[1] for waiting in self._waiting)
        self._waiting = []

    def _make(self, stop: int) -> NDArray[np.float32]:
        # Imported late, here and below: scipy.signal takes longer to load than all else, and plans do not need it.
        from scipy.signal import upfirdn

        start = self._made
        if stop <= start:
            return np.zeros((self._kept.shape[0], 0), np.float32)
        # `_half` is a multiple of `_down`: the filter's delay is a whole number of output samples and cancels exactly.
        offset = self._half // self._down - self._base // self._down * self._up
        filtered = np.asarray(upfirdn(self._filter, self._kept, self._up, self._down, axis=1), np.float32)
        out = np.zeros((self._kept.shape[0], stop - start), np.float32)
        available = filtered[:, start + offset : stop + offset]
        out[:, : available.shape[1]] = available
        self._made = stop
        needed = max(0, (stop * self._down - self._half) // self._up)
        base = max(self._base, needed // self._down * self._down)
        self._kept = self._kept[:, base - self._base :]
        self._base = base
        return out


@lru_cache(maxsize=16)
def _low_pass(up: int, down: int) -> tuple[NDArray[np.float32], int]:
    from scipy.signal import firwin

    if up == down:
        return np.ones(1, np.float32), 0
    widest = max(up, down)
    half = -(-_ZERO_CROSSINGS * widest // down) * down
    taps = firwin(2 * half + 1, _CUTOFF / widest, window=("kaiser", _KAISER_BETA))
    # Times `up`, each phase of the filter sums to 1, so that a constant stays constant.
    return (taps * up).astype(np.float32), half
