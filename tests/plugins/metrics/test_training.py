"""A training that makes pictures, judged by Inception and I3D from files in their public layouts."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avlink.core.errors import InputError
from avlink.core.recipe import EvaluateRecipe, load_recipe
from avlink.core.store import Store
from avlink.core.values import Frames
from avlink.evaluation.folders import evaluate_folders
from avlink.hooks import load_registry
from avlink.media.animation import TimedPicture, write_animation
from avlink.training.distances import FrechetDistances, frechet_extractors
from avlink.training.train import train

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))
from public_layout import film, i3d_layout, inception_layout
from tiny_recipe import FOUNDRY, MODEL, stages


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Checkpoints of random weights."""
    folder = tmp_path_factory.mktemp("weights")
    return {
        "inception": inception_layout(32).save(folder / "inception.pth"),
        "i3d": i3d_layout(32).save(folder / "i3d.pt"),
    }


def test_a_joint_training_is_judged_by_sounds_and_by_pictures(weights: dict[str, str], tmp_path: Path) -> None:
    recipe = tmp_path / "joint.toml"
    extractors = "".join(f'[extractors.{name}]\ncheckpoint = "{path}"\n' for name, path in weights.items())
    clips = FOUNDRY.replace("held_out = 1\nstills = 40\n", "held_out = 2\n")
    log = '[log]\nfrechet = ["log-mel", "rgb-cells", "inception", "i3d"]\n'
    recipe.write_text(
        clips
        + MODEL
        + "shared = true\n"
        + extractors
        + log
        + stages("vae vocoder audio video", 1)
        + stages("fusion_joint", 1).replace("batch = 2", "batch = 3")
        + 'tasks = ["v2a", "a2v", "both"]\n'
    )
    out = tmp_path / "out"
    train(load_recipe(recipe, "train"), out)

    def judged(stage: str) -> dict[str, float]:
        row = json.loads((out / f"{stage}.jsonl").read_text().splitlines()[-1])
        return {key.removeprefix("val_"): value for key, value in row.items() if key.startswith("val_")}

    found = judged("fusion_joint")
    heard, seen = {"f1_100ms", "f1_50ms", "frechet_log-mel"}, {"picture_f1_200ms", "frechet_rgb-cells", "both_f1_200ms"}
    assert set(found) == heard | seen | {"frechet_inception", "frechet_i3d"}
    assert all(np.isfinite(value) for value in found.values()) and found["frechet_i3d"] > 0
    assert {path.name for path in (out / "samples").glob("both*")} >= {"both-0.wav", "both-1.png", "both.png"}
    assert set(judged("audio")) == set(judged("video")) == {"total"}
    # A film of the clips' length has no 64 pictures: told before the stage learns anything.
    (out / "fusion_joint.jsonl").unlink()
    (out / "weights" / "fusion_joint.fusion.safetensors").unlink()
    with pytest.raises(InputError, match=r"extractor 'i3d' cannot judge these clips: 31 pictures, where I3D is asked"):
        train(load_recipe(recipe, "train", ["extractors.i3d.frames=64"]), out)
    assert not (out / "fusion_joint.jsonl").exists()


def test_pictures_in_memory_are_as_far_from_each_other_as_those_of_folders(
    weights: dict[str, str], tmp_path: Path
) -> None:
    given = {name: {"checkpoint": path} for name, path in weights.items()}
    films = {"made": [film(31, 25, 320, 322, seed) for seed in (0, 1)], "true": []}
    # Wide waves: what is larger than an extractor needs is averaged, and noise would be grey.
    across = np.linspace(0, 9, 322)[None, None, :, None] + np.arange(31)[:, None, None, None] * 0.3
    for seed in (2, 3):
        waves = 127 + 120 * np.sin(across * seed + np.array([0, 1, 2]) + np.linspace(0, 4, 320)[None, :, None, None])
        films["true"].append(Frames(pixels=waves.astype(np.uint8), rate=Fraction(25)))
    for name, both in films.items():
        for number, frames in enumerate(both):
            pictures = (TimedPicture(pixels=pixels, duration_s=1 / frames.rate) for pixels in frames.pixels)
            (tmp_path / name).mkdir(exist_ok=True)
            write_animation(tmp_path / name / f"{number}.mkv", pictures, lossless=True)
    settings = {"extractors": {"inception": given["inception"], "i3d": given["i3d"] | {"frame_rate": 12.0}}}
    recipe = EvaluateRecipe(generated=str(tmp_path / "made"), reference=str(tmp_path / "true"), **settings)
    report = evaluate_folders(recipe, load_registry(), store=Store(tmp_path / "cache"))
    rows = {row["metric"]: row["value"] for row in report.to_json()["sections"]["metrics"]["rows"]}
    training = load_recipe("paper/model", "train", ['log.frechet=["rgb-cells", "inception", "i3d"]'])
    training = training.model_copy(update=settings)
    found = FrechetDistances(frechet_extractors(training)["pictures"], "cpu").between(
        zip(films["made"], films["true"], strict=True)
    )
    for metric, name in (("rgb-cells-frechet", "rgb-cells"), ("fid", "inception"), ("fvd", "i3d")):
        assert found[f"frechet_{name}"] == pytest.approx(rows[metric], rel=1e-6), metric
        assert rows[metric] > 0
