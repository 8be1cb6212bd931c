"""Runs whose cache is emptied by another process while they are at work."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from avlink.core.events import JobStarted, PlanReady
from avlink.core.recipe import SonifyRecipe
from avlink.edit.sonify import SonifyRequest, sonify
from avlink.session import Session


def run(session: Session, recipe: SonifyRecipe, cut: Path) -> list[bytes]:
    """The stems of a run whose stems are not there yet."""
    shutil.rmtree(cut.with_name("cut.stems"), ignore_errors=True)
    report = sonify(SonifyRequest(input=cut, recipe=recipe, device="cpu"), session)
    assert report.exit_code == 0, [item.reason for item in report.items]
    stems = [stem for item in report.items for stem in item.stems]
    assert len(stems) == 3
    return [stem.path.read_bytes()[-4000:] for stem in stems]


@pytest.mark.parametrize("moment", [PlanReady, JobStarted])
def test_what_vanishes_while_a_run_needs_it_is_made_anew(
    session: Session, recipe: SonifyRecipe, cut: Path, moment: type
) -> None:
    before = run(session, recipe, cut)
    lost: list[Any] = []

    def vandal(event: object) -> None:
        if isinstance(event, moment) and not lost:
            lost.append(shutil.rmtree(session.cache / "objects", ignore_errors=True))

    if moment is JobStarted:
        shutil.rmtree(session.cache / "objects")
    assert run(replace(session, listener=vandal), recipe, cut) == before
    assert lost


def test_runs_beside_a_real_prune_end_well(session: Session, recipe: SonifyRecipe, cut: Path) -> None:
    before = run(session, recipe, cut)
    code = (
        "import sys; from avlink.cli import main\n"
        "sys.exit(max(main(['cache', 'prune', '--max-size', '0B']) for _ in range(60)))\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "AVLINK_CACHE_DIR": str(session.cache)},
        stdout=subprocess.PIPE,
        text=True,
    )
    runs = 0
    while other.poll() is None or runs == 0:
        for file in (session.cache / "objects").rglob("*.meta.json"):
            with contextlib.suppress(FileNotFoundError):
                os.utime(file, (1e9, 1e9))
        assert run(session, recipe, cut) == before
        runs += 1
    said = [line for line in other.communicate()[0].splitlines() if line.startswith("removed ")]
    assert (other.returncode, len(said)) == (0, 60)
    assert any(not line.startswith("removed 0,") for line in said)
