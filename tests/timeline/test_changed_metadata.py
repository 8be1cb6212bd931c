"""Metadata of ours that people and programs changed into anything: it is left out, and ends no command."""

from __future__ import annotations

from typing import Any

import opentimelineio as otio
import pytest

from avlink.timeline.item import KEY
from avlink.timeline.metadata import take_number
from avlink.timeline.stem_hits import hits_of, mark_hits

SPAN = otio.opentime.TimeRange(otio.opentime.RationalTime(0, 24), otio.opentime.RationalTime(24, 24))


def _stem(**made: Any) -> otio.schema.Clip:
    ref = otio.schema.ExternalReference("a.wav", SPAN, {KEY: made})
    return otio.schema.Clip("a", ref, SPAN, {KEY: {"sample_rate": 48000}})


@pytest.mark.parametrize("take", [None, "x", "2", 1.5, True, [], {}, [1], "9" * 5000])
def test_a_take_without_a_number_is_the_first(take: Any) -> None:
    assert take_number(_stem(take=take).media_reference) == 1
    assert take_number(_stem(take=3).media_reference) == 3


@pytest.mark.parametrize(
    "hits", [None, 5, "x", {}, [1], ["ab"], [[1]], [[1, 2, 3]], [["x", 1]], [[1, None]], [[1e300, 1]], [[[], {}]]]
)
def test_hits_that_are_none_are_left_out(hits: Any) -> None:
    stem = _stem(hits=hits)
    mark_hits(stem)
    assert len(stem.markers) == 0
    stem.set_media_references({"DEFAULT_MEDIA": stem.media_reference.deepcopy(), "b": _stem().media_reference}, "b")
    assert hits_of(stem, "DEFAULT_MEDIA", 48000) == ()


def test_hits_beside_others_are_kept() -> None:
    stem = _stem(hits=[[24000, -6.0], "x", [None, 1]])
    mark_hits(stem)
    assert len(stem.markers) == 1
