"""Laws of the pipeline that hold in both directions: sound for pictures, and pictures for sound."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import opentimelineio as otio
import pytest
import soundfile

from avlink import hookimpl, testing
from avlink.core.errors import AvlinkError, MediaError, OutputError
from avlink.core.events import Event, Message
from avlink.core.paths import TEMPORARY_PREFIX
from avlink.core.recipe import SonifyRecipe, VisualizeRecipe, check_values
from avlink.edit.file_pictures import _ENCODED
from avlink.edit.report import EditReport
from avlink.edit.sonify import SonifyRequest, sonify
from avlink.edit.visualize import VisualizeRequest, visualize
from avlink.hooks import Backend, Executor, Options, ReadyBackend
from avlink.media.probe import probe
from avlink.session import Session, open_session
from avlink.testing import Shot

WORDS = "its weights are for research only (CC-BY-NC-4.0)"


class Loaned:
    """A plugin with a backend for each direction, whose weights carry a licence, and an executor that runs them."""

    __name__ = "loaned"

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.devices: list[str] = []
        self.fault: Exception | None = None

    def load(self, generator: type, options: Any) -> Any:
        self.loaded.append(generator.__name__)
        plugin = self

        class Faulty(generator):
            def generate(self, requests: Sequence[Any], *, on_step: Any = None) -> Any:
                if plugin.fault is not None:
                    raise plugin.fault
                return super().generate(requests, on_step=on_step)

        return Faulty(options)

    @hookimpl
    def avlink_backends(self) -> list[Backend]:
        kinds: list[tuple[str, Any, type[Options], type]] = [
            ("loaned_tone", "v2a", testing.ToneOptions, testing.ToneGenerator),
            ("loaned_flat", "a2v", testing.FlatOptions, testing.FlatGenerator),
        ]
        return [
            Backend(
                name=name,
                direction=direction,
                options=options,
                fingerprint=lambda options: "1",
                load=lambda options, device, made=made: self.load(made, options),
                licence=WORDS,
            )
            for name, direction, options, made in kinds
        ]

    def work(self, backend: ReadyBackend, options: Options, device: str) -> Any:
        self.devices.append(device)
        return backend.backend.load(backend.options, "cpu")

    @hookimpl
    def avlink_executors(self) -> list[Executor]:
        return [Executor(name="far", load=self.work)]


Give = Callable[..., EditReport]


@pytest.fixture
def plugin() -> Loaned:
    return Loaned()


@pytest.fixture
def session(tmp_path: Path, plugin: Loaned, told: list[Event]) -> Session:
    return open_session(
        device="auto", registry=testing.fake_registry(plugin), cache=tmp_path / "cache", listener=told.append
    )


@pytest.fixture(params=["sonify", "visualize"])
def give(request: pytest.FixtureRequest, session: Session) -> Give:
    """Run the pipeline in one direction on an input."""

    def run(path: Path, on: str | None = None, **asked: Any) -> EditReport:
        backend = {"name": "loaned_tone" if request.param == "sonify" else "loaned_flat"}
        values = {"format": 1, "kind": request.param, "backend": backend | ({"on": on} if on else {})}
        if request.param == "sonify":
            return sonify(SonifyRequest(input=path, recipe=check_values(SonifyRecipe, values), **asked), session)
        return visualize(VisualizeRequest(input=path, recipe=check_values(VisualizeRecipe, values), **asked), session)

    run.direction = request.param  # type: ignore[attr-defined]
    return run


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    """A movie with sound: an input for both directions."""
    silent, path = testing.make_movie(tmp_path / "silent.mp4", seconds=1), tmp_path / "in" / "shot.mp4"
    path.parent.mkdir()
    soundfile.write(tmp_path / "tone.wav", np.sin(np.arange(48000) / 20) / 2, 48000)
    from avlink.media.mux import mux_sound
    from avlink.media.wave import WaveFile

    mux_sound(silent, WaveFile(tmp_path / "tone.wav"), path)
    return path


@pytest.fixture
def cut(tmp_path: Path, movie: Path) -> Path:
    """A timeline with the movie on a video and on an audio track."""
    path = testing.make_timeline(tmp_path, [Shot(name="a", frames=24)])
    timeline = otio.adapters.read_from_file(str(path))
    clip = otio.schema.Clip(
        "shot",
        otio.schema.ExternalReference(str(movie)),
        otio.opentime.TimeRange(otio.opentime.RationalTime(0, 24), otio.opentime.RationalTime(24, 24)),
    )
    timeline.tracks.append(otio.schema.Track("A1", [clip], kind=otio.schema.TrackKind.Audio))
    otio.adapters.write_to_file(timeline, str(path))
    return path


def test_a_licence_is_told_once_and_stays_with_all_that_is_written(
    give: Give, cut: Path, movie: Path, told: list[Event]
) -> None:
    reports = [give(cut), give(movie)]
    warned = [event.text for event in told if isinstance(event, Message) and event.level == "warning"]
    assert [text for text in warned if WORDS in text] == [text for text in warned if "loaned_" in text][:1]
    assert len([text for text in warned if WORDS in text]) == 1
    assert all(report.to_json()["licence"] == WORDS for report in reports)
    assert reports[0].output is not None and WORDS in reports[0].output.read_text("utf-8")
    for report in reports:
        for file in (file for item in report.items for file in item.files):
            assert WORDS.encode() in file.path.read_bytes()


def test_the_model_is_loaded_once_for_all_runs_of_a_session(give: Give, movie: Path, plugin: Loaned) -> None:
    for number in range(3):
        copy = movie.with_name(f"copy{number}.mp4")
        copy.write_bytes(movie.read_bytes() + bytes(number))
        assert give(copy).counts["generated"] == 1
    assert len(plugin.loaded) == 1


def test_an_executor_is_given_the_device_as_the_user_asked_for_it(give: Give, movie: Path, plugin: Loaned) -> None:
    assert give(movie, on="far").exit_code == 0
    assert plugin.devices == ["auto"]


def test_what_a_killed_run_left_behind_is_swept(give: Give, cut: Path, movie: Path) -> None:
    for path in (cut, movie):
        old = path.with_name(f"{TEMPORARY_PREFIX}0123456789ab{path.suffix}")
        old.write_bytes(b"part")
        hours_ago = time.time() - 7200
        os.utime(old, (hours_ago, hours_ago))
        assert give(path).exit_code == 0
        assert not old.exists()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (ValueError("no such note"), "failed: ValueError: no such note"),
        (MemoryError(), "there is not enough memory for it; try --device cpu"),
        (MediaError("the film is torn"), "the film is torn"),
    ],
    ids=["foreign", "memory", "ours"],
)
def test_a_backend_that_fails_takes_down_its_own_clip_alone(
    give: Give, cut: Path, plugin: Loaned, fault: Exception, said: str
) -> None:
    plugin.fault = fault
    report = give(cut)
    (item,) = report.items
    assert (report.exit_code, item.status, report.output) == (3, "failed", None)
    assert item.reason is not None and said in item.reason


def test_a_full_disk_is_no_fault_of_a_clip(give: Give, cut: Path, plugin: Loaned) -> None:
    plugin.fault = OutputError("there is no room left on the disk")
    with pytest.raises(OutputError, match="no room"):
        give(cut)


def test_a_dry_run_tells_cached_from_generated_and_writes_nothing(give: Give, cut: Path) -> None:
    before = sorted(cut.parent.iterdir())
    assert give(cut, dry_run=True).counts["generated"] == 1
    assert sorted(path for path in cut.parent.iterdir() if path.name != "cache") == [
        path for path in before if path.name != "cache"
    ]
    give(cut)
    planned = give(cut, dry_run=True)
    assert planned.counts["cached"] == 1 and planned.output is None


def test_a_second_run_is_cached_and_writes_the_same_bytes(give: Give, cut: Path, movie: Path) -> None:
    for path in (cut, movie):
        first = {file.path: file.path.read_bytes() for item in give(path).items for file in item.files}
        again = give(path)
        assert again.counts["cached"] == 1
        if path == cut:
            assert {file.path: file.path.read_bytes() for item in again.items for file in item.files} == first


def test_names_of_outputs_follow_base(give: Give, cut: Path, movie: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    for path in (cut, movie):
        report = give(path, base=folder / "other")
        assert report.output is not None and report.output.parent == folder
        assert report.output.name.startswith("other.")


@pytest.mark.parametrize("suffix", _ENCODED)
def test_every_suffix_that_pictures_are_offered_in_is_a_movie_with_its_sound(
    suffix: str, session: Session, movie: Path
) -> None:
    recipe = check_values(VisualizeRecipe, {"format": 1, "kind": "visualize", "backend": {"name": "flat"}})
    output = movie.with_name(f"out{suffix}")
    report = visualize(VisualizeRequest(input=movie, recipe=recipe, output=output), session)
    assert report.output == output
    info = probe(output)
    assert info.video is not None and info.has_audio
    assert abs(info.duration_s - 1) <= 2 / info.video.rate + Fraction(1, 10)
    with av.open(str(output)) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 1


def test_pictures_are_not_written_as_webm(session: Session, movie: Path) -> None:
    recipe = check_values(VisualizeRecipe, {"format": 1, "kind": "visualize", "backend": {"name": "flat"}})
    with pytest.raises(AvlinkError, match="pictures are written as"):
        visualize(VisualizeRequest(input=movie, recipe=recipe, output=movie.with_name("o.webm")), session)
