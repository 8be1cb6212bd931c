"""The demo and the foundry's samples, with a backend that needs no model."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from avlink.admin.demo import run_demo
from avlink.admin.demo_sounds import make_demo_library
from avlink.admin.foundry_sample import sample
from avlink.core.errors import InputError
from avlink.library.libraries import list_libraries
from avlink.media.probe import probe
from avlink.session import Session, open_session


def test_the_demo_makes_a_project_its_stems_and_a_preview(kit: Any, session: Session, tmp_path: Path) -> None:
    kit.tone_recipe(tmp_path)
    lines = run_demo(tmp_path / "demo", session, recipe=str(tmp_path / "tone.toml"))
    report = json.loads((tmp_path / "demo" / "demo.report.json").read_text())
    assert report["counts"] == {"generated": 4, "cached": 0, "skipped": 0, "failed": 0}
    rates = {probe(path).video.rate for path in (tmp_path / "demo" / "media").iterdir()}  # type: ignore[union-attr]
    assert rates == {Fraction(24), Fraction(25)}
    preview = probe(tmp_path / "demo" / "demo.preview.mp4")
    last = report["items"][-1]
    assert preview.has_audio
    assert abs(float(preview.duration_s) - last["timeline_start_s"] - last["timeline_duration_s"]) < 1 / 24
    assert sum("events seen" in line for line in lines) == 4
    assert any(str(tmp_path / "demo" / "demo.foley.otio") in line for line in lines)


def test_samples_are_movies_with_captions(tmp_path: Path) -> None:
    files = sample(tmp_path / "out", count=1, seed=3, split="test")
    captions = json.loads((tmp_path / "out" / "captions.json").read_text())
    assert set(captions) == {files[0].name} and captions[files[0].name]["caption"]
    assert probe(files[0]).has_audio
    assert all(path.is_file() for path in files)
    with pytest.raises(InputError, match="no split 'tset'"):
        sample(tmp_path / "out", split="tset")


def test_the_demo_with_a_library_lays_its_sounds_on_what_is_seen(tmp_path: Path) -> None:
    # It takes the place of the library of an earlier demo.
    make_demo_library(tmp_path / "earlier", open_session().outputs(), lambda event: None)
    lines = run_demo(tmp_path / "demo", open_session(device="cpu"), library=True)
    report = json.loads((tmp_path / "demo" / "demo.report.json").read_text())
    assert report["counts"] == {"generated": 4, "cached": 0, "skipped": 0, "failed": 0}
    assert all(float(line.split()[-1]) >= 0.9 for line in lines if "events seen" in line)
    (library,) = list_libraries()
    assert (library.name, library.sounds, library.faults) == ("avlink-demo", 48, 0)
    assert library.root == tmp_path / "demo" / "sounds"
    # The stick strikes wood, and the library knows whose sounds they are.
    credits = (tmp_path / "demo" / "demo.credits.txt").read_text()
    assert "Apache-2.0" in credits and "The AVLink authors" in credits and "WOODImpt" in credits
