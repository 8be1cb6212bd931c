"""Continuous sounds of any length from a recording that goes round, with joins that are not heard."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_JOIN_S, _SEARCH_S = 0.25, 0.5
_MATCH_RATE = 6000
"""Places that match are looked for at a low rate: the phase of what is low is heard at a join."""


def make_cycle(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Return samples (n,) that can be played again and again: the last is followed by the first.

    The end of the recording goes over into its start, where both look most alike, with a crossfade of equal power,
    which takes into account how alike they are.
    """
    count = len(samples)
    join = min(round(_JOIN_S * rate), count // 4)
    if join < 2:
        return samples
    stop = _matching_end(samples, join, round(_SEARCH_S * rate), max(1, rate // _MATCH_RATE))
    out, into = samples[stop - join : stop], samples[:join]
    angle = (np.arange(join) + 0.5) / join * (np.pi / 2)
    falling, rising = np.cos(angle), np.sin(angle)
    alike = _likeness(out, into)
    # The power of the sum of two sounds that are alike is more than the sum of their powers.
    both = (falling * out + rising * into) / np.sqrt(np.maximum(1 + 2 * alike * falling * rising, 0.25))
    return np.asarray(np.concatenate([samples[join : stop - join], both]), np.float32)


class CycleSound:
    """A cycle from its sample `first` on, `num_samples` long, with equal-power fades of `fade` samples at its ends."""

    def __init__(self, cycle: NDArray[np.float32], num_samples: int, *, first: int = 0, fade: int = 0) -> None:
        self._cycle, self._first, self.num_samples = cycle, first, num_samples
        self._fade = min(fade, num_samples // 2)

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop)."""
        at = np.arange(start, stop)
        heard = self._cycle[(self._first + at) % len(self._cycle)]
        if not self._fade:
            return heard
        edge = np.minimum(at + 0.5, self.num_samples - at - 0.5) / self._fade
        return np.asarray(heard * np.sin(np.clip(edge, 0, 1) * (np.pi / 2)), np.float32)


def _matching_end(samples: NDArray[np.float32], join: int, search: int, step: int) -> int:
    """Return where the recording should end, so that the `join` samples before look most like the first ones."""
    from scipy import signal

    count = len(samples)
    earliest = max(3 * join, count - search)
    if earliest >= count:
        return count
    low = signal.sosfiltfilt(signal.butter(2, 0.8 / step, output="sos"), samples) if step > 1 else samples
    head = np.asarray(low[:join:step], np.float64)
    tail = np.asarray(low[earliest - join :: step], np.float64)
    if len(tail) <= len(head):
        return count
    products = signal.correlate(tail, head, mode="valid")
    power = np.convolve(tail**2, np.ones(len(head)), mode="valid")
    best = int(np.argmax(products / np.sqrt(np.maximum(power, 1e-12))))
    return min(count, earliest + best * step)


def _likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    power = float(np.sqrt(np.square(one, dtype=np.float64).sum() * np.square(other, dtype=np.float64).sum()))
    return 0.0 if power <= 0 else float(np.dot(one.astype(np.float64), other)) / power
