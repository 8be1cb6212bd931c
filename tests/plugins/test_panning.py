"""Stereo: constant power, and the position of what moves."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from avlink_fusion.panning import WIDTH, PannedSound, motion_positions, panned
from numpy.typing import NDArray

from avlink.core.hits import Hit
from avlink.core.values import Frames, Prompt, SoundRequest, Waveform

RATE = Fraction(24)


def square(columns: list[int | None], *, noise: float = 1.0) -> Frames:
    """A bright square whose left edge is at a column of 64 in each frame, in a noisy picture; None leaves it out."""
    rng = np.random.default_rng(0)
    pictures = 60 + noise * rng.standard_normal((len(columns), 36, 64, 3))
    for picture, left in zip(pictures, columns, strict=True):
        if left is not None:
            picture[14:22, left : left + 8] = 220
    return Frames(pixels=pictures.clip(0, 255).astype(np.uint8), rate=RATE)


def request(frames: Frames, hits: tuple[Hit, ...] | None = None, *, ambience: bool = False) -> SoundRequest:
    return SoundRequest(frames=frames, duration_s=Fraction(2), prompt=Prompt(), seed=0, hits=hits, is_ambience=ambience)


def mono(seconds: float = 2.0) -> Waveform:
    samples = np.random.default_rng(1).standard_normal((1, int(seconds * 8000))).astype(np.float32)
    return Waveform(samples=samples, sample_rate=8000)


def side(sound: PannedSound, first_s: float, last_s: float) -> float:
    """The position that the levels of left and right tell, in [-1, 1]."""
    left, right = (
        float(np.sqrt(np.mean(np.square(channel))))
        for channel in sound.read(int(first_s * 8000), int(last_s * 8000)).astype(float)
    )
    return float(np.arctan2(right, left) / (np.pi / 4) - 1)


@pytest.mark.parametrize("position", [-1.0, -0.3, 0.0, 0.6, 1.0])
def test_power_stays_the_same_at_every_position(position: float) -> None:
    sound = mono()
    made = PannedSound(sound, np.zeros(1), np.full(1, position))
    assert made.channels == 2 and made.num_samples == sound.num_samples
    power = np.square(made.read(0, made.num_samples).astype(float)).sum(0)
    np.testing.assert_allclose(power, np.square(sound.samples[0].astype(float)), rtol=1e-5)
    assert side(made, 0, 2) == pytest.approx(position, abs=1e-3)


def test_parts_of_a_panned_sound_are_those_of_the_whole() -> None:
    made = PannedSound(mono(), np.array([0.0, 1.0, 2.0]), np.array([-0.5, 0.5, 0.0]))
    whole = made.read(0, made.num_samples)
    np.testing.assert_array_equal(np.concatenate([made.read(0, 777), made.read(777, 16000)], axis=1), whole)


def test_the_position_is_that_of_what_moves() -> None:
    """A square jumps up and down at the left, then nothing moves, then at the right."""
    columns: list[int | None] = [4, None] * 8 + [None] * 16 + [52, None] * 8
    times_s, positions = motion_positions(square(columns))
    assert len(times_s) == len(columns)
    assert positions[4] == pytest.approx(WIDTH * (8 / 32 - 1), abs=0.05)
    assert positions[24] == pytest.approx(positions[15], abs=0.05)
    assert positions[44] == pytest.approx(WIDTH * (56 / 32 - 1), abs=0.05)


def test_noise_alone_and_ambience_are_in_the_middle() -> None:
    still = square([None] * 24)
    assert not motion_positions(still)[1].any()
    made = panned(mono(), request(square([4, None] * 12), ambience=True))
    assert side(made, 0, 2) == pytest.approx(0, abs=1e-6)


def test_places_of_hits_count_before_motion() -> None:
    def hit(time_s: Fraction, x: float | None) -> Hit:
        return Hit(time_s=time_s, place=None if x is None else (x, 0.5))

    hits = (hit(Fraction(1, 2), 0.0), hit(Fraction(1), None), hit(Fraction(3, 2), 1.0))
    made = panned(mono(), request(square([30, None] * 24), hits))
    assert side(made, 0.5, 1.4) == pytest.approx(-WIDTH, abs=1e-3)
    assert side(made, 1.49, 2.0) == pytest.approx(WIDTH, abs=1e-3)


def test_mirrored_pictures_give_mirrored_sound() -> None:
    frames = square([4, 8, 12, None, 30, 34] * 8)
    mirrored: NDArray[np.uint8] = np.ascontiguousarray(frames.read(0, 48)[:, :, ::-1])
    there = motion_positions(frames)[1]
    np.testing.assert_allclose(motion_positions(Frames(pixels=mirrored, rate=RATE))[1], -there, atol=1e-9)
