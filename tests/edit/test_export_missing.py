"""Missing media of an export: listed, asked of plugins, left out where that is asked for."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
import soundfile
from avlink_otio import plugin

from avlink import hookimpl, testing
from avlink.core.errors import TimelineError
from avlink.edit.export import ExportReport, ExportRequest, export
from avlink.edit.sonify import SonifyRequest, sonify
from avlink.hooks import MissingMedia, Registry, make_registry
from avlink.session import open_session
from avlink.timeline.read import read_timeline

CLIPS = 2


@pytest.fixture(scope="module")
def registry() -> Registry:
    return make_registry(plugin)


@pytest.fixture(scope="module")
def finished(kit: Any, movies: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sonified project of two clips with two takes each."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copytree(movies, folder / "media")
    cut = kit.timeline_of(kit.clip("media/a.mp4", 6, 30), kit.clip("media/b.mp4", 0, 24))
    otio.adapters.write_to_file(cut, str(folder / "cut.otio"))
    session = open_session(device="cpu", registry=testing.fake_registry(), cache=folder / "cache")
    recipe = kit.tone_recipe(folder, "run.takes=2")
    sonify(SonifyRequest(input=folder / "cut.otio", recipe=recipe, device="cpu"), session)
    return folder


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "project") / "cut.foley.otio"


@pytest.fixture
def run(project: Path, registry: Registry) -> Callable[..., ExportReport]:
    def go(to: str, **more: Any) -> ExportReport:
        return export(ExportRequest(input=project, to=to, **more), registry)

    return go


def _stems(project: Path) -> list[Path]:
    file = read_timeline(project)
    clips = [clip for track in file.timeline.audio_tracks() for clip in track.find_clips()]
    return [project.parent / clip.media_reference.target_url for clip in clips]


def _files(report: ExportReport) -> list[str]:
    return re.findall(r'FILE "?([^"\n]+)', report.output.read_text(encoding="utf-8"))


def test_missing_stems_are_named_once(run: Callable[..., ExportReport], project: Path) -> None:
    lost = _stems(project)[1]
    lost.unlink()
    report = run("rpp")
    assert report.missing == (f"cut.stems/{lost.name}",)
    assert f"1 media file not found: cut.stems/{lost.name};" in report.notes[0] and report.clips == CLIPS
    with pytest.raises(TimelineError, match=f"{lost.name} is missing"):
        run("aaf")
    assert not project.with_name("cut.foley.aaf").exists()
    report = run("aaf", skip_missing=True)
    assert (report.clips, report.missing) == (CLIPS - 1, ())


def test_a_take_that_is_missing_and_not_heard_leaves_its_clip(run: Callable[..., ExportReport], project: Path) -> None:
    take = next(iter(read_timeline(project).timeline.audio_tracks()[0].find_clips())).media_references()["take_2"]
    (project.parent / take.target_url).unlink()
    assert run("rpp").missing == (take.target_url,)
    report = run("rpp", skip_missing=True)
    assert report.clips == CLIPS and len(_files(report)) == 2 * CLIPS - 1


@pytest.mark.parametrize("to", ["rpp", "otioz"])
def test_plugins_are_asked_for_missing_media(project: Path, to: str) -> None:
    asked: list[MissingMedia] = []
    lost = _stems(project)[1]
    moved = lost.rename(project.parent / "moved.wav")

    class Finder:
        @hookimpl
        def avlink_resolve_media(self, media: MissingMedia, options: object) -> Path:
            asked.append(media)
            return Path("moved.wav")

    report = export(ExportRequest(input=project, to=to), make_registry(plugin, Finder()))
    assert (report.missing, report.notes) == ((), ())
    (media,) = asked
    assert (media.url, media.name) == (f"cut.stems/{lost.name}", lost.name)
    assert (media.folder, media.track, media.direction) == (project.parent, "FOLEY", "v2a")
    if to == "rpp":
        assert moved.name in _files(report)
    else:
        with zipfile.ZipFile(report.output) as archive:
            assert archive.read("media/moved.wav") == moved.read_bytes()


def test_a_plugin_that_fails_is_named(project: Path) -> None:
    _stems(project)[1].unlink()

    class Broken:
        @hookimpl
        def avlink_resolve_media(self, media: MissingMedia, options: object) -> Path:
            raise RuntimeError("no network")

    report = export(ExportRequest(input=project, to="rpp"), make_registry(plugin, Broken()))
    assert len(report.missing) == 1 and "no network" in report.notes[0]


def test_files_that_fit_equally_well_are_named(run: Callable[..., ExportReport], project: Path, tmp_path: Path) -> None:
    lost = _stems(project)[1]
    for card in ("one", "two"):
        (tmp_path / "roots" / card).mkdir(parents=True)
        soundfile.write(tmp_path / "roots" / card / lost.name, [0.0] * 480, 48000)
    lost.unlink()
    report = run("rpp", media_root=(tmp_path / "roots",))
    assert report.missing == (f"cut.stems/{lost.name}",)
    assert "several files of its name fit equally well" in report.notes[0]
    report = run("rpp", media_root=(tmp_path / "roots" / "two",))
    assert report.missing == () and any(f"two/{lost.name}" in name for name in _files(report))
