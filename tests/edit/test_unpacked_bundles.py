"""Media that is unpacked from a bundle into the cache: damaged files are unpacked again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from avlink.core.errors import MediaChanged
from avlink.core.recipe import SonifyRecipe
from avlink.edit import project
from avlink.edit.sonify import SonifyReport, SonifyRequest, sonify
from avlink.session import Session


def run(session: Session, recipe: SonifyRecipe, path: Path, output: Path) -> SonifyReport:
    return sonify(SonifyRequest(input=path, recipe=recipe, device="cpu", output=output), session)


@pytest.fixture
def bundle(session: Session, recipe: SonifyRecipe, cut: Path, tmp_path: Path) -> Path:
    packed = run(session, recipe, cut, tmp_path / "cut.otioz").output
    assert packed is not None
    return packed


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def keep_old_time(path: Path) -> None:
    flip(path)
    os.utime(path, ns=(10**18, 10**18))


def clear(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize("damage", [flip, keep_old_time, clear])
def test_damaged_media_is_unpacked_again(
    session: Session, recipe: SonifyRecipe, bundle: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    run(session, recipe, bundle, tmp_path / "first.otioz")
    unpacked = {path: path.read_bytes() for path in (session.cache / "bundles").rglob("*.mp4")}
    assert len(unpacked) == 2
    for path in unpacked:
        damage(path)
    report = run(session, recipe, bundle, tmp_path / "second.otioz")
    assert report.counts["cached"] == 3
    assert {path: path.read_bytes() for path in unpacked} == unpacked


def test_media_that_is_whole_is_neither_read_nor_written_again(
    session: Session, recipe: SonifyRecipe, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(session, recipe, bundle, tmp_path / "first.otioz")
    monkeypatch.setattr("avlink.timeline.formats.otioz.zlib", None)
    monkeypatch.setattr("avlink.timeline.formats.otioz.copy_member", None)
    assert run(session, recipe, bundle, tmp_path / "second.otioz").counts["cached"] == 3


def test_a_bundle_that_is_replaced_while_it_is_unpacked_is_refused(
    session: Session, recipe: SonifyRecipe, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*arguments: object) -> object:
        bundle.write_bytes(bundle.read_bytes() + b"\0")
        return unpack(*arguments)

    unpack = project.unpack_media
    with monkeypatch.context() as patch:
        patch.setattr(project, "unpack_media", slow)
        with pytest.raises(MediaChanged, match="changed while it was read; run again"):
            run(session, recipe, bundle, tmp_path / "first.otioz")
