"""Clips that end after their media: padded up to two frames, and failed alone beyond."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from avlink.core.events import Event, Message
from avlink.core.recipe import SonifyRecipe
from avlink.edit.sonify import SonifyRequest, sonify
from avlink.session import Session


@pytest.mark.parametrize("rate", [24, 25])
@pytest.mark.parametrize("over", [0, 1, 2, 3])
def test_a_clip_may_end_two_frames_after_its_media(
    kit: Any, session: Session, recipe: SonifyRecipe, cut: Path, told: list[Event], over: int, rate: int
) -> None:
    """The media is 48 frames of 24 per second, or 50 of 25; the other clip of the edit has its sound in any case."""
    name = "media/a.mp4" if rate == 24 else "media/b.mp4"
    clips = (kit.clip(name, 2 * rate - 24, 24 + over, rate), kit.clip(name, 0, 24, rate))
    timeline = kit.timeline_of(*clips)
    otio.adapters.write_to_file(timeline, str(cut))
    report = sonify(SonifyRequest(input=cut, recipe=recipe, device="cpu"), session)
    assert [item.status for item in report.items] == ["failed" if over == 3 else "generated", "generated"]
    notes = [event.text for event in told if isinstance(event, Message) and "after its media" in event.text]
    assert len(notes) == (over in (1, 2))
    assert all(f"ends {over / rate:.3f} s after its media; its last picture is held" in note for note in notes)
    if over < 3:
        samples = report.to_json()["items"][0]["stems"][0]["samples"]
        assert samples == round(Fraction(24 + over, rate) * 48000)
