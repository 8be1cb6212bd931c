"""Media that is replaced while a run reads it: its clip fails in one sentence, and nothing wrong is kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import opentimelineio as otio
import pytest

from avlink.core.errors import MediaChanged
from avlink.core.events import Event, JobStarted
from avlink.core.recipe import SonifyRecipe, load_recipe
from avlink.core.values import Waveform
from avlink.edit.sonify import SonifyReport, SonifyRequest, sonify
from avlink.edit.visualize import VisualizeRequest, visualize
from avlink.hooks import Backend, hookimpl
from avlink.media.wave import write_float_wave
from avlink.session import Session, open_session
from avlink.testing import ToneGenerator, ToneOptions, make_movie, make_registry

CHANGED = "changed while it was read; run again"


class LookingGenerator(ToneGenerator):
    """A tone as loud as the pictures are bright, so that the sound of another picture is another sound."""

    def generate(self, requests, *, on_step=None):  # type: ignore[no-untyped-def]
        """Return a tone for each request."""
        bright = [float(request.frames.read(0, request.frames.num_frames).mean()) / 255 for request in requests]
        tones = super().generate(requests, on_step=on_step)
        return tuple(replace(tone, samples=tone.samples * level) for tone, level in zip(tones, bright, strict=True))


class Looking:
    """A plugin with that generator."""

    @hookimpl
    def avlink_backends(self) -> list[Backend]:
        return [
            Backend(
                name="tone",
                direction="v2a",
                options=ToneOptions,
                fingerprint=lambda options: "looking",
                load=lambda options, device: LookingGenerator(options),
            )
        ]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return open_session(device="cpu", registry=make_registry(Looking()), cache=tmp_path / "cache")


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another movie of the same format."""
    make_movie(tmp_path / "other.mp4", seconds=2, seed=7)
    return tmp_path / "other.mp4"


def by_move(path: Path, other: Path) -> None:
    os.replace(shutil.copyfile(other, other.with_suffix(".copy")), path)


def in_place(path: Path, other: Path) -> None:
    path.write_bytes(other.read_bytes())


def with_the_same_time(path: Path, other: Path) -> None:
    stat = path.stat()
    by_move(path, other)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def in_place_with_the_same_time(path: Path, other: Path) -> None:
    stat = path.stat()
    in_place(path, other)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def by_a_broken_one(path: Path, other: Path) -> None:
    path.write_bytes(b"not a movie")


def by_nothing(path: Path, other: Path) -> None:
    path.unlink()


WAYS = [by_move, in_place, with_the_same_time, in_place_with_the_same_time]


def run(session: Session, recipe: SonifyRecipe, path: Path, **more: object) -> SonifyReport:
    return sonify(SonifyRequest(input=path, recipe=recipe, device="cpu", **more), session)  # type: ignore[arg-type]


def at_first_job(session: Session, act: Callable[[], None]) -> Session:
    """The session in which `act` happens between planning and reading, once."""
    done: list[bool] = []

    def listen(event: Event) -> None:
        if isinstance(event, JobStarted) and not done:
            done.append(True)
            act()

    return replace(session, listener=listen)


def own_media(cut: Path, movies: Path) -> Path:
    """The project with files of its own, which a test may replace; return the file of its first clip."""
    (cut.parent / "media").unlink()
    shutil.copytree(movies, cut.parent / "media")
    return cut.parent / "media" / "a.mp4"


def pad_to_the_same_size(*paths: Path) -> None:
    size = max(path.stat().st_size for path in paths)
    for path in paths:
        with path.open("ab") as file:
            file.write(bytes(size - path.stat().st_size))


@pytest.mark.parametrize("way", [*WAYS, by_a_broken_one, by_nothing])
def test_its_clips_fail_the_others_go_on_and_the_next_run_is_right(
    session: Session, recipe: SonifyRecipe, cut: Path, movies: Path, other: Path, way: Callable[[Path, Path], None]
) -> None:
    media = own_media(cut, movies)
    pad_to_the_same_size(media, other)
    first, second = media.read_bytes(), other.read_bytes()
    assert len(first) == len(second)
    report = run(at_first_job(session, lambda: way(media, other)), recipe, cut)
    assert report.exit_code == 3
    assert [item.status for item in report.items] == ["failed", "generated", "failed"]
    assert {item.reason for item in report.items if item.reason} == {f"{media} {CHANGED}"}
    # With either file, this cache and a new one lead to the same.
    for number, content in enumerate((second, first)):
        media.write_bytes(content)
        made = []
        for cache in (session.cache, session.cache.with_name(f"new{number}")):
            shutil.rmtree(cut.with_name("cut.stems"), ignore_errors=True)
            again = open_session(device="cpu", registry=session.registry, cache=cache)
            done = run(again, recipe, cut)
            assert done.exit_code == 0
            made.append([stem.path.read_bytes() for item in done.items for stem in item.stems])
        assert made[0] == made[1]


@pytest.mark.parametrize("way", WAYS)
def test_a_single_movie_that_is_replaced_is_refused_and_nothing_is_written(
    session: Session, recipe: SonifyRecipe, tmp_path: Path, other: Path, way: Callable[[Path, Path], None]
) -> None:
    movie = tmp_path / "shot.mp4"
    make_movie(movie, seconds=2)
    with pytest.raises(MediaChanged, match=CHANGED):
        run(at_first_job(session, lambda: way(movie, other)), recipe, movie)
    assert not [*tmp_path.glob("*.foley.*")]
    assert not [*(session.cache / "objects").rglob("*.wav")]


def test_a_movie_that_is_replaced_after_its_sound_was_made_gets_no_other_picture(
    session: Session, recipe: SonifyRecipe, tmp_path: Path, other: Path
) -> None:
    movie = tmp_path / "shot.mp4"
    make_movie(movie, seconds=2)
    run(session, recipe, movie, output=tmp_path / "first.mov")

    def listen(event: Event) -> None:
        if type(event).__name__ == "JobDone":
            by_move(movie, other)

    with pytest.raises(MediaChanged, match=CHANGED):
        run(replace(session, listener=listen), recipe, movie, output=tmp_path / "second.mov")
    assert not (tmp_path / "second.mov").exists()


def test_an_image_of_a_sequence_that_is_replaced_fails_its_clip(
    session: Session, recipe: SonifyRecipe, tmp_path: Path
) -> None:
    from PIL import Image

    def write(number: int, grey: int) -> Path:
        path = tmp_path / f"shot.{number:03d}.png"
        Image.new("RGB", (64, 36), (grey,) * 3).save(path)
        return path

    for number in range(24):
        write(number, 10 * number)
    span = otio.opentime.TimeRange(otio.opentime.RationalTime(0, 24), otio.opentime.RationalTime(24, 24))
    ref = otio.schema.ImageSequenceReference(str(tmp_path), "shot.", ".png", 0, 1, 24, 3, available_range=span)
    timeline = otio.schema.Timeline("cut")
    timeline.tracks.append(otio.schema.Track("V1", [otio.schema.Clip("shot", ref, span)]))
    cut = tmp_path / "cut.otio"
    timeline.to_json_file(str(cut))
    report = run(at_first_job(session, lambda: write(12, 255) and None), recipe, cut)
    (item,) = report.items
    assert (item.status, item.reason) == ("failed", f"{tmp_path / 'shot.012.png'} {CHANGED}")
    assert not [*(session.cache / "objects").rglob("*.wav")]
    assert run(session, recipe, cut).counts["generated"] == 1


def test_a_sound_that_is_replaced_gets_no_pictures(session: Session, tmp_path: Path) -> None:
    def write(level: float) -> Path:
        wave = Waveform(samples=np.full((1, 16000), level, np.float32), sample_rate=16000)
        write_float_wave(tmp_path / "a.wav", sound=wave)
        return tmp_path / "a.wav"

    request = VisualizeRequest(
        input=write(0.1),
        output=tmp_path / "a.mp4",
        recipe=load_recipe("visualize", "visualize", ["backend.name=flat"]),
        device="cpu",
    )
    flat = open_session(device="cpu", cache=tmp_path / "cache", registry=make_registry(Looking(), flat_only()))
    with pytest.raises(MediaChanged, match=CHANGED):
        visualize(request, at_first_job(flat, lambda: write(0.2) and None))
    assert not (tmp_path / "a.mp4").exists() and not [*(tmp_path / "cache" / "objects").rglob("*.npy")]
    assert visualize(request, flat).counts["generated"] == 1


def test_production_sound_that_is_replaced_while_stems_are_ducked_under_it_fails_them(
    session: Session, tmp_path: Path, movies: Path, kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "media").symlink_to(movies)

    def write(level: float) -> None:
        wave = Waveform(samples=np.full((1, 32000), level, np.float32), sample_rate=16000)
        write_float_wave(tmp_path / "music.wav", sound=wave)

    write(0.5)
    timeline = kit.timeline_of(kit.clip("media/a.mp4", 0, 40))
    timeline.tracks.append(otio.schema.Track("A1", [kit.clip("music.wav", 0, 40)], kind="Audio"))
    cut = tmp_path / "cut.otio"
    timeline.to_json_file(str(cut))
    recipe = kit.tone_recipe(tmp_path, "stems.duck_db=12")
    report = run(at_first_job(session, lambda: write(0.0)), recipe, cut)
    (item,) = report.items
    assert (item.status, item.reason) == ("failed", f"{tmp_path / 'music.wav'} {CHANGED}")
    assert not [*cut.with_name("cut.stems").glob("*.wav")]
    assert run(session, recipe, cut).exit_code == 0


def flat_only() -> object:
    """The plugin of `flat` alone: another `tone` is there already."""
    import avlink.testing

    class Flat:
        @hookimpl
        def avlink_backends(self) -> list[Backend]:
            return [one for one in avlink.testing.avlink_backends() if one.name == "flat"]

    return Flat()
