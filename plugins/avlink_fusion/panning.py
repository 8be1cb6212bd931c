"""The position of sound between left and right: that of its hits where they are known, else that of the motion."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from avlink import FrameSource, Hit, OnStep, SoundGenerator, SoundRequest, SoundSource, change_map

WIDTH = 0.6
"""Position of what sounds at the edge of the picture, where 1 is a loudspeaker: mixers keep foley within the screen."""

_LISTEN_S = 0.12
"""Motion is averaged so far around a moment: what sounds has moved before, and rings on after."""
_EVEN = 1.5
"""The change of a column in shares of the picture's median one that tells of nothing: a moving camera, or light."""
_LEAD_S = 0.03
"""A hit's position holds from this much before it."""


class PannedSound:
    """A mono `SoundSource` at positions that change over time, as stereo of constant power (-3 dB in the middle)."""

    channels = 2

    def __init__(
        self, sound: SoundSource, times_s: Float[np.ndarray, " points"], positions: Float[np.ndarray, " points"]
    ) -> None:
        """Move `sound` linearly between `positions`, each in [-1, 1] from left to right, at ascending `times_s`."""
        self._sound, self._times_s, self._positions = sound, times_s, positions
        self.sample_rate, self.num_samples = sound.sample_rate, sound.num_samples

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop) of shape (2, samples); indices as in a slice."""
        start, stop, _ = slice(start, stop).indices(self.num_samples)
        heard = self._sound.read(start, stop)
        seconds = np.arange(start, start + heard.shape[1]) / self.sample_rate
        angle = (np.interp(seconds, self._times_s, self._positions) + 1) * (np.pi / 4)
        return np.asarray(heard * np.stack((np.cos(angle), np.sin(angle))), np.float32)


class StereoGenerator:
    """A `SoundGenerator` in stereo: the mono sound of another one, placed where the picture has what sounds."""

    def __init__(self, mono: SoundGenerator) -> None:
        self._mono, self.sample_rate, self.picture = mono, mono.sample_rate, mono.picture

    def generate(self, requests: Sequence[SoundRequest], *, on_step: OnStep | None = None) -> Sequence[SoundSource]:
        """Return one sound per request; see `SoundGenerator`."""
        made = self._mono.generate(requests, on_step=on_step)
        return [panned(sound, request) for sound, request in zip(made, requests, strict=True)]


def panned(sound: SoundSource, request: SoundRequest) -> PannedSound:
    """Return the sound of a request where its picture has what sounds."""
    if request.is_ambience or not request.frames.num_frames:
        # Ambience is all around.
        return PannedSound(sound, np.zeros(1), np.zeros(1))
    points = _hit_positions(request.hits or ())
    return PannedSound(sound, *(motion_positions(request.frames) if points is None else points))


def _hit_positions(hits: Sequence[Hit]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the places of hits over time, each from just before it to the next; None without a place."""
    placed = sorted((float(hit.time_s), 2 * hit.place[0] - 1) for hit in hits if hit.place is not None)
    if not placed:
        return None
    times_s, positions = [0.0], [WIDTH * placed[0][1]]
    for time_s, position in placed[1:]:
        # A jump within a hundredth of a second, in the silence before the attack.
        times_s += [time_s - _LEAD_S, time_s - _LEAD_S + 0.01]
        positions += [positions[-1], WIDTH * position]
    return np.maximum.accumulate(times_s), np.asarray(positions)


def motion_positions(frames: FrameSource) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the centre of what moves, at the time of each frame: 0 where nothing does, and held until it moves again.

    A picture that moves as a whole, as a pan does, is in the middle.
    """
    rate = frames.rate
    change = change_map(frames).places.mean(axis=1)
    # The change into a frame belongs to it; there is none into the first one.
    columns = np.pad((change - _EVEN * np.median(change, axis=1, keepdims=True)).clip(min=0), ((1, 0), (0, 0)))
    times_s = np.arange(len(columns)) / float(rate)
    reach = max(1, round(float(Fraction(_LISTEN_S) * rate)))
    kernel = np.hanning(2 * reach + 3)[1:-1]
    near = np.stack([np.convolve(column, kernel, mode="same") for column in columns.T], axis=1)
    total = near.sum(1)
    # From the middle of the first column of places to that of the last.
    place = (np.arange(columns.shape[1]) + 0.5) / columns.shape[1] * 2 - 1
    positions = np.where(total > 0, near @ place / np.maximum(total, 1e-9), np.nan)
    moving = np.flatnonzero(~np.isnan(positions))
    if not len(moving):
        return times_s, np.zeros(len(times_s))
    # Of a still moment the last position that was seen; before the first motion, that of it.
    held = moving[np.maximum(0, np.searchsorted(moving, np.arange(len(positions)), side="right") - 1)]
    return times_s, WIDTH * positions[held]
