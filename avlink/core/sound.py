"""Sound sources of any length in constant memory: read in blocks, spooled to a temporary file, or derived lazily."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from avlink.core.spool import SpoolFile
from avlink.core.values import SoundSource, Waveform

_BLOCK_SAMPLES = 1 << 16
_IN_MEMORY_BYTES = 1 << 22
_SAMPLE_BYTES = 4


def read_blocks(sound: SoundSource, size: int = _BLOCK_SAMPLES) -> Iterator[NDArray[np.float32]]:
    """Yield all of a sound in blocks of shape (channels, up to `size`)."""
    for start in range(0, sound.num_samples, size):
        yield sound.read(start, min(start + size, sound.num_samples))


def read_whole(sound: SoundSource) -> Waveform:
    """Return all of a sound in memory; a waveform is returned as it is."""
    if isinstance(sound, Waveform):
        return sound
    return Waveform(samples=sound.read(0, sound.num_samples), sample_rate=sound.sample_rate)


class SpooledSound:
    """A `SoundSource` in a temporary file, or in memory while it is short. The file goes when this object does."""

    def __init__(self, blocks: Iterable[NDArray[np.float32]], *, sample_rate: int, channels: int) -> None:
        """Take float32 `blocks` of (channels, samples), one after the other.

        Raises OutputError if the temporary file cannot be written.
        """
        self.sample_rate, self.channels, self.num_samples = sample_rate, channels, 0
        self._file, self._lock = SpoolFile("sound", in_memory_bytes=_IN_MEMORY_BYTES), Lock()
        for block in blocks:
            # Interleaved, so that a span of all channels is one contiguous read of the file.
            data = np.ascontiguousarray(block.T, np.float32).tobytes()
            self._file.write(self.num_samples * channels * _SAMPLE_BYTES, data)
            self.num_samples += block.shape[1]

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop) of shape (channels, samples); indices as in a slice."""
        start, stop, _ = slice(start, stop).indices(self.num_samples)
        with self._lock:
            size = self.channels * _SAMPLE_BYTES
            data = self._file.read(start * size, max(0, stop - start) * size)
        return np.ascontiguousarray(np.frombuffer(data, np.float32).reshape(-1, self.channels).T)


class FittedSound:
    """A span of a `SoundSource` of an exact length: cut at its ends, or with silence around it."""

    def __init__(self, sound: SoundSource, num_samples: int, start: int = 0) -> None:
        """Take `num_samples` samples of `sound`, from sample `start` on, which may lie before its first one."""
        self._sound, self._start = sound, start
        self.sample_rate, self.channels, self.num_samples = sound.sample_rate, sound.channels, num_samples

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop) of shape (channels, samples); indices as in a slice."""
        start, stop, _ = slice(start, stop).indices(self.num_samples)
        first, last = (min(max(0, self._start + at), self._sound.num_samples) for at in (start, stop))
        heard = self._sound.read(first, last)
        before = min(max(0, -self._start - start), max(0, stop - start))
        return np.pad(heard, ((0, 0), (before, max(0, stop - start) - before - heard.shape[1])))


class FadedSound:
    """A `SoundSource` with an equal-power fade in (`rising`) or out, and silence before (or after) it.

    The squared gains of a fade in and a fade out over the same span add to 1 at every sample.
    """

    def __init__(self, sound: SoundSource, start: int, length: int, *, rising: bool) -> None:
        """Fade `sound` over `length` samples from sample `start` on, which may lie outside of it."""
        self._sound, self._fade_start, self._length, self._rising = sound, start, length, rising
        self.sample_rate, self.channels, self.num_samples = sound.sample_rate, sound.channels, sound.num_samples

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop) of shape (channels, samples); indices as in a slice."""
        start, stop, _ = slice(start, stop).indices(self.num_samples)
        heard = self._sound.read(start, stop)
        if not self._length:
            return heard
        # Evaluated in the middle of samples, so that fade in and fade out are mirror images.
        done = (np.arange(start, start + heard.shape[1]) - self._fade_start + 0.5) / self._length
        angle = np.clip(done, 0, 1) * (np.pi / 2)
        # cos(pi / 2) is not exactly 0, and after the fade there must be digital silence.
        gain = np.sin(angle) if self._rising else np.where(done >= 1, 0.0, np.cos(angle))
        return np.asarray(heard * gain, np.float32)


class ReversedSound:
    """A `SoundSource` played backwards."""

    def __init__(self, sound: SoundSource) -> None:
        """Give `sound` with its last sample first."""
        self._sound = sound
        self.sample_rate, self.channels, self.num_samples = sound.sample_rate, sound.channels, sound.num_samples

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop) of shape (channels, samples); indices as in a slice."""
        start, stop, _ = slice(start, stop).indices(self.num_samples)
        return self._sound.read(self.num_samples - max(start, stop), self.num_samples - start)[:, ::-1]


class AmplifiedSound:
    """A `SoundSource` times a gain. Nothing is clipped."""

    def __init__(self, sound: SoundSource, factor: float) -> None:
        """Multiply each sample of `sound` by `factor`."""
        self._sound, self._factor = sound, np.float32(factor)
        self.sample_rate, self.channels, self.num_samples = sound.sample_rate, sound.channels, sound.num_samples

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop) of shape (channels, samples); indices as in a slice."""
        return self._sound.read(start, stop) * self._factor
