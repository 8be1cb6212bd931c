"""The first sample of an attack: where the energy of a sound steps up most steeply."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EARLIER_S, LATER_S = 0.035, 0.02
"""Detectors that compare windows are late by up to a window, and seldom early."""

_STEP_S = 0.001
_EDGE_S = 0.008
_FINE_EDGE_S = 0.001


def first_sample(energy: NDArray[np.float64], sample: int, sample_rate: int) -> int:
    """Return the first sample of the attack that a detector put at `sample`, up to 35 ms earlier or 20 ms later.

    `energy` (samples + 1,) is the running sum of squares of the first difference of the sound, from 0 on: the first
    difference whitens, so that a click stands out from a loud low tail. Silence gives `sample` back.
    """
    last = len(energy) - 2
    if last < 0:
        return 0
    sample = min(max(sample, 0), last)
    span = np.arange(-round(EARLIER_S / _STEP_S), round(LATER_S / _STEP_S) + 1) * round(_STEP_S * sample_rate)
    rough = _steepest(energy, np.unique(np.clip(sample + span, 0, last)), round(_EDGE_S * sample_rate))
    if rough is None:
        return sample
    reach = round(2 * _FINE_EDGE_S * sample_rate)
    near = np.arange(max(0, rough - reach), min(last, rough + reach) + 1)
    fine = _steepest(energy, near, round(_FINE_EDGE_S * sample_rate))
    return rough if fine is None else fine


def _steepest(energy: NDArray[np.float64], moments: NDArray[np.int64], edge: int) -> int | None:
    """Return the moment after which there is most energy compared with before, within `edge` samples; None in silence.

    The last of equals: before a click, all moments up to an edge have it after them.
    """
    end = len(energy) - 1
    after = energy[np.minimum(moments + edge, end)] - energy[moments]
    # More weight on the first quarter favours the moment nearest to a lone click.
    after += 3.0 * (energy[np.minimum(moments + edge // 4, end)] - energy[moments])
    before = energy[moments] - energy[np.maximum(moments - edge, 0)]
    most = float((after + before).max())
    if most <= 0:
        return None
    # Without a floor, the ratio would be largest in the quietest place.
    ratio = (after + 1e-3 * most) / (before + 1e-3 * most)
    return int(moments[len(ratio) - 1 - int(np.argmax(ratio[::-1]))])
