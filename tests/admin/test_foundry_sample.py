from __future__ import annotations

from pathlib import Path

from PIL import Image

from avlink.admin.foundry_sample import contact_sheet
from avlink.foundry import make_clips


def test_a_contact_sheet_shows_a_strip_a_clip(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    contact_sheet(make_clips([0, 1], split="train"), path, columns=5, scale=1)
    with Image.open(path) as sheet:
        assert sheet.size == (5 * 64, 2 * (36 + 28 + 12))
