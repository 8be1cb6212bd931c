"""Pictures for the sounds of a timeline: the input is never touched, nothing is made twice, one failure is one."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import opentimelineio as otio
import pytest
import soundfile

from avlink.core import clock
from avlink.core.errors import InputError, OutputError, RecipeError, TimelineError
from avlink.core.events import Event, JobDone, JobFailed, JobStarted, Message, PlanReady
from avlink.core.values import Waveform
from avlink.media.broadcast import BroadcastInfo
from avlink.media.bwf import write_bwf
from avlink.session import Session
from avlink.timeline.formats.otioz import write_bundle
from avlink.timeline.read import read_timeline

sys.path.insert(0, str(Path(__file__).parent))
from clicks import (
    Blink,
    blinking,
    frames_at,
    gap,
    pictures,
    project,
    recipe,
    run,
    seen,
    sound,
    span,
    state,
    write_clicks,
)

SHARED = Path(__file__).parents[2] / ".." / "shared"


@pytest.fixture
def session(session: Session) -> Session:
    return blinking(session)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_clicks(tmp_path / "clicks.wav")
    return tmp_path


def _tracks(path: Path | None) -> list[str]:
    assert path is not None
    # The timeline must be held while it is walked: its tracks go when it goes.
    timeline = read_timeline(path).timeline
    return [track.name for track in timeline.tracks]


def test_the_report_has_the_shape_of_sonifys(session: Session, folder: Path, told: list[Event]) -> None:
    path = project(folder, [sound(Fraction(0), Fraction(2))], [sound(Fraction(0), Fraction(2), "twin")])
    before = path.read_bytes()
    report = run(session, path)
    payload = report.to_json()
    assert path.read_bytes() == before
    assert payload["output"] == str(folder / "cut.visual.otio")
    assert payload["counts"] == {"generated": 1, "cached": 0, "skipped": 1, "failed": 0}
    made, twin = payload["items"]
    assert (
        set(made)
        == set(twin)
        == {
            *("id", "name", "track", "timeline_start_s", "timeline_duration_s", "source", "source_start_s"),
            *("timeline_start_tc", "timeline_end_tc"),
            *(
                "source_duration_s",
                "speed",
                "prompt",
                "negative",
                "seed",
                "gain_db",
                "mode",
                "missing",
                "status",
                "reason",
                "warnings",
            ),
            "pictures",
        }
    )
    assert (made["name"], made["track"], made["status"], made["reason"]) == ("clicks", "A1", "generated", None)
    (picture,) = made["pictures"]
    assert Path(picture["path"]).parent == folder / "cut.pictures" and Path(picture["path"]).is_file()
    assert picture["timecode"] == "01:00:00:00"
    assert (picture["width"], picture["height"], picture["frames"], picture["first_frame"]) == (32, 24, 48, 0)
    assert (twin["status"], twin["pictures"]) == ("skipped", []) and "one picture" in twin["reason"]
    kinds = [type(event) for event in told]
    assert [kind for kind in kinds if kind is not Message] == [PlanReady, JobStarted, JobDone]
    json.dumps(payload)


def test_a_second_run_makes_and_touches_nothing(session: Session, folder: Path) -> None:
    path = project(folder, [sound(Fraction(0), Fraction(2)), sound(Fraction(1), Fraction(2))])
    run(session, path)
    before = state(folder)
    report = run(session, path)
    assert [item.status for item in report.items] == ["cached"] * 2 and Blink.made == 2
    after = state(folder)
    assert {name: content for name, (content, _) in after.items()} == {
        name: content for name, (content, _) in before.items()
    }
    movies = [name for name in after if name.endswith(".mov")]
    assert len(movies) == 2 and all(after[name][1] == before[name][1] for name in movies)
    # And on the result: our own track is replaced where it stands, and its pictures are no sounds.
    again = run(session, folder / "cut.visual.otio", output=folder / "again.otio")
    assert Blink.made == 2 and again.output is not None
    assert _tracks(again.output) == ["V1", "PICTURE", "A1"]
    forced = run(session, path, force=True)
    assert [item.status for item in forced.items] == ["generated"] * 2 and Blink.made == 4
    assert {name: content for name, (content, _) in state(folder).items() if name in before} == {
        name: content for name, (content, _) in before.items()
    }


def test_pictures_that_were_lost_or_changed_come_back_without_generating(session: Session, folder: Path) -> None:
    path = project(folder, [sound(Fraction(0), Fraction(2)), sound(Fraction(1), Fraction(2))])
    pictures = [picture.path for item in run(session, path).items for picture in item.pictures]
    whole = [picture.read_bytes() for picture in pictures]
    pictures[0].unlink()
    pictures[1].write_bytes(b"half a file")
    again = run(session, path)
    assert again.counts["cached"] == 2 and Blink.made == 2
    # A file of a person is never written over, so the second picture has another name.
    assert [picture.read_bytes() for picture in pictures] == [whole[0], b"half a file"]
    assert [picture.path.read_bytes() for item in again.items for picture in item.pictures] == whole


def test_moving_a_sound_moves_its_picture_and_makes_nothing(session: Session, folder: Path) -> None:
    run(session, project(folder, [sound(Fraction(0), Fraction(2))]))
    report = run(session, project(folder, [gap(Fraction(10001, 48000)), sound(Fraction(0), Fraction(2))]))
    assert report.counts["cached"] == 1 and Blink.made == 1
    (clips,) = pictures(report.output).values()
    assert frames_at(clips[0]) == (5, 53)
    _, shades, timecode = seen(folder / clips[0].media_reference.target_url)
    assert len(shades) == 48 and timecode == "01:00:00:05"


def test_sounds_that_overlap_go_to_further_tracks(session: Session, folder: Path) -> None:
    path = project(
        folder, [sound(Fraction(0), Fraction(2))], [gap(Fraction(1)), sound(Fraction(1), Fraction(2), "music")]
    )
    placed = pictures(run(session, path).output)
    assert {name: [clip.name for clip in clips] for name, clips in placed.items()} == {
        "PICTURE": ["clicks"],
        "PICTURE 2": ["music"],
    }


def test_one_sound_that_fails_does_not_end_the_run(session: Session, folder: Path, told: list[Event]) -> None:
    soundfile.write(folder / "loud.wav", np.full(48000, 9.0), 48000, subtype="FLOAT")
    soundfile.write(folder / "empty.wav", np.zeros(0), 48000)
    (folder / "text.wav").write_text("I am no sound\n" * 20)
    (folder / "gone.wav").unlink(missing_ok=True)
    names = ("loud", "empty", "text", "gone", "clicks")
    path = project(folder, [sound(Fraction(0), Fraction(1), name, url=f"{name}.wav") for name in names])
    report = run(session, path)
    assert report.exit_code == 3 and report.counts == {"generated": 1, "cached": 0, "skipped": 0, "failed": 4}
    reasons = {item.to_json()["name"]: str(item.reason) for item in report.items if item.status == "failed"}
    assert "backend 'blink' failed: RuntimeError: far too loud" in reasons["loud"]
    assert "text file" in reasons["text"] and "empty" in reasons["empty"] and "is missing" in reasons["gone"]
    (clips,) = pictures(report.output).values()
    assert [clip.name for clip in clips] == ["clicks"] and frames_at(clips[0]) == (96, 120)
    assert [event.reason for event in told if isinstance(event, JobFailed)] == [reasons["loud"]]
    left = run(session, path, skip_missing=True)
    assert left.counts == {"generated": 0, "cached": 1, "skipped": 1, "failed": 3}


def test_missing_sound_is_found_below_a_media_root_by_name(session: Session, folder: Path) -> None:
    (folder / "media" / "day 1").mkdir(parents=True)
    (folder / "clicks.wav").rename(folder / "media" / "day 1" / "clicks.wav")
    unnamed = otio.schema.Clip("clicks", source_range=span(Fraction(1), Fraction(1), 48000))
    path = project(folder, [sound(Fraction(0), Fraction(1), url="/Volumes/A/clicks.wav"), unnamed])
    with pytest.raises(TimelineError, match=r"no clip of .* can be given a picture: clicks: its media"):
        run(session, path)
    report = run(session, path, media_root=(folder / "media",))
    assert report.counts["generated"] == 2
    with pytest.raises(InputError, match="is no folder"):
        run(session, path, media_root=(folder / "nowhere",))


def test_a_sound_is_placed_by_the_time_that_is_stamped_in_it(session: Session, folder: Path) -> None:
    """An EDL tells no range of the media: a start behind the file's end is a timecode."""
    samples, rate = soundfile.read(folder / "clicks.wav", dtype="float32", always_2d=True)
    wave = Waveform(samples=np.ascontiguousarray(samples.T), sample_rate=rate)
    write_bwf(folder / "stamped.wav", wave, BroadcastInfo(time_reference=3600 * 48000))
    path = project(folder, [sound(Fraction(3601), Fraction(3), url="stamped.wav")])
    (item,) = run(session, path).items
    assert item.to_json()["source_start_s"] == 1.0
    beyond = project(folder, [sound(Fraction(4), Fraction(3))], name="beyond")
    with pytest.raises(TimelineError, match=r"asks for 4.000 s to 7.000 s of its media, which is 5.000 s long"):
        run(session, beyond)


def test_a_dry_run_writes_nothing(session: Session, folder: Path) -> None:
    path = project(folder, [sound(Fraction(0), Fraction(2)), sound(Fraction(1), Fraction(2))])
    before = state(folder)
    report = run(session, path, dry_run=True)
    assert state(folder) == before and report.output is None and Blink.made == 0
    assert [item.status for item in report.items] == ["generated"] * 2
    run(session, path, recipe(select={"tracks": ["A1"], "clips": ["click*"], "min_duration_s": 1.0}))
    assert [item.status for item in run(session, path, dry_run=True).items] == ["cached"] * 2


def test_what_cannot_be_done_is_a_sentence(session: Session, folder: Path) -> None:
    path = project(folder, [sound(Fraction(0), Fraction(1))])
    silent = project(folder, name="silent")
    for error, words, asked in (
        (TimelineError, "has no clips on sound tracks", {"path": silent}),
        (TimelineError, "no sound track 'A7'", {"wanted": recipe(select={"tracks": ["A7"]})}),
        (OutputError, "is an input and is never overwritten", {"output": path}),
        (TimelineError, "timelines are written as", {"output": folder / "x.xml"}),
        (RecipeError, "does not make pictures", {"wanted": recipe(backend={"name": "tone"})}),
        (InputError, "does not exist", {"path": folder / "gone.otio"}),
    ):
        given: dict[str, Any] = {"path": path, **asked}
        with pytest.raises(error, match=words):
            run(session, **given)
    assert not (folder / "cut.pictures").exists() and Blink.made == 0


def test_a_picture_that_became_an_input_is_never_written_over(session: Session, folder: Path) -> None:
    path = project(folder, [sound(Fraction(0), Fraction(2))])
    (picture,) = (picture for item in run(session, path).items for picture in item.pictures)
    assert picture is not None
    # Somebody edits the picture with its own name as the sound's source: it is read, so it stays.
    with av.open(str(picture.path), "w", format="mov") as container:
        stream = container.add_stream("pcm_s16le", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.ones((1, 96000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
    content = picture.path.read_bytes()
    both = [
        sound(Fraction(0), Fraction(2)),
        sound(Fraction(0), Fraction(2), "x", url=f"cut.pictures/{picture.path.name}"),
    ]
    report = run(session, project(folder, both))
    assert picture.path.read_bytes() == content
    assert all(one.path != picture.path for item in report.items for one in item.pictures)


def test_a_bundle_stays_a_bundle_with_its_pictures_inside(session: Session, folder: Path) -> None:

    timeline = read_timeline(project(folder, [sound(Fraction(0), Fraction(2), url="media/clicks.wav")])).timeline
    media = {"media/clicks.wav": folder / "clicks.wav"}
    write_bundle(timeline, folder / "packed.otioz", old=None, media=media)
    (folder / "clicks.wav").unlink()
    report = run(session, folder / "packed.otioz")
    assert report.output == folder / "packed.visual.otioz" and report.counts["generated"] == 1
    unpacked = folder / "unpacked"
    unpacked.mkdir()
    otio.adapters.read_from_file(str(report.output), extract_to_directory=str(unpacked))
    (movie,) = unpacked.rglob("*.mov")
    assert len(seen(movie)[1]) == 48 and len(list(unpacked.rglob("clicks.wav"))) == 1
    assert run(session, folder / "packed.otioz").counts["cached"] == 1


def test_an_output_elsewhere_names_its_own_pictures_and_the_old_media(session: Session, folder: Path) -> None:
    path = project(folder, [sound(Fraction(0), Fraction(2))])
    run(session, path)
    report = run(session, path, output=folder / "sub" / "cut.visual.otio")
    timeline = otio.adapters.read_from_file(str(report.output))
    named = {clip.name: clip.media_reference.target_url for clip in timeline.find_clips() if clip.name == "clicks"}
    urls = {clip.media_reference.target_url for clip in timeline.find_clips()}
    assert "../clicks.wav" in urls and named
    (picture,) = (url for url in urls if url.endswith(".mov") and "PICTURE" in url)
    assert picture.startswith("cut.pictures/") and (folder / "sub" / picture).is_file()


@pytest.mark.parametrize(
    "name", ["rm06_retime_otio_convention", "rm07_retime_premiere_convention", "rm02_mixed_rates_tc"]
)
def test_real_projects_whose_pictures_sound(session: Session, tmp_path: Path, name: str) -> None:
    """The projects of the folder beside the checkout have sound in their films: it is laid on a sound track."""
    if not (SHARED / "timelines" / "real" / f"{name}.otio").exists():
        pytest.skip("the folder shared/ with real timelines is not beside the checkout")
    timeline = read_timeline(SHARED / "timelines" / "real" / f"{name}.otio").timeline
    sound = timeline.tracks[0].deepcopy()
    sound.kind, sound.name = otio.schema.TrackKind.Audio, "A1"
    timeline.tracks.append(sound)
    path = tmp_path / "real.otio"
    otio.adapters.write_to_file(timeline, str(path))
    rows = (SHARED / "timelines" / "real" / "truth.tsv").read_text().splitlines()[1:]
    truth = [row.split("\t") for row in rows if row.startswith(f"{name}.otio")]
    report = run(session, path, media_root=(SHARED / "media",))
    items = [item.to_json() for item in report.items]
    assert [item["name"] for item in items] == [row[2] for row in truth] and report.exit_code == 0
    for item, row in zip(items, truth, strict=True):
        start_s, length_s, source_s, source_length_s, speed = (float(value) for value in row[4:9])
        assert item["timeline_start_s"] == pytest.approx(start_s, abs=1e-4)
        assert item["timeline_duration_s"] == pytest.approx(length_s, abs=1e-4)
        if not speed:
            assert item["status"] == "skipped" and "stands still" in item["reason"]
            continue
        assert (item["source_start_s"], item["speed"]) == (pytest.approx(source_s, abs=1e-3), pytest.approx(speed))
        assert item["source_duration_s"] == pytest.approx(source_length_s, abs=1e-3)
        (picture,) = item["pictures"]
        rate, shades, _ = seen(Path(picture["path"]))
        first, stop = (
            clock.to_index(Fraction(value).limit_denominator(10000), rate) for value in (start_s, start_s + length_s)
        )
        assert (picture["first_frame"], picture["frames"], len(shades)) == (first, stop - first, stop - first)


def test_a_real_bundle_with_sound_inside(session: Session, tmp_path: Path) -> None:
    bundle = SHARED / "timelines" / "tlr_SingleClip.otioz"
    if not bundle.exists():
        pytest.skip("the folder shared/ with real timelines is not beside the checkout")
    report = run(session, bundle, output=tmp_path / "single.otioz")
    (item,) = report.items
    (picture,) = item.pictures
    assert item.status == "generated" and report.output is not None
    assert picture.rate == 30 and picture.frames == clock.to_index(
        Fraction(item.to_json()["timeline_duration_s"]).limit_denominator(48000), 30
    )
    assert len(_tracks(report.output)) == 3
