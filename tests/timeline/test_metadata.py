"""Settings on clips: right values are kept, wrong ones are named and change nothing."""

from __future__ import annotations

from typing import Any

import opentimelineio as otio
from hypothesis import given
from hypothesis import strategies as st

from avlink.timeline.metadata import with_requests
from avlink.timeline.select import select_clips
from avlink.timeline.values import ClipRef, Skip
from avlink.timeline.walk import list_clips


def _walked(said: Any) -> ClipRef:
    span = otio.opentime.TimeRange(otio.opentime.RationalTime(0, 24), otio.opentime.RationalTime(48, 24))
    timeline = otio.schema.Timeline("t")
    clip = otio.schema.Clip("door", otio.schema.ExternalReference("a.mp4"), span, {"avlink": said})
    timeline.tracks.append(otio.schema.Track("V1", [clip]))
    (found,) = list_clips(timeline)
    assert isinstance(found, ClipRef)
    return found


def test_a_clip_asks_for_what_its_metadata_says() -> None:
    said = {"prompt": "oak", "negative": "music", "seed": 7, "gain_db": -3, "mode": " Ambience"}
    clip = _walked(said)
    assert (clip.prompt, clip.negative, clip.seed, clip.gain_db, clip.mode) == ("oak", "music", 7, -3.0, "ambience")
    assert clip.notes == ()


def test_silence_and_what_is_no_table_ask_for_nothing() -> None:
    for said in ({}, [1, 2], "loud", {"prompt": None}):
        clip = _walked(said)
        assert (clip.prompt, clip.negative, clip.seed, clip.gain_db, clip.mode, clip.notes) == (None,) * 5 + ((),)


def test_each_wrong_value_is_named_with_its_clip_in_one_sentence() -> None:
    clip = _walked({"prompt": 3, "seed": -1, "gain_db": "loud", "mode": "quiet"})
    assert (clip.prompt, clip.seed, clip.gain_db, clip.mode) == (None,) * 4
    assert len(clip.notes) == 4
    assert all(note.startswith("door on V1: ") for note in clip.notes)
    assert any("mode" in note and "'quiet', is none of sync, ambience, off" in note for note in clip.notes)


anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())


@given(st.dictionaries(st.sampled_from(["prompt", "negative", "seed", "gain_db", "mode"]), anything))
def test_nothing_that_can_be_written_there_ends_the_run(said: dict[str, Any]) -> None:
    bare = _walked({})
    clip = with_requests(bare, said)
    kept = [getattr(clip, name) for name, value in said.items() if value is not None]
    assert len(clip.notes) == sum(value is None for value in kept)


def test_a_clip_that_is_off_is_left_out_and_hides_what_lies_under_it() -> None:
    (item,) = select_clips([_walked({"mode": "off"})])
    assert isinstance(item, Skip) and not item.failed and item.opaque
    assert "mode is off" in item.reason
