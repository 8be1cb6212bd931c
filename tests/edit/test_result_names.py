"""Default names of results: two inputs never share one, and the order of the runs does not matter."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from avlink.core.outputs import Outputs
from avlink.edit.export import ExportRequest, export
from avlink.edit.result_names import result_base
from avlink.edit.sonify import SonifyRequest, sonify
from avlink.hooks import Registry, make_registry
from avlink.session import Session

EDL = (
    "TITLE: cut\nFCM: NON-DROP FRAME\n\n001  AX       V     C        00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00\n"
    "* FROM CLIP NAME: a.mp4\n"
)


@pytest.fixture
def registry() -> Registry:
    from avlink_otio import plugin

    return make_registry(plugin)


@pytest.mark.parametrize("order", list(itertools.permutations(["shot.mov", "shot.mp4", "SHOT.MKV"])))
def test_films_of_one_name_have_results_of_their_own_in_any_order(
    order: tuple[str, ...], session: Session, kit: Any, movies: Path, tmp_path: Path
) -> None:
    for name in order:
        shutil.copyfile(movies / "a.mp4", tmp_path / name)
    for name in order:
        sonify(SonifyRequest(input=tmp_path / name, recipe=kit.tone_recipe(tmp_path), device="cpu"), session)
    made = sorted(path.name for path in tmp_path.glob("*.foley.*"))
    assert made == sorted(
        f"{name}.foley.{suffix}" for name in order for suffix in ("wav", name.rpartition(".")[2].lower())
    )


@pytest.mark.parametrize("order", list(itertools.permutations(["cut.edl", "cut.otio"])))
def test_timelines_of_one_name_have_results_of_their_own_in_any_order(
    order: tuple[str, ...], session: Session, kit: Any, movies: Path, tmp_path: Path
) -> None:
    (tmp_path / "cut.edl").write_text(EDL)
    otio.adapters.write_to_file(kit.timeline_of(kit.clip(str(movies / "b.mp4"), 0, 12)), str(tmp_path / "cut.otio"))
    for name in order:
        request = SonifyRequest(
            input=tmp_path / name, recipe=kit.tone_recipe(tmp_path), device="cpu", media_root=(movies,)
        )
        sonify(request, session)
    assert sorted(path.name for path in tmp_path.glob("*.foley.otio")) == ["cut.edl.foley.otio", "cut.foley.otio"]
    assert sorted(path.name for path in tmp_path.glob("*.stems")) == ["cut.edl.stems", "cut.stems"]


def test_a_result_that_is_there_keeps_its_name_when_another_input_comes(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "receipts")
    one, other = tmp_path / "shot.mov", tmp_path / "shot.mp4"

    def named(base: Path) -> Path:
        return base.with_name(f"{base.name}.foley.wav")

    one.touch()
    assert result_base(one, ("mov", "mp4"), named, outputs) == tmp_path / "shot"
    with outputs.write(named(tmp_path / "shot"), source=one) as temporary:
        temporary.write_bytes(b"sound")
    other.touch()
    assert result_base(one, ("mov", "mp4"), named, outputs) == tmp_path / "shot"
    assert result_base(other, ("mov", "mp4"), named, outputs) == other


def test_an_export_never_takes_the_name_of_the_project_with_stems(
    session: Session, kit: Any, movies: Path, tmp_path: Path, registry: Registry
) -> None:
    (tmp_path / "cut.edl").write_text(EDL)
    request = SonifyRequest(
        input=tmp_path / "cut.edl", recipe=kit.tone_recipe(tmp_path), device="cpu", media_root=(movies,)
    )
    foley = sonify(request, session).output
    assert foley is not None
    before = foley.read_bytes()
    of_sound = export(ExportRequest(input=tmp_path / "cut.edl", to="otio"), registry).output
    of_stems = export(ExportRequest(input=foley, to="rpp"), registry).output
    of_pictures = export(ExportRequest(input=tmp_path / "cut.edl", to="csv"), registry).output
    assert foley.read_bytes() == before and foley.name == "cut.foley.otio"
    assert [path.name for path in (of_sound, of_stems, of_pictures)] == [
        "cut.otio",
        "cut.foley.rpp",
        "cut.edl.foley.csv",
    ]
