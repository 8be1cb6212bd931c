from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from avlink.foundry.clip import SAMPLE_RATE
from avlink.foundry.materials import MATERIALS
from avlink.foundry.scene import Contact
from avlink.foundry.sound import contact_sound

CPU = torch.device("cpu")


def struck(material: str, strength: float = 0.8, size_px: float = 6.0, time_s: float = 1.0) -> tuple[int, np.ndarray]:
    contact = Contact(time_s=time_s, material=material, strength=strength, size_px=size_px)
    first, sound = contact_sound(contact, np.random.default_rng(4), 1.0, CPU)
    return first, sound.numpy()


def centroid_hz(sound: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(sound)) ** 2
    return float((np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE) * power).sum() / power.sum())


def decay_s(sound: np.ndarray) -> float:
    energy = np.cumsum(sound**2)
    return float(np.searchsorted(energy, 0.9 * energy[-1]) / SAMPLE_RATE)


@pytest.mark.parametrize("material", [*MATERIALS, "air"])
def test_a_sound_begins_at_its_contact_and_attacks_within_5_ms(material: str) -> None:
    first, sound = struck(material, time_s=1.00003)
    assert first == 16001
    loud = np.flatnonzero(np.abs(sound) > 0.3 * np.abs(sound).max())[0]
    assert loud / SAMPLE_RATE < 0.006


@pytest.mark.parametrize("material", [*MATERIALS, "air"])
def test_harder_is_louder(material: str) -> None:
    peaks = [np.abs(struck(material, strength)[1]).max() for strength in (0.1, 0.4, 0.7, 1.0)]
    assert all(b > 1.5 * a for a, b in pairwise(peaks))


@pytest.mark.parametrize("material", ["wood", "metal", "stone"])
def test_harder_is_brighter_and_larger_is_lower(material: str) -> None:
    assert centroid_hz(struck(material, 1.0)[1]) > centroid_hz(struck(material, 0.1)[1])
    assert centroid_hz(struck(material, size_px=9)[1]) < centroid_hz(struck(material, size_px=3)[1])


def test_materials_are_told_apart_by_pitch_and_decay() -> None:
    features = {m: np.log([centroid_hz(struck(m)[1]), 8000 * decay_s(struck(m)[1])]) for m in MATERIALS}
    names = list(features)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            assert np.abs(features[one] - features[other]).max() > 0.3, (one, other)
    assert max(MATERIALS, key=lambda m: decay_s(struck(m)[1])) == "metal"
    assert min(MATERIALS, key=lambda m: centroid_hz(struck(m)[1])) == "rubber"
