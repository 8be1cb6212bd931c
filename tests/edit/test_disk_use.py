"""Disk space of a run: planned from its clips, shown in dry runs and JSON, and refused before anything is decoded."""

from __future__ import annotations

import re
import shutil
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import opentimelineio as otio
import pytest

from avlink.core.errors import OutputError
from avlink.core.limits import CLIP_S
from avlink.core.recipe import SonifyRecipe
from avlink.edit.disk_use import SOUND_RATES, DiskRates, DiskUse, plan_disk_use
from avlink.edit.sonify import SonifyReport, SonifyRequest, sonify
from avlink.session import Session

RATES = DiskRates(files=10, cache=100, temporary=1000)


def _jobs(*lengths: int) -> Any:
    return [
        SimpleNamespace(id=str(number), raw_key=str(number), made_s=Fraction(length), file_s=Fraction(length))
        for number, length in enumerate(lengths)
    ]


def test_clips_add_up_and_temporary_files_are_those_of_two_batches() -> None:
    assert plan_disk_use(_jobs(3, 5, 4), RATES) == DiskUse(files=120, cache=1200, temporary=10000)
    assert plan_disk_use(_jobs(3, 5), RATES, batch_s=60) == DiskUse(files=80, cache=800, temporary=8000)
    assert plan_disk_use(_jobs(*[2] * 100), RATES, batch_s=60) == DiskUse(files=2000, cache=20000, temporary=120000)


def test_what_is_in_the_cache_takes_nothing() -> None:
    assert plan_disk_use(_jobs(3, 5), RATES, cached={"1"}, copied=7) == DiskUse(files=37, cache=300, temporary=3000)
    assert plan_disk_use(_jobs(3, 5), RATES, cached={"0", "1"}, copied=7) == DiskUse()


def _run(session: Session, recipe: SonifyRecipe, path: Path, **asked: Any) -> SonifyReport:
    return sonify(SonifyRequest(input=path, recipe=recipe, device="cpu", **asked), session)


def test_a_plan_and_its_run_tell_the_same(session: Session, recipe: SonifyRecipe, cut: Path) -> None:
    planned = _run(session, recipe, cut, dry_run=True)
    total = sum(job.source.made_s for item in planned.items for job in item.jobs)
    assert planned.to_json()["disk"] == {
        "files_bytes": int(total * SOUND_RATES.files),
        "cache_bytes": int(total * SOUND_RATES.cache),
        "temporary_bytes": int(total * SOUND_RATES.temporary),
    }
    assert _run(session, recipe, cut).disk == planned.disk
    assert _run(session, recipe, cut, dry_run=True).disk == DiskUse()


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_run_that_does_not_fit_is_refused_before_it_begins(
    kit: Any, session: Session, recipe: SonifyRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dry_run: bool
) -> None:
    slow = kit.clip("a.mp4", 0, 24 * 3600 * 10)
    slow.effects.append(otio.schema.LinearTimeWarp(time_scalar=1e-5))
    kit.movie(tmp_path / "a.mp4", seconds=1)
    path = tmp_path / "long.otio"
    otio.adapters.write_to_file(kit.timeline_of(slow), str(path))
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=3 * 10**9))
    words = r"would take .* GB on the disk of .*, which has 3 GB free"
    if dry_run:
        report = _run(session, recipe, path, dry_run=True)
        assert re.search(words, str(report.refusal)) and report.exit_code == 2
    else:
        with pytest.raises(OutputError, match=words):
            _run(session, recipe, path)
    assert not list(tmp_path.glob("long.*.otio")) and not list(tmp_path.rglob("*.wav"))


def test_a_clip_of_days_fails_and_the_others_go_on(
    kit: Any, session: Session, recipe: SonifyRecipe, tmp_path: Path
) -> None:
    slow = kit.clip("a.mp4", 0, 24 * (CLIP_S.most + 1), name="slow")
    slow.effects.append(otio.schema.LinearTimeWarp(time_scalar=1e-5))
    kit.movie(tmp_path / "a.mp4", seconds=1)
    path = tmp_path / "long.otio"
    otio.adapters.write_to_file(kit.timeline_of(slow, kit.clip("a.mp4", 0, 12)), str(path))
    report = _run(session, recipe, path, dry_run=True)
    assert [item.status for item in report.items] == ["failed", "generated"]
    assert "length of a clip: 86,401 s of at most 86,400 s; cut it" in str(report.items[0].reason)


@pytest.mark.parametrize("output", [".", "..", "/", "a/.."])
def test_an_output_that_can_only_be_a_folder_is_told(recipe: SonifyRecipe, output: str) -> None:
    with pytest.raises(OutputError, match="is a folder; give the name of a file for the output"):
        SonifyRequest(input=Path("cut.otio"), recipe=recipe, output=Path(output))
