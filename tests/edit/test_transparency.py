"""Clips under a film with alpha keep their sound, and are seen through it in the preview."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import av
import opentimelineio as otio
import pytest

from avlink.edit.cues import picture_ids
from avlink.edit.sonify import SonifyReport, SonifyRequest, sonify
from avlink.session import Session
from avlink.timeline.read import read_timeline

sys.path.insert(0, str(Path(__file__).parents[1] / "media"))
from overlays import write_overlay


def sonified(kit: Any, session: Session, folder: Path, *asked: str, name: str = "prores.mov") -> SonifyReport:
    """Sonify a film of three seconds under an overlay of one second, from the first second on."""
    (folder / "low").mkdir()
    write_overlay(folder / "low" / "animation.mov", [255] * 72, grey=40)
    timeline = kit.timeline_of(kit.clip("low/animation.mov", 0, 72))
    gap = otio.schema.Gap(duration=otio.opentime.RationalTime(24, 24))
    timeline.tracks.append(otio.schema.Track("V2", [gap, kit.clip(name, 0, 24)]))
    otio.adapters.write_to_file(timeline, str(folder / "cut.otio"))
    recipe = kit.tone_recipe(folder, *asked)
    return sonify(SonifyRequest(input=folder / "cut.otio", recipe=recipe, device="cpu"), session)


def places(report: SonifyReport) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for item in report.to_json()["items"]:
        found.setdefault(item["track"], []).append((item["timeline_start_s"], item["timeline_duration_s"]))
    return found


@pytest.mark.parametrize("name", ["prores.mov", "animation.mov", "vp9.webm"])
def test_a_clip_under_an_overlay_has_its_sound_all_through(
    kit: Any, session: Session, tmp_path: Path, name: str
) -> None:
    write_overlay(tmp_path / name, [0] * 24)
    assert places(sonified(kit, session, tmp_path, name=name)) == {"V1": [(0, 3)], "V2": [(1, 1)]}


def test_a_clip_under_an_opaque_film_is_hidden_even_if_that_has_an_alpha_channel(
    kit: Any, session: Session, tmp_path: Path
) -> None:
    write_overlay(tmp_path / "prores.mov", [255] * 24)
    assert places(sonified(kit, session, tmp_path)) == {"V1": [(0, 1), (2, 1)], "V2": [(1, 1)]}


def test_what_was_made_for_a_clip_is_found_again_without_its_media(kit: Any, session: Session, tmp_path: Path) -> None:
    write_overlay(tmp_path / "prores.mov", [0] * 24)
    report = sonified(kit, session, tmp_path)
    assert report.output is not None
    ids = picture_ids(read_timeline(report.output).timeline)
    assert {ids[item["id"]] for item in report.to_json()["items"]} == {(0, 0), (1, 1)}


def test_the_preview_shows_what_lies_under_an_overlay(kit: Any, session: Session, tmp_path: Path) -> None:
    write_overlay(tmp_path / "prores.mov", [0] * 24, grey=255)
    report = sonified(kit, session, tmp_path, "write.preview=true")
    assert report.preview is not None
    with av.open(str(report.preview)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    width = frames[0].shape[1]
    assert abs(float(frames[36][4:-4, 4 : width // 2 - 4].mean()) - 40) < 4
    assert float(frames[36][4:-4, width // 2 + 4 : -4].mean()) > 250
