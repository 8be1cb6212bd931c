"""Local changes: nothing outside of a patch is touched, and its middle is the other version."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avlink.core.values import Waveform
from avlink.engine.sampling.local import BEFORE_S, TAIL_S, PatchedSound, find_patch

RATE = 16000


def noise(seconds: float, seed: int, level: float = 1e-4) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, level, round(seconds * RATE)).astype(np.float32)


def struck(sound: np.ndarray, at_s: float, decay_s: float) -> np.ndarray:
    t = np.arange(len(sound)) / RATE - at_s
    ring = np.where(t >= 0, np.sin(2 * np.pi * 800 * t) * np.exp(-np.maximum(t, 0) / decay_s), 0)
    return (sound + 0.5 * ring).astype(np.float32)


def wave(samples: np.ndarray) -> Waveform:
    return Waveform(samples=samples[None], sample_rate=RATE)


@settings(max_examples=25)
@given(st.floats(0.0, 5.9), st.floats(0.01, 0.2), st.integers(0, 9))
def test_the_rest_of_the_clip_stays_sample_for_sample(at_s: float, decay_s: float, seed: int) -> None:
    base = noise(6, seed)
    other = struck(noise(6, seed), at_s, decay_s)
    patch = find_patch(wave(base), wave(other), at_s, at_s)
    made = PatchedSound(wave(base), (patch,)).read(0, len(base))[0]
    first, last = round((at_s - BEFORE_S) * RATE), round((at_s + TAIL_S) * RATE)
    assert max(0, first) <= patch.start + 1 and patch.stop <= last + 1
    assert np.array_equal(made[: patch.start], base[: patch.start])
    assert np.array_equal(made[patch.stop :], base[patch.stop :])
    # From the attack on the new sound is heard whole.
    attack = slice(round(at_s * RATE), min(len(base), round((at_s + 0.01) * RATE)))
    assert np.array_equal(made[attack], other[attack])


@pytest.mark.parametrize("decay_s", [0.02, 0.1, 0.3])
def test_a_patch_lasts_as_long_as_what_it_changes(decay_s: float) -> None:
    base, other = noise(6, 1), struck(noise(6, 1), 2.0, decay_s)
    patch = find_patch(wave(base), wave(other), 2.0, 2.0)
    # To 45 dB below its peak, which is 5.2 times the decay, and half of a window's length more or less.
    assert patch.stop / RATE - 2.0 == pytest.approx(min(5.2 * decay_s, TAIL_S), abs=0.2)
    joined = PatchedSound(wave(base), (patch,)).read(0, len(base))[0]
    # No click at the end: the step there is no larger than steps of either version.
    steps = np.abs(np.diff(joined[patch.stop - 2 * patch.fade : patch.stop + 10]))
    assert steps.max() < 6e-3


def test_blocks_of_any_size_are_the_same_sound() -> None:
    base, other = noise(6, 1), struck(noise(6, 1), 2.0, 0.1)
    made = PatchedSound(wave(base), (find_patch(wave(base), wave(other), 2.0, 2.0),))
    whole = made.read(0, made.num_samples)
    parts = [made.read(start, start + 777) for start in range(0, made.num_samples, 777)]
    assert np.array_equal(np.concatenate(parts, axis=1), whole)
