"""Facts that a file leaves open: the timeline that is meant, its frame rate, its way of counting."""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from avlink_otio import plugin

from avlink import testing
from avlink.core.errors import OutputError, RecipeError, TimelineError
from avlink.core.events import Event, Message
from avlink.core.recipe import SonifyRecipe
from avlink.core.recipe.schema import ReadTable
from avlink.core.values import ImageSequence
from avlink.edit.export import ExportRequest, export
from avlink.edit.sonify import SonifyReport, SonifyRequest, sonify
from avlink.hooks import make_registry
from avlink.media.bwf import read_bwf_info
from avlink.session import Session, open_session
from avlink.timeline.read import read_timeline
from avlink.timeline.resolve import Unresolved, find_media
from avlink.timeline.values import ClipRef
from avlink.timeline.walk import list_clips

EDL = """TITLE: cut
{fcm}
001  AX       V     C        00:00:00:12 00:00:01:12 01:00:00:00 01:00:01:00
* FROM CLIP NAME: a.mp4
"""


def _run(session: Session, recipe: SonifyRecipe, path: Path, **asked: Any) -> SonifyReport:
    return sonify(SonifyRequest(input=path, recipe=recipe, device="cpu", **asked), session)


def test_a_file_of_several_timelines_names_them_and_takes_the_one_that_is_asked_for(
    session: Session, kit: Any, movies: Path, tmp_path: Path
) -> None:
    reels = otio.schema.SerializableCollection("bin")
    for name, frames in (("Reel 1", 24), ("Reel 2", 12)):
        timeline = kit.timeline_of(kit.clip(str(movies / "a.mp4"), 0, frames))
        timeline.name = name
        reels.append(timeline)
    otio.adapters.write_to_file(reels, str(tmp_path / "bin.otio"))
    with pytest.raises(TimelineError, match=r"holds 2 timelines \(Reel 1, Reel 2\); --timeline NAME says which"):
        _run(session, kit.tone_recipe(tmp_path), tmp_path / "bin.otio")
    with pytest.raises(TimelineError, match="none is called 'Reel 3'"):
        _run(session, kit.tone_recipe(tmp_path, 'read.timeline="Reel 3"'), tmp_path / "bin.otio")
    report = _run(session, kit.tone_recipe(tmp_path, 'read.timeline="Reel 2"'), tmp_path / "bin.otio")
    assert [stem.samples for item in report.items for stem in item.stems] == [24000]
    assert report.output is not None and read_timeline(report.output).timeline.name == "Reel 2"


@pytest.mark.parametrize(
    ("rate", "fcm", "frame_s", "first", "drop"),
    [
        ("23.976", "", Fraction(1001, 24000), 86400, False),
        ("25", "", Fraction(1, 25), 90000, False),
        ('"30000/1001"', "FCM: NON-DROP FRAME", Fraction(1001, 30000), 108000, False),
        (None, "", Fraction(1, 24), 86400, False),
        (None, "FCM: DROP FRAME", Fraction(1001, 30000), 107892, True),
    ],
)
def test_an_edl_is_read_at_the_rate_that_is_given_and_counts_as_it_says(
    session: Session,
    kit: Any,
    movies: Path,
    tmp_path: Path,
    told: list[Event],
    rate: str | None,
    fcm: str,
    frame_s: Fraction,
    first: int,
    drop: bool,
) -> None:
    (tmp_path / "cut.edl").write_text(EDL.format(fcm=fcm), encoding="utf-8")
    recipe = kit.tone_recipe(tmp_path, *([f"read.rate={rate}"] if rate else []))
    (item,) = _run(session, recipe, tmp_path / "cut.edl", media_root=(movies,)).items
    base = round(1 / frame_s)
    assert item.jobs[0].source.duration_s == base * frame_s and item.jobs[0].source.start_s == 12 * frame_s
    notes = [event.text for event in told if isinstance(event, Message)]
    assert any("--rate says another" in note for note in notes) is (rate is None)
    info = read_bwf_info(item.stems[0].path)
    assert info is not None and info.info.time_reference == round(first * frame_s * 48000)
    assert (info.info.timecode_rate, info.info.drop_frame) == (1 / frame_s, drop)
    for to in ("cues", "edl"):
        export(ExportRequest(input=tmp_path / "cut.foley.otio", to=to), make_registry(plugin))
    colon = ";" if drop else ":"
    with (tmp_path / "cut.foley.csv").open(encoding="utf-8-sig", newline="") as sheet:
        (row,) = csv.DictReader(sheet)
    assert (row["start_tc"], row["end_tc"]) == (f"01:00:00{colon}00", f"01:00:01{colon}00")
    text = (tmp_path / "cut.foley.edl").read_text(encoding="utf-8")
    assert f"01:00:00{colon}00 01:00:01{colon}00" in text and ("FCM: DROP FRAME" in text) is drop


@pytest.mark.parametrize("rate", ["soon", "0", "-25", "1/0", "nan", "inf", "5000"])
def test_what_is_no_rate_is_refused_in_words(kit: Any, tmp_path: Path, rate: str) -> None:
    with pytest.raises(RecipeError, match=r"read\.rate.*it is no frame rate; write one such as 25"):
        kit.tone_recipe(tmp_path, f'read.rate="{rate}"')


def test_image_sequences_that_tell_no_rate_have_the_one_that_is_given(kit: Any, tmp_path: Path) -> None:
    for number in range(1, 25):
        (tmp_path / f"shot.{number:04d}.png").write_bytes(b"x")
    span = otio.opentime.TimeRange(otio.opentime.RationalTime(0, 24), otio.opentime.RationalTime(12, 24))
    named = otio.schema.ImageSequenceReference("", "shot.", ".png", 1, frame_zero_padding=4, rate=0)
    pattern = otio.schema.ExternalReference("shot.####.png")
    clips = [otio.schema.Clip(name, ref, span) for name, ref in (("named", named), ("pattern", pattern))]
    otio.adapters.write_to_file(kit.timeline_of(*clips), str(tmp_path / "cut.otio"))
    for rate in (None, 12):
        file = read_timeline(tmp_path / "cut.otio", ReadTable(rate=rate))
        for clip in list_clips(file.timeline, file.image_rate):
            assert isinstance(clip, ClipRef)
            if rate is None:
                with pytest.raises(Unresolved, match="without a frame rate; --rate gives it one"):
                    find_media(clip, tmp_path)
                continue
            _, media = find_media(clip, tmp_path)
            assert isinstance(media, ImageSequence) and (media.rate, len(media.files)) == (12, 24)


@pytest.mark.parametrize("suffix", [".edl", ".xml"])
def test_a_project_of_another_program_has_the_stems_in_its_own_format_beside_it(
    kit: Any, movies: Path, tmp_path: Path, suffix: str, told: list[Event]
) -> None:
    session = open_session(
        device="cpu", registry=make_registry(testing, plugin), cache=tmp_path / "cache", listener=told.append
    )
    source = tmp_path / f"cut{suffix}"
    if suffix == ".edl":
        source.write_text(EDL.format(fcm=""), encoding="utf-8")
    else:
        shot = kit.clip("a.mp4", 12, 24)
        shot.media_reference.available_range = otio.opentime.TimeRange(duration=otio.opentime.RationalTime(48, 24))
        otio.adapters.write_to_file(kit.timeline_of(shot), str(source), adapter_name="fcp_xml")
    before = source.read_bytes()
    # The output has the name of the input but for its suffix, and so would what lies beside it.
    recipe = kit.tone_recipe(tmp_path, f'write.also=["{suffix[1:]}"]')
    for chosen in (kit.tone_recipe(tmp_path), recipe):
        _run(session, chosen, source, media_root=(movies,), output=tmp_path / "cut.otio")
        assert source.read_bytes() == before
        beside = tmp_path / f"cut.foley{suffix}"
        assert "a_FOLEY_" in beside.read_text(encoding="utf-8")
        beside.unlink()
    with pytest.raises(OutputError, match="is an input and is never overwritten"):
        name = tmp_path / f"again.foley{suffix}"
        _run(session, recipe, source.rename(name), media_root=(movies,), output=tmp_path / "again.otio")


def test_who_wants_all_media_is_told_all_that_is_missing_before_anything_is_made(
    kit: Any, session: Session, recipe: SonifyRecipe, cut: Path
) -> None:
    names = ["media/a.mp4", "gone.mp4", "lost.mp4", "gone.mp4"]
    otio.adapters.write_to_file(kit.timeline_of(*(kit.clip(name, 0, 12) for name in names)), str(cut))
    before = sorted(cut.parent.rglob("*"))
    with pytest.raises(TimelineError, match=r"2 media files not found.*: gone\.mp4, lost\.mp4; .*--skip-missing goes"):
        _run(session, recipe, cut, stop_if_missing=True)
    assert [
        path for path in sorted(cut.parent.rglob("*")) if "cache" not in path.relative_to(cut.parent).parts
    ] == before
    shown = _run(session, recipe, cut, stop_if_missing=True, dry_run=True)
    assert [item.status for item in shown.items] == ["generated", "failed", "failed", "failed"]
    rest = _run(session, recipe, cut, stop_if_missing=True, skip_missing=True)
    assert [item.status for item in rest.items] == [
        "generated",
        "skipped",
        "skipped",
        "skipped",
    ] and rest.exit_code == 0
