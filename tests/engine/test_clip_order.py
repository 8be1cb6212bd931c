"""Laws of the order in which clips are learned from."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from avlink.engine.train.clip_order import ClipOrder, rank_slice

counts, seeds, places = st.integers(1, 60), st.integers(0, 2**40), st.integers(0, 500)


@given(counts, seeds, st.integers(0, 5))
def test_every_clip_comes_once_an_epoch(count: int, seed: int, epoch: int) -> None:
    assert sorted(ClipOrder(count, seed).take(epoch * count, count)) == list(range(count))


@given(counts, seeds, places, st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_the_row_is_the_same_however_it_is_cut(count: int, seed: int, place: int, sizes: list[int]) -> None:
    order, whole = ClipOrder(count, seed), ClipOrder(count, seed).take(place, sum(sizes))
    pieces = []
    for size in sizes:
        pieces += order.take(place + len(pieces), size)
    assert pieces == whole


@given(counts, seeds, places, st.integers(1, 12), st.sampled_from([1, 2, 4]))
def test_the_slices_of_all_ranks_are_the_batch(count: int, seed: int, place: int, each: int, ranks: int) -> None:
    batch = ClipOrder(count, seed).take(place, each * ranks)
    assert [clip for rank in range(ranks) for clip in rank_slice(batch, rank, ranks)] == batch


@given(counts, seeds, places, st.integers(1, 40))
def test_a_run_goes_on_in_the_middle_of_an_epoch(count: int, seed: int, place: int, number: int) -> None:
    before = ClipOrder(count, seed)
    state = before.state(place)
    after = ClipOrder(count, state["seed"])
    assert after.take(after.position(state), number) == before.take(place, number)


def test_a_store_that_shrank_goes_on_with_its_next_epoch() -> None:
    order = ClipOrder(10, 3)
    assert order.position(ClipOrder(100, 3).state(250)) == 30


def test_epochs_and_seeds_differ_and_no_clip_is_preferred() -> None:
    first = Counter(ClipOrder(8, seed).take(8 * epoch, 1)[0] for seed in range(20) for epoch in range(20))
    assert len(first) == 8
    assert max(first.values()) < 90  # 400 draws of 8: 50 each, give or take 7
