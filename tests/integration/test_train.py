"""Training as its users run it: every stage, a bundle that works, and a run that is killed and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avlink.core.errors import BundleError, InputError, RecipeError
from avlink.core.sound import read_whole
from avlink.core.values import Frames, PictureRequest, Prompt, SoundRequest, Waveform

sys.path.insert(0, str(Path(__file__).parent))
from tiny_recipe import ALIGNER, FOUNDRY, MODEL, MOTION, READOUT, stages

ALL = "vae vocoder appearance motion audio video readout aligner fusion_v2a fusion_a2v reflow_v2a"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder in which every stage took two steps."""
    from avlink.core.recipe import load_recipe
    from avlink.training.train import train

    folder = tmp_path_factory.mktemp("run")
    recipe = folder / "tiny.toml"
    recipe.write_text(FOUNDRY + MODEL + MOTION + READOUT + ALIGNER + stages(ALL, 2))
    train(load_recipe(recipe, "train"), folder / "out")
    return folder / "out"


def _request(seconds: Fraction, seed: int) -> SoundRequest:
    pixels = np.random.default_rng(seed).integers(0, 255, (max(1, round(seconds * 24)), 36, 64, 3), dtype=np.uint8)
    return SoundRequest(
        frames=Frames(pixels=pixels, rate=Fraction(24)), duration_s=seconds, prompt=Prompt(text="wood"), seed=seed
    )


def test_every_stage_leaves_losses_curves_weights_and_samples(trained: Path) -> None:
    for name in ALL.split():
        rows = [json.loads(line) for line in (trained / f"{name}.jsonl").read_text().splitlines()]
        assert [row["step"] for row in rows] == [1, 2] and all(np.isfinite(row["total"]) for row in rows)
        assert (trained / "pictures" / f"{name}.png").stat().st_size > 1000
    judged = {name: json.loads((trained / f"{name}.jsonl").read_text().splitlines()[-1]) for name in ALL.split()}
    assert judged["fusion_v2a"]["val_f1_100ms"] >= 0 and judged["fusion_v2a"]["val_frechet_log-mel"] > 0
    assert judged["fusion_a2v"]["val_picture_f1_200ms"] >= 0 and judged["fusion_a2v"]["val_frechet_rgb-cells"] > 0
    assert judged["audio"]["val_total"] > 0 and judged["video"]["val_total"] > 0
    assert 0 <= judged["aligner"]["val_other"] <= 1 and 0 <= judged["aligner"]["val_shifted_noisy"] <= 1
    assert judged["readout"]["val_f1_100ms"] >= 0 and judged["readout"]["tokens"] > 0
    assert "val_frechet_rgb-cells" not in judged["fusion_v2a"] and "val_frechet_log-mel" not in judged["fusion_a2v"]
    assert {path.suffix for path in (trained / "samples").iterdir()} == {".wav", ".png"}


@pytest.mark.parametrize("seconds", [Fraction(1, 5), Fraction(7, 3), Fraction(516, 100), Fraction(123, 10)])
def test_bundle_makes_sound_of_exactly_the_asked_length(trained: Path, seconds: Fraction) -> None:
    from avlink.engine.bundle import V2A, load_system, read_bundle
    from avlink.engine.sampling import SampleConfig, SoundSampler

    sampler = SoundSampler(load_system(read_bundle(trained / "bundle"), V2A), SampleConfig(steps=2))
    wave = read_whole(sampler.generate([_request(seconds, 3)])[0])
    assert wave.samples.shape == (1, round(seconds * 16000)) and np.isfinite(wave.samples).all()


def test_a_clip_sounds_the_same_alone_and_in_a_batch(trained: Path) -> None:
    from avlink.engine.bundle import load_system, read_bundle
    from avlink.engine.sampling import SampleConfig, SoundSampler

    sampler = SoundSampler(load_system(read_bundle(trained / "bundle")), SampleConfig(steps=2))
    requests = [_request(Fraction(3), 1), _request(Fraction(8), 2), _request(Fraction(3), 4)]
    together = [read_whole(sound).samples for sound in sampler.generate(requests)]
    for request, samples in zip(requests, together, strict=True):
        np.testing.assert_array_equal(read_whole(sampler.generate([request])[0]).samples, samples)
    assert not np.array_equal(together[0], together[2])


def test_bundle_makes_pictures_of_sound(trained: Path) -> None:
    from avlink.engine.bundle import A2V, load_system, read_bundle
    from avlink.engine.sampling import PictureSampler, SampleConfig

    sampler = PictureSampler(load_system(read_bundle(trained / "bundle"), A2V), SampleConfig(steps=2, t_condition=0.8))
    for seconds in (Fraction(1, 10), Fraction(4), Fraction(12)):
        sound = Waveform(samples=np.zeros((1, int(seconds * 16000)), np.float32), sample_rate=16000)
        (frames,) = sampler.generate([PictureRequest(sound=sound, duration_s=seconds, prompt=Prompt(), seed=0)])
        assert frames.read(0, frames.num_frames).shape == (max(1, round(seconds * 6)), 36, 64, 3)


def _altered(trained: Path, tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(trained / "bundle", tmp_path / "bundle"))


def test_an_altered_bundle_is_refused_in_words(trained: Path, tmp_path: Path) -> None:
    from avlink.engine.bundle import load_system, read_bundle

    bundle = _altered(trained, tmp_path)
    shard = next(bundle.glob("*.safetensors"))
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    with pytest.raises(BundleError, match="was altered"):
        load_system(read_bundle(bundle))
    shard.unlink()
    with pytest.raises(BundleError, match=r"lacks its shard weights-01\.safetensors"):
        load_system(read_bundle(bundle))
    (bundle / "tensors.json").unlink()
    with pytest.raises(BundleError, match=r"no tensors\.json"):
        read_bundle(bundle)
    (bundle / "bundle.toml").write_text('format = 9\nname = "x"\n')
    with pytest.raises(BundleError, match="format 9"):
        read_bundle(bundle)


def test_a_stage_says_what_it_builds_on(tmp_path: Path) -> None:
    from avlink.core.recipe import load_recipe
    from avlink.training.train import train

    recipe = tmp_path / "tiny.toml"
    recipe.write_text(FOUNDRY + MODEL + stages("vae audio", 1))
    loaded = load_recipe(recipe, "train")
    with pytest.raises(InputError, match="builds on vae"):
        train(loaded, tmp_path / "out", stages=["audio"])
    with pytest.raises(RecipeError, match="stage 'vidoe' is not in the recipe; it has vae, audio"):
        train(loaded, tmp_path / "out", stages=["vidoe"])


def test_training_goes_on_from_a_bundle(trained: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    from avlink.core.recipe import load_recipe
    from avlink.engine.bundle import read_bundle
    from avlink.training.train import train

    recipe = tmp_path / "on.toml"
    # Quotes around a folder that a recipe names: it counts from the recipe's own.
    (tmp_path / "first").symlink_to(trained / "bundle")
    recipe.write_text(
        FOUNDRY.replace("[data]", 'start_from = "first"\n[data]') + MODEL + MOTION + READOUT + ALIGNER + stages(ALL, 1)
    )
    bundle = read_bundle(train(load_recipe(recipe, "train"), tmp_path / "out", stages=["motion"]))
    assert list(bundle.training["stages"]) == ["motion"]
    assert bundle.training["before"] == read_bundle(trained / "bundle").training
    old, new = (load_file(next(folder.glob("*.safetensors"))) for folder in (trained / "bundle", bundle.folder))
    assert old.keys() == new.keys()
    changed = {key.split(".")[0] for key in old if not old[key].equal(new[key])}
    assert changed == {"motion"}
    # What single pictures taught stays as it was.
    assert all(
        old[key].equal(new[key])
        for key in old
        if key.startswith(("motion.appearance.layers", "motion.appearance.pool"))
    )
    wider = load_recipe(recipe, "train", ["model.motion.dim=48"])
    with pytest.raises(BundleError, match="its motion is built otherwise"):
        train(wider, tmp_path / "wider", stages=["motion"])


def _losses(folder: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (folder / "motion.jsonl").read_text().splitlines() if line.endswith("}")]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_a_killed_run_ends_with_the_same_losses(tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(FOUNDRY + MODEL + MOTION + stages("motion", 14))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

    def command(out: str) -> list[str]:
        return [sys.executable, "-m", "avlink", "train", str(recipe), "-o", str(tmp_path / out)]

    subprocess.run(command("whole"), check=True, capture_output=True, env=environment)
    process = subprocess.Popen(command("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    log, patience = tmp_path / "killed" / "motion.jsonl", time.monotonic() + 120
    while process.poll() is None and time.monotonic() < patience:
        if log.is_file() and len(log.read_text().splitlines()) >= 5:
            process.send_signal(signal.SIGKILL)
        time.sleep(0.002)
    assert process.wait() == -signal.SIGKILL
    assert len(_losses(tmp_path / "killed")) < 14
    subprocess.run(command("killed"), check=True, capture_output=True, env=environment)
    assert _losses(tmp_path / "killed") == _losses(tmp_path / "whole")


def test_the_vggsound_recipe_runs_shrunk_on_a_folder_of_clips(tmp_path: Path) -> None:
    """The full recipe, made tiny on the command line, over video files that are written here."""
    from avlink.foundry import make_clips
    from avlink.media.movie import write_video

    batch = make_clips([0, 1, 2], split="train")
    rows = ["path,caption"]
    for index, info in enumerate(batch.clips):
        wave = Waveform(samples=batch.sound[index].numpy()[None], sample_rate=16000)
        frames = Frames(pixels=batch.frames[index].numpy(), rate=Fraction(24))
        write_video(tmp_path / f"{index}.mp4", frames, sound=wave)
        rows.append(f'{index}.mp4,"{info.caption}"')
    rows.append("gone.mp4,not there")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    small = {
        "data.folder": str(tmp_path), "data.held_out": 1, "bf16": False,
        "model.vae.channels": 32, "model.vae.mult": [1, 1, 1], "model.vae.encoder_blocks": 1,
        "model.vae.decoder_blocks": 1, "model.vae.z_channels": 8, "model.vae.latent_channels": 4,
        "model.vocoder.dim": 32, "model.vocoder.layers": 1, "model.text.dim": 32, "model.text.layers": 1,
        "model.text.heads": 2, "model.audio.dim": 32, "model.audio.depth": 2, "model.audio.heads": 2,
        "model.video.dim": 32, "model.video.depth": 2, "model.video.heads": 2, "model.picture.patch": [1, 12, 16],
        "model.fusion.dim": 32, "model.fusion.heads": 2, "model.fusion.blocks": 2,
    }  # fmt: skip
    for stage in ("vae", "vocoder", "audio", "video", "fusion_v2a", "fusion_a2v"):
        small |= {f"stages.{stage}.steps": 1, f"stages.{stage}.batch": 2}
    settings = [word for key, value in small.items() for word in ("-s", f"{key}={json.dumps(value)}")]
    run = subprocess.run(
        [sys.executable, "-m", "avlink", "train", "vggsound", "-o", str(tmp_path / "out"), *settings],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "gone.mp4" in run.stdout + run.stderr
    assert (tmp_path / "out" / "bundle" / "bundle.toml").is_file()


@pytest.fixture(scope="module", params=["fusion_v2a", "fusion_hits"])
def controlled(request: pytest.FixtureRequest, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle whose fusion, or a copy of it, went on with a temporal controller, on edited contacts."""
    from avlink.core.recipe import load_recipe
    from avlink.training.train import train

    folder = tmp_path_factory.mktemp("controlled")
    recipe = folder / "hits.toml"
    start = f'start_from = "{(trained / "bundle").as_posix()}"\n'
    own = "own_fusion = true\n" if request.param == "fusion_hits" else ""
    more = f"edited = 0.6\n[model.controller]\ndim = 16\nlayers = 1\n{own}"
    data, model = FOUNDRY.rstrip(), MODEL + MOTION + stages(request.param, 3) + "hits_drop = 0.2\nmotion = false\n"
    head, _, table = data.partition("[data]")
    recipe.write_text(f"{head}{start}[data]{table}\n{more}{model}")
    train(load_recipe(recipe, "train"), folder / "out")
    return folder / "out" / "bundle"


def test_a_fusion_goes_on_with_a_temporal_controller(trained: Path, controlled: Path) -> None:
    from avlink.core.hits import Hit
    from avlink.engine.bundle import V2A, load_system, read_bundle
    from avlink.engine.sampling import SampleConfig, SoundSampler

    assert "controller" in read_bundle(controlled).components
    assert "controller" not in read_bundle(trained / "bundle").components
    sampler = SoundSampler(load_system(read_bundle(controlled), V2A), SampleConfig(steps=2))
    plain = _request(Fraction(7), 5)
    base = replace(plain, hits=(Hit(time_s=Fraction(1)), Hit(time_s=Fraction(5, 2), kind="step")))
    edited = replace(base, hits=base.hits[:1], base_hits=base.hits)
    first, second, third = (read_whole(sound).samples[0] for sound in sampler.generate([plain, base, edited]))
    assert not np.array_equal(first, second) and not np.array_equal(second, third)
    # Fusion Blocks of their own leave the model without hits as it was.
    before = SoundSampler(load_system(read_bundle(trained / "bundle"), V2A), SampleConfig(steps=2))
    kept = np.array_equal(first, read_whole(before.generate([plain])[0]).samples[0])
    assert kept == ("fusion_hits" in read_bundle(controlled).components)
    # The hit at 2.5 s is gone: nothing before its attack has changed, and nothing after its longest tail.
    same = second == third
    assert same[: round(2.3 * 16000)].all() and same[round(5.1 * 16000) :].all()


def test_only_what_is_told_the_hits_learns_from_edited_contacts(tmp_path: Path) -> None:
    from avlink.core.recipe import load_recipe

    recipe = tmp_path / "wrong.toml"
    recipe.write_text(FOUNDRY + MODEL + MOTION + stages("motion fusion_v2a", 1))
    with pytest.raises(RecipeError, match=r"data\.edited is for models with a temporal controller"):
        load_recipe(recipe, "train", ["data.edited=0.5"])
    with pytest.raises(RecipeError, match=r"stage 'motion' cannot learn from data\.edited"):
        load_recipe(recipe, "train", ["data.edited=0.5", "model.controller.dim=16"])
