"""Real projects of many programs: what each of them shows, worked out by hand, or the sentence why not."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from avlink.core.errors import TimelineError
from avlink.timeline.read import TimelineFile, read_timeline
from avlink.timeline.resolve import Unresolved, find_media
from avlink.timeline.select import select_clips
from avlink.timeline.timebase import origin_s
from avlink.timeline.values import ClipRef, Skip
from avlink.timeline.walk import list_clips

SHARED = Path(__file__).parents[2] / ".." / "shared" / "timelines"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of real timelines is not beside the checkout")

# Every file that is not in the truth table: how many stretches are seen, and why most of them get no sound here.
OUTCOMES: Mapping[str, tuple[int, str]] = {
    "aaf_2997fps_DFTC.aaf": (1, "is missing"),
    "aaf_simple.aaf": (5, "is missing"),
    "aaf_transitions.aaf": (4, "is missing"),
    "cmx_25fps.edl": (4, "names no media"),
    "cmx_dissolve_4.edl": (6, "names no media"),
    "cmx_enabled.otio": (3, "names no media"),
    "cmx_speed_effects.edl": (541, "names no media"),
    "fcp_hiero.xml": (2, "is missing"),
    "fcp_premiere_enable.xml": (3, "is missing"),
    "fcp_premiere_example.xml": (9, "is missing"),
    "fcpx_project.fcpxml": (11, "is missing"),
    "kdn_multiinstance.otio": (2, "is missing"),
    "otio_effects.otio": (4, "names no media"),
    "otio_generator_reference.otio": (1, "made by the editing program"),
    "otio_multitrack.otio": (5, "names no media"),
    "otio_nested_example.otio": (6, "names no media"),
    "otio_transition_test.otio": (3, "names no media"),
    "raven_timecode_rates.otio": (6, "names no file"),
    "tlr_AudioTonesAndVideo.otio": (12, "is a still"),
    "tlr_MissingMedia.otio": (4, "names no file"),
    "tlr_SingleClip.otioz": (1, "is missing"),
    "toucan_Transition2.otio": (2, "is missing"),
    "yt_RBSGKlAvoiM.otio": (1, "is missing"),
}
REFUSALS: Mapping[str, str] = {
    "kdn_v24.kdenlive": r"no OTIO adapter for \.kdenlive files is installed.*Kdenlive exports \.otio itself",
    "otio_019_marker3.otio": r"written by a newer OpenTimelineIO \(it holds Marker\.3",
}


def _seen(name: str) -> tuple[TimelineFile, list[ClipRef], list[Skip]]:
    file = read_timeline(SHARED / name)
    items = select_clips(list_clips(file.timeline))
    return (
        file,
        [item for item in items if isinstance(item, ClipRef)],
        [item for item in items if isinstance(item, Skip)],
    )


def _rows(name: str, rate: Fraction | int) -> list[tuple[str, Fraction, Fraction, Fraction]]:
    """Name, start, end and first moment of the media of all that is seen, in frames."""
    _, seen, _ = _seen(name)
    return [(one.name, *(time * rate for time in _times(one))) for one in seen]  # type: ignore[misc]


def _times(clip: ClipRef) -> tuple[Fraction, Fraction, Fraction]:
    return clip.timeline_start_s, clip.timeline_end_s, clip.source_start_s


def test_every_file_has_an_outcome() -> None:
    with (SHARED / "manifest.tsv").open(encoding="utf-8") as file:
        names = {row["file"] for row in csv.DictReader(file, delimiter="\t")}
    assert {name for name in names if not name.startswith("real/")} == {*OUTCOMES, *REFUSALS}


@pytest.mark.parametrize("name", OUTCOMES)
def test_every_file_gives_clips_or_reasons(name: str) -> None:
    file, seen, skips = _seen(name)
    count, reason = OUTCOMES[name]
    reasons = [skip.reason for skip in skips]
    for clip in seen:
        assert clip.timeline_start_s >= 0 and clip.timeline_duration_s > 0
        try:
            find_media(clip, file.folder)
        except Unresolved as error:
            reasons.append(str(error))
    assert len(seen) == count
    assert any(reason in one for one in reasons)
    assert all(one and "\n" not in one for one in reasons)


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_read_says_why_in_one_sentence(name: str) -> None:
    with pytest.raises(TimelineError, match=REFUSALS[name]) as error:
        read_timeline(SHARED / name)
    assert "\n" not in str(error.value)


def test_nested_sequences_of_premiere_are_seen_through() -> None:
    rows = _rows("fcp_premiere_example.xml", 30)
    # The nest lies at 636-956 on V2 and holds two clips in a row; V3 above it is a title, which hides nothing.
    assert ("sc01_sh010_anim.mov", 636, 736, 0) in rows and ("sc01_sh030_anim.mov", 736, 956, 0) in rows


def test_compound_clips_of_final_cut_are_trimmed() -> None:
    rows = _rows("fcpx_project.fcpxml", 30)
    # `compound_clip_1` from its frame 109 on, at 2400: 191 frames of its first clip, then at its 600 the upper one.
    assert ("IMG_0233", 2400, 2591, 109) in rows and ("IMG_0268", 2891, 3191, 0) in rows
    # And from its frame 57 on at the end: the same clip, cut anew.
    assert rows[-1] == ("IMG_0233", 4200, 4443, 57)


def test_otio_s_own_nesting_example() -> None:
    file, seen, skips = _seen("otio_nested_example.otio")
    places = {one.name: (one.timeline_start_s * 24, one.source_start_s * 24) for one in seen}
    assert places["Clip Inside A Stack 1"] == (238, 373)
    assert places["Normal Clip 3"] == (238 + 31 + 33 + 29, 179)
    slow = next(one for one in seen if one.name == "Clip Inside A Stack 2")
    assert abs(float(slow.speed) - 0.854545) < 1e-6
    assert abs(float(slow.timeline_duration_s) * 24 - 24 / 0.854545) < 1e-3
    (frozen,) = skips
    assert frozen.name == "Clip Inside A Track" and "freeze frame" in frozen.reason
    assert file.bundle is None


def test_speeds_of_an_edl() -> None:
    _, seen, skips = _seen("cmx_speed_effects.edl")
    assert len([one for one in seen if one.speed != 1]) == 10
    assert len([skip for skip in skips if "freeze frame" in skip.reason]) == 7
    assert Fraction(2) in {one.speed for one in seen}


def test_final_cut_s_own_flags_switch_off() -> None:
    _, seen, skips = _seen("fcp_premiere_enable.xml")
    assert sorted(skip.reason for skip in skips) == [
        "is on a track that is switched off",
        "is switched off",
        "is switched off",
    ]
    assert [(one.name, one.track, one.timeline_start_s * 25) for one in seen] == [
        ("source.mp4", "V1", 0),
        ("source.mp4", "V2", 81),
        ("source3.mp4", "V1", 177),
    ]


def test_record_times_of_an_edl_are_its_timecode() -> None:
    file, seen, _ = _seen("cmx_dissolve_4.edl")
    # 01:04:11:17 is where the first event is recorded.
    assert origin_s(file.timeline) == Fraction(92441, 24) and seen[0].timeline_start_s == 0
    for one, after in pairwise(seen):
        assert one.timeline_end_s == after.timeline_start_s


def test_a_resolve_export_whose_films_were_not_linked() -> None:
    rows = _rows("otio_effects.otio", 24)
    # Its films are clips without media, known by their names only: they hide the drawings on the tracks below.
    assert [row[:3] for row in rows if row[0].endswith(".mp4")] == [
        ("sq0100_sh0010_layout_v004.mp4", 0, 500),
        ("sq0100_sh0020_layout_v005.mp4", 500, 816),
        ("sq0100_sh0030_layout_v004.mp4", 816, 1027),
        ("sq0100_sh0050_layout_v004.mp4", 1027, 1125),
    ]


def test_many_rates_in_one_timeline() -> None:
    _, seen, _ = _seen("raven_timecode_rates.otio")
    lengths = {one.name: one.timeline_duration_s for one in seen}
    ntsc = Fraction(1001, 1000)
    assert lengths == {
        **{f"{rate}/1001 fps": ntsc for rate in (24000, 30000, 60000)},
        **{f"{rate} fps": Fraction(1) for rate in (24, 30, 60)},
    }
