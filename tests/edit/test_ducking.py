"""Stems go down under the project's own sound and nowhere else, only when asked for, and nothing is generated anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import opentimelineio as otio
import pytest
import soundfile
from numpy.typing import NDArray

from avlink.core.events import Event, Message
from avlink.edit.sonify import SonifyReport, SonifyRequest, sonify
from avlink.session import Session
from avlink.timeline.read import read_timeline

RATE = 48000


def _ranges(*spans: tuple[int, int]) -> list[otio.core.Item]:
    """A clip of prod.wav for each span of frames, with gaps before them."""
    items: list[otio.core.Item] = []
    at = 0
    for start, end in spans:
        items.append(otio.schema.Gap(duration=otio.opentime.RationalTime(start - at, 24)))
        span = otio.opentime.TimeRange(otio.opentime.RationalTime(0, 24), otio.opentime.RationalTime(end - start, 24))
        items.append(otio.schema.Clip("prod", otio.schema.ExternalReference("prod.wav"), span))
        at = end
    return items


def _with_production(path: Path, *spans: tuple[int, int]) -> None:
    timeline = read_timeline(path).timeline
    del timeline.tracks[1:]
    timeline.tracks.append(otio.schema.Track("A1", _ranges(*spans), kind=otio.schema.TrackKind.Audio))
    otio.adapters.write_to_file(timeline, str(path))


@pytest.fixture
def project(cut: Path) -> Path:
    """The small cut, with a loud second of speech-like noise in the middle of its first clip (1.25 s)."""
    noise = np.random.default_rng(0).normal(0, 0.1, RATE * 3)
    soundfile.write(cut.with_name("prod.wav"), noise, RATE)
    _with_production(cut, (12, 18))
    return cut


def _run(session: Session, recipe: Any, path: Path) -> tuple[SonifyReport, list[NDArray[np.float64]]]:
    report = sonify(SonifyRequest(input=path, recipe=recipe, device="cpu"), session)
    return report, [soundfile.read(item.stems[0].path)[0] for item in report.items]


def test_foley_goes_down_under_production_sound_and_comes_back(kit: Any, session: Session, project: Path) -> None:
    _, plain = _run(session, kit.tone_recipe(project.parent, "stems.post=[]"), project)
    report, ducked = _run(session, kit.tone_recipe(project.parent, "stems.post=[]", "stems.duck_db=12"), project)
    assert [item.status for item in report.items] == ["cached"] * 3
    loud = np.abs(plain[0]) > 0.05
    gain_db = 20 * np.log10(np.abs(ducked[0][loud]) / np.abs(plain[0][loud]))
    at_s = np.flatnonzero(loud) / RATE
    assert np.abs(gain_db[at_s < 0.45]).max() < 0.05
    held = gain_db[(at_s > 0.65) & (at_s < 0.74)]
    assert np.abs(held + 12).max() < 0.3
    assert -6 < gain_db[at_s > 1.2].mean() < 0
    # Without a jump: the gain changes by little from one millisecond to the next.
    steps = np.diff(np.interp(np.arange(0, 1.24, 0.001), at_s, gain_db))
    assert np.abs(steps).max() < 0.6
    assert [one.shape for one in ducked] == [one.shape for one in plain]
    assert np.array_equal(ducked[2], plain[2])


def test_what_moves_with_its_sound_stays_and_what_does_not_is_finished_anew(
    kit: Any, session: Session, project: Path
) -> None:
    recipe = kit.tone_recipe(project.parent, "stems.duck_db=12")
    first = _run(session, recipe, project)[0].items[0].jobs[0]
    _with_production(project, (13, 19))
    report, _ = _run(session, recipe, project)
    moved = report.items[0].jobs[0]
    assert report.items[0].status == "cached"
    assert moved.raw_key == first.raw_key and moved.stem_key != first.stem_key


def test_missing_production_sound_is_said_and_nothing_fails(
    kit: Any, session: Session, project: Path, told: list[Event]
) -> None:
    project.with_name("prod.wav").unlink()
    report, _ = _run(session, kit.tone_recipe(project.parent, "stems.duck_db=12"), project)
    assert report.exit_code == 0
    said = [event.text for event in told if isinstance(event, Message)]
    assert any("nothing is lowered under prod on A1" in text and "prod.wav is missing" in text for text in said)


def test_our_own_stems_are_no_production_sound(kit: Any, session: Session, cut: Path) -> None:
    recipe = kit.tone_recipe(cut.parent, "stems.duck_db=12")
    first = sonify(SonifyRequest(input=cut, recipe=recipe, device="cpu"), session)
    assert first.output is not None
    again = SonifyRequest(input=first.output, recipe=recipe, output=cut.with_name("again.otio"), device="cpu")
    second = sonify(again, session)
    assert [item.jobs[0].stem_key for item in second.items] == [item.jobs[0].stem_key for item in first.items]
