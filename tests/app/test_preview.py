"""The preview shows every clip as the timeline does: at its speed, in its direction, from its images."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import opentimelineio as otio

from avlink.app.preview import preview_timeline
from avlink.app.session import Session
from avlink.app.sonify import SonifyRequest, sonify
from avlink.core.values import Frames
from avlink.media.movie import write_video


def _ramp(path: Path) -> None:
    """Two seconds that grow evenly from dark to bright."""
    levels = np.linspace(20, 230, 48).astype(np.uint8)
    write_video(path, Frames(pixels=np.broadcast_to(levels[:, None, None, None], (48, 32, 32, 3)), rate=Fraction(24)))


def _levels(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.to_ndarray(format="rgb24").mean()) for frame in container.decode(video=0)]


def test_retimed_clips_are_seen_as_on_the_timeline(kit: Any, session: Session, tmp_path: Path) -> None:
    _ramp(tmp_path / "ramp.mp4")
    clips = []
    for speed, frames in ((2.0, 24), (-1.0, 24), (0.5, 24), (1.0, 24)):
        clip = kit.clip("ramp.mp4", 0, frames)
        if speed != 1.0:
            clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=speed))
        clips.append(clip)
    otio.adapters.write_to_file(kit.timeline_of(*clips), str(tmp_path / "cut.otio"))
    recipe = kit.tone_recipe(tmp_path)
    report = sonify(SonifyRequest(input=tmp_path / "cut.otio", recipe=recipe, device="cpu"), session)
    assert report.counts["generated"] == 4
    preview_timeline(report.items, tmp_path / "preview.mp4", rate=Fraction(24), width=32, height=32)
    levels = _levels(tmp_path / "preview.mp4")
    assert len(levels) == 96
    fast, backwards, slow, plain = (np.diff(levels[at : at + 24]).mean() for at in (0, 24, 48, 72))
    assert abs(fast / plain - 2) < 0.15 and abs(backwards / plain + 1) < 0.1 and abs(slow / plain - 0.5) < 0.1
