"""Hits that are worth a mark, and no ripple of rain; measured on clips with known events."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from avlink.core.values import Waveform
from avlink.foundry import make_clips
from avlink.foundry.generate import plan
from avlink.foundry.sound import render_sound
from avlink.metrics.onsets import detect_onsets
from avlink.metrics.stem_hits import MIN_STRENGTH_DB, spot_hits
from avlink.metrics.sync import match_onsets

RATE = 16000


def spotted_s(sound: np.ndarray) -> list[float]:
    wave = Waveform(samples=np.atleast_2d(sound), sample_rate=RATE)
    return [hit.sample / RATE for hit in spot_hits(wave).hits]


LASTING = {
    "rain": (42, 307, 312, 333, 357, 434, 593, 680),
    "wind": (113, 170, 218, 224, 263, 277, 308, 382),
    "machine": (282, 326, 421, 453, 466, 486, 496, 519),
    "roll": (132, 138, 302, 380, 432, 586, 598, 645),
}
"""Seeds, above three million, of the first scenes in which something goes on and nothing is struck."""


def lasting(kind: str) -> list[np.ndarray]:
    """The true sounds of such scenes."""
    found = []
    for seed in LASTING[kind]:
        scene, look, info, (_, sounding) = plan(3_000_000 + seed, "held_out")
        assert info.kind == kind and not info.events
        found.append(render_sound(scene, look.t, sounding, torch.device("cpu")).numpy())
    return found


def test_nearly_all_true_hits_are_marked_and_nothing_else() -> None:
    batch = make_clips(range(40, 60), split="held_out")
    pairs = [
        ([event.time_s for event in clip.events], spotted_s(sound))
        for clip, sound in zip(batch.clips, batch.sound.numpy(), strict=True)
        if clip.events
    ]
    there, marked = (sum(len(times_s) for times_s in side) for side in zip(*pairs, strict=True))
    right = sum(match_onsets(true_s, found_s, 0.02).recall * len(true_s) for true_s, found_s in pairs)
    assert there > 80
    assert right / marked > 0.99
    assert right / there > 0.95


@pytest.mark.parametrize("kind", ["rain", "wind", "machine", "roll"])
def test_sounds_that_last_have_hardly_any(kind: str) -> None:
    assert sum(len(spotted_s(sound)) for sound in lasting(kind)) <= 2


def test_the_bar_is_what_keeps_rain_out() -> None:
    sounds = lasting("rain")
    heard = sum(len(detect_onsets(sound, RATE)) for sound in sounds)
    assert heard > 4 * max(1, sum(len(spotted_s(sound)) for sound in sounds))


def clicks(levels: list[float], gap_s: float = 0.2) -> np.ndarray:
    sound = np.zeros(round((len(levels) + 1) * gap_s * RATE), np.float32)
    tail = np.random.default_rng(1).standard_normal(800) * np.exp(-np.arange(800) / 100)
    for number, level in enumerate(levels, start=1):
        at = round(number * gap_s * RATE)
        sound[at : at + 800] += (level * tail).astype(np.float32)
    return sound + np.random.default_rng(2).standard_normal(len(sound)).astype(np.float32) * 1e-3


def test_of_very_many_the_strongest_are_marked_in_the_order_of_time() -> None:
    levels = [0.5 if number % 3 else 0.05 for number in range(90)]
    sound = Waveform(samples=clicks(levels)[None], sample_rate=RATE)
    every = spot_hits(sound)
    assert len(every.hits) == 90 and every.left_out == 0
    some = spot_hits(sound, most=60)
    assert some.left_out == 30
    assert [hit.sample for hit in some.hits] == sorted(hit.sample for hit in some.hits)
    loud = [hit for hit, level in zip(every.hits, levels, strict=True) if level == 0.5]
    assert set(some.hits) == set(loud)
    assert min(hit.strength_db for hit in loud) >= MIN_STRENGTH_DB


def test_the_same_sound_has_the_same_hits_and_they_lie_in_it() -> None:
    (sound,) = make_clips([41], split="held_out").sound.numpy()
    wave = Waveform(samples=sound[None], sample_rate=RATE)
    first = spot_hits(wave)
    assert first == spot_hits(Waveform(samples=sound[None].copy(), sample_rate=RATE))
    assert all(0 <= hit.sample < wave.num_samples for hit in first.hits)
    assert spot_hits(Waveform(samples=np.zeros((2, 10), np.float32), sample_rate=RATE)).hits == ()
    assert spot_hits(Waveform(samples=np.zeros((1, 0), np.float32), sample_rate=RATE)).hits == ()


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        spot_hits(Waveform(samples=np.full((1, 100), np.inf, np.float32), sample_rate=RATE))
