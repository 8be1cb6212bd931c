"""Motion that is seen: cuts are none, flashes are some, and chance is no agreement."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from avlink.core.values import Frames
from avlink.metrics.attacks import EARLIER_S, LATER_S, first_sample
from avlink.metrics.seen_motion import COLS, HEIGHT, RATE, ROWS, WIDTH, seen_motion


def _frames(pixels: np.ndarray) -> Frames:
    return Frames(pixels=pixels.astype(np.uint8), rate=Fraction(RATE))


def _struck(times: list[int], count: int, *, where: tuple[int, int] = (60, 100)) -> np.ndarray:
    """Pictures in which a square is at another place from each of the `times` on, in pictures."""
    pixels = np.full((count, HEIGHT, WIDTH, 3), 80)
    for index in range(count):
        up = sum(time <= index for time in times) % 2
        row, col = where
        pixels[index, row - 12 * up : row - 12 * up + 10, col : col + 10] = 220
    return pixels


def test_motion_is_seen_near_its_moment_and_at_its_place() -> None:
    motion = seen_motion(_frames(_struck([60], 180)))
    assert motion.places.shape == (179, ROWS * COLS)
    assert motion.moves(1.0) and motion.moves(0.9) and motion.moves(1.1)
    assert not motion.moves(0.7) and not motion.moves(1.3) and not motion.moves(5.0)
    place = motion.place(1.0)
    assert place is not None and abs(place[0] - 105 / WIDTH) < 0.1 and abs(place[1] - 59 / HEIGHT) < 0.15
    assert motion.place(2.0) is None


def test_a_cut_is_no_motion_and_a_flash_is() -> None:
    rng = np.random.default_rng(0)
    cut = np.repeat(rng.integers(0, 255, (2, HEIGHT, WIDTH, 3)), 60, axis=0)
    assert not seen_motion(_frames(cut)).moves(1.0)
    flash = np.full((120, HEIGHT, WIDTH, 3), 40)
    flash[60:62] = 240
    assert seen_motion(_frames(flash)).moves(1.0)
    assert not seen_motion(_frames(np.full((120, HEIGHT, WIDTH, 3), 40))).moves(1.0)


def test_blocks_change_nothing() -> None:
    pixels = _struck([10, 63, 64, 65, 130], 200)
    whole, part = seen_motion(_frames(pixels)), seen_motion(_frames(pixels), 60, 140)
    assert np.array_equal(part.places, whole.places[60:139])
    assert not len(seen_motion(_frames(pixels[:1])).places) and not seen_motion(_frames(pixels[:1])).moves(0.0)


def test_motion_agrees_with_its_own_sound_and_not_with_another() -> None:
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.integers(20, 50, 15)).tolist()
    count = times[-1] + 30
    motion = seen_motion(_frames(_struck(times, count)))
    hop_s = 0.02

    def curve(moments: list[int]) -> np.ndarray:
        heard = np.zeros(round(count / RATE / hop_s))
        heard[[min(len(heard) - 1, round(moment / RATE / hop_s)) for moment in moments]] = 1.0
        return heard

    own = motion.agreement(curve(times), hop_s=hop_s)
    others = [
        motion.agreement(curve(np.cumsum(np.random.default_rng(seed).integers(20, 50, 14)).tolist()), hop_s=hop_s)
        for seed in range(10, 20)
    ]
    assert own > 4 and own > max(others) and np.mean(others) < 1.5
    assert motion.agreement(np.zeros(10), hop_s=hop_s) == 0.0
    assert motion.agreement(np.zeros(1000), hop_s=hop_s) == 0.0


@pytest.mark.parametrize("late_s", [-0.015, 0.0, 0.01, 0.03])
def test_an_attack_is_found_to_the_sample(late_s: float) -> None:
    rate, start = 44100, 20_011
    rng = np.random.default_rng(2)
    sound = rng.standard_normal(40_000) * 1e-3
    t = np.arange(5000) / rate
    sound[start : start + 5000] += 0.3 * rng.standard_normal(5000) * np.exp(-t / 0.03)
    energy = np.concatenate([[0.0], np.cumsum(np.diff(sound, prepend=sound[:1]) ** 2)])
    assert -LATER_S < late_s < EARLIER_S
    assert abs(first_sample(energy, start + round(late_s * rate), rate) - start) <= 2


def test_silence_has_no_attack() -> None:
    assert first_sample(np.zeros(1001), 500, 44100) == 500
    assert first_sample(np.zeros(1), 0, 44100) == 0
    assert first_sample(np.zeros(1001), 5000, 44100) == 999
