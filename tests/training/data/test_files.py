from __future__ import annotations

import csv
from pathlib import Path

import pytest

from avlink.core.errors import InputError
from avlink.core.events import Event, Message
from avlink.core.recipe import load_recipe
from avlink.core.recipe.data import FolderData
from avlink.training.data.files import prepare_files, usable_processors
from avlink.training.data.plan import load_plan


def test_without_one_usable_clip_the_lists_say_why(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no film")
    names = ["bad.mp4", *(f"gone{number}.mp4" for number in range(12))]
    (tmp_path / "manifest.csv").write_text("path,caption\n" + "".join(f"{name},x\n" for name in names))
    data = f'source = "folder"\nfolder = "{tmp_path}"\nheld_out = 0\n'
    (tmp_path / "recipe.toml").write_text(f'format = 1\nkind = "train"\nname = "x"\n[data]\n{data}')
    recipe, told, out = load_recipe(tmp_path / "recipe.toml", "train"), list[Event](), tmp_path / "out"
    assert isinstance(recipe.data, FolderData)
    with pytest.raises(InputError, match="none of the 13 clips of data can be used"):
        prepare_files(recipe, recipe.data, out, told.append, processes=1)
    with (out / "missing.csv").open(encoding="utf-8", newline="") as file:
        assert [row["clip"] for row in csv.DictReader(file)] == names[1:]
    with (out / "bad.csv").open(encoding="utf-8", newline="") as file:
        assert [Path(row["path"]).name for row in csv.DictReader(file)] == ["bad.mp4"]
    # Ten of the missing ones are told, then their number.
    lines = [event.text for event in told if isinstance(event, Message) and event.text.startswith("left out")]
    assert len(lines) == 11 and lines[-1].startswith("left out: 2 more")
    plan = load_plan(out)
    assert plan is not None and len(plan["train"]) == 1


def test_there_is_a_processor_to_use() -> None:
    assert usable_processors() >= 1
