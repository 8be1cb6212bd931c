"""docs/fidelity.md against the code: every place that it names is there, and so are the commands."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from avlink.core.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
PLACES = sorted(set(re.findall(r"`((?:avlink|recipes|tests)/[\w/.]+\.(?:py|toml))(?::(\w+))?`", PAGE)))


@pytest.mark.parametrize(("file", "name"), PLACES)
def test_a_place_is_there(file: str, name: str) -> None:
    path = ROOT / file
    assert path.is_file()
    if name:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}


def test_places_are_found_and_every_table_and_figure_has_a_row() -> None:
    assert len(PLACES) > 20
    for name in ("Table 1", "Table 2", "Table 3", "Table 4", "Figure 3", "Figure 4", "Figure 5", "Figure 6"):
        assert name in PAGE
    for link in re.findall(r"\]\(([\w-]+\.md)", PAGE):
        assert (ROOT / "docs" / link).is_file()


def test_the_papers_sampling_is_a_recipe() -> None:
    recipe = load_recipe("paper/sample", "sonify")
    assert recipe.backend.options == {
        "steps": 64,
        "guidance": 5.0,
        "shift": 1.0,
        "guidance_rescale": 0.0,
        "spot": False,
    }
