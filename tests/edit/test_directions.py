"""Directions on clips and markers reach the stems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import opentimelineio as otio
import soundfile

from avlink.core.events import Event, Message
from avlink.core.recipe import SonifyRecipe
from avlink.edit.sonify import SonifyReport, SonifyRequest, sonify
from avlink.media.bwf import read_bwf_info
from avlink.session import Session
from avlink.timeline.read import read_timeline


def _run(session: Session, recipe: SonifyRecipe, path: Path, output: Path | None = None) -> SonifyReport:
    return sonify(SonifyRequest(input=path, recipe=recipe, output=output, device="cpu"), session)


def _statuses(report: SonifyReport) -> list[str]:
    return [item.status for item in report.items]


def test_clips_direct_seed_gain_and_mode(kit: Any, session: Session, cut: Path, told: list[Event]) -> None:
    recipe = kit.tone_recipe(cut.parent, "stems.post=[]")
    before = _run(session, recipe, cut).items
    plain, _ = soundfile.read(before[0].stems[0].path)
    timeline = read_timeline(cut).timeline
    clips = list(timeline.find_clips())
    clips[0].metadata["avlink"] = {"gain_db": -6.0, "seed": before[0].jobs[0].seed}
    clips[1].metadata["avlink"] = {"mode": "off"}
    clips[2].metadata["avlink"] = {"mode": "loud"}
    otio.adapters.write_to_file(timeline, str(cut))
    report = _run(session, recipe, cut)
    assert _statuses(report) == ["cached", "skipped", "cached"] and report.exit_code == 0
    softer, _ = soundfile.read(report.items[0].stems[0].path)
    assert np.allclose(softer, plain * 10 ** (-6 / 20), atol=1e-6)
    assert any("'loud', is none of sync, ambience, off" in event.text for event in told if isinstance(event, Message))
    assert report.output is not None
    written = read_timeline(report.output).timeline
    assert written.audio_tracks()[0][0].metadata["avlink"]["gain_db"] == -6.0


def test_markers_give_stems_of_their_ranges_on_tracks_by_role(
    session: Session, recipe: SonifyRecipe, cut: Path
) -> None:
    timeline = read_timeline(cut).timeline
    steps = otio.opentime.TimeRange(otio.opentime.RationalTime(12, 24), otio.opentime.RationalTime(12, 24))
    point = otio.opentime.TimeRange(otio.opentime.RationalTime(12, 24))
    first = timeline.tracks[0][0]
    first.markers.extend([otio.schema.Marker("FOLEY: steps", steps), otio.schema.Marker("amb: wind", point)])
    otio.adapters.write_to_file(timeline, str(cut))
    report = _run(session, recipe, cut)
    assert {(item.jobs[0].prompt.text, item.to_json()["mode"], item.stems[0].samples) for item in report.items[:2]} == {
        ("steps", "sync", 24000),
        ("wind", "ambience", 60000),
    }
    stems = {item.jobs[0].prompt.text: item.stems[0] for item in report.items}
    assert read_bwf_info(stems["steps"].path).bext.time_reference == 3600 * 48000 + 12000
    assert read_bwf_info(stems["wind"].path).info.track_names == ("AMB",)
    assert report.output is not None
    written = read_timeline(report.output).timeline
    assert [track.name for track in written.audio_tracks()] == ["FOLEY", "AMB"]
    assert _statuses(_run(session, recipe, report.output, output=cut.with_name("again.otio"))) == ["cached"] * 4
