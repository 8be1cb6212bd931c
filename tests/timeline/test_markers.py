"""Markers and colours, where they lie on the timeline."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import opentimelineio as otio
import pytest

from avlink.timeline.markers import colour_of
from avlink.timeline.select import select_clips
from avlink.timeline.values import ClipRef
from avlink.timeline.walk import list_clips


def _range(start: float, frames: float) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(otio.opentime.RationalTime(start, 24), otio.opentime.RationalTime(frames, 24))


def _clip(name: str, start: float, frames: float, *markers: otio.schema.Marker, speed: float = 1) -> otio.schema.Clip:
    made = otio.schema.Clip(name, otio.schema.ExternalReference("a.mp4"), _range(start, frames))
    made.markers.extend(markers)
    if speed != 1:
        made.effects.append(otio.schema.LinearTimeWarp(time_scalar=speed) if speed else otio.schema.FreezeFrame())
    return made


def _marker(name: str, start: float, frames: float = 0, **said: Any) -> otio.schema.Marker:
    return otio.schema.Marker(name, _range(start, frames), **said)


def _timeline(*items: otio.core.Item) -> otio.schema.Timeline:
    made = otio.schema.Timeline("t")
    made.tracks.append(otio.schema.Track("V1", list(items)))
    return made


def _found(made: otio.schema.Timeline) -> dict[str, list[tuple[str, Fraction, Fraction]]]:
    """The markers of each clip with start and length in frames."""
    return {
        one.name: [(marker.name, marker.start_s * 24, marker.duration_s * 24) for marker in one.markers]
        for one in list_clips(made)
        if isinstance(one, ClipRef)
    }


@pytest.mark.parametrize(
    "speed, expected",
    [(1, ("x", 10, 6)), (2, ("x", 5, 3)), (0.5, None), (-1, ("x", 8, 6)), (-2, ("x", 16, 3)), (0, None)],
)
def test_a_clip_s_marker_lies_where_its_picture_is_seen(speed: float, expected: tuple[str, int, int] | None) -> None:
    # Ten frames into 24 of the media. At half the speed 12 frames of media are seen, so it begins at the 20th.
    made = _timeline(_clip("a", 100, 24, _marker("x", 110, 6), speed=speed))
    found = _found(made)["a"]
    if speed == 0.5:
        assert found == [("x", 20, 12)]
    else:
        assert found == ([] if expected is None else [expected])


def test_markers_outside_of_what_is_seen_are_not_there() -> None:
    made = _timeline(_clip("a", 100, 24, _marker("before", 99), _marker("first", 100), _marker("after", 124)))
    assert [name for name, *_ in _found(made)["a"]] == ["first"]
    made.tracks[0].source_range = _range(6, 10)
    assert _found(made)["a"] == []


def test_markers_of_tracks_nests_and_the_timeline_belong_to_what_they_lie_over() -> None:
    nest = otio.schema.Stack("nest", [otio.schema.Track("x", [_clip("c", 0, 24)])], source_range=_range(6, 12))
    nest.markers.append(_marker("nest", 8, 2))
    made = _timeline(_clip("a", 0, 24), _clip("b", 0, 24), nest)
    made.tracks[0].markers.append(_marker("track", 30))
    made.tracks.markers.extend([_marker("long", 20, 10), _marker("late", 59)])
    assert _found(made) == {
        "a": [("long", 20, 10)],
        "b": [("long", 20, 10), ("track", 30, 0)],
        "c": [("nest", 50, 2), ("late", 59, 0)],
    }
    own = [marker.own for one in list_clips(made) if isinstance(one, ClipRef) for marker in one.markers]
    assert not any(own)


def test_parts_keep_only_their_own_markers() -> None:
    made = _timeline(_clip("a", 0, 48, _marker("one", 3), _marker("two", 40)))
    over = otio.schema.Track("V2", [otio.schema.Gap(source_range=_range(0, 10)), _clip("over", 0, 10)])
    made.tracks.append(over)
    parts = [one for one in select_clips(list_clips(made)) if isinstance(one, ClipRef) and one.name == "a"]
    assert [[marker.name for marker in part.markers] for part in parts] == [["one"], ["two"]]


def test_a_marker_at_no_rate_is_left_out() -> None:
    made = _timeline(_clip("a", 0, 24))
    made.tracks[0][0].markers.append(otio.schema.Marker("x", otio.opentime.TimeRange(otio.opentime.RationalTime(3, 0))))
    assert _found(made)["a"] == []


@pytest.mark.parametrize(
    "metadata, colour",
    [
        ({}, None),
        ({"fcp_xml": {"labels": {"label2": "Iris"}}}, "IRIS"),
        ({"Resolve_OTIO": {"Color": "Orange"}}, "ORANGE"),
        ({"PremierePro_OTIO": {"Label": "Mango"}}, "MANGO"),
        ({"fcp_xml": {"labels": ""}}, None),
    ],
)
def test_colours_and_labels_of_programs(metadata: dict[str, Any], colour: str | None) -> None:
    clip = _clip("a", 0, 24)
    for key, value in metadata.items():
        clip.metadata[key] = value
    assert colour_of(clip) == colour


@pytest.mark.skipif(not hasattr(otio.core, "Color"), reason="clips have colours from OTIO 0.18 on")
def test_otio_s_own_colour_comes_first() -> None:
    clip = _clip("a", 0, 24)
    clip.metadata["fcp_xml"] = {"labels": {"label2": "Iris"}}
    clip.color = otio.core.Color.ORANGE
    assert colour_of(clip) == "ORANGE"
