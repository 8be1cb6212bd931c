"""The recordings themselves: read as they were when their library was read, and kept while they are needed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from avlink import MediaChanged, Sound, read_audio, sound_state, to_index

_KEPT_BYTES = 128 << 20


class Kept:
    """Arrays by key, of which the ones used last are kept, up to 128 MiB."""

    def __init__(self, most_bytes: int = _KEPT_BYTES) -> None:
        self._most, self._bytes = most_bytes, 0
        self._arrays: OrderedDict[Hashable, NDArray[np.float32]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the array of a key, made if it is not kept."""
        found = self._arrays.get(key)
        if found is None:
            found = make()
            self._arrays[key] = found
            self._bytes += found.nbytes
            while self._bytes > self._most and len(self._arrays) > 1:
                self._bytes -= self._arrays.popitem(last=False)[1].nbytes
        else:
            self._arrays.move_to_end(key)
        return found


def read_stretch(sound: Sound, start_s: Fraction, end_s: Fraction) -> NDArray[np.float32]:
    """Return the samples of a recording from `start_s` to `end_s` in mono, at its own rate.

    Raises MediaChanged where the file is not as it was when its library was read, MediaError where it is damaged.
    """
    _check(sound)
    rate = sound.analysis.sample_rate
    heard = read_audio(sound.path, sample_rate=rate, start_s=start_s, duration_s=end_s - start_s)
    _check(sound)
    return heard.samples[0][: to_index(end_s - start_s, rate)]


def _check(sound: Sound) -> None:
    if state := sound_state(sound):
        raise MediaChanged(
            f"'{sound.path}' of the sound library '{sound.library}': {state}; run `avlink library update`"
        )
