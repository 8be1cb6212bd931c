"""Edits of people in projects that AVLink wrote: kept by the next run, or told, and never lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import opentimelineio as otio
import pytest
import soundfile

from avlink import testing
from avlink.core.errors import OutputError
from avlink.core.events import Event, Message
from avlink.core.recipe import SonifyRecipe
from avlink.edit.sonify import SonifyReport, SonifyRequest, sonify
from avlink.session import Session
from avlink.timeline.read import read_timeline
from avlink.timeline.stem_edits import stems_in_place

Time = otio.opentime.RationalTime
Edit = Callable[[otio.schema.Timeline], None]


def _run(session: Session, recipe: SonifyRecipe, path: Path, **asked: object) -> SonifyReport:
    return sonify(SonifyRequest(input=path, recipe=recipe, device="cpu", **asked), session)  # type: ignore[arg-type]


def _edit(path: Path, change: Edit) -> bytes:
    """Change a project as another program would, and return its bytes."""
    timeline = otio.adapters.read_from_file(str(path))
    change(timeline)
    otio.adapters.write_to_file(timeline, str(path))
    return path.read_bytes()


def _foley(timeline: otio.schema.Timeline, name: str = "FOLEY") -> otio.schema.Track:
    return next(track for track in timeline.audio_tracks() if track.name == name)


def _stems(path: Path) -> list[tuple[otio.schema.Clip, Fraction]]:
    file = read_timeline(path)
    return [(stem.deepcopy(), start_s) for _, stem, start_s in stems_in_place(file.timeline)]


def _told(told: list[Event]) -> str:
    return "\n".join(event.text for event in told if isinstance(event, Message))


@pytest.fixture
def foley(session: Session, recipe: SonifyRecipe, cut: Path) -> Path:
    output = _run(session, recipe, cut).output
    assert output is not None
    return output


def test_stems_that_were_moved_trimmed_muted_and_noted_stay_so_over_any_number_of_runs(
    session: Session, recipe: SonifyRecipe, cut: Path, foley: Path, kit: Any, told: list[Event]
) -> None:
    def change(timeline: otio.schema.Timeline) -> None:
        track = _foley(timeline)
        first, gap, second, third = (track[number] for number in range(4))
        # The first stem a frame later and six frames shorter at its end; the gap takes up the rest.
        track.insert(0, otio.schema.Gap(duration=Time(1, 24)))
        first.source_range = otio.opentime.TimeRange(first.source_range.start_time, Time(24, 24))
        gap.source_range = otio.opentime.TimeRange(Time(0, 24), gap.duration() + Time(5, 24))
        second.enabled = False
        second.metadata["mine"] = {"approved": True}
        mark = otio.opentime.TimeRange(third.source_range.start_time, Time(1, 24))
        third.markers.append(otio.schema.Marker(name="too loud?", marked_range=mark))
        third.effects.append(otio.schema.Effect(name="EQ", effect_name="eq"))
        third.name = "the third"

    edited = _edit(foley, change)
    other_words = kit.tone_recipe(cut.parent, "prompt.template=something else")
    for _ in range(2):
        for asked in (other_words, recipe):
            _run(session, asked, cut)
            (first, start_s), (second, second_s), (third, _) = _stems(foley)
            assert (start_s, first.source_range.duration) == (Fraction(1, 24), Time(24, 24))
            assert (second.enabled, second_s) == (False, Fraction(7, 4))
            assert dict(second.metadata["mine"]) == {"approved": True}
            assert third.name == "the third" and [one.name for one in third.effects] == ["EQ"]
            assert "too loud?" in [marker.name for marker in third.markers]
    backup = foley.with_name("cut.foley.otio.bak")
    assert backup.read_bytes() == edited and not foley.with_name("cut.foley.otio.bak2").exists()
    assert "edits of stems are kept: a (moved by +0.042 s, trimmed), b (switched off)" in _told(told)


def test_a_shifted_trim_plays_the_same_stretch_of_its_stem(
    session: Session, recipe: SonifyRecipe, cut: Path, foley: Path
) -> None:
    def change(timeline: otio.schema.Timeline) -> None:
        # The first six frames are cut away, as with a blade and a ripple delete that closes no gap.
        track = _foley(timeline)
        begin, length = track[0].source_range.start_time, track[0].source_range.duration
        track[0].source_range = otio.opentime.TimeRange(begin + Time(6, 24), length - Time(6, 24))
        track.insert(0, otio.schema.Gap(duration=Time(6, 24)))

    before, _ = _stems(foley)[0]
    _edit(foley, change)
    _run(session, recipe, cut)
    after, start_s = _stems(foley)[0]
    assert start_s == Fraction(1, 4)
    assert after.source_range.start_time == before.source_range.start_time + Time(6, 24)
    assert after.source_range.end_time_exclusive() == before.source_range.end_time_exclusive()


def test_a_project_that_another_program_only_saved_again_has_no_edits(
    session: Session, recipe: SonifyRecipe, cut: Path, foley: Path, told: list[Event]
) -> None:
    before = [(stem.source_range, start_s) for stem, start_s in _stems(foley)]
    saved = _edit(foley, lambda timeline: timeline.metadata.update({"saved by": "another program"}))
    _run(session, recipe, cut)
    assert [(stem.source_range, start_s) for stem, start_s in _stems(foley)] == before
    assert "edits of stems" not in _told(told)
    assert foley.with_name("cut.foley.otio.bak").read_bytes() == saved


def test_requests_that_were_changed_in_the_project_direct_the_next_runs(
    session: Session, recipe: SonifyRecipe, cut: Path, foley: Path, told: list[Event]
) -> None:
    def change(timeline: otio.schema.Timeline) -> None:
        clips = list(timeline.video_tracks()[0].find_clips())
        clips[0].metadata["avlink"] = {"prompt": "boots on snow"}
        stems = list(_foley(timeline).find_clips())
        stems[1].metadata["avlink"]["gain_db"] = -6.0

    _edit(foley, change)
    for _ in range(2):
        prompts = [item.to_json()["prompt"] for item in _run(session, recipe, cut).items]
        assert prompts == ["boots on snow", "b", "a"]
        assert [stem.metadata["avlink"].get("gain_db") for stem, _ in _stems(foley)] == [None, -6.0, None]
    assert "requests of a, b come from cut.foley.otio, where they were changed" in _told(told)

    # Where the input changes as well, it counts, and the report says so.
    _edit(cut, lambda timeline: next(iter(timeline.find_clips())).metadata.update({"avlink": {"prompt": "sandals"}}))
    items = _run(session, recipe, cut).items
    assert items[0].to_json()["prompt"] == "sandals"
    assert "not kept: requests of a, which the input changed as well" in _told(told)


def test_tracks_that_were_added_or_changed_stay_and_pictures_are_those_of_the_input(
    session: Session, recipe: SonifyRecipe, cut: Path, kit: Any, told: list[Event]
) -> None:
    production = otio.schema.Track("A1", [kit.clip("media/a.mp4", 0, 20)], kind="Audio")
    _edit(cut, lambda timeline: timeline.tracks.append(production))
    foley = _run(session, recipe, cut).output
    assert foley is not None

    def change(timeline: otio.schema.Timeline) -> None:
        timeline.tracks.append(otio.schema.Track("MX", [kit.clip("music.wav", 0, 48)], kind="Audio"))
        next(one for one in timeline.audio_tracks() if one.name == "A1")[0].name = "edited"
        _foley(timeline).append(kit.clip("my_own.wav", 0, 12))
        timeline.video_tracks()[0][0].source_range = otio.opentime.TimeRange(Time(0, 24), Time(3, 24))

    _edit(foley, change)
    for _ in range(2):
        _run(session, recipe, cut)
        timeline = otio.adapters.read_from_file(str(foley))
        tracks = {track.name: track for track in timeline.tracks}
        assert list(tracks) == ["V1", "A1", "FOLEY", "MX", "FOLEY edits"]
        assert tracks["A1"][0].name == "edited" and tracks["MX"][0].media_reference.target_url == "music.wav"
        mine = next(iter(tracks["FOLEY edits"].find_clips()))
        assert mine.media_reference.target_url == "my_own.wav"
        assert mine.range_in_parent().start_time.to_seconds() == pytest.approx(42 / 24 + 33 / 25 + 12 / 24)
        assert tracks["V1"][0].source_range.duration == Time(30, 24)
    assert "not kept: track V1 was changed; the version with them is cut.foley.otio.bak" in _told(told)


def test_a_take_that_was_chosen_stays_when_the_next_run_makes_fewer(session: Session, cut: Path, kit: Any) -> None:
    foley = _run(session, kit.tone_recipe(cut.parent, "run.takes=3"), cut).output
    assert foley is not None

    def choose(timeline: otio.schema.Timeline) -> None:
        stem = next(iter(_foley(timeline).find_clips()))
        stem.active_media_reference_key = "take_2"

    _edit(foley, choose)
    _run(session, kit.tone_recipe(cut.parent), cut)
    stem, _ = _stems(foley)[0]
    assert stem.media_reference.metadata["avlink"]["take"] == 2 and len(stem.media_references()) == 3


def test_a_stem_that_was_edited_in_another_program_is_used_as_it_is(
    session: Session, recipe: SonifyRecipe, cut: Path, foley: Path
) -> None:
    path = cut.with_name("cut.stems") / Path(_stems(foley)[0][0].media_reference.target_url).name
    sound, rate = soundfile.read(path, dtype="int32")
    soundfile.write(path, (sound // 2).astype(np.int32), rate, subtype="PCM_24")
    mine = path.read_bytes()
    item = _run(session, recipe, cut).items[0]
    assert item.stems[0].path == path and item.stems[0].edited and path.read_bytes() == mine
    # Asked to generate it again, AVLink gives it another name.
    (forced,) = _run(session, recipe, cut, force=True).items[0].stems
    assert forced.path != path and path.read_bytes() == mine


def test_an_approved_copy_keeps_its_sound_whatever_is_generated_later(
    session: Session, cut: Path, foley: Path, kit: Any
) -> None:
    approved = foley.with_name("approved.otio")
    shutil.copyfile(foley, approved)
    heard = {stem.media_reference.target_url for stem, _ in _stems(approved)}
    before = {url: (cut.parent / url).read_bytes() for url in heard}
    for setting in ("run.seed=9", "prompt.template=another", "stems.sample_rate=44100"):
        _run(session, kit.tone_recipe(cut.parent, setting), cut, force=True)
    assert {url: (cut.parent / url).read_bytes() for url in heard} == before


def test_a_sheet_that_was_edited_beside_the_project_counts_and_is_kept(
    session: Session, cut: Path, kit: Any, told: list[Event]
) -> None:
    from avlink_otio import plugin

    session = replace(session, registry=testing.fake_registry(plugin))
    recipe = kit.tone_recipe(cut.parent, 'write.also=["cues"]')
    _run(session, recipe, cut)
    sheet = cut.with_name("cut.foley.csv")
    lines = sheet.read_text(encoding="utf-8-sig").splitlines()
    column = lines[0].split(",").index("prompt")
    cells = lines[1].split(",")
    cells[column] = "boots on snow"
    sheet.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n", encoding="utf-8-sig")
    edited = sheet.read_bytes()
    for _ in range(2):
        items = _run(session, recipe, cut).items
        assert items[0].to_json()["prompt"] == "boots on snow"
        assert "boots on snow" in sheet.read_text(encoding="utf-8-sig")
    assert sheet.with_name("cut.foley.csv.bak").read_bytes() == edited
    assert "requests of 1 clips come from cut.foley.csv, which was edited" in _told(told)


def test_files_of_other_people_are_refused_before_anything_is_generated(
    session: Session, recipe: SonifyRecipe, cut: Path, kit: Any
) -> None:
    foley, preview = cut.with_name("cut.foley.otio"), cut.with_name("cut.preview.mp4")
    foley.write_text("{}", encoding="utf-8")
    with pytest.raises(OutputError, match=r"cut\.foley\.otio was not written by AVLink.*--overwrite"):
        _run(session, recipe, cut)
    assert foley.read_text() == "{}" and not cut.with_name("cut.stems").exists()
    foley.unlink()
    preview.write_text("mine", encoding="utf-8")
    with_preview = kit.tone_recipe(cut.parent, "write.preview=true")
    with pytest.raises(OutputError, match=r"cut\.preview\.mp4 was not written by AVLink"):
        _run(session, with_preview, cut)
    _run(session, with_preview, cut, overwrite=True)
    assert preview.with_name("cut.preview.mp4.bak").read_text() == "mine" and preview.stat().st_size > 1000


def test_a_number_that_reads_back_with_another_last_digit_is_no_edit(
    session: Session, recipe: SonifyRecipe, cut: Path, told: list[Event]
) -> None:
    # OpenTimelineIO reads 1.2487512487512489 where it wrote ...487.
    mark = otio.opentime.TimeRange(Time(1.2487512487512487, 29.97002997002997), Time(0, 29.97002997002997))
    _edit(cut, lambda timeline: next(iter(timeline.find_clips())).markers.append(otio.schema.Marker("c", mark)))
    first = _run(session, recipe, cut).output
    assert first is not None
    before = first.read_bytes()
    _run(session, recipe, cut)
    assert first.read_bytes() == before and "where they were changed" not in _told(told)
