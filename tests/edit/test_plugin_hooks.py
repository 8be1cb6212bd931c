"""Hooks that take part in a run, through whole runs in both directions."""

from __future__ import annotations

import shutil
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import opentimelineio as otio
import pytest
from avlink_sidecar import plugin as sidecar

from avlink import (
    Message,
    Prompt,
    SonifyRequest,
    VisualizeRequest,
    Waveform,
    find_recipe,
    open_session,
    sonify,
    visualize,
)
from avlink.hooks import RunProject, RunStem, hookimpl
from avlink.testing import fake_registry, make_movie, make_timeline

SETTINGS = ["backend.name=tone", "stems.post=[]"]


def plugin_of(name: str, **hooks: Callable[..., object]) -> types.ModuleType:
    module = types.ModuleType(name)
    for hook, function in hooks.items():
        setattr(module, hook, hookimpl(function))
    return module


class Runs:
    """Runs with `tone`, `flat` and given plugins over one cache."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.told = folder, []

    def session(self, *plugins: object, **named: object):
        registry = fake_registry(*plugins, **named)
        return open_session(device="cpu", registry=registry, cache=self.folder / "cache", listener=self.told.append)

    def sonify(self, cut: Path, *plugins: object, settings: tuple[str, ...] = (), **asked: object):
        named = {key: value for key, value in asked.items() if isinstance(value, types.ModuleType)}
        recipe = find_recipe("foley", "sonify", [*SETTINGS, *settings])
        request = SonifyRequest(input=cut, recipe=recipe, **{k: v for k, v in asked.items() if k not in named})
        return sonify(request, self.session(*plugins, **named))


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def observer(seen: list[object]) -> types.ModuleType:
    return plugin_of(
        "observer",
        avlink_stem_written=lambda stem: seen.append(stem),
        avlink_project_written=lambda project: seen.append(project),
    )


class TestMissingMedia:
    def test_a_plugin_finds_it_and_the_sound_is_that_of_the_file_in_its_place(self, runs: Runs, tmp_path: Path) -> None:
        cut = make_timeline(tmp_path, ["a", "b"])
        before = runs.sonify(cut)
        (tmp_path / "elsewhere").mkdir()
        shutil.move(tmp_path / "media" / "b.mp4", tmp_path / "elsewhere" / "other name.mp4")
        lost = runs.sonify(cut, output=tmp_path / "lost.otio")
        assert [item.status for item in lost.items] == ["cached", "failed"]
        asked: list[object] = []

        def find(media):
            asked.append((media.name, media.url, media.folder, media.clip, media.track, media.direction))
            return "elsewhere/other name.mp4"

        found = runs.sonify(cut, plugin_of("finder", avlink_resolve_media=find), output=tmp_path / "found.otio")
        assert [item.status for item in found.items] == ["cached", "cached"], "the path is in no key"
        assert asked == [("b.mp4", "media/b.mp4", tmp_path, "b", "V1", "v2a")]
        keys = [[job.stem_key for item in report.items for job in item.jobs] for report in (before, found)]
        assert keys[0] == keys[1]

    def test_a_failure_is_that_of_its_clip_and_names_the_plugin(self, runs: Runs, tmp_path: Path) -> None:
        cut = make_timeline(tmp_path, ["a", "b"])
        (tmp_path / "media" / "b.mp4").unlink()
        report = runs.sonify(cut, plugin_of("broken", avlink_resolve_media=lambda: 1 / 0))
        assert report.exit_code == 3
        good, bad = report.items
        assert good.status == "generated"
        assert bad.reason is not None
        assert "plugin 'broken' failed in avlink_resolve_media: ZeroDivisionError: division by zero" in bad.reason

    def test_clips_without_a_reference_are_asked_for_by_name(self, runs: Runs, tmp_path: Path) -> None:
        make_movie(tmp_path / "footage" / "REEL1.mp4", seconds=4)
        cut = tmp_path / "cut.otio"
        track = otio.schema.Track("V1", kind=otio.schema.TrackKind.Video)
        span = otio.opentime.TimeRange(otio.opentime.RationalTime(0, 24), otio.opentime.RationalTime(24, 24))
        track.append(otio.schema.Clip("REEL1.mov", otio.schema.MissingReference(), span))
        track.append(otio.schema.Clip("Title", otio.schema.GeneratorReference(), span))
        timeline = otio.schema.Timeline("cut")
        timeline.tracks.append(track)
        otio.adapters.write_to_file(timeline, str(cut))
        settings = ('plugins.avlink_sidecar.media_roots=["footage"]', "plugins.avlink_sidecar.any_suffix=true")
        report = runs.sonify(cut, settings=settings, avlink_sidecar=sidecar)
        assert [item.status for item in report.items] == ["generated", "skipped"]

    def test_the_preview_shows_what_a_plugin_found(self, runs: Runs, tmp_path: Path) -> None:
        cut = make_timeline(tmp_path, ["a"])
        shutil.move(tmp_path / "media", tmp_path / "moved")
        (tmp_path / "media_roots.txt").write_text("moved\n")
        report = runs.sonify(cut, settings=("write.preview=true",), avlink_sidecar=sidecar)
        assert report.preview is not None and report.preview.is_file()
        assert not [event for event in runs.told if isinstance(event, Message) and "black" in event.text]


class TestPrompts:
    @staticmethod
    def saying(text: str, **other: object) -> types.ModuleType:
        def change(clip, settings):
            return replace(settings, prompt=Prompt(text=f"{text} {clip.name}"), **other)

        return plugin_of("saying", avlink_clip_prompt=change)

    def test_the_prompt_is_in_the_key_and_in_the_report(self, runs: Runs, tmp_path: Path) -> None:
        cut = make_timeline(tmp_path, ["a", "b"])
        plain = runs.sonify(cut)
        changed = runs.sonify(cut, self.saying("sound of"))
        assert [item.status for item in changed.items] == ["generated", "generated"]
        assert [item.jobs[0].prompt.text for item in changed.items] == ["sound of a", "sound of b"]
        again = runs.sonify(cut, self.saying("sound of"))
        assert [item.status for item in again.items] == ["cached", "cached"]
        unchanged = runs.sonify(cut, plugin_of("silent", avlink_clip_prompt=lambda settings: replace(settings)))
        assert [job.stem_key for item in unchanged.items for job in item.jobs] == [
            job.stem_key for item in plain.items for job in item.jobs
        ]

    def test_seed_and_gain_are_settings_too(self, runs: Runs, tmp_path: Path) -> None:
        cut = make_timeline(tmp_path, ["a"])
        (item,) = runs.sonify(cut, self.saying("s", seed=17)).items
        assert item.jobs[0].seed == 17
        (louder,) = runs.sonify(cut, self.saying("s", seed=17, gain_db=-6.0)).items
        assert louder.status == "cached" and louder.jobs[0].raw_key == item.jobs[0].raw_key
        assert louder.jobs[0].stem_key != item.jobs[0].stem_key

    def test_a_marker_has_words_that_a_plugin_sees_and_may_replace(self, runs: Runs, tmp_path: Path) -> None:
        cut = make_timeline(tmp_path, ["a"])
        timeline = otio.adapters.read_from_file(str(cut))
        clip = timeline.find_clips()[0]
        clip.markers.append(otio.schema.Marker("FOLEY: steps", marked_range=clip.source_range))
        otio.adapters.write_to_file(timeline, str(cut))
        seen: list[tuple[str, bool]] = []

        def change(clip, settings):
            seen.append((settings.prompt.text, clip.has_own_prompt))
            return replace(settings, prompt=Prompt(text="other steps"))

        (item,) = runs.sonify(cut, plugin_of("changing", avlink_clip_prompt=change)).items
        assert seen == [("steps", True)] and item.jobs[0].prompt.text == "other steps"

    def test_a_failure_is_that_of_its_clip(self, runs: Runs, tmp_path: Path) -> None:
        def fail_at_b(clip):
            if clip.name == "b":
                raise KeyError("no such scene")

        cut = make_timeline(tmp_path, ["a", "b"])
        report = runs.sonify(cut, plugin_of("broken", avlink_clip_prompt=fail_at_b))
        assert report.exit_code == 3 and [item.status for item in report.items] == ["generated", "failed"]
        assert "plugin 'broken' failed in avlink_clip_prompt: KeyError: 'no such scene'" in str(report.items[1].reason)

    def test_a_file_beside_the_media_is_the_prompt(self, runs: Runs, tmp_path: Path) -> None:
        cut = make_timeline(tmp_path, ["a", "b"])
        (tmp_path / "media" / "a.prompt.txt").write_text("a heavy door")
        settings = ("plugins.avlink_sidecar.prompts=true",)
        report = runs.sonify(cut, settings=settings, dry_run=True, avlink_sidecar=sidecar)
        assert [item.jobs[0].prompt.text for item in report.items] == ["a heavy door", ""]


class TestObservers:
    def test_they_are_told_of_each_file_when_it_is_there_then_of_the_project(self, runs: Runs, tmp_path: Path) -> None:
        cut = make_timeline(tmp_path, ["a", "b"])
        seen: list[object] = []
        there: list[bool] = []
        checking = plugin_of("checking", avlink_stem_written=lambda stem: there.append(stem.path.is_file()))
        settings = ("run.takes=2", "write.preview=true")
        report = runs.sonify(cut, observer(seen), checking, settings=settings)
        *stems, project = seen
        assert all(isinstance(stem, RunStem) for stem in stems) and there == [True] * 4
        assert {(stem.clip.name, stem.take) for stem in stems} == {("a", 1), ("a", 2), ("b", 1), ("b", 2)}
        assert isinstance(project, RunProject)
        assert project.outputs == (report.output, report.preview) and len(project.stems) == 4
        assert (project.input, project.failed, project.direction) == (cut, 0, "v2a")
        seen.clear()
        runs.sonify(cut, observer(seen), settings=settings)
        assert [stem.cached for stem in seen[:-1]] == [True] * 4

    def test_nothing_is_told_of_a_plan(self, runs: Runs, tmp_path: Path) -> None:
        seen: list[object] = []
        runs.sonify(make_timeline(tmp_path), observer(seen), dry_run=True)
        assert seen == []

    def test_a_failure_is_a_warning(self, runs: Runs, tmp_path: Path) -> None:
        broken = plugin_of("broken", avlink_stem_written=lambda: 1 / 0, avlink_project_written=lambda: 1 / 0)
        seen: list[object] = []
        report = runs.sonify(make_timeline(tmp_path, ["a"]), broken, observer(seen))
        assert report.exit_code == 0 and report.output is not None and len(seen) == 2
        warnings = [event.text for event in runs.told if isinstance(event, Message) and event.level == "warning"]
        assert [text.partition(":")[0] for text in warnings] == [
            "plugin 'broken' failed in avlink_stem_written",
            "plugin 'broken' failed in avlink_project_written",
        ]

    def test_checksums_of_everything(self, runs: Runs, tmp_path: Path) -> None:
        settings = ("plugins.avlink_sidecar.checksums=true",)
        report = runs.sonify(make_timeline(tmp_path, ["a", "b"]), settings=settings, avlink_sidecar=sidecar)
        assert report.output is not None
        sums = report.output.with_name("cut.foley.otio.sha256").read_text().splitlines()
        assert len(sums) == 3 and any("cut.stems/" in line for line in sums)
        assert len((tmp_path / "cut.stems" / "SHA256SUMS").read_text().splitlines()) == 2

    def test_of_a_media_file_they_see_final_names(self, runs: Runs, tmp_path: Path) -> None:
        movie = make_movie(tmp_path / "shot.mp4")
        seen: list[object] = []
        runs.sonify(movie, observer(seen), TestPrompts.saying("sound of"))
        stem, project = seen
        assert isinstance(stem, RunStem) and isinstance(project, RunProject)
        assert stem.path.name == "shot.foley.wav" and stem.prompt.text == "sound of shot.mp4"
        assert [path.name for path in project.outputs] == ["shot.foley.mp4"]
        seen.clear()
        runs.sonify(movie, observer(seen), output=tmp_path / "out.mp4")
        assert seen[0].path == tmp_path / "out.mp4"


def test_pictures_for_sound_have_the_same_hooks(runs: Runs, tmp_path: Path) -> None:
    tone = np.sin(np.arange(48000) / 20).astype(np.float32)[None] * np.float32(0.2)
    movie = make_movie(tmp_path / "a.mp4", sound=Waveform(samples=tone, sample_rate=48000))
    cut = tmp_path / "cut.otio"
    track = otio.schema.Track("A1", kind=otio.schema.TrackKind.Audio)
    span = otio.opentime.TimeRange(otio.opentime.RationalTime(0, 24), otio.opentime.RationalTime(24, 24))
    for name in ("a.mp4", "gone.mp4"):
        track.append(otio.schema.Clip(name, otio.schema.ExternalReference(name), span))
    timeline = otio.schema.Timeline("cut")
    timeline.tracks.append(track)
    otio.adapters.write_to_file(timeline, str(cut))
    seen: list[object] = []
    finder = plugin_of("finder", avlink_resolve_media=lambda media: "a.mp4" if media.direction == "a2v" else None)
    session = runs.session(observer(seen), finder, TestPrompts.saying("picture of"))
    recipe = find_recipe("visualize", None, ["backend.name=flat", "picture.repeats=true"])
    report = visualize(VisualizeRequest(input=cut, recipe=recipe), session)  # type: ignore[arg-type]
    assert [item.status for item in report.items] == ["generated", "generated"]
    *pictures, project = seen
    assert [picture.prompt.text for picture in pictures] == ["picture of a.mp4", "picture of gone.mp4"]
    assert project.outputs == (report.output,) and project.direction == "a2v"
    seen.clear()
    visualize(VisualizeRequest(input=movie, recipe=recipe), session)  # type: ignore[arg-type]
    assert [type(one).__name__ for one in seen] == ["RunStem", "RunProject"]
