"""Shards of the physics foundry: made once, resumed, refused where they do not fit, and trained on."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from avlink.core.errors import InputError, RecipeError
from avlink.core.events import ignore
from avlink.core.recipe import TrainRecipe, load_recipe
from avlink.core.recipe.data import PhysicsData
from avlink.engine.motion_maps import COLS, FEATURES, ROWS
from avlink.foundry.physics import ClipFormat, make_clip, missing_reason
from avlink.training.data.clip_spec import clip_spec_of
from avlink.training.data.clips import ClipStore
from avlink.training.data.index import hits_of
from avlink.training.data.maps import MapStore
from avlink.training.data.physics import physics_labels, prepare_physics

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))
from tiny_recipe import MODEL, MOTION, stages

DATA = """
format = 1
kind = "train"
name = "tiny"
[log]
judge = false
[data]
source = "physics"
clips = 2
held_out = 1
seed = 3
families = ["scenery", "strike"]
"""
needs_mujoco = pytest.mark.skipif(missing_reason() is not None, reason=str(missing_reason()))


def recipe(folder: Path, text: str) -> TrainRecipe:
    path = folder / "tiny.toml"
    path.write_text(text)
    return load_recipe(path, "train")


@needs_mujoco
def test_shards_hold_the_clips_of_their_seeds_and_train_a_step_of_the_motion_stage(tmp_path: Path) -> None:
    from avlink.training.train import train

    short = MODEL.replace("[model.picture]", "[model.picture]\nframes = 7")
    tiny = recipe(tmp_path, DATA + short + MOTION + stages("motion", 1))
    spec = clip_spec_of(tiny.model)
    shape = ClipFormat(width=64, height=36, fps=24, duration_s=spec.window_s)
    clip = make_clip(4, families=("scenery", "strike"), shape=shape)
    # One stage alone gives no bundle, but its losses.
    train(tiny, tmp_path / "out")
    (row,) = [json.loads(line) for line in (tmp_path / "out" / "motion.jsonl").read_text().splitlines()]
    assert row["step"] == 1 and np.isfinite(row["total"])
    root = tmp_path / "out" / "clips"
    clips = ClipStore(root / "train")
    np.testing.assert_array_equal(clips.frames([1])[0], clip.frames)
    assert clips.labels[1] == physics_labels(clip) and hits_of(clips.labels[1]) == clip.hits
    assert clips.sound([0]).shape == (1, spec.samples) and len(ClipStore(root / "held_out")) == 1
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*.npy") if "shard-" in str(path)}
    assert isinstance(tiny.data, PhysicsData)
    prepare_physics(tiny, tiny.data, root, ignore)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    with pytest.raises(InputError, match="another seed; choose another folder"):
        prepare_physics(tiny, tiny.data.model_copy(update={"seed": 4}), root, ignore)


@pytest.mark.parametrize(
    ("change", "stage", "message"),
    [
        ("", "appearance", "stage 'appearance' learns from stills"),
        ("fps = 25", "motion", "stage 'motion' reads 24 pictures a second"),
        ("width = 160", "video", "stage 'video' reads 64x36"),
        ('classes = "kind"', "motion", "there is no family 'strik'; the physics foundry has strike"),
    ],
)
def test_what_the_clips_cannot_teach_is_refused_before_any_is_made(
    tmp_path: Path, change: str, stage: str, message: str
) -> None:
    from avlink.training.train import train

    data = DATA.replace('"strike"', '"strik"') if "classes" in change else DATA
    wrong = recipe(tmp_path, data + change + MODEL + MOTION + stages(stage, 1))
    with pytest.raises(RecipeError, match=message):
        train(wrong, tmp_path / "out")
    assert not (tmp_path / "out" / "clips").exists()


def test_a_stage_that_needs_sound_is_refused_where_the_model_hears_more_than_the_foundry_makes(tmp_path: Path) -> None:
    from avlink.training.train import train

    high = MODEL.replace("[model.mel]", "[model.mel]\nsample_rate = 48000")
    with pytest.raises(RecipeError, match=r"stage 'vae' needs sound: .* at 48000 Hz"):
        train(recipe(tmp_path, DATA + high + stages("vae", 1)), tmp_path / "out")


@needs_mujoco
def test_clips_without_sound_are_prepared_without_latents(tmp_path: Path) -> None:
    """A model of 48 kHz hears more than the physics foundry makes: there is nothing to encode."""
    from avlink.training.data.prepare import prepare

    small = ["data.clips=1", "data.held_out=1", 'data.families=["strike"]']
    done = prepare(load_recipe("spotter", "train", small), tmp_path / "clips", ignore)
    assert done.clips == {"train": 1, "held_out": 1} and not done.latents


@needs_mujoco
def test_the_spotters_clips_are_maps_of_films_at_their_own_rates_and_train_a_step(tmp_path: Path) -> None:
    from avlink.training.train import train

    settings = ["data.clips=2", "data.held_out=1", 'data.families=["strike"]', "stages.spotter.batch=2"]
    short = [*settings, "model.picture.frames=12", "stages.spotter.steps=1", "start_from=[]"]
    train(load_recipe("spotter", "train", short), tmp_path / "out")
    (row,) = [json.loads(line) for line in (tmp_path / "out" / "spotter.jsonl").read_text().splitlines()]
    assert row["step"] == 1 and np.isfinite(row["total"]) and "val_f1_100ms" in row
    clips = ClipStore(tmp_path / "out" / "clips" / "train")
    maps = MapStore(clips).maps([0, 1])
    # A second at the rate of the maps, and something that moves.
    assert maps.shape == (2, 60, ROWS, COLS, len(FEATURES))
    assert (maps.abs().amax(dim=(1, 2, 3, 4)) > 1).all()
    assert all(set(label.kinds) == {name for _, name, _ in label.events} for label in clips.labels)


def test_a_spotter_is_trained_on_rendered_scenes_alone(tmp_path: Path) -> None:
    for settings, said in (
        (['data={source="foundry"}'], "learns from rendered scenes"),
        (["stages.video.steps=1", "stages.video.batch=1"], "train it alone"),
        (['model.spotter={kind="other"}'], r"model\.spotter"),
    ):
        with pytest.raises(RecipeError, match=said):
            load_recipe("spotter", "train", settings)
