"""Compositions inside of tracks, and time warps at any depth: one law for all of them, and what editors do by hand."""

from __future__ import annotations

from fractions import Fraction

import opentimelineio as otio
import pytest

from avlink.timeline.select import select_clips
from avlink.timeline.values import ClipRef, Skip
from avlink.timeline.walk import list_clips

Row = tuple[str, int, int, int, str]


def _range(start: float, frames: float, rate: float = 24) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(otio.opentime.RationalTime(start, rate), otio.opentime.RationalTime(frames, rate))


def clip(name: str, start: float, frames: float, *, rate: float = 24, speed: float = 1) -> otio.schema.Clip:
    url = f"{name}.png" if name.startswith("title") else f"{name}.mp4"
    made = otio.schema.Clip(name, otio.schema.ExternalReference(url), _range(start, frames, rate))
    return warped(made, speed)


def warped(item: otio.core.Item, speed: float) -> otio.core.Item:
    if speed == 0:
        item.effects.append(otio.schema.FreezeFrame())
    elif speed != 1:
        item.effects.append(otio.schema.LinearTimeWarp(time_scalar=speed))
    return item


def gap(frames: float) -> otio.schema.Gap:
    return otio.schema.Gap(source_range=_range(0, frames))


def track(*items: otio.core.Item, span: tuple[float, float] | None = None, name: str = "V") -> otio.schema.Track:
    return otio.schema.Track(name, list(items), None if span is None else _range(*span))


def stack(*items: otio.core.Item, span: tuple[float, float] | None = None, speed: float = 1) -> otio.core.Item:
    made = otio.schema.Stack("nest", list(items), source_range=None if span is None else _range(*span))
    return warped(made, speed)


def timeline(*tracks: otio.core.Item, premiere: bool = False) -> otio.schema.Timeline:
    made = otio.schema.Timeline("t")
    made.tracks.extend(list(tracks))
    if premiere:
        made.metadata["PremierePro_OTIO"] = {}
    return made


def seen(made: otio.schema.Timeline) -> list[Row]:
    """Name, first and last timeline frame, first media frame and speed of all that is seen, in frames at 24."""
    found = []
    for item in select_clips(list_clips(made)):
        if isinstance(item, ClipRef):
            times = (item.timeline_start_s, item.timeline_end_s, item.source_start_s)
            frames = [int(time * 24) if (time * 24).denominator == 1 else float(time * 24) for time in times]
            found.append((item.name, *frames, str(item.speed)))
    return found


def test_a_nest_is_trimmed_by_all_that_it_lies_in() -> None:
    # The case that OTIO's range_of_child gets wrong: it ignores the trim of the nest and says 110.
    inner = track(clip("a", 100, 30), clip("b", 0, 50))
    outer = timeline(track(gap(100), stack(inner, span=(20, 40)), clip("c", 0, 10)))
    assert seen(outer) == [("a", 100, 110, 120, "1"), ("b", 110, 140, 0, "1"), ("c", 140, 150, 0, "1")]
    outer.tracks[0].source_range = _range(105, 20)
    assert seen(outer) == [("a", 0, 5, 125, "1"), ("b", 5, 20, 0, "1")]
    outer.tracks.source_range = _range(2, 10)
    assert seen(outer) == [("a", 0, 3, 127, "1"), ("b", 3, 10, 0, "1")]


def test_nests_in_nests_and_tracks_in_tracks() -> None:
    deep = stack(track(clip("a", 0, 48), name="x"), span=(10, 30))
    outer = timeline(track(clip("b", 0, 6), track(gap(6), stack(track(deep, span=(5, 20))), name="inside"), name="V"))
    assert seen(outer) == [("b", 0, 6, 0, "1"), ("a", 12, 32, 15, "1")]
    (found,) = [item for item in list_clips(outer) if item.name == "a"]
    assert isinstance(found, ClipRef) and found.nests == ("inside", "nest", "nest") and found.track == "V"


def test_pictures_hide_each_other_inside_and_through_nests() -> None:
    nest = stack(track(clip("low", 0, 100)), track(gap(20), clip("high", 0, 20), gap(20), clip("title", 0, 20)))
    made = timeline(track(clip("under", 0, 200)), track(gap(50), nest), track(gap(60), clip("top", 0, 5)))
    assert [row[:3] for row in seen(made)] == [
        ("under", 0, 50),
        ("low", 50, 60),
        ("top", 60, 65),
        ("low", 65, 70),
        ("high", 70, 90),
        ("low", 90, 150),
        ("title", 110, 130),
        ("under", 150, 200),
    ]


def test_a_hole_in_a_nest_shows_what_lies_under_it() -> None:
    nest = stack(track(clip("a", 0, 10), gap(10), clip("b", 0, 10)))
    made = timeline(track(clip("under", 0, 30)), track(nest))
    assert [row[:3] for row in seen(made)] == [("a", 0, 10), ("under", 10, 20), ("b", 20, 30)]


@pytest.mark.parametrize("speed, media", [(2.0, 48), (0.5, 12), (-1.0, 24), (-2.0, 48)])
def test_a_warp_changes_the_media_that_passes_and_no_place(speed: float, media: int) -> None:
    made = timeline(track(clip("a", 100, 24, speed=speed), clip("b", 0, 24)))
    first = 100 if speed > 0 else 100 + media
    assert seen(made) == [("a", 0, 24, first, str(Fraction(speed))), ("b", 24, 48, 0, "1")]
    (a, _) = list_clips(made)
    assert isinstance(a, ClipRef) and a.source_low_s * 24 == 100 and a.source_duration_s * 24 == media


def test_premiere_writes_the_length_of_the_media() -> None:
    made = timeline(track(clip("a", 100, 48, speed=-2), clip("b", 0, 12, speed=0.5)), premiere=True)
    assert seen(made) == [("a", 0, 24, 148, "-2"), ("b", 24, 48, 0, "1/2")]


def test_speeds_of_nests_and_clips_multiply() -> None:
    nest = stack(track(clip("a", 0, 24), clip("b", 0, 24, speed=2)), span=(12, 12), speed=2)
    assert seen(timeline(track(nest))) == [("a", 0, 6, 12, "2"), ("b", 6, 12, 0, "4")]
    nest = stack(track(clip("a", 0, 24), clip("b", 0, 24, speed=-1)), span=(0, 48), speed=-1)
    assert seen(timeline(track(nest))) == [("b", 0, 24, 0, "1"), ("a", 24, 48, 24, "-1")]


def test_a_frozen_nest_shows_one_moment_of_one_clip() -> None:
    nest = stack(track(clip("a", 0, 24), clip("b", 0, 24)), span=(30, 100), speed=0)
    made = timeline(track(nest))
    (frozen,) = list_clips(made)
    assert isinstance(frozen, ClipRef) and frozen.name == "b" and frozen.speed == 0
    assert frozen.source_start_s * 24 == 6 and frozen.timeline_duration_s * 24 == 100
    assert seen(made) == []


def test_a_freeze_is_silent_unless_it_is_asked_for() -> None:
    from avlink.core.recipe.schema import SelectTable

    made = timeline(track(clip("a", 30, 48, speed=0)))
    (skip,) = select_clips(list_clips(made))
    assert isinstance(skip, Skip) and "freeze frame" in skip.reason
    assert isinstance(select_clips(list_clips(made), ["V1"])[0], Skip)
    (chosen,) = select_clips(list_clips(made), wish=SelectTable(clips=("A",)))
    assert isinstance(chosen, ClipRef) and chosen.source_start_s * 24 == 30 and chosen.source_duration_s == 0
    made.tracks[0][0].metadata["avlink"] = {"prompt": "a held chord"}
    assert isinstance(select_clips(list_clips(made))[0], ClipRef)


def test_a_freeze_hides_what_lies_under_it() -> None:
    made = timeline(track(clip("under", 0, 48)), track(gap(12), clip("held", 0, 24, speed=0)))
    assert [row[:3] for row in seen(made)] == [("under", 0, 12), ("under", 36, 48)]


def test_what_is_switched_off_is_not_seen_at_any_depth() -> None:
    off = clip("off", 0, 24)
    off.enabled = False
    flagged = clip("flagged", 0, 24)
    flagged.metadata["fcp_xml"] = {"enabled": "FALSE"}
    inner = track(clip("inner", 0, 24))
    inner.metadata["fcp_xml"] = {"enabled": "FALSE"}
    nest = stack(track(clip("nested", 0, 24)))
    nest.enabled = False
    made = timeline(track(clip("under", 0, 96)), track(off, flagged, stack(inner), nest))
    assert [row[:3] for row in seen(made)] == [("under", 0, 96)]
    reasons = {item.name: item.reason for item in list_clips(made) if isinstance(item, Skip)}
    assert reasons == {
        "off": "is switched off",
        "flagged": "is switched off",
        "inner": "is on a track that is switched off",
        "nested": "lies in 'nest', which is switched off",
    }


def test_a_ramp_is_a_sentence_and_hides_what_lies_under_it() -> None:
    ramped = clip("ramped", 0, 24)
    ramped.effects.append(otio.schema.TimeEffect())
    nest = stack(track(clip("a", 0, 24)))
    nest.effects.append(otio.schema.TimeEffect())
    made = timeline(track(clip("under", 0, 72)), track(ramped, nest))
    assert [row[:3] for row in seen(made)] == [("under", 48, 72)]
    assert all("speed ramp" in item.reason for item in list_clips(made) if isinstance(item, Skip))


def test_a_nest_without_contents_is_a_sentence() -> None:
    (found,) = list_clips(timeline(track(stack(span=(0, 24)))))
    assert isinstance(found, Skip) and "does not tell the contents" in found.reason


def test_sound_in_a_nest_is_no_picture() -> None:
    sound = otio.schema.Track("A1", [clip("sound", 0, 24)], kind=otio.schema.TrackKind.Audio)
    assert seen(timeline(track(stack(sound, track(clip("a", 0, 24)))))) == [("a", 0, 24, 0, "1")]


def test_rates_of_nests_and_clips_may_differ() -> None:
    nest = stack(track(clip("a", 0, 50, rate=25), clip("b", 30, 60, rate=29.97)), span=(24, 96))
    a, b = list_clips(timeline(track(nest)))
    assert isinstance(a, ClipRef) and isinstance(b, ClipRef)
    assert (a.timeline_start_s, a.timeline_duration_s, a.source_start_s) == (0, 1, 1)
    assert (b.timeline_start_s, b.source_start_s) == (1, Fraction(1001, 1000))
    assert b.timeline_duration_s == Fraction(60 * 1001, 30000)


def test_a_clip_beside_the_tracks_is_seen() -> None:
    made = timeline(clip("beside", 0, 24), track(gap(12), clip("a", 0, 6)))
    assert [row[:3] for row in seen(made)] == [("beside", 0, 12), ("a", 12, 18), ("beside", 18, 24)]
