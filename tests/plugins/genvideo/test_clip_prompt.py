"""The prompts that a generator left with media, in runs of `avlink sonify` over timelines and single files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from avlink_genvideo import plugin
from avlink_genvideo.request import FinishRequest
from avlink_genvideo.run import finish_videos

from avlink import Prompt, Session, SonifyReport, SonifyRequest, find_recipe, open_session, sonify, testing
from avlink.hooks import ClipSettings, RunClip

OFF: tuple[str, ...] = ()
ON = ("plugins.avlink_genvideo.use_metadata=true",)
FOUND = "a stick strikes wood"
SETTINGS = ["backend.name=tone", "stems.post=[]", "prompt.template=any sound", "prompt.negative=speech"]


class Runs:
    """Runs over one cache, with the plugin under its own name."""

    def __init__(self, folder: Path) -> None:
        registry = testing.fake_registry(avlink_genvideo=plugin)
        self.session: Session = open_session(device="cpu", registry=registry, cache=folder / "cache")

    def __call__(self, path: Path, settings: Sequence[str] = (), **asked: Any) -> SonifyReport:
        recipe = find_recipe("foley", "sonify", [*SETTINGS, *settings], registry=self.session.registry)
        return sonify(SonifyRequest(input=path, recipe=recipe, **asked), self.session)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def prompts(report: SonifyReport) -> list[str]:
    return [job.prompt.text for item in report.items for job in item.jobs]


def keys(report: SonifyReport) -> list[str]:
    return [job.raw_key for item in report.items for job in item.jobs]


def timeline(folder: Path, *media: Path, said: str | None = None) -> Path:
    """A timeline over half a second of each file; `said` is the prompt in the metadata of the last clip."""
    span = otio.opentime.TimeRange(otio.opentime.RationalTime(0, 16), otio.opentime.RationalTime(8, 16))
    clips = [otio.schema.Clip(path.stem, otio.schema.ExternalReference(path.name), span) for path in media]
    if said is not None:
        clips[-1].metadata["avlink"] = {"prompt": said}
    cut = otio.schema.Timeline("cut")
    cut.tracks.append(otio.schema.Track("V1", clips))
    otio.adapters.write_to_file(cut, str(folder / "cut.otio"))
    return folder / "cut.otio"


class TestSingleFile:
    def test_the_prompt_is_that_of_the_recipe_unless_the_metadata_is_asked_for(
        self, runs: Runs, clip: Callable[..., Path]
    ) -> None:
        video = clip()
        without, with_ = runs(video, OFF), runs(video, ON)
        assert (prompts(without), prompts(with_)) == (["any sound"], [FOUND])
        assert [item.status for item in (*without.items, *with_.items)] == ["generated", "generated"]
        assert keys(without) != keys(with_)
        assert with_.items[0].jobs[0].prompt.negative == "music"

    def test_the_same_metadata_is_taken_from_the_cache_and_off_is_what_it_was(
        self, runs: Runs, clip: Callable[..., Path]
    ) -> None:
        video = clip()
        first = [runs(video, OFF), runs(video, ON)]
        again = [runs(video, OFF), runs(video, ON)]
        assert [report.items[0].status for report in again] == ["cached", "cached"]
        assert [keys(report) for report in first] == [keys(report) for report in again]

    def test_a_dry_run_shows_it(self, runs: Runs, clip: Callable[..., Path]) -> None:
        assert prompts(runs(clip(), ON, dry_run=True)) == [FOUND]

    def test_a_file_beside_the_video_is_read_and_no_negative_leaves_that_of_the_recipe(
        self, runs: Runs, clip: Callable[..., Path]
    ) -> None:
        video = clip(tags={})
        video.with_suffix(".json").write_text(json.dumps({"prompt": "rain on a roof"}))
        (job,) = runs(video, ON, dry_run=True).items[0].jobs
        assert job.prompt == Prompt(text="rain on a roof", negative="speech")


class TestTimeline:
    @pytest.mark.parametrize(
        "tags",
        [{}, {"prompt": '{"4": {"class_type": "CLIPTextEncode", "inputs"'}, {"comment": "[" * 5000}],
        ids=["none", "cut short", "too deep"],
    )
    def test_metadata_that_cannot_be_read_leaves_the_prompt_of_its_own_clip(
        self, runs: Runs, clip: Callable[..., Path], tmp_path: Path, tags: dict[str, str]
    ) -> None:
        cut = timeline(tmp_path, clip("good.mp4"), clip("bad.mp4", tags=tags), clip("also_good.mp4"))
        report = runs(cut, ON)
        assert report.exit_code == 0
        assert prompts(report) == [FOUND, "any sound", FOUND]

    def test_a_text_beside_it_that_cannot_be_read_is_left_out(
        self, runs: Runs, clip: Callable[..., Path], tmp_path: Path
    ) -> None:
        cut = timeline(tmp_path, clip("bad.mp4", tags={}), clip("good.mp4", tags={}))
        (tmp_path / "bad.json").mkdir()
        (tmp_path / "good.txt").write_text("a ball bounces")
        assert prompts(runs(cut, ON, dry_run=True)) == ["any sound", "a ball bounces"]

    def test_words_of_the_project_come_first(self, runs: Runs, clip: Callable[..., Path], tmp_path: Path) -> None:
        cut = timeline(tmp_path, clip("one.mp4"), clip("two.mp4"), said="a door")
        assert prompts(runs(cut, ON, dry_run=True)) == [FOUND, "a door"]


def test_provenance_of_a_finished_video_is_no_prompt(runs: Runs, clip: Callable[..., Path]) -> None:
    note = json.dumps({"command": "finish", "prompt": "what finish wrote", "key": "1"})
    assert prompts(runs(clip(tags={"avlink": note}), ON, dry_run=True)) == ["any sound"]


def test_pictures_for_sound_get_none(clip: Callable[..., Path]) -> None:
    video = clip()
    of_clip = RunClip(
        id="1",
        name="clip",
        track="A1",
        timeline_start_s=Fraction(0),
        timeline_duration_s=Fraction(1),
        media=video,
        media_start_s=Fraction(0),
        media_duration_s=Fraction(1),
        speed=Fraction(1),
        has_own_prompt=False,
        project=video,
        direction="a2v",
    )
    settings, asked = ClipSettings(prompt=Prompt(text="a picture")), plugin.GenvideoOptions(use_metadata=True)
    assert plugin.avlink_clip_prompt(of_clip, settings, asked) is None
    found = plugin.avlink_clip_prompt(replace(of_clip, direction="v2a"), settings, asked)
    assert found == ClipSettings(prompt=Prompt(text=FOUND, negative="music"))


def test_finish_chooses_the_prompt_itself(runs: Runs, clip: Callable[..., Path], tmp_path: Path) -> None:
    recipe = find_recipe("foley", "sonify", [*SETTINGS, *ON], registry=runs.session.registry)
    asked = {"words": {"prompt": "a door"}, "none": {"use_prompt": False}, "found": {}}
    video = clip()
    for name, given in asked.items():
        request = FinishRequest(inputs=(video,), recipe=recipe, output=tmp_path / f"{name}.mp4", **given)
        finish_videos(request, runs.session)
    plain = find_recipe("foley", "sonify", SETTINGS, registry=runs.session.registry)
    for name, given in asked.items():
        request = FinishRequest(inputs=(video,), recipe=plain, output=tmp_path / f"{name}2.mp4", **given)
        (item,) = finish_videos(request, runs.session).items
        assert item.status == "cached"


def test_the_option_of_the_command_line_sets_it() -> None:
    (option,) = plugin.avlink_command_options()
    assert (option.name, option.sets) == ("metadata-prompt", "plugins.avlink_genvideo.use_metadata")
    assert option.commands == ("sonify",)
