"""Project files that would end the process or fill memory or disk: refused in a sentence before a parser sees them."""

from __future__ import annotations

import json
import os
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from avlink.core.errors import TimelineError
from avlink.core.limits import MARKERS, PROJECT_DEPTH, SEQUENCES_DEPTH, TIME_S, TRACKS
from avlink.timeline.read import read_timeline
from avlink.timeline.resolve import Unresolved, find_media
from avlink.timeline.size import check_timeline_size
from avlink.timeline.values import ClipRef, Skip
from avlink.timeline.walk import list_clips

SPAN = {
    "OTIO_SCHEMA": "TimeRange.1",
    "start_time": {"OTIO_SCHEMA": "RationalTime.1", "value": 0, "rate": 24},
    "duration": {"OTIO_SCHEMA": "RationalTime.1", "value": 24, "rate": 24},
}


def _item(schema: str, **fields: Any) -> dict[str, Any]:
    common = {"metadata": {}, "name": schema, "source_range": None, "effects": [], "markers": [], "enabled": True}
    return {"OTIO_SCHEMA": schema, **common, **fields}


def _clip(**fields: Any) -> dict[str, Any]:
    media = {
        "DEFAULT_MEDIA": {"OTIO_SCHEMA": "MissingReference.1", "metadata": {}, "name": "", "available_range": None}
    }
    own = {"source_range": SPAN, "media_references": media, "active_media_reference_key": "DEFAULT_MEDIA"}
    return _item("Clip.2", **{**own, **fields})


def _project(*items: Any, **fields: Any) -> dict[str, Any]:
    track = _item("Track.1", kind="Video", children=list(items))
    stack = _item("Stack.1", children=[track])
    return {
        "OTIO_SCHEMA": "Timeline.1",
        "metadata": {},
        "name": "t",
        "global_start_time": None,
        "tracks": stack,
        **fields,
    }


def _read(folder: Path, content: Any) -> list[ClipRef | Skip]:
    (folder / "cut.otio").write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return list(list_clips(read_timeline(folder / "cut.otio").timeline))


def _refusal(folder: Path, content: Any) -> str:
    with pytest.raises(TimelineError) as told:
        _read(folder, content)
    said = str(told.value)
    assert said.startswith(str(folder / "cut.otio")) and "\n" not in said
    return said.removeprefix(str(folder / "cut.otio"))


def test_the_project_of_these_tests_is_read(tmp_path: Path) -> None:
    (found,) = _read(tmp_path, _project(_clip()))
    assert found.timeline_duration_s == 1


@pytest.mark.parametrize("version", ["0", "-1", "", "1.5", "99999999999", " 1", "+2", "0x1", "²"])
def test_versions_that_are_none_are_refused(tmp_path: Path, version: str) -> None:
    said = _refusal(tmp_path, _project(_clip(OTIO_SCHEMA=f"Clip.{version}")))
    assert "a schema is a name, a point and a version from 1 on, such as Clip.2" in said


@pytest.mark.parametrize("schema", [None, 5, "", ".", "Clip", [], {"a": 1}])
def test_schemas_that_are_none_are_refused(tmp_path: Path, schema: Any) -> None:
    assert "has the OTIO_SCHEMA" in _refusal(tmp_path, _project(_clip(OTIO_SCHEMA=schema)))


def test_no_schema_in_particular_is_refused_anywhere(tmp_path: Path) -> None:
    assert "UnknownSchema" in _refusal(tmp_path, _project(metadata={"a": [{"OTIO_SCHEMA": "UnknownSchema.1"}]}))


def test_a_track_in_itself_is_refused(tmp_path: Path) -> None:
    project = _project({"OTIO_SCHEMA": "SerializableObjectRef.1", "id": "S-1"})
    project["tracks"]["OTIO_REF_ID"] = "S-1"
    assert "refers to another object" in _refusal(tmp_path, project)


@pytest.mark.parametrize("tracks", [None, 5, "tracks", []])
def test_a_timeline_without_tracks_is_refused(tmp_path: Path, tracks: Any) -> None:
    assert _refusal(tmp_path, _project(tracks=tracks)) == (
        " cannot be read: its object 't' has no tracks; export the timeline again"
    )


def test_clips_of_the_first_version_are_read_or_told(tmp_path: Path) -> None:
    old = {**_clip(OTIO_SCHEMA="Clip.1"), "media_reference": None}
    del old["media_references"], old["active_media_reference_key"]
    assert len(_read(tmp_path, _project(old))) == 1
    assert "whose media_reference is no object" in _refusal(tmp_path, _project({**old, "media_reference": [_clip()]}))
    assert "version 2 introduced" in _refusal(tmp_path, _project({**old, "media_references": {"a": _clip()}}))


@pytest.mark.parametrize("depth", [PROJECT_DEPTH.most, 2000, 200_000])
def test_nesting_beyond_the_limit_is_refused(tmp_path: Path, depth: int) -> None:
    text = json.dumps(_project(metadata={"a": "DEEP"}))
    for opened, closed in (("[", "]"), ('{"a": ', "}")):
        deep = text.replace('"DEEP"', f"{opened * depth}{'1' if opened != '[' else ''}{closed * depth}")
        assert "more than 400 of at most 400 levels" in _refusal(tmp_path, deep)


def test_numbers_of_thousands_of_digits_are_told(tmp_path: Path) -> None:
    text = json.dumps(_project(metadata={"a": 1})).replace('{"a": 1}', f'{{"a": {"9" * 5000}}}')
    assert "digits of a whole number" in _refusal(tmp_path, text)


def test_sequences_may_be_nested_to_the_limit_and_no_deeper(tmp_path: Path) -> None:
    def nested(levels: int) -> dict[str, Any]:
        item = _clip()
        # The project of these tests has a stack and a track of its own.
        for _ in range((levels - 2) // 2):
            track = _item("Track.1", kind="Video", children=[item])
            item = _item("Stack.1", children=[track])
        return _project(item)

    (found,) = _read(tmp_path, nested(SEQUENCES_DEPTH.most))
    assert isinstance(found, ClipRef) and found.timeline_duration_s == 1
    assert "nesting of tracks and stacks: 130 levels" in _refusal(tmp_path, nested(SEQUENCES_DEPTH.most + 2)).replace(
        "129", "130"
    )


def test_counts_beyond_the_limits_are_refused() -> None:
    timeline = otio.schema.Timeline("t")
    timeline.tracks.extend([otio.schema.Track() for _ in range(TRACKS.most + 1)])
    with pytest.raises(TimelineError, match="10,001 tracks of at most 10,000"):
        check_timeline_size(timeline, "cut.aaf")
    timeline = otio.schema.Timeline("t")
    timeline.tracks.markers.extend([otio.schema.Marker() for _ in range(MARKERS.most + 1)])
    with pytest.raises(TimelineError, match="100,001 markers"):
        check_timeline_size(timeline, "cut.aaf")


def test_a_gap_without_a_length_takes_the_place_of_what_follows(tmp_path: Path) -> None:
    (found,) = _read(tmp_path, _project(_item("Gap.1"), _clip(name="x")))
    assert isinstance(found, Skip) and "comes after" in found.reason and "does not say" in found.reason


def test_a_length_beyond_the_limit_is_unknown(tmp_path: Path) -> None:
    def lasting(seconds: float) -> dict[str, Any]:
        return {**SPAN, "duration": {"OTIO_SCHEMA": "RationalTime.1", "value": seconds * 24, "rate": 24}}

    (found,) = _read(tmp_path, _project(_clip(source_range=lasting(TIME_S.most))))
    assert isinstance(found, ClipRef) and found.timeline_duration_s == TIME_S.most
    (found,) = _read(tmp_path, _project(_clip(source_range=lasting(1e18))))
    assert isinstance(found, Skip) and "more than 100,000,000 s" in found.reason


def test_a_speed_beyond_the_limit_fails_its_clip(tmp_path: Path) -> None:
    warp = {"OTIO_SCHEMA": "LinearTimeWarp.1", "metadata": {}, "name": "", "effect_name": "", "time_scalar": 1e300}
    (found,) = _read(tmp_path, _project(_clip(effects=[warp])))
    assert isinstance(found, Skip) and "faster than 10,000 times" in found.reason


def test_thousands_of_fractions_of_frames_are_counted_exactly(tmp_path: Path) -> None:
    # Their common denominator would have thousands of digits.
    clips = []
    for number in range(2000):
        duration = {"OTIO_SCHEMA": "RationalTime.1", "value": 24 + (number * 7919 % 1009) / 1009, "rate": 24}
        clips.append(_clip(source_range={**SPAN, "duration": duration}))
    found = _read(tmp_path, _project(*clips))
    assert len(found) == 2000
    for before, after in pairwise(found):
        assert isinstance(before, ClipRef) and before.timeline_end_s == after.timeline_start_s
    exact = sum(24 + (number * 7919 % 1009) / 1009 for number in range(2000)) / 24
    assert isinstance(found[-1], ClipRef) and abs(float(found[-1].timeline_end_s) - exact) < 1e-6


@pytest.mark.parametrize(
    "name", ["f.%0999999999d.png", f"f.[{'0' * 5000}-{'9' * 5000}].png", f"f.{'#' * 100}.png", f"f.%0{'9' * 30}d.png"]
)
def test_padding_beyond_the_limit_fails_its_clip(tmp_path: Path, name: str) -> None:
    media = {"OTIO_SCHEMA": "ExternalReference.1", "metadata": {}, "name": "", "available_range": SPAN}
    (found,) = _read(tmp_path, _project(_clip(media_references={"DEFAULT_MEDIA": {**media, "target_url": name}})))
    assert isinstance(found, ClipRef)
    with pytest.raises(Unresolved, match="digits or padding of the numbers of an image sequence") as told:
        find_media(found, tmp_path)
    assert told.value.failed


def test_pipes_are_no_projects(tmp_path: Path) -> None:
    for name in ("cut.otio", "cut.edl", "cut.xml", "cut.otioz", "cut.aaf"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(TimelineError, match="is a pipe"):
            read_timeline(tmp_path / name)


def _zip(path: Path, *, method: int = zipfile.ZIP_DEFLATED, content: bytes | None = None) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("content.otio", json.dumps(_project(_clip())) if content is None else content)
        archive.writestr("media/a.mp4", b"not media")
    return path


def test_bundles_are_stored_or_deflated(tmp_path: Path) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        assert len(list_clips(read_timeline(_zip(tmp_path / "a.otioz", method=method)).timeline)) == 1
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(TimelineError, match=r"b\.otioz: its member content\.otio is packed by method"):
            read_timeline(_zip(tmp_path / "b.otioz", method=method))


@pytest.mark.parametrize("seed", range(30))
def test_damaged_bundles_are_read_or_told(tmp_path: Path, seed: int) -> None:
    bundle = _zip(tmp_path / "a.otioz")
    data = bytearray(bundle.read_bytes())
    # Deterministic damage: three bytes, anywhere.
    for step in range(3):
        data[(seed * 7919 + step * 104729) % len(data)] ^= 0x55 + step
    bundle.write_bytes(data)
    try:
        read_timeline(bundle)
    except TimelineError as error:
        assert str(bundle) in str(error)


def test_a_content_that_unpacks_to_too_much_is_not_unpacked(tmp_path: Path) -> None:
    bundle = _zip(tmp_path / "bomb.otioz", content=b" " * (201 * 10**6))
    assert bundle.stat().st_size < 10**6
    with pytest.raises(TimelineError, match=r"bomb\.otioz, content\.otio is beyond .* 201 MB of at most 200 MB"):
        read_timeline(bundle)


ENTITIES = '<!DOCTYPE fcpxml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("suffix", ["fcpxml", "xml"])
def test_entities_of_a_document_are_not_expanded(tmp_path: Path, suffix: str, encoding: str) -> None:
    path = tmp_path / f"cut.{suffix}"
    text = f'<?xml version="1.0" encoding="{encoding}"?>{ENTITIES}<fcpxml version="1.9">&b;</fcpxml>'
    path.write_bytes(text.encode(encoding))
    with pytest.raises(TimelineError, match="defines entities of its own"):
        read_timeline(path)


@pytest.mark.parametrize("suffix", ["fcpxml", "xml"])
def test_elements_nested_too_deep_are_told(tmp_path: Path, suffix: str) -> None:
    for depth in (PROJECT_DEPTH.most, 100_000):
        path = tmp_path / f"cut.{suffix}"
        path.write_text("<xmeml>" + "<a>" * depth + "</a>" * depth + "</xmeml>")
        with pytest.raises(TimelineError, match="more than 400 of at most 400 levels"):
            read_timeline(path)
