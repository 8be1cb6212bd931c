from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from avlink.core.architecture import AVLinkConfig, DiTConfig, FusionConfig, TextConfig, VideoConfig
from avlink.core.codec_config import VAEConfig, VocosConfig
from avlink.core.errors import BundleError, InputError
from avlink.core.events import StepDone
from avlink.core.motion_config import MotionConfig
from avlink.core.recipe import EvaluateRecipe, load_recipe
from avlink.core.values import Frames, PictureSpec, Waveform
from avlink.evaluation.evaluate import SPLITS, evaluate
from avlink.evaluation.model import average_frames
from avlink.media.movie import write_video
from avlink.metrics.onsets import detect_onsets
from avlink.metrics.picture_events import frame_difference_events

TINY = AVLinkConfig(
    vae=VAEConfig(channels=32, mult=(1, 1, 1), encoder_blocks=1, decoder_blocks=1, z_channels=8, latent_channels=4),
    vocoder=VocosConfig(dim=32, layers=2),
    text=TextConfig(kind="bytes", dim=32, layers=1, heads=2),
    audio=DiTConfig(dim=32, depth=2, heads=2, mlp_ratio=2),
    video=DiTConfig(dim=48, depth=4, heads=2, mlp_ratio=2, prediction="data"),
    picture=VideoConfig(patch=(1, 18, 16)),
    fusion=FusionConfig(dim=32, heads=2, blocks=2, mlp_ratio=2, aligned_init=1.4),
    motion=MotionConfig(dim=32, widths=(16, 16), layers=1, classes=("wood", "metal")),
)


class Clicker:
    """Learns nothing: a click at each peak of frame difference, a flash at each onset, and a perfect codec."""

    sample_rate = 16000
    picture = PictureSpec(rate=Fraction(24), width=64, height=36)
    has_motion = True
    has_pictures = True
    follows_hits = True

    def generate(
        self,
        frames,
        captions,
        seeds,
        *,
        duration_s,
        use_picture=True,
        use_motion=True,
        use_backbone=True,
        hits=None,
        on_clip=None,
    ) -> np.ndarray:
        sounds = np.zeros((len(frames), round(duration_s * self.sample_rate)), dtype=np.float32)
        for row, (pixels, seed) in enumerate(zip(frames, seeds, strict=True)):
            blind = np.sort(np.random.default_rng(seed).uniform(0, 5, 6))
            times_s = frame_difference_events(pixels, 24) if use_picture else blind
            levels = 0.5
            if hits is not None:
                times_s = np.array([float(hit.time_s) for hit in hits[row]])
                levels = [hit.strength for hit in hits[row]]
            sounds[row, np.round(times_s * self.sample_rate).astype(int)] = levels
            if on_clip is not None:
                on_clip(row + 1)
        return sounds

    def codec(self, sounds):
        return sounds

    def visualize(self, sounds, seeds, *, on_clip=None):
        frames = np.full((len(sounds), 31, 36, 64, 3), 40, dtype=np.uint8)
        for row, sound in enumerate(sounds):
            for time_s in detect_onsets(sound, self.sample_rate).times_s:
                frames[row, min(30, round(time_s * 6)) :] += 37
        return frames, Fraction(6)


def rows(report, key):
    section = report.to_json()["sections"][key]
    return {row[next(iter(row))]: row for row in section["rows"]}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory):
    media = tmp_path_factory.mktemp("media")
    flashes = np.full((48, 36, 64, 3), 30, dtype=np.uint8)
    sound = np.zeros((1, 32000), dtype=np.float32)
    for frame in (8, 20, 33):
        flashes[frame:] += 60
        sound[0, round(frame / 24 * 16000)] = 0.9
    movie = Frames(pixels=flashes, rate=Fraction(24))
    write_video(media / "flash.mp4", movie, sound=Waveform(samples=sound, sample_rate=16000))
    write_video(media / "silent.mp4", movie)
    (media / "notes.mp4").write_text("no video at all")
    heard = []
    recipe = EvaluateRecipe(clips=5, captions=True, media_dir=str(media))
    return evaluate(recipe, model=Clicker(), listener=heard.append), heard


@pytest.mark.parametrize("split", ["held_out", "transfer"])
def test_rows_agree_where_they_must(measured, split):
    report, _ = measured
    onsets = rows(report, f"{split}.onsets")
    assert onsets["model"]["f1_50ms"] == pytest.approx(onsets["frame difference"]["f1_50ms"], abs=0.08)
    assert onsets["codec ceiling"]["f1_50ms"] == onsets["true sound"]["f1_50ms"]
    assert onsets["true sound"]["f1_50ms"] > 0.9
    assert onsets["model with captions"]["f1_100ms"] == onsets["model"]["f1_100ms"]
    assert onsets["audio model alone"]["f1_100ms"] < 0.5 < onsets["true sound"]["f1_100ms"]
    assert onsets["true sound"]["chance_100ms"] < 0.5
    assert onsets["model"]["clips"] + onsets["model"]["excluded"] == 5
    assert rows(report, f"{split}.material")["true sound"]["all"] in (None, pytest.approx(1.0, abs=0.34))
    distances = rows(report, f"{split}.distance")
    assert distances["codec ceiling"]["mr_stft"] == 0.0 < distances["model"]["mr_stft"]
    condfoley = rows(report, f"{split}.condfoley")["codec ceiling"]
    assert (condfoley["onset_count_accuracy"], condfoley["detection_accuracy"]) == (1.0, 1.0)


@pytest.mark.parametrize("split", ["held_out", "transfer"])
def test_a_model_that_is_told_the_hits_follows_them_against_the_picture(measured, split):
    edited = rows(measured[0], f"{split}.hits")["model with edited hits"]
    # Clicks of any strength are heard, but for those that lie within the reach of a louder one.
    assert edited["f1_50ms"] > 0.85 and edited["added_is_heard"] > 0.7 and edited["deleted_is_silent"] > 0.7
    assert edited["strength_rank"] > 0.95
    assert rows(measured[0], f"{split}.onsets")["model with true hits"]["f1_50ms"] > 0.9


def test_pictures_follow_the_sound(measured):
    pictures = rows(measured[0], "pictures")
    assert pictures["pictures of the model"]["f1_200ms"] > pictures["pictures of the model"]["chance_200ms"]


def test_real_clips_are_scored_against_their_own_sound_and_others_named(measured):
    report, heard = measured
    real = rows(report, "real")
    assert real["model"]["clips"] == 1
    assert real["model: flash.mp4"]["f1_100ms"] == 1.0
    warnings = [event.text for event in heard if hasattr(event, "text")]
    assert any("silent.mp4" in text for text in warnings) and any("notes.mp4" in text for text in warnings)


def test_the_report_is_json_and_a_table(measured):
    report, heard = measured
    assert json.loads(json.dumps(report.to_json()))["settings"]["clips"] == 5
    text = report.table()
    for words in ("chance_100ms", "codec ceiling", "frame difference", "CondFoleyGen", "audio model alone"):
        assert words in text
    assert any(isinstance(event, StepDone) and event.done == event.total == 5 for event in heard)


def test_a_bundle_is_measured_from_its_folder(tmp_path: Path):
    from avlink.engine.bundle import write_bundle
    from avlink.engine.system import System as EngineSystem

    folder = tmp_path / "tiny"
    write_bundle(
        folder,
        TINY,
        EngineSystem(TINY).components(),
        name="tiny",
        licence="Apache-2.0",
        description="untrained",
        training={},
    )
    report = evaluate(EvaluateRecipe(bundle=str(folder), split="transfer", clips=1, steps=1), device="cpu")
    names = list(rows(report, "transfer.onsets"))
    withheld = ["model, stem withheld", "model, video backbone withheld"]
    assert names[:4] == ["model", *withheld, "audio model alone"]
    assert "pictures" in report.to_json()["sections"]


def test_what_the_model_is_compared_with_can_be_left_out():
    recipe = EvaluateRecipe(split="held_out", clips=1, captions=True, baselines=False)
    report = evaluate(recipe, model=Clicker())
    assert list(rows(report, "held_out.distance")) == [
        "model",
        "model with captions",
        "model with true hits",
        "codec ceiling",
    ]
    assert "pictures" not in report.to_json()["sections"]


def test_frames_are_averaged_not_dropped():
    frames = np.arange(10, dtype=np.uint8).reshape(1, 10, 1, 1, 1).repeat(3, axis=4) * 20
    assert average_frames(frames, 4)[0, :, 0, 0, 0].tolist() == [30, 110]
    assert average_frames(frames, 1) is frames


def test_folders_of_a_recipe_file_start_from_the_file(tmp_path: Path):
    (tmp_path / "mine.toml").write_text('format = 1\nkind = "evaluate"\nbundle = "model"\nmedia_dir = "clips"\n')
    recipe = load_recipe(tmp_path / "mine.toml", "evaluate")
    with pytest.raises(InputError, match=f"media_dir '{tmp_path / 'clips'}' is not a folder"):
        evaluate(recipe, model=Clicker())
    (tmp_path / "clips").mkdir()
    with pytest.raises(BundleError, match=f"there is no model '{tmp_path / 'model'}'"):
        evaluate(recipe, device="cpu")


def test_every_split_of_a_recipe_can_be_measured():
    splits = get_args(EvaluateRecipe.model_fields["split"].annotation)
    assert set(splits) == set(SPLITS)
