"""Markers that are almost cues are told with the form in which they are one."""

from __future__ import annotations

import math

import opentimelineio as otio
import pytest

from avlink.timeline.cue_notes import almost_cue, cue_notes
from avlink.timeline.markers import Marker, read_cue


def _is_cue(text: str) -> bool:
    return read_cue(Marker(name=text, colour="", comment="", start_s=0, duration_s=0)) is not None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name, comment, form",
    [
        ("FOLEY footsteps", "", "FOLEY: footsteps"),
        ("Foley - footsteps on gravel", "", "FOLEY: footsteps on gravel"),
        ("foley:", "", "FOLEY: footsteps on gravel"),
        ("FOLEY;steps", "", "FOLEY: steps"),
        ("foley=steps", "", "FOLEY: steps"),
        ("FOLEY\uff1asteps", "", "FOLEY: steps"),
        ("[FOLEY] steps", "", "FOLEY: steps"),
        ("#foley steps", "", "FOLEY: steps"),
        ("Foley \u2014 steps", "", "FOLEY: steps"),
        ("FOLEY_steps", "", "FOLEY: steps"),
        ("FOLEY2: steps", "", "FOLEY: steps"),
        ("Folley: steps", "", "FOLEY: steps"),
        ("Foely: steps", "", "FOLEY: steps"),
        ("FOLEY", "steps", "FOLEY: steps"),
        ("Marker 3", "Foley steps", "FOLEY: steps"),
        ("amb - wind", "", "AMB: wind"),
        ("AMB wind", "", "AMB: wind"),
        ("Ambiance: wind", "", "AMB: wind"),
        ("ambience:", " ", "AMB: wind in the trees"),
        ("FOLEY: steps", "", None),
        ("foley:", "steps", None),
        (" Ambience : wind", "", None),
        ("", "AMB: wind", None),
        ("Ambulance: arrives", "", None),
        ("ambient light test", "", None),
        ("Holly: enters", "", None),
        ("check the foleys", "", None),
        ("", "", None),
        ("123", "---", None),
    ],
)
def test_what_is_almost_a_cue_is_shown_as_one(name: str, comment: str, form: str | None) -> None:
    assert almost_cue(name, comment) == form
    if form is not None:
        assert _is_cue(form) and almost_cue(form) is None


def _marker(name: str, at: float = 3, rate: float = 24) -> otio.schema.Marker:
    return otio.schema.Marker(name, otio.opentime.TimeRange(otio.opentime.RationalTime(at, rate)))


def test_markers_everywhere_are_told_once() -> None:
    span = otio.opentime.TimeRange(otio.opentime.RationalTime(0, 24), otio.opentime.RationalTime(24, 24))
    clip = otio.schema.Clip("a", otio.schema.ExternalReference("a.mp4"), span)
    clip.markers.extend([_marker("FOLEY steps"), _marker("FOLEY: right"), _marker("FOLEY: nowhere", math.nan)])
    nest = otio.schema.Stack("nest", [otio.schema.Track("in", [clip])])
    nest.markers.append(_marker("foley:"))
    timeline = otio.schema.Timeline("cut")
    timeline.tracks.append(otio.schema.Track("V1", [nest, clip.deepcopy()]))
    timeline.tracks.markers.append(_marker("Amb - wind"))
    assert cue_notes(timeline) == [
        "marker 'Amb - wind' asks for no sound; write 'AMB: wind'",
        "marker 'foley:' asks for a sound without words; write 'FOLEY: footsteps on gravel'",
        "marker 'FOLEY steps' asks for no sound; write 'FOLEY: steps'",
        "marker 'FOLEY: nowhere' is left out: its place is no time",
    ]
    timeline.tracks.markers.extend(_marker(f"FOLEY steps {number}") for number in range(20))
    assert len(cue_notes(timeline)) == 9 and "16 more" in cue_notes(timeline)[-1]
