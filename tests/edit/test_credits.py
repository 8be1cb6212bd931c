"""The file of the credits is checked before anything is made, and never lies over another file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from avlink.core.errors import OutputError
from avlink.core.recipe import SonifyRecipe
from avlink.edit.sonify import SonifyReport, SonifyRequest, sonify
from avlink.session import Session


def _run(session: Session, recipe: SonifyRecipe, path: Path, **asked: Any) -> SonifyReport:
    return sonify(SonifyRequest(input=path, recipe=recipe, device="cpu", **asked), session)


@pytest.fixture(params=["timeline", "movie"])
def source(request: pytest.FixtureRequest, kit: Any, tmp_path: Path) -> Path:
    if request.param == "movie":
        return Path(kit.movie(tmp_path / "shot.mp4", seconds=1))
    return Path(request.getfixturevalue("cut"))


def test_credits_are_written_again_and_again(
    source: Path, session: Session, recipe: SonifyRecipe, tmp_path: Path
) -> None:
    credits = tmp_path / "new" / "credits.txt"
    for status in ("generated", "cached"):
        report = _run(session, recipe, source, credits=credits)
        assert {item.status for item in report.items} == {status}
        assert "No recordings" in credits.read_text(encoding="utf-8")


def test_a_refused_place_of_the_credits_leaves_everything_unmade(
    source: Path, session: Session, recipe: SonifyRecipe, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("mine", encoding="utf-8")
    planned = _run(session, recipe, source, dry_run=True).planned
    assert planned is not None
    before = sorted(path.name for path in tmp_path.iterdir())
    for place, words in (
        (notes, "was not written by AVLink"),
        (source, "is an input and is never overwritten"),
        (tmp_path, "is a folder"),
        (planned, "would be written twice"),
    ):
        with pytest.raises(OutputError, match=words):
            _run(session, recipe, source, credits=place)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert notes.read_text(encoding="utf-8") == "mine"
    assert not _run(session, recipe, source, dry_run=True).items[0].stems


def test_a_dry_run_writes_no_credits_and_tells_the_refusal(cut: Path, session: Session, recipe: SonifyRecipe) -> None:
    credits = cut.with_name("credits.txt")
    assert _run(session, recipe, cut, credits=credits, dry_run=True).refusal is None
    assert not credits.exists()
    credits.write_text("mine", encoding="utf-8")
    refusal = _run(session, recipe, cut, credits=credits, dry_run=True).refusal
    assert isinstance(refusal, OutputError) and "credits.txt" in str(refusal)
