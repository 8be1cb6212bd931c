from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from avlink.training.journal import Journal, draw_curves, read_journal


def test_a_resumed_journal_drops_what_a_killed_run_wrote_beyond_its_checkpoint(tmp_path: Path) -> None:
    with Journal(tmp_path, "vae", 0) as journal:
        for step in range(1, 6):
            journal.write(step, {"total": 1 / step, "lr": 1.23456789e-5, "odd": float("nan")}, 1.0)
    with journal.path.open("a", encoding="utf-8") as file:
        file.write('{"step": 6, "tot')
    with Journal(tmp_path, "vae", 3) as journal:
        journal.write(4, {"total": 9.0}, 1.0)
    rows = read_journal(journal.path)
    assert [row["step"] for row in rows] == [1, 2, 3, 4] and rows[-1]["total"] == 9.0
    # Small values keep digits, not decimals; what is no number is left out, so that each line is JSON.
    assert rows[0] == {"step": 1, "total": 1.0, "lr": 1.2346e-05}
    assert all(json.loads(line) for line in journal.path.read_text().splitlines())


def test_curves_are_drawn_of_any_journal(tmp_path: Path) -> None:
    picture = tmp_path / "pictures" / "vae.png"
    (tmp_path / "vae.jsonl").write_text("")
    draw_curves(tmp_path / "vae.jsonl", picture)
    assert not picture.exists()
    lines = [{"step": step, "total": 1 / step} | ({"val_f1": 0.5} if step == 80 else {}) for step in range(1, 81)]
    (tmp_path / "vae.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    draw_curves(tmp_path / "vae.jsonl", picture)
    with Image.open(picture) as image:
        # White, lines of the grid, text, and a colour for each of the two.
        assert len(image.getcolors(1 << 16) or ()) > 4
