"""Removal of clicks: a few samples that differ from their neighbours and are followed by no sound, as a hit would be.

The second difference makes a jump exceed everything but the highest tones. A sample whose second difference is far
above the median on both sides is a jump; it is a click if the sound after it is no louder than before. The samples of a
click are replaced by a cubic Hermite curve through their neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from avlink import SoundSource
    from avlink_post.options import DeclickOptions

_SURROUNDINGS_S = 0.002
_ONSET_RATIO = 3.0
# The second difference of one wrong sample extends by one sample on either side; one more for band-limited clicks.
_MARGIN = 2
_CELL_BLOCKS = 512
_MARGIN_BLOCKS = 16


def remove_clicks(sound: SoundSource, options: DeclickOptions) -> SoundSource:
    """Return `sound` without its clicks."""
    return _Declicked(sound, options)


class _Declicked:
    """A `SoundSource` without clicks, whose result does not depend on how it is read.

    It works on a fixed grid of cells. Each is read with a margin that is wide enough for both cells to find a click on
    their border, and to find the same.
    """

    def __init__(self, sound: SoundSource, options: DeclickOptions) -> None:
        self._sound, self._options = sound, options
        self.sample_rate, self.channels, self.num_samples = sound.sample_rate, sound.channels, sound.num_samples
        # A cell is a whole number of blocks of medians, so that blocks are the same for every cell and its margin.
        self._reach = max(8, round(_SURROUNDINGS_S * sound.sample_rate))
        self._cell = _CELL_BLOCKS * self._reach
        self._last: tuple[int, NDArray[np.float32]] | None = None

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        start, stop, _ = slice(start, stop).indices(self.num_samples)
        parts = [np.zeros((self.channels, 0), np.float32)]
        for number in range(start // self._cell, -(-stop // self._cell)):
            at = number * self._cell
            parts.append(self._clean(number)[:, max(0, start - at) : stop - at])
        return np.concatenate(parts, axis=1)

    def _clean(self, number: int) -> NDArray[np.float32]:
        # Readers that go through the sound in small blocks ask for each cell several times.
        if self._last is None or self._last[0] != number:
            first = number * self._cell
            start = max(0, first - _MARGIN_BLOCKS * self._reach)
            seen = self._sound.read(start, min(self.num_samples, first + self._cell + _MARGIN_BLOCKS * self._reach))
            cleaned = seen.copy()
            for row, channel in enumerate(seen):
                for begin, end in _clicks(channel, self.sample_rate, self._options):
                    cleaned[row, begin:end] = _bridge(channel, begin, end)
            self._last = number, cleaned[:, first - start : first - start + self._cell]
        return self._last[1]


def _clicks(channel: NDArray[np.float32], rate: int, options: DeclickOptions) -> list[tuple[int, int]]:
    """Return the spans [start, stop) of samples to replace, in order, without overlap."""
    if channel.size < 8:
        return []
    floor = 10.0 ** (options.floor_dbfs / 20.0)
    ratio = 10.0 ** (options.sensitivity_db / 20.0)
    max_samples = max(1, round(options.max_click_s * rate))
    reach = max(8, round(_SURROUNDINGS_S * rate))
    # Index i of the second difference belongs to sample i + 1, between its neighbours.
    jump = np.zeros_like(channel)
    jump[1:-1] = np.abs(np.diff(channel, n=2))

    spans: list[tuple[int, int]] = []
    # Half of the ratio first: block medians are coarse, and each suspect is measured exactly below.
    suspect = jump > np.maximum(floor, 0.5 * ratio * _block_medians(jump, reach))
    for start, stop in _groups(np.flatnonzero(suspect), gap=_MARGIN):
        # Part of the click before.
        if spans and start < spans[-1][1]:
            continue
        peak = start + int(np.argmax(jump[start:stop]))
        near = max(1, max_samples // 2)
        before = slice(max(0, peak - near - reach), max(0, peak - near))
        after = slice(peak + near + 1, peak + near + 1 + reach)
        level = max(_median(jump[before]), _median(jump[after]), floor / ratio)
        if jump[peak] < ratio * level or _is_onset(channel, before, after, floor):
            continue
        out = np.flatnonzero(jump[max(0, peak - near) : peak + near + 1] > 0.1 * jump[peak]) + max(0, peak - near)
        span = (max(0, int(out[0]) - _MARGIN + 1), min(channel.size, int(out[-1]) + _MARGIN))
        if span[1] - span[0] <= max_samples + 2 * _MARGIN:
            spans.append(span)
    return spans


def _is_onset(channel: NDArray[np.float32], before: slice, after: slice, floor: float) -> bool:
    """Return True if a sound begins between the two ranges: the jump is then its onset."""
    louder = _level(channel[after]) > _ONSET_RATIO * _level(channel[before])
    return louder and _level(channel[after]) > floor / _ONSET_RATIO


def _groups(indices: NDArray[np.intp], gap: int) -> list[tuple[int, int]]:
    """Return runs [start, stop) of indices whose distance is at most `gap`."""
    if not indices.size:
        return []
    breaks = np.flatnonzero(np.diff(indices) > gap)
    starts = indices[np.concatenate([[0], breaks + 1])]
    stops = indices[np.concatenate([breaks, [indices.size - 1]])] + 1
    return [(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]


def _block_medians(values: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Return for each value the median of its block of `length`: a coarse level, cheaper than a sliding median."""
    blocks = np.pad(values, (0, -values.size % length), mode="edge").reshape(-1, length)
    return np.repeat(np.median(blocks, axis=1), length)[: values.size]


def _median(values: NDArray[np.float32]) -> float:
    return float(np.median(values)) if values.size else 0.0


def _level(values: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0


def _bridge(channel: NDArray[np.float32], start: int, stop: int) -> NDArray[np.float32]:
    """Return a cubic Hermite curve over [start, stop) through two samples on either side; outside is silence."""

    def at(index: int) -> float:
        return float(channel[index]) if 0 <= index < channel.size else 0.0

    left, right = at(start - 1), at(stop)
    span = stop - start + 1
    slope_left, slope_right = (left - at(start - 2)) * span, (at(stop + 1) - right) * span
    t = np.arange(1, span) / span
    curve = (
        (2 * t**3 - 3 * t**2 + 1) * left
        + (t**3 - 2 * t**2 + t) * slope_left
        + (3 * t**2 - 2 * t**3) * right
        + (t**3 - t**2) * slope_right
    )
    return curve.astype(np.float32)
