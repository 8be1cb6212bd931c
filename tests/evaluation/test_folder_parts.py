from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avlink.core.errors import InputError, RecipeError
from avlink.core.frames import ResampledFrames
from avlink.core.recipe import EvaluateRecipe, check_values, load_recipe
from avlink.core.values import Frames
from avlink.evaluation.extractor_metrics import METRICS, FrechetAccumulator
from avlink.evaluation.folders import evaluate_folders
from avlink.hooks import ExtractorOptions, check_components, make_registry


def test_the_recipe_that_ships_names_what_the_plugin_offers() -> None:
    import avlink_metrics.plugin as ours

    registry = make_registry(ours)
    recipe = load_recipe("evaluate_folder", "evaluate", ["generated=x", "reference=x"])
    check_components(recipe, registry)
    assert set(recipe.extractors) == set(registry.extractors) - {"clip", "metaclip", "cavp"}
    with pytest.raises(RecipeError, match=r"extractors\.i3d\.frames = 3"):
        check_components(load_recipe("evaluate_folder", "evaluate", ["extractors.i3d.frames=3"]), registry)
    with pytest.raises(
        InputError, match=r"(?s)checkpoints are missing.*vggish-10086976\.pth.*Apache-2.0.*CC-BY-NC-SA"
    ) as caught:
        evaluate_folders(recipe, registry)
    assert caught.value.exit_code == 2


def test_pictures_are_picked_and_not_mixed() -> None:
    pixels = np.repeat(np.arange(50, dtype=np.uint8), 12).reshape(50, 2, 2, 3)
    picked = ResampledFrames(Frames(pixels=pixels, rate=Fraction(25)), rate=Fraction(6))
    assert picked.num_frames == 12
    assert picked.read(0, 12)[:, 0, 0, 0].tolist() == [0, 4, 8, 12, 16, 20, 25, 29, 33, 37, 41, 45]
    assert picked.read(3, 4)[0, 0, 0, 0] == 12 and picked.read(5, 5).shape == (0, 2, 2, 3)
    faster = ResampledFrames(Frames(pixels=pixels[:2], rate=Fraction(25)), rate=Fraction(75))
    assert faster.read(0, 9)[:, 0, 0, 0].tolist() == [0, 0, 0, 1, 1, 1]


def test_memory_does_not_grow_with_the_clips() -> None:
    import tracemalloc

    accumulator, rows = FrechetAccumulator(), np.random.default_rng(0).standard_normal((10, 64))
    accumulator.update(rows, rows)
    tracemalloc.start()
    for _ in range(2048):
        accumulator.update(rows, rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200_000 and accumulator.compute().clips == 2049
    few = FrechetAccumulator()
    few.update(rows, rows)
    assert few.compute().note == "10 vectors of 64 numbers: biased upwards" and accumulator.compute().note == ""


def test_the_options_of_extractors_are_checked_with_the_recipe() -> None:
    assert ExtractorOptions().checkpoint == ""
    recipe = check_values(EvaluateRecipe, {"kind": "evaluate", "format": 1, "extractors": {"x": {"checkpoint": 1}}})
    with pytest.raises(RecipeError, match="extractor 'x' is not registered"):
        check_components(recipe, make_registry())


def test_the_page_names_every_extractor_and_metric() -> None:
    import avlink_metrics.plugin as ours

    page = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    for extractor in make_registry(ours).extractors.values():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{extractor.name}` |") and "|" in line[3:]][
            -1:
        ]
        # The first word of a licence, and the file or folder that is looked for.
        assert extractor.licence.split()[0].strip(",") in row, extractor.name
        assert extractor.source.split(": ")[-1].split("/")[-1].split()[0] in row or "folder" in row, extractor.name
    for metric in METRICS.values():
        assert any(
            line.startswith(f"| `{metric.name}` |") and line.endswith(f"{metric.better} |")
            for line in page.splitlines()
        )
