"""Motion that is seen with a sound: local changes of the picture, and their agreement with what is heard.

A drummer and a score sound alike to a detector of onsets; only with the drummer does something in the picture move when
it sounds. Agreement is measured against chance: the same sound, shifted against the same picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from avlink.core.values import FrameSource

RATE = 60
"""Changes per second: pictures of every usual rate are held at it, and none is blended."""

ROWS, COLS = 9, 16
WIDTH, HEIGHT = 160, 90

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_SOFT_LEVELS = 6.0
"""Smaller changes, in grey levels of 255, are noise of the camera and of compression."""

_MOVING_LEVELS = 0.5
_NEAR_S = 0.125
_CUT_LEVELS = 15.0
_CUT_ABOVE = 4.0
_LEAST_S = 2.0
_LAG_S = 8 / RATE
_APART_S = 0.5
_PLACES = 5
_BLOCK_FRAMES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenMotion:
    """Changes of a picture, (changes, places) in grey levels of 255: the mean of each place beyond noise.

    Entry n is the change into picture n + 1, which begins (n + 1) / `RATE` seconds after the first. Cuts are no motion.
    """

    places: NDArray[np.float32]

    def moves(self, time_s: float) -> bool:
        """Return whether anything moves within an eighth of a second of a time; the rate of a slow film is enough."""
        at = time_s * RATE - 1
        near = self.places[max(0, round(at - _NEAR_S * RATE)) : max(0, round(at + _NEAR_S * RATE) + 1)]
        return bool(near.size) and float(near.max()) > _MOVING_LEVELS

    def place(self, time_s: float) -> tuple[float, float] | None:
        """Return where most moves at a time, beyond what usually moves there: (x, y) from the upper left, 0 to 1."""
        at = time_s * RATE - 1
        near = self.places[max(0, round(at - _NEAR_S * RATE)) : max(0, round(at + _NEAR_S * RATE) + 1)]
        if not near.size:
            return None
        more = np.maximum(near.mean(axis=0) - np.median(self.places, axis=0), 0.0).reshape(ROWS, COLS)
        # The strongest places alone: a mean over all that moves would lie between two things.
        more = np.maximum(more - 0.5 * more.max(), 0.0)
        total = float(more.sum())
        if total <= 0:
            return None
        x = float((more.sum(axis=0) * (np.arange(COLS) + 0.5)).sum()) / total / COLS
        y = float((more.sum(axis=1) * (np.arange(ROWS) + 0.5)).sum()) / total / ROWS
        return round(x, 3), round(y, 3)

    def agreement(self, heard: NDArray[np.float64], *, hop_s: float) -> float:
        """Return how much better the motion goes with a sound than by chance, in standard deviations.

        `heard` (hops,) is the strength of the sound's onsets every `hop_s` seconds from the first picture on. 0 for
        less than two seconds of either, and where nothing moves or sounds.
        """
        length = min(len(self.places), int(len(heard) * hop_s * RATE))
        if length < _LEAST_S * RATE:
            return 0.0
        times_s = (np.arange(length) + 1) / RATE
        sound = _standing_out(np.interp(times_s, np.arange(len(heard)) * hop_s, heard)[:, None])
        live = self.places[:length].mean(axis=0) > _SOFT_LEVELS / 20
        seen = _standing_out(uniform_filter1d(self.places[:length, live].astype(np.float64), 5, axis=0))
        if not seen.shape[1] or not sound.shape[1]:
            return 0.0
        # All circular shifts at once. Motion may come a little before its sound, or after: sound is slow, blows swing.
        spectrum = np.fft.rfft(seen, axis=0) * np.conj(np.fft.rfft(sound, axis=0))
        alike = np.fft.irfft(spectrum, length, axis=0) / length
        lag = round(_LAG_S * RATE)
        around = np.concatenate([alike[-lag:], alike, alike[:lag]])
        best = np.lib.stride_tricks.sliding_window_view(around, 2 * lag + 1, axis=0).max(axis=-1)
        by_shift = np.sort(best, axis=1)[:, -_PLACES:].mean(axis=1)
        chance = by_shift[round(_APART_S * RATE) : length - round(_APART_S * RATE)]
        spread = float(chance.std())
        return float(by_shift[0] - chance.mean()) / spread if spread > 0 else 0.0


def seen_motion(frames: FrameSource, start: int = 0, stop: int | None = None) -> SeenMotion:
    """Return the motion in pictures [start, stop) of `frames`, which are at `RATE`, read in blocks."""
    stop = frames.num_frames if stop is None else min(stop, frames.num_frames)
    places = [np.zeros((0, ROWS * COLS), np.float32)]
    for first in range(start, stop - 1, _BLOCK_FRAMES):
        # One more than a block, so that blocks join without a gap.
        grey = frames.read(first, min(stop, first + _BLOCK_FRAMES + 1)).astype(np.float32) @ _LUMA
        places.append(_pooled(np.maximum(np.abs(np.diff(grey, axis=0)) - _SOFT_LEVELS, 0.0)))
    return SeenMotion(places=_without_cuts(np.concatenate(places)))


def _standing_out(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return curves (moments, curves) above their mean over a second, with a spread of 1; those of none are left out.

    In logarithms: a flash of light is no more evidence than a hand.
    """
    level = np.log1p(curves)
    level = level - uniform_filter1d(level, RATE + 1, axis=0, mode="nearest")
    spread = level.std(axis=0)
    return np.asarray(level[:, spread > 1e-9] / spread[spread > 1e-9])


def _without_cuts(places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return changes with those of cuts replaced by none: all of the picture changes at once, and once only."""
    whole = np.median(places, axis=1) if len(places) else np.zeros(0)
    kept = places.copy()
    for index in np.flatnonzero(whole > _CUT_LEVELS):
        # Held pictures do not change in between, so a film of 12 pictures a second has its neighbours within six.
        around = np.concatenate([whole[max(0, index - 6) : index], whole[index + 1 : index + 7]])
        # What becomes light and dark again is a flash.
        if whole[index] > _CUT_ABOVE * around.max(initial=0.0):
            kept[index] = 0.0
    return kept


def _pooled(moved: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return means over places, of shape (changes, places), of changes of shape (changes, height, width)."""
    tall, wide = moved.shape[1] // ROWS, moved.shape[2] // COLS
    blocks = moved[:, : tall * ROWS, : wide * COLS].reshape(len(moved), ROWS, tall, COLS, wide)
    return np.asarray(blocks.mean(axis=(2, 4)).reshape(len(moved), ROWS * COLS), np.float32)
