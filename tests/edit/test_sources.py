"""From projects to pictures: what is retimed, sequences of images, what is missing, and paths that lead outside."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import opentimelineio as otio
import pytest
from PIL import Image

from avlink.core.errors import InputError, TimelineError
from avlink.core.events import Event, Message
from avlink.core.recipe import SonifyRecipe
from avlink.core.values import PictureSpec
from avlink.edit.sonify import SonifyReport, SonifyRequest, sonify
from avlink.edit.sources import resolve_sources
from avlink.media.frames import open_frames
from avlink.session import Session
from avlink.timeline.resolve import MediaRoots
from avlink.timeline.select import select_clips
from avlink.timeline.values import Skip, Source
from avlink.timeline.walk import list_clips

SHARED = Path(__file__).parents[2] / ".." / "shared"
SPEC = PictureSpec(rate=Fraction(24), width=32, height=18)


def _run(session: Session, recipe: SonifyRecipe, path: Path, **asked: object) -> SonifyReport:
    return sonify(SonifyRequest(input=path, recipe=recipe, device="cpu", **asked), session)  # type: ignore[arg-type]


def _write(path: Path, timeline: otio.schema.Timeline) -> Path:
    otio.adapters.write_to_file(timeline, str(path))
    return path


def _resolved(
    timeline: otio.schema.Timeline, folder: Path, session: Session, **asked: bool
) -> tuple[tuple[Source, ...], tuple[Skip, ...]]:
    items = select_clips(list_clips(timeline))
    return resolve_sources(items, folder=folder, roots=MediaRoots(), store=session.store, **asked)


def _frames(source: Source) -> np.ndarray:
    """Return what the model sees of a source."""
    frames = open_frames(
        source.picture, start_s=source.start_s, duration_s=source.seen_s, spec=SPEC, speed=source.speed
    )
    return frames.read(0, frames.num_frames).astype(int)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "shot"
    folder.mkdir()
    for index in range(24):
        Image.new("RGB", (64, 36), (10 * index,) * 3).save(folder / f"s.{index + 1:04}.png")
    return folder


def _sequence(**asked: object) -> otio.schema.ImageSequenceReference:
    said: dict[str, Any] = {
        "target_url_base": "shot/",
        "name_prefix": "s.",
        "name_suffix": ".png",
        "start_frame": 1,
        "frame_step": 1,
        "rate": 24,
        "frame_zero_padding": 4,
        "available_range": otio.opentime.TimeRange(
            otio.opentime.RationalTime(1, 24), otio.opentime.RationalTime(24, 24)
        ),
        **asked,
    }
    return otio.schema.ImageSequenceReference(**said)


@pytest.mark.parametrize("speed", [2.0, 0.5, -1.0])
def test_a_retimed_clip_is_seen_retimed(kit: Any, session: Session, cut: Path, speed: float) -> None:
    plain, warped = kit.clip("media/a.mp4", 12, 24), kit.clip("media/a.mp4", 12, 12)
    warped.effects.append(otio.schema.LinearTimeWarp(time_scalar=speed))
    (there, other), _ = _resolved(kit.timeline_of(plain, warped), cut.parent, session)
    assert other.seen_s == other.clip.timeline_duration_s == Fraction(1, 2)
    assert (other.start_s, other.duration_s, other.speed) == (Fraction(1, 2), abs(Fraction(speed)) / 2, speed)
    seen, own = _frames(other), _frames(there)
    assert len(seen) == 12
    expected = {2.0: own.reshape(12, 2, *own.shape[1:]).mean(axis=1), 0.5: own[:6].repeat(2, axis=0), -1.0: own[11::-1]}
    assert np.abs(seen - expected[speed]).max() <= 1


def test_a_nested_clip_is_the_same_sound_as_an_open_one(kit: Any, session: Session, cut: Path) -> None:
    open_clip = kit.clip("media/a.mp4", 18, 12)
    span = otio.opentime.TimeRange(otio.opentime.RationalTime(6, 24), otio.opentime.RationalTime(12, 24))
    inner = otio.schema.Stack("nest", [otio.schema.Track("x", [kit.clip("media/a.mp4", 12, 24)])], source_range=span)
    (first, second), _ = _resolved(kit.timeline_of(open_clip, inner), cut.parent, session)
    assert (first.digest, first.start_s, first.duration_s) == (second.digest, second.start_s, second.duration_s)
    assert second.clip.timeline_start_s == Fraction(1, 2) and second.clip.nests == ("nest",)


def test_an_image_sequence_is_planned_by_its_content(
    kit: Any, session: Session, recipe: SonifyRecipe, tmp_path: Path, images: Path
) -> None:
    clip = kit.clip("x", 7, 12)
    clip.media_reference = _sequence()
    (source,), _ = _resolved(kit.timeline_of(clip), tmp_path, session)
    assert source.path == images / "s.0001.png" and source.start_s == Fraction(6, 24)
    assert np.abs(_frames(source).mean(axis=(1, 2, 3)) - np.arange(60, 180, 10)).max() < 2
    images.rename(tmp_path / "elsewhere")
    clip.media_reference = _sequence(target_url_base="elsewhere/")
    (moved,), _ = _resolved(kit.timeline_of(clip), tmp_path, session)
    assert moved.digest == source.digest
    Image.new("RGB", (64, 36), (255,) * 3).save(tmp_path / "elsewhere" / "s.0020.png")
    (changed,), _ = _resolved(kit.timeline_of(clip), tmp_path, session)
    assert changed.digest != source.digest
    report = _run(session, recipe, _write(tmp_path / "seq.otio", kit.timeline_of(clip)), dry_run=True)
    assert report.counts["generated"] == 1


def test_missing_images_fail_a_clip_by_their_numbers_or_are_held_with_a_word(
    kit: Any, session: Session, tmp_path: Path, images: Path
) -> None:
    for number in (9, 10, 20):
        (images / f"s.{number:04}.png").unlink()
    clip = kit.clip("x", 1, 12)
    clip.media_reference = _sequence()
    _, (skip,) = _resolved(kit.timeline_of(clip), tmp_path, session)
    assert skip.reason == "of its image sequence s.*.png the images 9-10 are missing" and skip.failed and skip.missing
    clip.media_reference = _sequence(missing_frame_policy=otio.schema.ImageSequenceReference.MissingFramePolicy.hold)
    (held,), _ = _resolved(kit.timeline_of(clip), tmp_path, session)
    assert held.clip.notes == ("x on V1: images 9-10 are missing; held",)
    assert np.abs(_frames(held).mean(axis=(1, 2, 3))[7:11] - [70, 70, 70, 100]).max() < 2


def test_missing_media_has_failed_unless_it_may_be_skipped(
    kit: Any, session: Session, recipe: SonifyRecipe, cut: Path, told: list[Event]
) -> None:
    clips = [kit.clip("media/a.mp4", 0, 12), kit.clip("gone.mp4", 0, 12), kit.clip("media/a.mp4", 40, 24)]
    clips += [kit.clip("D:\\lost\\too.mov", 0, 12), kit.clip("gone.mp4", 12, 12)]
    _write(cut, kit.timeline_of(*clips))

    def states(**asked: object) -> tuple[list[str], list[str], int]:
        told.clear()
        report = _run(session, recipe, cut, dry_run=True, **asked)
        warned = [event.text for event in told if isinstance(event, Message) and event.level == "warning"]
        return [item.status for item in report.items], warned, report.exit_code

    outside = str(cut.parent / "media" / "a.mp4")
    assert states() == (
        ["generated", "failed", "failed", "failed", "failed"],
        ["2 media files not found: gone.mp4, D:\\lost\\too.mov", f"1 media file cannot be used: {outside}"],
        3,
    )
    # What is there and wrong stays a failure.
    statuses, warned, code = states(skip_missing=True)
    assert statuses == ["generated", "skipped", "failed", "skipped", "skipped"] and code == 3
    assert warned == [
        f"1 media file cannot be used: {outside}",
        "2 media files not found and left out: gone.mp4, D:\\lost\\too.mov",
    ]


def test_with_nothing_but_missing_media_there_is_nothing_to_do(
    kit: Any, session: Session, recipe: SonifyRecipe, cut: Path
) -> None:
    _write(cut, kit.timeline_of(kit.clip("gone.mp4", 0, 12)))
    with pytest.raises(TimelineError, match=r"no clip of .* can be given a sound"):
        _run(session, recipe, cut, skip_missing=True)


def test_a_media_root_that_is_no_folder_is_said(session: Session, recipe: SonifyRecipe, cut: Path) -> None:
    with pytest.raises(InputError, match="is no folder; --media-root names folders"):
        _run(session, recipe, cut, media_root=(cut.parent / "nowhere",))


def test_the_recipe_s_wishes_are_heard(kit: Any, session: Session, cut: Path) -> None:
    report = _run(session, kit.tone_recipe(cut.parent, 'select.clips=["A*"]'), cut, dry_run=True)
    assert [item.jobs[0].source.clip.name for item in report.items] == ["a", "a"]
    report = _run(session, kit.tone_recipe(cut.parent, "select.min_duration_s=1.3"), cut, dry_run=True)
    assert [item.status for item in report.items] == ["skipped", "generated", "skipped"]
    with pytest.raises(TimelineError, match=r"no clip is as \[select\] wants it \(clips = x\*\); there are: a, b"):
        _run(session, kit.tone_recipe(cut.parent, 'select.clips=["x*"]'), cut)


NAMES = ["../../escape", "/tmp/absolute", "..\\..\\escape", "C:\\escape", "a/b", ".", "..", "con", "x\0y", "~/home", ""]


def test_no_name_of_a_project_makes_anything_outside_its_folder(
    kit: Any, session: Session, recipe: SonifyRecipe, tmp_path: Path, movies: Path
) -> None:
    folder = tmp_path / "deep" / "project"
    folder.mkdir(parents=True)
    (folder / "media").symlink_to(movies)
    clips = [kit.clip("media/a.mp4", index, 2, name=name) for index, name in enumerate(NAMES)]
    timeline = kit.timeline_of(*clips)
    timeline.name, timeline.tracks[0].name = "../../timeline", "../../track"
    path = _write(folder / "cut.otio", timeline)
    (tmp_path / "recipe").mkdir()
    wish = kit.tone_recipe(tmp_path / "recipe", 'stems.track_name="../../FOLEY"', 'prompt.template=""')
    before = {found for found in tmp_path.rglob("*") if session.cache not in (found, *found.parents)}
    report = _run(session, wish, path)
    assert report.counts["generated"] == len(NAMES)
    after = {found for found in tmp_path.rglob("*") if session.cache not in (found, *found.parents)}
    made = after - before
    assert {found.parent for found in made if found.suffix == ".wav"} == {folder / "cut.stems"}
    assert {found for found in made if found.suffix != ".wav"} == {folder / "cut.stems", folder / "cut.foley.otio"}
    assert {found.name for found in movies.iterdir()} == {"a.mp4", "b.mp4"}


@pytest.mark.skipif(not (SHARED / "timelines").is_dir(), reason="the real timelines are not beside the checkout")
@pytest.mark.parametrize("name", ["rm06_retime_otio_convention.otio", "rm07_retime_premiere_convention.otio"])
def test_both_conventions_of_real_projects_show_the_same(session: Session, name: str) -> None:
    from avlink.timeline.read import read_timeline

    file = read_timeline(SHARED / "timelines" / "real" / name)
    sources, (freeze,) = _resolved(file.timeline, file.folder, session)
    spans = [(one.start_s, one.duration_s, one.speed, one.seen_s) for one in sources]
    assert spans == [(1, 4, 2, 2), (0, 2, Fraction(1, 2), 4), (4, 2, -1, 2)]
    assert "freeze frame" in freeze.reason
    backwards = sources[2]
    there = replace(backwards, speed=Fraction(1))
    assert np.array_equal(_frames(backwards), _frames(there)[::-1])


def test_stems_of_retimed_and_nested_clips_fill_what_is_seen_of_them(
    kit: Any, session: Session, recipe: SonifyRecipe, cut: Path
) -> None:
    clips = [kit.clip("media/a.mp4", 12, 12, name=f"at {speed}") for speed in (2, 0.5, -1, 0)]
    for clip, speed in zip(clips, (2, 0.5, -1, 0), strict=True):
        warp = otio.schema.LinearTimeWarp(time_scalar=speed) if speed else otio.schema.FreezeFrame()
        clip.effects.append(warp)
    clips[-1].metadata["avlink"] = {"prompt": "a held chord"}
    span = otio.opentime.TimeRange(otio.opentime.RationalTime(6, 24), otio.opentime.RationalTime(12, 24))
    inner = otio.schema.Track("x", [kit.clip("media/b.mp4", 0, 25, 25, name="nested")])
    nest = otio.schema.Stack("nest", [inner], source_range=span)
    report = _run(session, recipe, _write(cut, kit.timeline_of(*clips, nest)))
    assert report.counts == {"generated": 5, "cached": 0, "skipped": 0, "failed": 0}
    assert [item.stems[0].samples for item in report.items] == [24000] * 5
    assert [item.to_json()["speed"] for item in report.items] == [2, 0.5, -1, 0, 1]
    assert [item.stems[0].time_reference for item in report.items] == [3600 * 48000 + 24000 * at for at in range(5)]
    assert _run(session, recipe, cut).counts["cached"] == 5
