"""Marks of hits in stems, from the sound to every place where an editor sees them; and nowhere else."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import opentimelineio as otio
import pytest
from avlink_otio import plugin

from avlink import hookimpl, testing
from avlink.core.events import Event, Message
from avlink.core.recipe import SonifyRecipe
from avlink.core.values import OnStep, SoundRequest, Waveform
from avlink.edit.cues import import_cues
from avlink.edit.export import ExportRequest, export
from avlink.edit.report import WrittenStem
from avlink.edit.sonify import SonifyReport, SonifyRequest, sonify
from avlink.edit.takes import use_take
from avlink.hooks import Backend, make_registry
from avlink.media.bwf import read_bwf_info
from avlink.session import Session
from avlink.timeline.read import read_timeline

RATE = 48000


class _Hits(testing.ToneGenerator):
    """Bursts of noise at `gap_s`, a little later for every seed."""

    gap_s = 0.25

    def generate(self, requests: Sequence[SoundRequest], *, on_step: OnStep | None = None) -> tuple[Waveform, ...]:
        return tuple(self._struck(request) for request in requests)

    def _struck(self, request: SoundRequest) -> Waveform:
        rng = np.random.default_rng(request.seed)
        sound = rng.standard_normal(round(request.duration_s * self.sample_rate)) * 1e-4
        for time_s in self.times_s(request.seed, float(request.duration_s)):
            start = round(time_s * self.sample_rate)
            t = np.arange(min(1600, len(sound) - start)) / self.sample_rate
            sound[start : start + len(t)] += 0.3 * rng.standard_normal(len(t)) * np.exp(-t / 0.02)
        return Waveform(samples=sound[None].astype(np.float32), sample_rate=self.sample_rate)

    @classmethod
    def times_s(cls, seed: int, duration_s: float) -> list[float]:
        """The truth."""
        return np.arange(0.1 + seed % 10 / 100, duration_s - 0.05, cls.gap_s).tolist()


class _Dense(_Hits):
    gap_s = 0.1


class _Plugin:
    @hookimpl
    def avlink_backends(self) -> list[Backend]:
        return [
            Backend(
                name=name,
                direction="v2a",
                fingerprint=lambda options: "1",
                load=lambda options, device, made=made: made(testing.ToneOptions()),  # type: ignore[misc]
            )
            for name, made in (("hits", _Hits), ("dense", _Dense))
        ]


@pytest.fixture
def session(session: Session) -> Session:
    return replace(session, registry=testing.fake_registry(_Plugin(), plugin))


@pytest.fixture
def recipe(kit: Any, tmp_path: Path) -> SonifyRecipe:
    made: SonifyRecipe = kit.tone_recipe(tmp_path, "backend.name=hits")
    return made


def _run(session: Session, recipe: SonifyRecipe, path: Path, **asked: Any) -> SonifyReport:
    return sonify(SonifyRequest(input=path, recipe=recipe, device="cpu", **asked), session)


def _statuses(report: SonifyReport) -> list[str]:
    return [item.status for item in report.items]


def _stems(path: Path | None) -> list[otio.schema.Clip]:
    assert path is not None
    file = read_timeline(path)
    return [clip.deepcopy() for track in file.timeline.audio_tracks() for clip in track.find_clips()]


def _truth_s(stem: WrittenStem) -> list[float]:
    """Return the hits in a file, by what the backend made before and after the part that is seen."""
    job, first = stem.job, Fraction(stem.head_samples, RATE) - stem.job.head_s
    length_s = float(job.head_s + Fraction(stem.samples - stem.head_samples - stem.tail_samples, RATE) + job.tail_s)
    there = [time_s + float(first) for time_s in _Hits.times_s(job.seed, length_s)]
    return [time_s for time_s in there if 0 <= time_s < stem.samples / RATE]


def _samples(stem: otio.schema.Clip) -> list[int]:
    return [marker.metadata["avlink"]["samples"] for marker in stem.markers]


def test_files_markers_and_report_tell_the_same_hits(session: Session, recipe: SonifyRecipe, cut: Path) -> None:
    report = _run(session, recipe, cut)
    for item, placed in zip(report.items, _stems(report.output), strict=True):
        (stem,) = item.stems
        cues = read_bwf_info(stem.path).info.cues
        events_s = stem.to_json()["events_s"]
        truth_s = _truth_s(stem)
        assert len(events_s) == len(truth_s) >= 1
        assert np.abs(np.array(events_s) - truth_s).max() < 0.003
        assert [round(cue.position_samples / RATE, 6) for cue in cues] == events_s
        assert _samples(placed) == [cue.position_samples for cue in cues]
        assert [(marker.name, marker.comment) for marker in placed.markers] == [(cue.label, cue.note) for cue in cues]
        assert [cue.label for cue in cues] == [f"hit {number}" for number in range(1, len(cues) + 1)]
    # The clips of the user are as they were.
    before, after = read_timeline(cut).timeline, read_timeline(report.output).timeline  # type: ignore[arg-type]
    assert after.tracks[0].to_json_string() == before.tracks[0].to_json_string()


def test_hits_in_handles_count_from_the_first_sample_of_the_file(kit: Any, session: Session, tmp_path: Path) -> None:
    kit.movie(tmp_path / "a.mp4", seconds=4)
    path = tmp_path / "cut.otio"
    otio.adapters.write_to_file(kit.timeline_of(kit.clip("a.mp4", 30, 48)), str(path))
    recipe = kit.tone_recipe(tmp_path, "backend.name=hits", "stems.handle_s=0.5", "stems.write_handles=true")
    report = _run(session, recipe, path)
    (stem,), (placed,) = report.items[0].stems, _stems(report.output)
    assert stem.head_samples == stem.tail_samples == 24000 and stem.samples == 96000 + 2 * 24000
    events_s = stem.to_json()["events_s"]
    assert np.abs(np.array(events_s) - _truth_s(stem)).max() < 0.003
    assert min(events_s) < 0.5 and max(events_s) > 2.5
    media, seen = placed.media_reference.available_range, placed.trimmed_range()
    assert (seen.start_time - media.start_time).to_seconds() == pytest.approx(0.5)
    for marker, event_s in zip(placed.markers, events_s, strict=True):
        late_s = event_s - (marker.marked_range.start_time - media.start_time).to_seconds()
        assert -1e-4 < late_s < 1 / 24
    # A sheet tells what is heard, counted from where that begins.
    sheet = export(ExportRequest(input=report.output, to="csv"), make_registry(plugin)).output  # type: ignore[arg-type]
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    heard = [event_s - 0.5 for event_s in events_s if 0.5 <= event_s < 2.5]
    assert [float(text) for text in row["events_s"].split()] == pytest.approx(heard, abs=1e-6)
    assert 0 < int(row["events"]) < len(events_s)


def test_a_second_run_remembers_and_listens_to_nothing(session: Session, recipe: SonifyRecipe, cut: Path) -> None:
    first = _run(session, recipe, cut)
    written = first.output.read_bytes()  # type: ignore[union-attr]
    again = _run(session, recipe, cut)
    assert _statuses(again) == ["cached"] * 3
    assert again.output.read_bytes() == written  # type: ignore[union-attr]
    assert [item.stems[0].hits for item in again.items] == [item.stems[0].hits for item in first.items]
    # What is remembered is what is told: a note that says otherwise is believed.
    notes = [path for path in (session.cache / "receipts").rglob("*.json") if "hits" in path.read_text()]
    assert len(notes) == 3
    for note in notes:
        known = json.loads(note.read_text())
        facts = known["facts"]
        facts["hits"] = [[sample + 1, strength_db] for sample, strength_db in facts["hits"]]
        note.write_text(json.dumps(known, sort_keys=True))
    told = _run(session, recipe, cut)
    for item, other in zip(told.items, first.items, strict=True):
        assert [hit.sample for hit in item.stems[0].hits] == [hit.sample + 1 for hit in other.stems[0].hits]


def test_the_same_stem_has_the_same_bytes(session: Session, recipe: SonifyRecipe, cut: Path) -> None:
    stems = [item.stems[0].path for item in _run(session, recipe, cut).items]
    before = [path.read_bytes() for path in stems]
    for path in stems:
        path.unlink()
    _run(session, recipe, cut, force=True)
    assert [path.read_bytes() for path in stems] == before


def test_a_recipe_can_leave_it_out_without_making_anything_anew(kit: Any, session: Session, cut: Path) -> None:
    spotted = _run(session, kit.tone_recipe(cut.parent, "backend.name=hits"), cut)
    assert b"cue " in spotted.items[0].stems[0].path.read_bytes()
    plain = _run(session, kit.tone_recipe(cut.parent, "backend.name=hits", "stems.spotting=false"), cut)
    assert _statuses(plain) == ["cached"] * 3
    for item, placed in zip(plain.items, _stems(plain.output), strict=True):
        assert item.stems[0].to_json()["events_s"] == []
        assert read_bwf_info(item.stems[0].path).info.cues == ()
        assert b"cue " not in item.stems[0].path.read_bytes() and list(placed.markers) == []


def test_ambience_has_none(session: Session, recipe: SonifyRecipe, cut: Path) -> None:
    timeline = read_timeline(cut).timeline
    timeline.tracks[0][0].metadata["avlink"] = {"mode": "ambience"}
    otio.adapters.write_to_file(timeline, str(cut))
    ambience, *foley = _run(session, recipe, cut).items
    assert ambience.stems[0].hits == () and read_bwf_info(ambience.stems[0].path).info.cues == ()
    assert all(item.stems[0].hits for item in foley)


def test_another_take_has_other_hits(kit: Any, session: Session, cut: Path) -> None:
    report = _run(session, kit.tone_recipe(cut.parent, "backend.name=hits", "run.takes=2"), cut)
    first, second = report.items[0].stems
    assert first.hits != second.hits
    before = report.output.read_bytes()  # type: ignore[union-attr]
    assert _samples(_stems(report.output)[0]) == [hit.sample for hit in first.hits]
    use_take(report.output, 2)  # type: ignore[arg-type]
    assert _samples(_stems(report.output)[0]) == [hit.sample for hit in second.hits]
    use_take(report.output, 1)  # type: ignore[arg-type]
    assert report.output.read_bytes() == before  # type: ignore[union-attr]


def test_a_single_file_has_them_too(session: Session, recipe: SonifyRecipe, movies: Path, tmp_path: Path) -> None:
    report = _run(session, recipe, movies / "a.mp4", output=tmp_path / "out.wav")
    (stem,) = report.items[0].stems
    assert stem.hits and len(read_bwf_info(tmp_path / "out.wav").info.cues) == len(stem.hits)
    movie = _run(session, recipe, movies / "a.mp4", output=tmp_path / "out.mp4")
    assert movie.items[0].stems[0].hits == stem.hits


def test_of_very_many_the_strongest_are_marked_and_a_person_is_told(
    kit: Any, session: Session, tmp_path: Path, told: list[Event]
) -> None:
    kit.movie(tmp_path / "long.mp4", seconds=54, rate=2)
    recipe, output = kit.tone_recipe(tmp_path, "backend.name=dense", "stems.sample_rate=16000"), tmp_path / "long.wav"
    long = _run(session, recipe, tmp_path / "long.mp4", output=output)
    (stem,) = long.items[0].stems
    assert len(stem.hits) == 500 and stem.hits_left_out > 20
    said = f"long.mp4 (V1): {stem.hits_left_out} softer hits than the 500 that are marked were heard"
    assert [event.text for event in told if isinstance(event, Message)] == [said]
    assert len(read_bwf_info(stem.path).info.cues) == 500
    # Also when nothing is listened to.
    again = _run(session, recipe, tmp_path / "long.mp4", output=output)
    assert again.items[0].stems[0].hits_left_out == stem.hits_left_out
    assert [event.text for event in told if isinstance(event, Message)] == [said] * 2


def test_markers_of_hits_direct_nothing_on_any_way_round(
    session: Session, recipe: SonifyRecipe, cut: Path, tmp_path: Path
) -> None:
    first = _run(session, recipe, cut)
    project = first.output
    assert project is not None
    registry = make_registry(plugin)
    # A second run on the output.
    again = _run(session, recipe, project, output=tmp_path / "again.otio")
    # Through a sheet and back.
    sheet = export(ExportRequest(input=project, to="csv"), registry).output
    cued = import_cues(project, sheet, tmp_path / "cued.otio")
    assert cued.changed == 0
    after_sheet = _run(session, recipe, cued.output, output=tmp_path / "cued.foley.otio")
    # Through another file of the whole project, and one that keeps no metadata of ours, as editing programs write it.
    whole = export(ExportRequest(input=project, to="otio", output=tmp_path / "whole.otio"), registry).output
    timeline = read_timeline(whole).timeline
    for track in timeline.audio_tracks():
        track.metadata.clear()
        for clip in track.find_clips():
            clip.metadata.clear()
            for marker in clip.markers:
                marker.metadata.clear()
    otio.adapters.write_to_file(timeline, str(whole))
    bare = _run(session, recipe, whole, output=tmp_path / "bare.otio")
    for report in (again, after_sheet, bare):
        assert _statuses(report) == ["cached"] * 3
        assert [item.jobs[0].stem_key for item in report.items] == [item.jobs[0].stem_key for item in first.items]
        assert [item.stems[0].hits for item in report.items] == [item.stems[0].hits for item in first.items]


def test_the_sheet_counts_them_and_tells_their_timecodes(
    session: Session, recipe: SonifyRecipe, cut: Path, tmp_path: Path
) -> None:
    report = _run(session, recipe, cut)
    output = export(ExportRequest(input=report.output, to="csv"), make_registry(plugin)).output  # type: ignore[arg-type]
    with output.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, item in zip(rows, report.items, strict=True):
        stem, clip = item.stems[0], item.jobs[0].source.clip
        assert int(row["events"]) == len(stem.hits)
        assert [float(text) for text in row["events_s"].split()] == stem.to_json()["events_s"]
        exact = [clip.timeline_start_s + Fraction(hit.sample, RATE) for hit in stem.hits]
        frames = [int(86400 + at_s * 24 + Fraction(1, 1000)) for at_s in exact]
        assert row["events_tc"].split() == [
            str(otio.opentime.RationalTime(frame, 24).to_timecode(24, drop_frame=False)) for frame in frames
        ]
    # The timecode is that of the marker.
    marked = [marker.marked_range.start_time.value for marker in _stems(report.output)[0].markers]
    first = [otio.opentime.from_timecode(text, 24).value for text in rows[0]["events_tc"].split()]
    assert first == marked
