"""Free space: what would not fit is refused before it is written, with both amounts."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from avlink.core.disk_space import MARGIN_BYTES, check_space
from avlink.core.errors import OutputError

FREE = 10**9


@pytest.fixture(autouse=True)
def disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(total=2 * FREE, used=FREE, free=FREE))


def test_a_margin_stays_free(tmp_path: Path) -> None:
    check_space({tmp_path: FREE - MARGIN_BYTES}, "it")
    with pytest.raises(OutputError, match=r"^it would take 500 MB on the disk of .*, which has 1 GB free, and 500 MB"):
        check_space({tmp_path: FREE - MARGIN_BYTES + 1}, "it")


def test_folders_of_one_disk_add_up(tmp_path: Path) -> None:
    half = (FREE - MARGIN_BYTES) // 2 + 1
    check_space({tmp_path: half}, "it")
    with pytest.raises(OutputError):
        check_space({tmp_path / "not" / "there": half, tmp_path: half}, "it")


def test_little_is_not_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=0))
    check_space({tmp_path: 100 * 10**6}, "it")
    with pytest.raises(OutputError):
        check_space({tmp_path: 100 * 10**6 + 1}, "it")
