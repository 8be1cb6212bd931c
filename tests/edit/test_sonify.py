"""The whole path in one process, with a backend that answers in tones: what is written, and what never is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import opentimelineio as otio
import pytest
import soundfile

from avlink import hookimpl, testing
from avlink.core.errors import InputError, OutputError, RecipeError, TimelineError
from avlink.core.events import Event, Message
from avlink.core.recipe import SonifyRecipe
from avlink.core.values import OnStep, SoundRequest, Waveform
from avlink.edit.sonify import SonifyReport, SonifyRequest, sonify
from avlink.hooks import AudioProcessor, Backend, Options
from avlink.media.bwf import read_bwf_info
from avlink.session import Session
from avlink.timeline.formats.otioz import write_bundle
from avlink.timeline.read import read_timeline
from avlink.timeline.resolve import find_file

SHARED = Path(__file__).parents[2] / ".." / "shared"


def _run(session: Session, recipe: SonifyRecipe, path: Path, **asked: object) -> SonifyReport:
    return sonify(SonifyRequest(input=path, recipe=recipe, device="cpu", **asked), session)  # type: ignore[arg-type]


def _state(folder: Path) -> Mapping[str, tuple[bytes, int]]:
    """Content and time of every file below a folder, the cache left out."""
    files = [path for path in folder.rglob("*") if path.is_file() and "cache" not in path.relative_to(folder).parts]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def _placed(path: Path | None) -> list[otio.schema.Clip]:
    """The clips of the first audio track of a timeline."""
    assert path is not None
    # The timeline must be held while it is walked: its tracks go when it goes.
    file = read_timeline(path)
    return [clip.deepcopy() for clip in file.timeline.audio_tracks()[0].find_clips()]


def _statuses(report: SonifyReport) -> list[str]:
    return [item.status for item in report.items]


def test_a_timeline_gets_stems_of_exact_length_place_and_stamp(
    session: Session, recipe: SonifyRecipe, cut: Path
) -> None:
    before = cut.read_bytes()
    report = _run(session, recipe, cut)
    assert cut.read_bytes() == before
    assert report.exit_code == 0 and report.counts == {"generated": 3, "cached": 0, "skipped": 0, "failed": 0}
    assert report.output == cut.with_name("cut.foley.otio")
    starts = [0, Fraction(42, 24), Fraction(42, 24) + Fraction(33, 25)]
    for item, placed, start_s in zip(report.items, _placed(report.output), starts, strict=True):
        (stem,) = item.stems
        info = read_bwf_info(stem.path)
        job = item.jobs[0]
        assert stem.path.parent == cut.with_name("cut.stems")
        assert (info.sample_rate, info.bits, info.channels) == (48000, 24, 1)
        assert info.num_samples == stem.samples == job.source.clip.timeline_duration_s * 48000
        assert info.bext.time_reference == stem.time_reference == (3600 + start_s) * 48000
        assert placed.metadata["avlink"]["start_samples"] == start_s * 48000
        sound, rate = soundfile.read(stem.path)
        pitch = np.argmax(np.abs(np.fft.rfft(sound * np.hanning(len(sound))))) * rate / len(sound)
        # Every stem is the answer to its own seed.
        assert abs(pitch - testing.tone_hz(job.seed)) < 3


def test_a_second_run_makes_and_touches_nothing(session: Session, recipe: SonifyRecipe, cut: Path) -> None:
    _run(session, recipe, cut)
    before = _state(cut.parent)
    report = _run(session, recipe, cut)
    assert _statuses(report) == ["cached"] * 3
    after = _state(cut.parent)
    assert {name: content for name, (content, _) in after.items()} == {
        name: content for name, (content, _) in before.items()
    }
    stems = [name for name in after if name.endswith(".wav")]
    assert stems and all(after[name][1] == before[name][1] for name in stems)


def test_running_on_the_result_replaces_our_own_track(session: Session, recipe: SonifyRecipe, cut: Path) -> None:
    first = _run(session, recipe, cut).output
    assert first is not None
    again = _run(session, recipe, first, output=cut.with_name("again.otio"))
    assert _statuses(again) == ["cached"] * 3 and again.output is not None
    file = read_timeline(again.output)
    assert [track.name for track in file.timeline.tracks] == ["V1", "FOLEY"]


def test_stems_that_were_lost_or_changed_come_back_without_generating(
    session: Session, recipe: SonifyRecipe, cut: Path
) -> None:
    report = _run(session, recipe, cut)
    lost, changed, _ = (item.stems[0].path for item in report.items)
    whole = lost.read_bytes(), changed.read_bytes()
    lost.unlink()
    changed.write_bytes(b"half a file")
    again = _run(session, recipe, cut)
    assert _statuses(again) == ["cached"] * 3
    # A file of a person is never written over, so the stem has another name.
    assert (lost.read_bytes(), changed.read_bytes()) == (whole[0], b"half a file")
    other = again.items[1].stems[0].path
    assert other.name == f"{changed.stem}_2.wav" and other.read_bytes() == whole[1]


def test_moving_renaming_and_reordering_clips_generates_nothing(
    kit: Any, session: Session, recipe: SonifyRecipe, cut: Path
) -> None:
    _run(session, kit.tone_recipe(cut.parent, "prompt.template=one"), cut)
    items = [
        kit.clip("media/a.mp4", 0, 12, name="new name"),
        kit.clip("media/b.mp4", 0, 33, 25),
        kit.clip("media/a.mp4", 6, 30),
    ]
    otio.adapters.write_to_file(kit.timeline_of(*items), str(cut))
    report = _run(session, kit.tone_recipe(cut.parent, "prompt.template=one"), cut)
    assert _statuses(report) == ["cached"] * 3
    for item in report.items:
        (stem,) = item.stems
        assert read_bwf_info(stem.path).bext.time_reference == stem.time_reference


def test_a_clip_sounds_the_same_alone_and_in_a_batch(
    kit: Any, session: Session, recipe: SonifyRecipe, cut: Path
) -> None:
    together = _run(session, recipe, cut)
    (cut.parent / "alone").mkdir()
    alone = _run(
        session, kit.tone_recipe(cut.parent, "run.max_batch_s=0.1"), cut, force=True, output=cut.with_name("x.otio")
    )
    assert _statuses(alone) == ["generated"] * 3
    for one, other in zip(together.items, alone.items, strict=True):
        assert one.stems[0].path.read_bytes() == other.stems[0].path.read_bytes()


def test_a_changed_word_makes_only_its_clip_anew(session: Session, recipe: SonifyRecipe, cut: Path) -> None:
    _run(session, recipe, cut)
    timeline = read_timeline(cut).timeline
    timeline.tracks[0][2].metadata["avlink"] = {"prompt": "a gong"}
    otio.adapters.write_to_file(timeline, str(cut))
    report = _run(session, recipe, cut)
    assert _statuses(report) == ["cached", "generated", "cached"]
    assert report.items[1].jobs[0].prompt.text == "a gong"


def test_the_same_stretch_twice_is_generated_once(kit: Any, session: Session, recipe: SonifyRecipe, cut: Path) -> None:
    timeline = kit.timeline_of(
        kit.clip("media/a.mp4", 0, 12), kit.clip("media/b.mp4", 0, 12), kit.clip("media/a.mp4", 0, 12)
    )
    otio.adapters.write_to_file(timeline, str(cut))
    report = _run(session, recipe, cut)
    assert len(list((session.cache / "objects").rglob("*.wav"))) == 2
    assert len({item.stems[0].path for item in report.items}) == 3


class _Half(Options):
    """Nothing to choose."""


class _Plugin:
    """A processor that halves, one that breaks its promise, and a backend that cannot stand one prompt."""

    @hookimpl
    def avlink_audio_processors(self) -> list[AudioProcessor]:
        def half(wave: Waveform, options: _Half) -> Waveform:
            return Waveform(samples=wave.samples / 2, sample_rate=wave.sample_rate)

        def cut(wave: Waveform, options: _Half) -> Waveform:
            return Waveform(samples=wave.samples[:, 1:], sample_rate=wave.sample_rate)

        return [
            AudioProcessor(name="half", options=_Half, apply=half),
            AudioProcessor(name="cut", options=_Half, apply=cut),
        ]

    @hookimpl
    def avlink_backends(self) -> list[Backend]:
        return [
            Backend(
                name="picky",
                direction="v2a",
                fingerprint=lambda options: "1",
                load=lambda options, device: _Picky(testing.ToneOptions()),
            )
        ]


class _Picky(testing.ToneGenerator):
    def generate(self, requests: Sequence[SoundRequest], *, on_step: OnStep | None = None) -> tuple[Waveform, ...]:
        if any(request.prompt.text == "b" for request in requests):
            raise RuntimeError("no b, please")
        return super().generate(requests, on_step=on_step)


@pytest.fixture
def extended(session: Session) -> Session:
    return replace(session, registry=testing.fake_registry(_Plugin()))


def test_a_changed_chain_finishes_anew_what_is_in_the_cache(
    kit: Any, extended: Session, recipe: SonifyRecipe, cut: Path
) -> None:
    loud = _run(extended, recipe, cut).items[0].stems[0]
    quiet_report = _run(extended, kit.tone_recipe(cut.parent, 'stems.post=["half"]'), cut)
    assert _statuses(quiet_report) == ["cached"] * 3
    quiet = quiet_report.items[0].stems[0]
    assert quiet.true_peak_dbtp is not None and loud.true_peak_dbtp is not None
    assert abs(loud.true_peak_dbtp - quiet.true_peak_dbtp - 6.02) < 0.02


def test_one_clip_that_fails_in_a_batch_does_not_end_the_run(
    kit: Any, extended: Session, cut: Path, told: list[Event]
) -> None:
    report = _run(extended, kit.tone_recipe(cut.parent, "backend.name=picky"), cut)
    assert _statuses(report) == ["generated", "failed", "generated"] and report.exit_code == 3
    assert str(report.items[1].reason).startswith(
        "backend 'picky' failed: RuntimeError: no b, please (edit/test_sonify.py"
    )
    assert report.output is not None
    assert len(_placed(report.output)) == 2


def test_a_processor_that_breaks_its_promise_fails_its_clips(kit: Any, extended: Session, cut: Path) -> None:
    report = _run(extended, kit.tone_recipe(cut.parent, 'stems.post=["cut"]'), cut)
    assert _statuses(report) == ["failed"] * 3 and report.output is None
    assert not cut.with_name("cut.foley.otio").exists()


def test_missing_media_is_listed_once_and_the_rest_is_done(
    kit: Any, session: Session, recipe: SonifyRecipe, cut: Path, told: list[Event]
) -> None:
    timeline = kit.timeline_of(
        kit.clip("media/a.mp4", 0, 12), *(kit.clip("gone.mp4", start, 12) for start in (0, 12, 24))
    )
    otio.adapters.write_to_file(timeline, str(cut))
    report = _run(session, recipe, cut)
    assert _statuses(report) == ["generated", "failed", "failed", "failed"] and report.exit_code == 3
    warnings = [event.text for event in told if isinstance(event, Message) and event.level == "warning"]
    assert warnings == ["1 media file not found: gone.mp4"]


def test_media_roots_find_what_was_moved(
    kit: Any, session: Session, recipe: SonifyRecipe, cut: Path, movies: Path
) -> None:
    otio.adapters.write_to_file(kit.timeline_of(kit.clip("C:\\old\\a.mp4", 0, 12)), str(cut))
    assert _statuses(_run(session, recipe, cut, media_root=(movies,))) == ["generated"]


def test_a_clip_outside_its_media_is_a_failure_in_words(
    kit: Any, session: Session, recipe: SonifyRecipe, cut: Path
) -> None:
    otio.adapters.write_to_file(
        kit.timeline_of(kit.clip("media/a.mp4", 0, 12), kit.clip("media/a.mp4", 40, 24)), str(cut)
    )
    report = _run(session, recipe, cut)
    assert report.items[1].reason == "it asks for 1.667 s to 2.667 s of its media, which is 2.000 s long"


def test_a_dry_run_plans_and_writes_nothing(session: Session, recipe: SonifyRecipe, cut: Path) -> None:
    before = _state(cut.parent)
    report = _run(session, recipe, cut, dry_run=True)
    assert _state(cut.parent) == before
    assert report.output is None and _statuses(report) == ["generated"] * 3
    _run(session, recipe, cut)
    assert _statuses(_run(session, recipe, cut, dry_run=True)) == ["cached"] * 3


def test_the_report_has_the_promised_shape(session: Session, recipe: SonifyRecipe, cut: Path) -> None:
    timeline = read_timeline(cut).timeline
    timeline.tracks[0].append(
        otio.schema.Clip("slug", otio.schema.GeneratorReference(), timeline.tracks[0][0].source_range)
    )
    otio.adapters.write_to_file(timeline, str(cut))
    payload = json.loads(json.dumps(_run(session, recipe, cut).to_json(), allow_nan=False))
    assert set(payload) == {"input", "output", "preview", "items", "counts", "disk"}
    assert set(payload["counts"]) == {"generated", "cached", "skipped", "failed"}
    for item in payload["items"]:
        assert set(item) == {
            *("id", "name", "track", "timeline_start_s", "timeline_duration_s", "source", "source_start_s"),
            *("timeline_start_tc", "timeline_end_tc"),
            *(
                "source_duration_s",
                "heard_start_s",
                "heard_duration_s",
                "speed",
                "prompt",
                "negative",
                "seed",
                "gain_db",
                "mode",
                "missing",
            ),
            *("status", "reason", "warnings", "stems", "hit_items", "notes"),
        }
        for stem in item["stems"]:
            assert set(stem) == {
                *("path", "item", "take", "sample_rate", "channels", "samples", "head_samples", "tail_samples"),
                *("time_reference", "lufs", "true_peak_dbtp", "events_s", "events_tc", "sounds", "notes"),
            }
            assert len(stem["events_tc"]) == len(stem["events_s"])
    second, last = payload["items"][1], payload["items"][-1]
    assert (second["timeline_start_s"], second["source_duration_s"]) == (1.75, 1.32)
    assert (second["timeline_start_tc"], second["timeline_end_tc"]) == ("01:00:01:18", "01:00:03:01")
    assert last["status"] == "skipped" and "made by the editing program" in last["reason"]


def test_takes_are_stems_of_their_own(kit: Any, session: Session, cut: Path) -> None:
    report = _run(session, kit.tone_recipe(cut.parent, "run.takes=3"), cut)
    assert [stem.job.take for stem in report.items[0].stems] == [1, 2, 3]
    assert report.output is not None
    placed = _placed(report.output)[0]
    assert sorted(placed.media_references()) == ["DEFAULT_MEDIA", "take_2", "take_3"]


def test_a_bundle_stays_a_bundle_with_everything_inside(
    kit: Any, session: Session, recipe: SonifyRecipe, tmp_path: Path, movies: Path
) -> None:
    timeline = kit.timeline_of(kit.clip("media/a.mp4", 0, 12))
    write_bundle(timeline, tmp_path / "cut.otioz", old=None, media={"media/a.mp4": movies / "a.mp4"})
    report = _run(session, recipe, tmp_path / "cut.otioz")
    assert report.output == tmp_path / "cut.foley.otioz"
    again = _run(session, recipe, report.output, output=tmp_path / "again.otioz")
    assert _statuses(again) == ["cached"]
    stem = _placed(report.output)[0]
    assert stem.media_reference.target_url == f"media/{report.items[0].stems[0].path.name}"


@pytest.mark.parametrize("style", ["plain", "file", "relative"])
def test_stems_play_on_in_a_moved_folder_however_the_project_names_its_media(
    kit: Any, session: Session, recipe: SonifyRecipe, movies: Path, tmp_path: Path, style: str
) -> None:
    folder = shutil.copytree(movies, tmp_path / "my film" / "media").parent
    movie = folder / "media" / "a.mp4"
    url = {"plain": str(movie), "file": movie.as_uri(), "relative": "media/a.mp4"}[style]
    otio.adapters.write_to_file(kit.timeline_of(kit.clip(url, 0, 12)), str(folder / "cut.otio"))
    report = _run(session, recipe, folder / "cut.otio")
    assert report.output is not None
    moved = folder.rename(tmp_path / "moved")
    (stem,) = _placed(moved / report.output.name)
    found = find_file(stem.media_reference.target_url, moved)
    assert found is not None and found.parent == moved / "cut.stems"


def test_an_output_elsewhere_still_finds_the_picture(session: Session, recipe: SonifyRecipe, cut: Path) -> None:
    report = _run(session, recipe, cut, output=cut.parent / "deep" / "out.otio")
    assert report.output is not None
    again = _run(session, recipe, report.output)
    assert _statuses(again) == ["cached"] * 3


@pytest.mark.parametrize("name", ["cut.otio", "media/a.mp4"])
def test_nothing_that_is_read_is_ever_the_output(session: Session, recipe: SonifyRecipe, cut: Path, name: str) -> None:
    before = (cut.parent / name).read_bytes()
    with pytest.raises((OutputError, TimelineError)):
        _run(session, recipe, cut, output=cut.parent / name)
    assert (cut.parent / name).read_bytes() == before


def test_what_cannot_be_done_is_said_before_anything_is_generated(
    kit: Any, session: Session, recipe: SonifyRecipe, cut: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        _run(session, recipe, cut, output=tmp_path / "file" / "out.otio")
    with pytest.raises(TimelineError, match="which keep everything"):
        _run(session, recipe, cut, output=tmp_path / "out.xml")
    with pytest.raises(TimelineError, match="no video track 'V7'"):
        _run(session, kit.tone_recipe(tmp_path, 'select.tracks=["V7"]'), cut)
    with pytest.raises(RecipeError, match="24 bits"):
        _run(session, kit.tone_recipe(tmp_path, "stems.bit_depth=16"), cut)
    with pytest.raises(RecipeError, match="tone"):
        _run(session, kit.tone_recipe(tmp_path, "backend.name=tome"), cut)
    with pytest.raises(InputError, match="does not exist"):
        _run(session, recipe, tmp_path / "gone.otio")
    otio.adapters.write_to_file(kit.timeline_of(), str(cut))
    with pytest.raises(TimelineError, match="no clips on video tracks"):
        _run(session, recipe, cut)
    otio.adapters.write_to_file(kit.timeline_of(kit.clip("gone.mp4", 0, 1)), str(cut))
    with pytest.raises(TimelineError, match=r"no clip of .* can be given a sound: gone: its media gone.mp4 is missing"):
        _run(session, recipe, cut)
    assert not (session.cache / "objects").exists() or not list((session.cache / "objects").rglob("*.wav"))
