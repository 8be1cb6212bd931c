"""Laws of what is pure: shapes, cycles, sums, variations."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from avlink_library.cycle import CycleSound, make_cycle
from avlink_library.lay import CEILING, Laid, lay
from avlink_library.options import LibraryOptions
from avlink_library.shape import duck_span, ducked, shape_of, shaped, with_soft_edges
from avlink_library.vary import UNVARIED, variation_of
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from avlink import Hit


class Samples:
    def __init__(self, samples: NDArray[np.float32]) -> None:
        self.samples, self.num_samples = samples, len(samples)

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        assert 0 <= start <= stop <= self.num_samples
        return self.samples[start:stop]


def total(items: list[Laid], length: int, block: int = 1 << 16) -> NDArray[np.float32]:
    return np.concatenate(list(lay(items, length, block=block)), axis=1)[0]


@given(
    rate=st.sampled_from([8000, 11025, 22050, 32000, 44100, 48000, 88200, 96000, 192000]),
    anchor=st.integers(0, 3000),
    cents=st.sampled_from([-60, -30, 0, 30, 60]),
)
def test_a_transient_falls_on_the_anchor_to_the_sample(rate: int, anchor: int, cents: int) -> None:
    speed = Fraction(2 ** (cents / 1200)).limit_denominator(200)
    samples = np.zeros(4000, np.float32)
    samples[anchor] = 1.0
    shape = shape_of(len(samples), anchor, rate=rate, out_rate=48000, speed=speed)
    made = shaped(samples, shape, out_rate=48000, treble_db=2.0)
    assert len(made) == shape.num_samples
    assert int(np.argmax(np.abs(made))) == shape.anchor


def test_nothing_is_changed_that_need_not_be() -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, 500).astype(np.float32)
    shape = shape_of(500, 77, rate=48000, out_rate=48000, speed=Fraction(1))
    assert (shape.anchor, shape.num_samples) == (77, 500)
    np.testing.assert_array_equal(shaped(samples, shape, out_rate=48000), samples)


def test_soft_edges_leave_the_transient() -> None:
    made = with_soft_edges(np.ones(9600, np.float32), 10, rate=48000)
    assert made[10] == 1 and made[0] < 0.2 and made[-1] < 0.01
    # Cut while it is loud, it fades over 30 ms; rung out, over 5.
    np.testing.assert_array_equal(made[10 : 9600 - 1440], 1)
    assert (np.diff(made[-1440:]) < 0).all()
    decayed = np.geomspace(1, 1e-4, 9600).astype(np.float32)
    np.testing.assert_array_equal(with_soft_edges(decayed, 0, rate=48000)[:-240], decayed[:-240])


@given(gap_ms=st.integers(30, 3000), first=st.integers(0, 3000), size=st.integers(1, 500))
def test_ducking_leaves_the_attack_and_is_done_before_the_next_one(gap_ms: int, first: int, size: int) -> None:
    gap_s = Fraction(gap_ms, 1000)
    begin_s, end_s = duck_span(gap_s)
    assert Fraction(1, 100) <= begin_s < end_s <= max(gap_s - Fraction(1, 40), Fraction(1, 50)) < gap_s
    begin, end = round(begin_s * 48000), round(end_s * 48000)
    whole = ducked(np.ones(3500, np.float32), 0, begin=begin, end=end)
    # Blocks are the same as the whole.
    np.testing.assert_array_equal(
        ducked(np.ones(size, np.float32), first, begin=begin, end=end)[: 3500 - first], whole[first : first + size]
    )
    assert (whole[:begin] == 1).all() and (np.diff(whole) <= 0).all()
    np.testing.assert_allclose(whole[end:], 10 ** (-24 / 20), rtol=1e-6)


@given(
    starts=st.lists(st.tuples(st.integers(-60, 260), st.integers(1, 90)), max_size=12),
    block=st.sampled_from([7, 64, 999]),
)
def test_the_sum_is_that_of_all_that_is_laid(starts: list[tuple[int, int]], block: int) -> None:
    rng = np.random.default_rng(1)
    items = [
        Laid(start=start, sound=Samples(rng.uniform(-1, 1, length).astype(np.float32)), gain=0.05)
        for start, length in starts
    ]
    expected = np.zeros(200)
    for item in items:
        for at in range(item.start, item.stop):
            if 0 <= at < 200:
                expected[at] += 0.05 * item.sound.read(at - item.start, at - item.start + 1)[0]
    np.testing.assert_allclose(total(items, 200, block), expected, atol=1e-6)


def test_nothing_clips_and_the_rest_is_left_alone() -> None:
    loud = Samples(np.full(1000, 0.9, np.float32))
    items = [Laid(start=20000, sound=loud) for _ in range(5)] + [
        Laid(start=0, sound=loud),
        Laid(start=40000, sound=loud),
    ]
    for block in (1 << 16, 4096):
        made = total(items, 48000, block)
        assert np.abs(made).max() <= CEILING + 1e-6
        assert made[20500] > 0.9
        # The sum is 0.9 where one is heard alone, and where none is near.
        np.testing.assert_array_equal(made[:1000], np.float32(0.9))
        np.testing.assert_array_equal(made[40000:41000], np.float32(0.9))


def test_joins_of_a_cycle_are_no_louder_and_no_rougher_than_the_rest() -> None:
    rng = np.random.default_rng(2)
    noise = rng.standard_normal(96000).astype(np.float32) * 0.1
    tone = np.sin(np.arange(96000) * 2 * np.pi * 441.7 / 48000).astype(np.float32)
    for samples in (noise, tone):
        cycle = make_cycle(samples, 48000)
        played = CycleSound(cycle, 5 * len(cycle) // 2).read(0, 5 * len(cycle) // 2)
        level = np.sqrt(np.mean(played[: len(played) // 2400 * 2400].reshape(-1, 2400) ** 2, axis=1))
        assert level.max() / level.min() < 1.25
        assert np.abs(np.diff(played)).max() <= 1.1 * np.abs(np.diff(samples)).max()


def test_variations_stay_within_their_bounds_and_are_those_of_the_seed() -> None:
    options = LibraryOptions(vary_cents=50, vary_filter_db=3, vary_level_db=2)
    hits = [Hit(time_s=Fraction(number, 10)) for number in range(200)]
    varied = [variation_of(hit, 3, options) for hit in hits]
    most = 2 ** (50 / 1200) + 1e-9
    assert all(1 / most <= one.speed <= most for one in varied)
    assert all(abs(one.treble_db) <= 3 and abs(one.level_db) <= 2 for one in varied)
    assert len({one.speed for one in varied}) == 5 and len({one.treble_db for one in varied}) == 3
    assert varied == [variation_of(hit, 3, options) for hit in hits]
    assert varied != [variation_of(hit, 4, options) for hit in hits]
    assert {variation_of(hit, 3, LibraryOptions(vary=False)) for hit in hits} == {UNVARIED}


@pytest.mark.parametrize("name", ["vary_cents", "vary_filter_db", "vary_level_db"])
def test_a_bound_of_zero_changes_nothing(name: str) -> None:
    options = LibraryOptions(**{name: 0.0})
    varied = [variation_of(Hit(time_s=Fraction(n, 7)), 1, options) for n in range(50)]
    part = {"vary_cents": "speed", "vary_filter_db": "treble_db", "vary_level_db": "level_db"}[name]
    assert {getattr(one, part) for one in varied} == {1 if part == "speed" else 0}
