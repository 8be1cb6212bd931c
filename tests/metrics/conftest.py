"""Struck sounds made in a few lines, apart from the foundry, so that the detector is not tested on what it grew on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

SAMPLE_RATE = 16000
VOICES = {
    "bar": (420.0, (1.0, 2.756, 5.404), 0.08),
    "bell": (700.0, (1.0, 1.506, 1.991, 2.44, 4.09), 0.7),
    "drum": (90.0, (1.0, 1.59, 2.14), 0.12),
}
MakeSound = Callable[..., NDArray[np.float32]]


def modal_sound(
    times_s: Sequence[float],
    *,
    voice: str = "bar",
    levels: Sequence[float] | None = None,
    duration_s: float = 5.0,
    noise: float = 0.0,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Damped partials with a short burst of noise at each time; `noise` is the level of a steady hiss."""
    rng = np.random.default_rng(seed)
    pitch_hz, ratios, decay_s = VOICES[voice]
    sound = rng.standard_normal(round(duration_s * SAMPLE_RATE)) * noise
    for time_s, level in zip(times_s, levels or [0.5] * len(times_s), strict=True):
        start = round(time_s * SAMPLE_RATE)
        t = np.arange(len(sound) - start) / SAMPLE_RATE
        hit = 0.3 * rng.standard_normal(len(t)) * np.exp(-t / 0.005)
        for k, ratio in enumerate(ratios):
            hit += np.exp(-t * ratio**0.5 / decay_s) * np.sin(2 * np.pi * pitch_hz * ratio * t) / (k + 1)
        sound[start:] += level * hit / 2
    return sound.astype(np.float32)


@pytest.fixture(name="modal_sound")
def _modal_sound() -> MakeSound:
    return modal_sound


@pytest.fixture(params=sorted(VOICES))
def voice(request: pytest.FixtureRequest) -> str:
    return str(request.param)
