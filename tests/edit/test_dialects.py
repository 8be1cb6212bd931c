"""Timelines written for programs that read ranges and paths in a way of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import opentimelineio as otio
import pytest

from avlink.core.errors import RecipeError
from avlink.core.recipe import SonifyRecipe
from avlink.core.recipe.schema import ALL_VALUES
from avlink.edit.export import ExportRequest, export
from avlink.edit.sonify import SonifyRequest, sonify
from avlink.media.bwf import read_bwf_info
from avlink.session import Session
from avlink.timeline.dialects import plain_path
from avlink.timeline.flat import FlatTimeline
from avlink.timeline.flatten import flatten_timeline
from avlink.timeline.read import read_timeline

Time, Range = otio.opentime.RationalTime, otio.opentime.TimeRange
Run = Callable[..., Path]


@pytest.fixture
def run(kit: Any, session: Session, cut: Path) -> Run:
    def go(name: str, *settings: str, input: Path = cut) -> Path:
        recipe: SonifyRecipe = kit.tone_recipe(cut.parent, "run.takes=2", *settings)
        output = cut.parent / f"{name}.foley.otio"
        stems = cut.parent / "cut.stems"
        sonify(SonifyRequest(input=input, output=output, stems=stems, recipe=recipe, device="cpu"), session)
        return output

    return go


def _flat(project: Path) -> FlatTimeline:
    return flatten_timeline(read_timeline(project).timeline)


def _stems(project: Path) -> list[otio.schema.Clip]:
    return _own(read_timeline(project).timeline)


@pytest.mark.parametrize("handles", ["true", "false"])
def test_zero_based_ranges_count_from_the_first_sample_and_mean_the_same(run: Run, handles: str) -> None:
    asked = (f"stems.write_handles={handles}", "stems.handle_s=0.25")
    usual, zero = run("usual", *asked), run("zero", *asked, "write.zero_based=true")
    heads = []
    for before, after in zip(_stems(usual), _stems(zero), strict=True):
        there = after.media_reference.available_range
        assert there.start_time.value == 0
        assert there.duration == before.media_reference.available_range.duration
        assert after.source_range.duration == before.source_range.duration
        head = before.source_range.start_time - before.media_reference.available_range.start_time
        assert after.source_range.start_time == head
        heads.append(head.value)
        # The file still has its time stamp.
        assert read_bwf_info(zero.parent / after.media_reference.target_url).bext.time_reference >= 3599 * 48000
    assert any(heads) == (handles == "true")
    # Read again, both are one timeline: places, files, offsets, source timecode and hits.
    assert _flat(zero).markers == _flat(usual).markers
    for track, other in zip(_flat(zero).tracks, _flat(usual).tracks, strict=True):
        for clip, same in zip(track.clips, other.clips, strict=True):
            assert replace(clip, metadata={}, source_start_s=0, media=()) == replace(
                same, metadata={}, source_start_s=0, media=()
            )
            for one, its in zip(clip.media, same.media, strict=True):
                assert abs(one.start_s - its.start_s) < Fraction(1, 48000)
                assert replace(one, start_s=0) == replace(its, start_s=0)


def test_exports_of_a_zero_based_project_are_the_same(run: Run) -> None:
    usual, zero = run("usual"), run("zero", "write.zero_based=true")
    for to in ("rpp", "kdenlive", "xml", "fcpxml", "edl", "csv"):
        one, other = (export(ExportRequest(input=project, to=to)).output for project in (usual, zero))
        assert one.read_bytes() == other.read_bytes()


def test_a_second_run_of_a_zero_based_project_changes_nothing(run: Run) -> None:
    first = run("first", "write.zero_based=true")
    before = first.read_bytes()
    assert run("first", "write.zero_based=true").read_bytes() == before
    again = run("second", "write.zero_based=true", input=first)
    assert [stem.source_range for stem in _stems(again)] == [stem.source_range for stem in _stems(first)]


def _film(path: Path, timecode: str | None, *, rate: int = 24, seconds: int = 2) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width = stream.height = 64
        if timecode:
            container.metadata["timecode"] = timecode
        for index in range(rate * seconds):
            frame = av.VideoFrame(64, 64, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([(index * 5) % 255]) * plane.buffer_size)
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.fixture
def project(kit: Any, tmp_path: Path) -> Path:
    """Films with and without timecode, named in all ways, with ranges from 0, from timecode, and none."""
    _film(tmp_path / "tc.mov", "10:00:00:00")
    _film(tmp_path / "plain film.mov", None)
    _film(tmp_path / "tc25.mov", "01:00:00:00", rate=25)
    by_zero = kit.clip("tc.mov", 6, 12)
    by_zero.media_reference.available_range = Range(Time(0, 24), Time(48, 24))
    by_zero.markers.append(otio.schema.Marker("look", Range(Time(10, 24), Time(0, 24))))
    by_timecode = kit.clip((tmp_path / "tc.mov").as_uri(), 864000 + 6, 12)
    by_timecode.media_reference.available_range = Range(Time(864000, 24), Time(48, 24))
    states_none = kit.clip("tc.mov", 6, 12)
    states_none_by_timecode = kit.clip("tc.mov", 864000 + 6, 12)
    plain = kit.clip("plain%20film.mov", 6, 12)
    retimed = kit.clip("tc25.mov", 5, 10, 25)
    retimed.effects.append(otio.schema.LinearTimeWarp(time_scalar=2))
    timeline = kit.timeline_of(by_zero, by_timecode, states_none, states_none_by_timecode, plain, retimed)
    timeline.global_start_time = None
    otio.adapters.write_to_file(timeline, str(tmp_path / "cut.otio"))
    return tmp_path / "cut.otio"


def test_resolve_reads_paths_ranges_and_channels_as_it_writes_them(
    kit: Any, project: Path, session: Session, tmp_path: Path
) -> None:
    outputs = {}
    for name, settings in (("usual", ()), ("resolve", ('write.for="resolve"',))):
        recipe = kit.tone_recipe(tmp_path, "run.takes=2", *settings)
        output = tmp_path / f"{name}.foley.otio"
        stems = tmp_path / "cut.stems"
        report = sonify(SonifyRequest(input=project, output=output, stems=stems, recipe=recipe, device="cpu"), session)
        assert report.counts["failed"] == report.counts["skipped"] == 0
        outputs[name] = (output, [item.to_json() for item in report.items])
    resolve = outputs["resolve"][0]
    text = json.loads(resolve.read_text(encoding="utf-8"))
    assert text["global_start_time"]["value"] == 0
    assert text["metadata"]["Resolve_OTIO"] == {"Resolve OTIO Meta Version": "1.0"}
    clips = [one for track in text["tracks"]["children"] for one in track["children"] if "media_references" in one]
    assert len(clips) == 12
    for clip in clips:
        assert clip["OTIO_SCHEMA"] == "Clip.2"
        assert clip["active_media_reference_key"] in clip["media_references"]
        for ref in clip["media_references"].values():
            path = Path(ref["target_url"])
            assert path.is_absolute() and path.is_file() and "://" not in ref["target_url"]
            assert ref["available_range"]["duration"]["value"] > 0
    starts = [
        (
            clip["source_range"]["start_time"]["value"],
            clip["media_references"]["DEFAULT_MEDIA"]["available_range"]["start_time"]["value"],
        )
        for clip in clips[:6]
    ]
    assert starts == [*[(864006, 864000)] * 4, (6, 0), (90005, 90000)]
    assert clips[0]["markers"][0]["marked_range"]["start_time"]["value"] == 864010
    # Stems count from the stamps in their files, which the timeline of a project without a start places at midnight.
    for clip in clips[6:]:
        there = clip["media_references"]["DEFAULT_MEDIA"]
        stamp = read_bwf_info(Path(there["target_url"])).bext.time_reference
        assert abs(there["available_range"]["start_time"]["value"] * 2000 - stamp) <= 1
        assert clip["metadata"]["Resolve_OTIO"]["Channels"] == [{"Source Channel ID": 0, "Source Track ID": 0}]
    # Read again by AVLink it is the same edit of the same stretches of the same media.
    recipe = kit.tone_recipe(tmp_path, "run.takes=2")
    again = sonify(SonifyRequest(input=resolve, recipe=recipe, device="cpu", dry_run=True), session)
    assert again.counts == {"generated": 0, "cached": 6, "skipped": 0, "failed": 0}
    keys = ("timeline_start_s", "timeline_duration_s", "source_start_s", "source_duration_s", "speed", "prompt")
    assert [[item.to_json()[key] for key in keys] for item in again.items] == [
        [item[key] for key in keys] for item in outputs["usual"][1]
    ]


def test_a_bundle_for_resolve_keeps_its_media_inside(kit: Any, project: Path, session: Session, tmp_path: Path) -> None:
    recipe = kit.tone_recipe(tmp_path, 'write.for="resolve"')
    bundle = tmp_path / "cut.foley.otioz"
    sonify(SonifyRequest(input=project, output=bundle, recipe=recipe, device="cpu"), session)
    again = tmp_path / "again.otioz"
    sonify(SonifyRequest(input=bundle, output=again, recipe=recipe, device="cpu"), session)
    for written in (bundle, again):
        clips = list(read_timeline(written).timeline.find_clips())
        assert len(clips) == 12 and all(clip.media_reference.target_url.startswith("media/") for clip in clips)
        assert clips[0].source_range.start_time.value == 864006


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("a b.mov", "/cut/a b.mov"),
        ("/x/50%25.mov", "/x/50%25.mov"),
        ("file:///x/50%25.mov", "/x/50%.mov"),
        ("file://localhost/x/a.mov", "/x/a.mov"),
        ("file:///C:/x/a.mov", "C:/x/a.mov"),
        ("file://server/share/a.mov", "//server/share/a.mov"),
        ("D:\\x\\a.mov", "D:\\x\\a.mov"),
    ],
)
def test_media_that_is_not_there_has_a_plain_path_too(url: str, expected: str) -> None:
    assert plain_path(url, Path("/cut")) == expected


def test_one_count_excludes_the_other(kit: Any, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="zero_based = true is not for Resolve"):
        kit.tone_recipe(tmp_path, "write.zero_based=true", "write.for=resolve")
    with pytest.raises(RecipeError, match=r'write\.for = "premiere": must be .resolve.'):
        kit.tone_recipe(tmp_path, "write.for=premiere")
    with pytest.raises(RecipeError, match=r"write\.fro: unknown key; did you mean 'write\.for'"):
        kit.tone_recipe(tmp_path, "write.fro=resolve")
    usual = kit.tone_recipe(tmp_path)
    # Digests of recipes without these keys stay what they were.
    assert {"zero_based", "for", "program"}.isdisjoint(usual.write.model_dump())
    assert kit.tone_recipe(tmp_path, "write.for=resolve").write.model_dump()["for"] == "resolve"
    # `avlink recipes show` lists them all the same.
    shown = usual.model_dump(mode="json", context=ALL_VALUES)["write"]
    assert (shown["zero_based"], shown["for"]) == (False, None)


@pytest.mark.parametrize("later", ["true", "false"])
def test_edits_of_zero_based_stems_are_kept_in_either_count(run: Run, later: str) -> None:
    first = run("cut", "write.zero_based=true")
    timeline = otio.adapters.read_from_file(str(first))
    (stem, *_), gap = _own(timeline), otio.schema.Gap(duration=Time(3, 24))
    stem.markers.append(otio.schema.Marker("louder", Range(stem.source_range.start_time + Time(10, 24), Time(0, 24))))
    stem.parent().insert(stem.parent().index(stem), gap)
    otio.adapters.write_to_file(timeline, str(first))
    before = _flat(first)
    after = _flat(run("cut", f"write.zero_based={later}"))
    assert [(one.name, one.start_s) for one in after.markers] == [(one.name, one.start_s) for one in before.markers]
    moved, old = (next(track for track in flat.tracks if track.ours).clips[0] for flat in (after, before))
    assert (moved.start_s, moved.duration_s) == (old.start_s, old.duration_s) == (Fraction(3, 24), Fraction(30, 24))
    assert moved.active_media.offset_s == old.active_media.offset_s == 0
    assert moved.active_media.start_s == old.active_media.start_s


def _own(timeline: otio.schema.Timeline) -> list[otio.schema.Clip]:
    return [clip for track in timeline.audio_tracks() for clip in track.find_clips()]
