from __future__ import annotations

import numpy as np
import pytest
import torch

from avlink.foundry.generate import plan
from avlink.foundry.sound import render_sound
from avlink.metrics.material import MaterialClassifier


def one_material(split, seeds):
    """Sounds only: drawing the pictures would take most of the time."""
    sounds, labels = [], []
    for seed in seeds:
        scene, look, clip, (_, sounding) = plan(seed, split)
        materials = {event.material for event in clip.events}
        # A body that rolls is heard by its rumble more than by the hit that starts it.
        if len(materials) == 1 and clip.group != "continuous":
            sounds.append(render_sound(scene, look.t, sounding, torch.device("cpu")).numpy())
            labels.append(materials.pop())
    return sounds, labels


def test_materials_of_held_out_clips_are_told_apart():
    train_sounds, train_labels = one_material("train", range(60))
    classifier = MaterialClassifier.fit(train_sounds, 16000, train_labels)
    sounds, labels = one_material("held_out", range(32))
    right = [classifier.predict(sound) == label for sound, label in zip(sounds, labels, strict=True)]
    assert np.mean(right) >= 0.95


def test_voices_are_told_apart_at_any_gain_and_through_noise(modal_sound):
    rng = np.random.default_rng(0)
    voices = ["bar", "bell", "drum"]

    def make(voice, noise=0.0):
        times_s = np.arange(0.2, 4.5, rng.uniform(0.4, 0.9))
        return modal_sound(times_s, voice=voice, noise=noise, seed=int(rng.integers(1 << 30)))

    classifier = MaterialClassifier.fit([make(voice) for voice in voices * 6], 16000, voices * 6)
    for voice in voices:
        sound = make(voice, noise=0.002)
        assert classifier.predict(sound) == voice
        assert classifier.predict(sound * np.float32(0.05)) == voice
        assert np.exp(classifier.scores(sound)).sum() <= 1.0 + 1e-9


def test_silence_and_noise_get_some_answer(modal_sound):
    sounds = [modal_sound([0.5], voice=voice) for voice in ("bar", "bell")]
    classifier = MaterialClassifier.fit(sounds, 16000, ["bar", "bell"])
    for sound in (np.zeros(16000), np.random.default_rng(0).standard_normal(16000)):
        assert classifier.predict(sound.astype(np.float32)) in classifier.materials


def test_labels_must_fit(modal_sound):
    sound = modal_sound([0.5])
    with pytest.raises(ValueError, match="pair up"):
        MaterialClassifier.fit([sound], 16000, ["wood", "metal"])
    with pytest.raises(ValueError, match="two materials"):
        MaterialClassifier.fit([sound], 16000, ["wood"])
