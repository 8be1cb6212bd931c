"""A stretch of a recording at another rate, speed and tone, with its transient exactly on a sample."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_FINEST_RATIO = 1000
"""Ratios of rates are rounded to fractions of numbers up to this: less than a tenth of a cent."""

_TREBLE_HZ = 2000.0
_FADE_IN_S, _FADE_OUT_S = 0.002, 0.005
_LONG_FADE_S = 0.03
"""Fades where a recording is cut while it is loud: a sudden end is heard as another hit."""

_LOUD_DB = 40.0
"""It is loud less than this below its peak."""

_EDGE_S = 0.01
_DUCK_DB = -24.0
"""Level of a tail, compared with what it was, once another hit of the same sound strikes."""

_DUCK_S, _DUCK_PART = Fraction(3, 25), Fraction(3, 5)
"""It goes down over this time, or this part of the time to that hit if that is shorter."""

_DUCK_LEAD_S = Fraction(1, 40)
"""It is down from this time before that hit on, so that the attack is heard."""

_WHOLE_S = Fraction(1, 100)
"""The attack of a hit is left whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrikeShape:
    """The size of a shaped stretch: `num_samples`, the first of them at `cut`, its transient on `anchor`.

    `pad` zeros are put before the samples that go in, so that the transient falls on a whole sample that comes out.
    """

    up: int
    down: int
    pad: int
    cut: int
    num_samples: int
    anchor: int


@lru_cache(maxsize=4096)
def shape_of(num_samples: int, anchor: int, *, rate: int, out_rate: int, speed: Fraction) -> StrikeShape:
    """Return the shape of `num_samples` samples at `rate` that strike at sample `anchor`, played at `speed`.

    Without a change of rate or speed the samples stay what they are.
    """
    ratio = out_rate / (rate * speed)
    if max(ratio.numerator, ratio.denominator) > _FINEST_RATIO:
        ratio = (
            ratio.limit_denominator(_FINEST_RATIO) if ratio < 1 else 1 / (1 / ratio).limit_denominator(_FINEST_RATIO)
        )
    up, down = ratio.numerator, ratio.denominator
    # Sample n that goes in is sample n * up / down that comes out, which is whole where down divides n.
    pad = -anchor % down
    cut = pad * up // down
    length = -(-(num_samples + pad) * up // down)
    return StrikeShape(
        up=up, down=down, pad=pad, cut=cut, num_samples=length - cut, anchor=(anchor + pad) // down * up - cut
    )


def shaped(
    samples: NDArray[np.float32], shape: StrikeShape, *, out_rate: int, treble_db: float = 0.0
) -> NDArray[np.float32]:
    """Return samples (num_samples,) in a shape, with what is above 2 kHz louder by `treble_db`."""
    from scipy import signal

    made = samples
    if (shape.up, shape.down) != (1, 1):
        padded = np.concatenate([np.zeros(shape.pad, np.float32), samples])
        made = signal.resample_poly(padded, shape.up, shape.down)[shape.cut :]
    if treble_db:
        # First order and causal: the tone changes, and the sample on which it strikes does not.
        low, feedback = signal.butter(1, min(0.9, 2 * _TREBLE_HZ / out_rate))
        made = made + (10 ** (treble_db / 20) - 1) * (made - signal.lfilter(low, feedback, made))
    return np.asarray(made, np.float32)


def with_soft_edges(samples: NDArray[np.float32], anchor: int, *, rate: int) -> NDArray[np.float32]:
    """Return samples that fade in and out at their ends, away from the transient; longer where they are cut loud."""
    made = np.array(samples)
    edge = max(1, round(_EDGE_S * rate))
    loud = float(np.abs(made).max(initial=0.0)) * 10 ** (-_LOUD_DB / 20)

    def size(part: NDArray[np.float32], short_s: float, room: int) -> int:
        is_loud = float(np.sqrt(np.mean(np.square(part), dtype=np.float64))) > loud if len(part) else False
        return min(room, round((_LONG_FADE_S if is_loud else short_s) * rate))

    # A recording that begins with its hit has no pre-roll to fade.
    rise = size(made[: min(edge, anchor)], _FADE_IN_S, anchor // 2)
    fall = size(made[-edge:], _FADE_OUT_S, (len(made) - anchor - 1) // 2)
    if rise > 0:
        made[:rise] *= (np.arange(rise, dtype=np.float32) + 0.5) / rise
    if fall > 0:
        made[-fall:] *= (np.arange(fall, 0, -1, dtype=np.float32) - 0.5) / fall
    return made


def duck_span(gap_s: Fraction) -> tuple[Fraction, Fraction]:
    """Return begin and end of the ducking of a tail on which another hit strikes `gap_s` later, in seconds."""
    end_s = max(gap_s - _DUCK_LEAD_S, 2 * _WHOLE_S)
    return max(_WHOLE_S, end_s - min(_DUCK_S, _DUCK_PART * gap_s)), end_s


def ducked(samples: NDArray[np.float32], first: int, *, begin: int, end: int) -> NDArray[np.float32]:
    """Return samples, those from `first` on, that go down by 24 dB from sample `begin` to `end` and stay there."""
    if first + len(samples) <= begin:
        return samples
    left = np.clip((end - first - np.arange(len(samples))) / max(1, end - begin), 0, 1)
    lowest = 10 ** (_DUCK_DB / 20)
    return np.asarray(samples * (lowest + (1 - lowest) * np.sin(left * (np.pi / 2)) ** 2), np.float32)
