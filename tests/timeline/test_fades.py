"""Transitions: both sides are heard as long as they are seen, wherever they are nested, and places stay at the cut."""

from __future__ import annotations

from fractions import Fraction

import opentimelineio as otio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.timeline.fades import Fade, FadeIndex
from avlink.timeline.select import select_clips
from avlink.timeline.values import ClipRef, Skip
from avlink.timeline.walk import list_clips

_RATE = 24


def _time(frames: int) -> otio.opentime.RationalTime:
    return otio.opentime.RationalTime(frames, _RATE)


def _clip(name: str, start: int = 48, frames: int = 48) -> otio.schema.Clip:
    whole = otio.opentime.TimeRange(_time(0), _time(240))
    ref = otio.schema.ExternalReference(f"{name}.mp4", whole)
    return otio.schema.Clip(name, ref, otio.opentime.TimeRange(_time(start), _time(frames)))


def _dissolve(before: int, after: int, kind: str = "SMPTE_Dissolve") -> otio.schema.Transition:
    return otio.schema.Transition("x", kind, _time(before), _time(after))


def _listed(*tracks: otio.core.Item) -> list[ClipRef]:
    timeline = otio.schema.Timeline("t")
    timeline.tracks.extend(tracks)
    found = list_clips(timeline)
    assert all(isinstance(item, ClipRef) for item in found)
    return [item for item in found if isinstance(item, ClipRef)]


def _heard(clip: ClipRef) -> tuple[Fraction, Fraction]:
    return clip.heard_start_s * _RATE, clip.heard_end_s * _RATE


def _fades(clip: ClipRef) -> list[tuple[Fraction, Fraction, bool]]:
    return [(fade.start_s * _RATE, fade.end_s * _RATE, fade.rising) for fade in clip.fades]


@pytest.mark.parametrize("kind", ["SMPTE_Dissolve", "Custom_Transition"])
@pytest.mark.parametrize(("before", "after"), [(6, 6), (0, 12), (12, 0), (3, 9)])
def test_both_sides_of_a_transition_are_heard_over_it(before: int, after: int, kind: str) -> None:
    a, b = _listed(otio.schema.Track("V1", [_clip("a"), _dissolve(before, after, kind), _clip("b")]))
    # Their places are those of the cut, as every program names them.
    assert (a.timeline_start_s, a.timeline_duration_s, b.timeline_start_s) == (0, 2, 2)
    assert (a.source_start_s, b.source_start_s) == (2, 2)
    assert _heard(a) == (0, 48 + after) and _heard(b) == (48 - before, 96)
    assert _fades(a) == [(48 - before, 48 + after, False)] and _fades(b) == [(48 - before, 48 + after, True)]


def test_a_transition_from_nothing_is_a_fade_that_lets_the_track_below_show() -> None:
    gap = otio.schema.Gap(duration=_time(24))
    over = otio.schema.Track("V2", [gap, _dissolve(0, 12), _clip("over"), _dissolve(12, 0)])
    under = otio.schema.Track("V1", [_clip("under", 0, 120)])
    timeline = otio.schema.Timeline("t")
    timeline.tracks.extend([under, over])
    chosen = [item for item in select_clips(list_clips(timeline)) if isinstance(item, ClipRef)]
    seen = [(item.name, item.timeline_start_s * _RATE, item.timeline_end_s * _RATE) for item in chosen]
    assert seen == [("under", 0, 36), ("over", 24, 72), ("under", 60, 120)]
    before, upper, after = chosen
    # What lies under it goes as it comes, and comes again as it goes.
    assert _fades(before) == [(24, 36, False)] and _fades(after) == [(60, 72, True)]
    assert [fade.alone for fade in upper.fades] == [True, True] and _fades(upper) == [(24, 36, True), (60, 72, False)]


def test_a_dissolve_between_clips_hides_what_lies_under_it() -> None:
    over = otio.schema.Track("V2", [_clip("a"), _dissolve(6, 6), _clip("b")])
    timeline = otio.schema.Timeline("t")
    timeline.tracks.extend([otio.schema.Track("V1", [_clip("under", 0, 96)]), over])
    chosen = select_clips(list_clips(timeline))
    assert [item.name for item in chosen if isinstance(item, Skip)] == ["under"]


def test_what_hides_a_part_of_a_transition_ends_what_is_heard_of_it() -> None:
    under = otio.schema.Track("V1", [_clip("a"), _dissolve(12, 12), _clip("b")])
    over = otio.schema.Track("V2", [otio.schema.Gap(duration=_time(54)), _clip("over", 0, 96)])
    timeline = otio.schema.Timeline("t")
    timeline.tracks.extend([under, over])
    a, b = [item for item in select_clips(list_clips(timeline)) if isinstance(item, ClipRef) and item.name != "over"]
    assert _heard(a) == (0, 54) and _heard(b) == (36, 54)


def test_clips_of_a_nested_sequence_come_and_go_with_it() -> None:
    inner = otio.schema.Track("inner", [_clip("early", 0, 24), _clip("late", 48, 120)])
    nest = otio.schema.Stack("nest", [inner], source_range=otio.opentime.TimeRange(_time(30), _time(40)))
    a, late, b = _listed(otio.schema.Track("V1", [_clip("a"), _dissolve(12, 0), nest, _dissolve(0, 8), _clip("b")]))
    assert (a.name, late.name, b.name) == ("a", "late", "b")
    # Inside, 'late' begins 6 frames before the nest's own trim: no more of it can be heard.
    assert _heard(late) == (42, 96) and (late.timeline_start_s, late.timeline_end_s) == (2, Fraction(88, 24))
    assert _fades(late) == [(36, 48, True), (88, 96, False)] and _fades(a) == [(36, 48, False)]


def test_what_is_reversed_as_a_whole_goes_where_it_came() -> None:
    inner = otio.schema.Track("inner", [_clip("a"), _dissolve(6, 12), _clip("b")])
    nest = otio.schema.Stack("nest", [inner], source_range=otio.opentime.TimeRange(_time(0), _time(96)))
    nest.effects.append(otio.schema.LinearTimeWarp(time_scalar=-1))
    by_name = {clip.name: clip for clip in _listed(otio.schema.Track("V1", [nest]))}
    assert _fades(by_name["b"]) == [(36, 54, False)] and _heard(by_name["b"]) == (0, 54)
    assert _fades(by_name["a"]) == [(36, 54, True)] and _heard(by_name["a"]) == (36, 96)


def test_transitions_without_a_length_are_cuts() -> None:
    bad = otio.schema.Transition("x", in_offset=otio.opentime.RationalTime(5, 0), out_offset=_time(0))
    a, b = _listed(otio.schema.Track("V1", [_clip("a"), bad, _clip("b")]))
    assert not a.fades and not b.fades and _heard(b) == (48, 96)


def test_fades_are_values() -> None:
    fade = Fade(start_s=Fraction(1), duration_s=Fraction(1, 2), rising=True)
    assert fade.end_s == Fraction(3, 2) and not fade.alone


moments = st.fractions(0, 100, max_denominator=24)


@given(st.lists(st.tuples(moments, moments), max_size=12), st.lists(st.tuples(moments, moments), max_size=4))
def test_the_fades_over_a_clip_are_found_among_all(
    drawn: list[tuple[Fraction, Fraction]], spans: list[tuple[Fraction, Fraction]]
) -> None:
    fades = [Fade(start_s=start_s, duration_s=duration_s, rising=True) for start_s, duration_s in drawn]
    row = FadeIndex(fades[:5]).joined(fades[5:])
    for start_s, length_s in spans:
        end_s = start_s + length_s
        reached = {fade for fade in fades if fade.start_s < end_s and start_s < fade.end_s}
        assert set(row.within(start_s, end_s)) == reached
