"""Laws of items: their places on frames and samples, with sounds of their own and cut from the sound of a clip."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction
from math import floor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.core import clock
from avlink.core.hits import Hit
from avlink.core.values import ItemSound
from avlink.timeline.hit_items import ItemGrid, cut_items, head_of, item_id, numbered, sound_items
from avlink.timeline.markers import Marker
from avlink.timeline.values import ClipRef, Source

RATES = (Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60))
SECOND = Fraction(1)


def clip(start_s: Fraction, duration_s: Fraction, *hits: Hit) -> ClipRef:
    markers = tuple(
        Marker(name="", colour="", comment="", start_s=start_s + hit.time_s, duration_s=hit.duration_s, hit=hit)
        for hit in hits
    )
    return ClipRef(
        id="c",
        name="shot",
        track="V1",
        layer=0,
        timeline_start_s=start_s,
        timeline_duration_s=duration_s,
        source_start_s=Fraction(0),
        media=(),
        markers=markers,
        spotted=True,
    )


def source(place: ClipRef, handle_s: Fraction = Fraction(0)) -> Source:
    return Source(
        clip=place,
        path=Path("a.mp4"),
        digest="d",
        start_s=handle_s,
        duration_s=place.timeline_duration_s,
        before_s=handle_s,
        after_s=handle_s,
    )


def sound(lead: int, length: int, before: int = 0, after: int = 0) -> ItemSound:
    lead_s, length_s, before_s, after_s = (Fraction(count, 48000) for count in (lead, length, before, after))
    return ItemSound(
        name="knock", item="i", choice="c", lead_s=lead_s, length_s=length_s, before_s=before_s, after_s=after_s
    )


seconds = st.fractions(0, 20, max_denominator=48000)
samples = st.integers(0, 60000)


@given(
    start_s=seconds,
    time_s=seconds,
    rate=st.sampled_from(RATES),
    lead=samples,
    rest=st.integers(1, 60000),
    around=st.tuples(samples, samples),
    other=st.tuples(samples, st.integers(1, 60000)),
    handle_s=st.sampled_from([Fraction(0), Fraction(1, 10), SECOND]),
)
def test_an_item_covers_its_sound_on_whole_frames_and_strikes_on_its_sample(
    start_s, time_s, rate, lead, rest, around, other, handle_s
) -> None:
    hit = Hit(time_s=time_s)
    own = source(clip(start_s, time_s + 1, hit))
    grid = ItemGrid(rate=rate, sample_rate=48000, handle_s=handle_s)
    sounds = [sound(lead, lead + rest, *around), sound(other[0], sum(other))]
    items = sound_items(own, hit, 1, sounds, grid)
    struck = clock.to_index(start_s + time_s, 48000)
    assert len({(item.clip.id, item.clip.timeline_start_s, item.clip.timeline_end_s) for item in items}) == 1
    place = items[0].clip
    assert (place.timeline_start_s * rate).denominator == (place.timeline_end_s * rate).denominator == 1
    begin = clock.to_index(place.timeline_start_s, 48000)
    # Nothing of the first sound lies outside of it, but what lies before the timeline.
    assert begin <= max(0, struck - lead) and clock.to_index(place.timeline_end_s, 48000) >= struck + rest
    # It is no longer than it must be.
    assert place.timeline_start_s >= min(start_s + time_s - Fraction(max(lead, 480), 48000) - 1 / rate, 0) or begin == 0
    for item, one in zip(items, sounds, strict=True):
        first = clock.to_index(head_of(item, own.clip, 48000), 48000)
        # The sample of what is made that lies on the hit is its transient.
        assert first + struck - begin == clock.to_index(item.at_s, 48000)
        assert item.core_s[0] <= item.at_s - one.lead_s and item.at_s - one.lead_s + one.length_s <= item.core_s[1]
        assert item.length_s >= one.length_s
        if not handle_s:
            assert item.length_s == one.length_s


@given(start_s=seconds, time_s=seconds, lasts_s=st.fractions(Fraction(1, 1000), 9), rate=st.sampled_from(RATES))
def test_a_sound_that_lasts_fills_the_frames_that_it_touches(start_s, time_s, lasts_s, rate) -> None:
    hit = Hit(time_s=time_s, duration_s=lasts_s, kind="slide")
    own = source(clip(start_s, time_s + lasts_s, hit))
    long = replace(sound(0, 1), length_s=lasts_s, before_s=Fraction(60), after_s=Fraction(60))
    (item,) = sound_items(own, hit, 1, [long], ItemGrid(rate=rate, sample_rate=48000, handle_s=SECOND))
    begin, end = start_s + time_s, start_s + time_s + lasts_s
    assert begin - 1 / rate < item.clip.timeline_start_s <= begin and end <= item.clip.timeline_end_s < end + 1 / rate
    assert item.core_s == (1, 1 + item.clip.timeline_duration_s) and head_of(item, own.clip, 48000) == 1
    assert item.length_s == item.clip.timeline_duration_s + 2


@given(
    start_s=seconds,
    times_s=st.lists(st.fractions(0, 4, max_denominator=960), min_size=1, max_size=12),
    rate=st.sampled_from(RATES),
)
def test_items_that_are_cut_fill_their_clip_and_each_hit_lies_in_one(start_s, times_s, rate) -> None:
    hits = [Hit(time_s=time_s) for time_s in sorted(times_s)]
    own = source(clip(start_s, Fraction(5), *hits), SECOND)
    cuts = cut_items(own, ItemGrid(rate=rate, sample_rate=48000, handle_s=SECOND))
    places = [item.clip for item, _ in cuts]
    assert (places[0].timeline_start_s, places[-1].timeline_end_s) == (start_s, start_s + 5)
    assert all(one.timeline_end_s == other.timeline_start_s for one, other in itertools.pairwise(places))
    assert len({place.id for place in places}) == len(places)
    for item, head_s in cuts:
        assert head_s == 1 + item.clip.timeline_start_s - start_s
        assert item.clip.timeline_start_s <= start_s + item.hit.time_s < item.clip.timeline_end_s
    # Hits that are two frames apart have items of their own.
    apart = [later.time_s - earlier.time_s > 2 / rate for earlier, later in itertools.pairwise(hits)]
    assert len(places) >= 1 + sum(apart)
    assert all((place.timeline_start_s * rate).denominator == 1 for place in places[1:])


def test_the_id_of_an_item_is_that_of_its_moment_however_its_clip_is_trimmed() -> None:
    whole = clip(Fraction(2), Fraction(4))
    trimmed = clip(Fraction(3), Fraction(2))
    hit = Hit(time_s=Fraction(3, 2))
    assert item_id(whole, hit, 1) == item_id(trimmed, replace(hit, time_s=Fraction(1, 2)), 1)
    assert item_id(whole, hit, 1) == item_id(whole, replace(hit, strength=1.0, words="door", kind="step"), 1)
    assert len({item_id(whole, hit, 1), item_id(whole, hit, 2), item_id(whole, replace(hit, time_s=SECOND), 1)}) == 3


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_hits_at_one_moment_are_numbered_whatever_their_order(order: tuple[int, ...]) -> None:
    hits = [Hit(time_s=SECOND, kind="step"), Hit(time_s=SECOND, kind="drop"), Hit(time_s=Fraction(0))]
    assert numbered([hits[index] for index in order]) == [(2, 1, 1)[index] for index in order]


def test_a_frame_that_begins_an_item_is_the_one_before_its_sound() -> None:
    hit = Hit(time_s=SECOND)
    own = source(clip(Fraction(0), Fraction(2), hit))
    (item,) = sound_items(own, hit, 1, [sound(0, 100)], ItemGrid(rate=Fraction(24), sample_rate=48000, handle_s=SECOND))
    # Even a sound that begins with its transient has silence before it, which fades of a chain may have.
    assert item.clip.timeline_start_s == Fraction(floor(Fraction(99, 100) * 24), 24)
    assert head_of(item, own.clip, 48000) == -Fraction(2000, 48000)
