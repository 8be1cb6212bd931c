"""Unused stems: found beside projects, and removed only when nothing speaks for them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from avlink.core.errors import InputError
from avlink.core.outputs import Outputs
from avlink.edit.prune_stems import find_unused, remove_unused
from avlink.edit.sonify import SonifyRequest, sonify
from avlink.session import Session


@pytest.fixture
def outputs(session: Session) -> Outputs:
    return session.outputs()


@pytest.fixture
def foley(session: Session, kit: Any, cut: Path) -> Path:
    """A project whose second run made other stems: three are used, and three are not."""
    for words in ("before", "after"):
        recipe = kit.tone_recipe(cut.parent, f"prompt.template={words}")
        output = sonify(SonifyRequest(input=cut, recipe=recipe, device="cpu"), session).output
    assert output is not None
    return output


def _stems(project: Path) -> list[Path]:
    return sorted(project.with_name("cut.stems").iterdir())


def test_stems_that_no_project_uses_are_removed_and_the_others_stay(foley: Path, outputs: Outputs) -> None:
    found = find_unused([foley], outputs=outputs)
    assert (found.used, len(found.unused), len(found.removable)) == (3, 3, 3)
    assert len(_stems(foley)) == 6
    removed = remove_unused(found, outputs=outputs)
    assert len(removed) == 3 and len(_stems(foley)) == 3 and not set(removed) & set(_stems(foley))
    assert find_unused([foley], outputs=outputs).unused == ()


@pytest.mark.parametrize("suffix", ["approved.otio", "cut.foley.otio.bak", "cut.foley.otio.bak2", "mix.rpp"])
def test_stems_of_a_project_that_is_not_named_stay(
    session: Session, kit: Any, cut: Path, outputs: Outputs, suffix: str
) -> None:
    foley = cut.with_name("cut.foley.otio")
    for words in ("before", "after"):
        recipe = kit.tone_recipe(cut.parent, f"prompt.template={words}")
        sonify(SonifyRequest(input=cut, recipe=recipe, device="cpu"), session)
        if words == "before":
            shutil.copyfile(foley, cut.with_name(suffix))
    found = find_unused([foley], outputs=outputs)
    assert [one.kept for one in found.unused] == [f"{suffix} uses it"] * 3 and found.removable == ()
    if suffix.endswith(".otio"):
        assert find_unused([foley, cut.with_name(suffix)], outputs=outputs).unused == ()


def test_stems_that_were_changed_or_have_no_receipt_stay(foley: Path, outputs: Outputs, tmp_path: Path) -> None:
    first, second, _ = (one.path for one in find_unused([foley], outputs=outputs).unused)
    first.write_bytes(first.read_bytes() + b"LIST")
    receipts = [note for note in outputs.folder.rglob("*.json") if second.name in note.read_text()]
    receipts[0].unlink()
    mine = foley.with_name("cut.stems") / "my own sound.wav"
    mine.write_bytes(b"sound")
    found = {one.path: one.kept for one in find_unused([foley], outputs=outputs).unused}
    assert found[first] == "it was changed after AVLink wrote it"
    assert found[second] == "this machine has no receipt of it"
    assert mine not in found and list(found.values()).count("") == 1


def test_a_project_that_cannot_be_read_may_use_any_stem(foley: Path, outputs: Outputs) -> None:
    (foley.parent / "broken.otioz").write_bytes(b"no zip")
    found = find_unused([foley], outputs=outputs)
    assert found.removable == () and found.unused[0].kept == "broken.otioz cannot be read, and may use it"


def test_a_stem_that_is_changed_between_the_question_and_the_answer_stays(foley: Path, outputs: Outputs) -> None:
    found = find_unused([foley], outputs=outputs)
    found.removable[0].path.write_bytes(b"mine")
    assert len(remove_unused(found, outputs=outputs)) == 2
    assert found.removable[0].path.read_bytes() == b"mine"


def test_projects_without_stems_are_told(cut: Path, outputs: Outputs) -> None:
    with pytest.raises(InputError, match=r"no stems of AVLink lie beside .*cut\.otio"):
        find_unused([cut], outputs=outputs)
    with pytest.raises(InputError, match="does not exist"):
        find_unused([cut.with_name("none.otio")], outputs=outputs)
