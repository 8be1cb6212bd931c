"""Laws over generated timelines: nested, trimmed, with gaps and time warps, against a slow look at single moments.

The look asks each composition what it shows at one moment, from the top down. It shares nothing with the walk, which
composes lines and cuts windows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import cos, isclose, pi, sin
from pathlib import Path
from typing import Any

import opentimelineio as otio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avlink.core.recipe.schema import SelectTable, SonifyRecipe
from avlink.timeline.plan import build_plan
from avlink.timeline.select import select_clips
from avlink.timeline.values import ClipRef, Source
from avlink.timeline.walk import list_clips

Tree = tuple[Any, ...]
RATE = 24
_HERE = Path(__file__)
SPEEDS = (1, 1, 1, 2, 0.5, -1, -2, 0)
EVERYTHING = SelectTable(clips=("*",))

span = st.one_of(st.none(), st.tuples(st.integers(0, 20), st.integers(1, 30)))
leaf = st.one_of(
    st.tuples(st.just("gap"), st.integers(1, 12)),
    st.tuples(st.just("clip"), st.integers(0, 50), st.integers(1, 24), st.sampled_from(SPEEDS), st.booleans()),
)


def _above(items: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    row = st.lists(items, min_size=1, max_size=4)
    return st.one_of(
        items,
        st.tuples(st.just("track"), row, span, st.just(1)),
        st.tuples(st.just("stack"), st.lists(row, min_size=1, max_size=3), span, st.sampled_from(SPEEDS)),
    )


tree = _above(_above(leaf))
rows = st.lists(st.lists(tree, min_size=1, max_size=4), min_size=1, max_size=3)
moments = st.lists(st.integers(0, 4000), min_size=4, max_size=12)
slow = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])


def _range(start: float, frames: float) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(otio.opentime.RationalTime(start, RATE), otio.opentime.RationalTime(frames, RATE))


def _built(drawn: Tree, names: Iterator[int]) -> otio.core.Item:
    if drawn[0] == "gap":
        return otio.schema.Gap(source_range=_range(0, drawn[1]))
    made: otio.core.Item
    if drawn[0] == "clip":
        _, start, frames, speed, opaque = drawn
        ref = otio.schema.ExternalReference("a.mp4" if opaque else "a.png")
        made = otio.schema.Clip(f"c{next(names)}", ref, _range(start, frames))
    else:
        kind, contents, trim, speed = drawn
        cut = None if trim is None else _range(*trim)
        if kind == "track":
            made = otio.schema.Track("t", [_built(one, names) for one in contents], cut)
        else:
            made = otio.schema.Stack("s", [_track(row, names) for row in contents], source_range=cut)
    if speed != 1:
        made.effects.append(otio.schema.LinearTimeWarp(time_scalar=speed) if speed else otio.schema.FreezeFrame())
    return made


def _track(row: list[Tree], names: Iterator[int]) -> otio.schema.Track:
    return otio.schema.Track("t", [_built(one, names) for one in row])


def _timeline(drawn: list[list[Tree]]) -> otio.schema.Timeline:
    made = otio.schema.Timeline("t")
    names = iter(range(10_000))
    made.tracks.extend([_track(row, names) for row in drawn])
    return made


def _speed(item: otio.core.Item) -> Fraction:
    return Fraction(item.effects[0].time_scalar) if item.effects else Fraction(1)


def _length(item: otio.core.Item) -> Fraction:
    if item.source_range is not None:
        return Fraction(item.source_range.duration.value)
    lengths = [_length(child) for child in item]
    return sum(lengths, Fraction(0)) if isinstance(item, otio.schema.Track) else max(lengths)


def _look(item: otio.core.Item, at: Fraction) -> Iterator[tuple[str, Fraction, bool]]:
    """Return the media that an item shows by frame: name, frame of media, opaque or not; topmost first."""
    if isinstance(item, otio.schema.Gap):
        return
    begin = Fraction(0) if item.source_range is None else Fraction(item.source_range.start_time.value)
    speed = _speed(item)
    own = begin + at * speed + (_length(item) * abs(speed) if speed < 0 else 0)
    if isinstance(item, otio.schema.Clip):
        yield item.name, own, not item.media_reference.target_url.endswith("png")
    elif isinstance(item, otio.schema.Stack):
        for child in reversed(list(item)):
            if 0 <= own < _length(child):
                yield from _look(child, own)
    else:
        start = Fraction(0)
        for child in item:
            if start <= own < start + _length(child):
                yield from _look(child, own - start)
            start += _length(child)


def _seen(made: otio.schema.Timeline, at: Fraction) -> list[tuple[str, Fraction]]:
    found = []
    for name, own, opaque in _look(made.tracks, at):
        # A still is named and skipped, however it is seen: the walk says so of it, not of what is under it.
        found.append((name, own))
        if opaque:
            break
    return sorted(found)


def _planned(made: otio.schema.Timeline) -> list[ClipRef]:
    items = list_clips(made)
    return [item for item in select_clips(items, wanted=EVERYTHING) if isinstance(item, ClipRef)] if items else []


@given(rows, moments)
@slow
def test_at_every_moment_the_plan_has_what_is_seen(drawn: list[list[Tree]], times: list[int]) -> None:
    made = _timeline(drawn)
    planned = _planned(made)
    for time in times:
        # Never a frame's edge, at none of the speeds.
        at = Fraction(time * 7 + 1, 211)
        at_s = at / RATE
        here = [one for one in planned if one.timeline_start_s <= at_s < one.timeline_end_s]
        got = [(one.name, (one.source_start_s + (at_s - one.timeline_start_s) * one.speed) * RATE) for one in here]
        assert sorted(got) == _seen(made, at)


@given(rows)
@slow
def test_stretches_of_one_height_never_overlap_and_have_names_of_their_own(drawn: list[list[Tree]]) -> None:
    planned = _planned(_timeline(drawn))
    assert len({one.id for one in planned}) == len(planned)
    by_height: dict[tuple[int, ...], list[ClipRef]] = {}
    for one in planned:
        assert one.timeline_start_s >= 0 and one.timeline_duration_s > 0
        by_height.setdefault((one.layer, *one.depth), []).append(one)
    for row in by_height.values():
        ordered = sorted(row, key=lambda one: one.timeline_start_s)
        for one, after in pairwise(ordered):
            assert one.timeline_end_s <= after.timeline_start_s


@given(rows)
@slow
def test_a_nest_around_everything_changes_nothing(drawn: list[list[Tree]]) -> None:
    def places(made: otio.schema.Timeline) -> list[tuple[str, Fraction, Fraction, Fraction, Fraction]]:
        return sorted(
            (one.name, one.timeline_start_s, one.timeline_end_s, one.source_start_s, one.speed)
            for one in _planned(made)
        )

    flat = _timeline(drawn)
    nested = otio.schema.Timeline("t")
    tracks = [track.deepcopy() for track in flat.tracks]
    nested.tracks.append(otio.schema.Track("V1", [otio.schema.Stack("all", tracks)]))
    assert places(nested) == places(flat)


@given(rows, st.randoms(use_true_random=False))
@slow
def test_sound_tracks_and_the_order_of_what_is_found_change_no_plan(drawn: list[list[Tree]], random: Any) -> None:
    made = _timeline(drawn)
    before = _planned(made)
    for _ in range(2):
        sound = otio.schema.Track("A", [otio.schema.Clip("x", None, _range(0, 5))], kind=otio.schema.TrackKind.Audio)
        made.tracks.insert(random.randrange(len(made.tracks) + 1), sound)
    assert _planned(made) == before

    def jobs(clips: list[ClipRef]) -> list[tuple[str, str, str]]:
        sources = [
            Source(
                clip=one,
                path=_HERE,
                digest=one.name,
                start_s=one.source_low_s,
                duration_s=one.source_duration_s,
                speed=one.speed,
            )
            for one in clips
        ]
        plan = build_plan(sources, SonifyRecipe(), backend="b", finish="f")
        return [(job.id, job.raw_key, job.stem_name) for job in plan.jobs]

    mixed = list(before)
    random.shuffle(mixed)
    assert jobs(mixed) == jobs(before)


def _with_transitions(made: otio.schema.Timeline, offsets: list[int]) -> otio.schema.Timeline:
    """A copy with a transition at every cut between two things that are seen, in all of its tracks."""
    copy, lengths = made.deepcopy(), iter(offsets * 1000)
    # Children first: what is put into a track moves those behind it.
    for track in copy.find_children(descended_from_type=otio.schema.Track):
        for index in reversed(range(1, len(track))):
            if not any(isinstance(side, otio.schema.Gap) for side in (track[index - 1], track[index])):
                before, after = (otio.opentime.RationalTime(next(lengths), RATE) for _ in range(2))
                track.insert(index, otio.schema.Transition("x", "SMPTE_Dissolve", before, after))
    return copy


def _gain(clip: ClipRef, at_s: Fraction) -> float:
    """Return the gain of a clip at a moment, by its fades alone; 0 outside of it."""
    gain = float(clip.heard_start_s <= at_s < clip.heard_end_s)
    for fade in clip.fades:
        angle = min(1.0, max(0.0, float((at_s - fade.start_s) / fade.duration_s))) * pi / 2
        gain *= sin(angle) if fade.rising else cos(angle)
    return gain


@given(rows, st.lists(st.integers(0, 9), min_size=2, max_size=7))
@slow
def test_transitions_move_no_place_and_only_add_to_what_is_heard(drawn: list[list[Tree]], offsets: list[int]) -> None:
    made = _timeline(drawn)
    plain, dissolved = _planned(made), _planned(_with_transitions(made, offsets))
    for one, other in zip(plain, dissolved, strict=True):
        assert replace(other, lead_s=Fraction(0), trail_s=Fraction(0), fades=()) == one
        assert other.lead_s >= 0 and other.trail_s >= 0
        assert all(fade.start_s < other.heard_end_s and other.heard_start_s < fade.end_s for fade in other.fades)


@given(
    st.lists(st.integers(20, 60), min_size=2, max_size=5), st.lists(st.integers(0, 9), min_size=2, max_size=7), moments
)
@slow
def test_a_chain_of_dissolves_has_the_same_power_throughout(
    lengths: list[int], offsets: list[int], times: list[int]
) -> None:
    clips: list[Tree] = [("clip", 30, frames, 1, True) for frames in lengths]
    planned = _planned(_with_transitions(_timeline([clips]), offsets))
    for time in times:
        at_s = Fraction(time * 7 + 1, 211 * RATE)
        if at_s < Fraction(sum(lengths), RATE):
            assert isclose(sum(_gain(clip, at_s) ** 2 for clip in planned), 1, abs_tol=1e-9)


odd = st.one_of(
    st.sampled_from([0.0, -5.0, float("nan"), float("inf"), -float("inf"), 1e300, 1e-300]), st.floats(-9, 99)
)
odd_range = st.one_of(st.none(), st.tuples(odd, odd, odd))


@given(st.lists(st.tuples(st.integers(0, 4), odd_range, odd_range, odd), min_size=1, max_size=6), odd_range)
@slow
def test_no_numbers_make_the_walk_fail(drawn: list[tuple[int, Any, Any, float]], trim: Any) -> None:
    def ranged(values: Any) -> otio.opentime.TimeRange | None:
        if values is None:
            return None
        start, frames, rate = values
        return otio.opentime.TimeRange(
            otio.opentime.RationalTime(start, rate), otio.opentime.RationalTime(frames, rate)
        )

    made = otio.schema.Timeline("t")
    track = otio.schema.Track("V1", source_range=ranged(trim))
    for kind, source, available, scalar in drawn:
        images = otio.schema.ImageSequenceReference(
            "shot/", "a", ".png", 1, 0, scalar, -3, available_range=ranged(available)
        )
        file = otio.schema.ExternalReference("a.%04d.png", ranged(available))
        clip = otio.schema.Clip("c", images if kind % 2 else file, ranged(source))
        clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=scalar))
        if available is not None:
            clip.markers.append(otio.schema.Marker("m", ranged(available)))
        item = otio.schema.Stack("s", [otio.schema.Track("x", [clip])]) if kind > 2 else clip
        track.append(item)
        if kind == 1:
            offsets = (otio.opentime.RationalTime(value, rate) for value, rate in ((scalar, 24.0), (24.0, scalar)))
            track.append(otio.schema.Transition("x", "Custom_Transition", *offsets))
    made.tracks.append(track)
    for item in select_clips(list_clips(made)):
        if isinstance(item, ClipRef):
            assert item.timeline_duration_s > 0 and item.media
        else:
            assert item.reason
