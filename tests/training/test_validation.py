"""Validation of a backbone on clips that it does not learn from."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from avlink.core.recipe.stages import Rates
from avlink.core.values import Waveform
from avlink.engine.system import System
from avlink.engine.train.loop import LoopConfig, train_stage
from avlink.engine.train.optim import OptimConfig
from avlink.evaluation.extractors import BUILTIN_EXTRACTORS
from avlink.training.data.clips import ClipLabels, ClipStore
from avlink.training.distances import FrechetDistances
from avlink.training.stages.backbones import AudioStage, VideoStage
from avlink.training.validation import held_out_loss

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
from tiny import TINY


def _clips(root: Path, seed: int) -> ClipStore:
    """Six clips of one colour each."""
    random = np.random.default_rng(seed)
    frames = np.broadcast_to(random.integers(0, 255, (6, 1, 1, 1, 3)), (6, 124, 36, 64, 3)).astype(np.uint8)
    sound = random.normal(size=(6, 82560)).astype(np.float32) * 0.1
    ClipStore.write_shard(root, 0, frames, sound, [ClipLabels(caption="a colour", events=())] * 6)
    return ClipStore(root)


@pytest.mark.parametrize("name", ["audio", "video"])
def test_a_backbone_is_judged_by_the_same_noise_every_time_and_falls_as_it_learns(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    system = System(TINY).requires_grad_(False).eval()
    seen, unseen = _clips(tmp_path / "train", 0), _clips(tmp_path / "held_out", 1)

    def stage(clips: ClipStore) -> AudioStage | VideoStage:
        if name == "video":
            return VideoStage(system, clips)
        return AudioStage(system, clips, torch.zeros(6, 516, 4))

    judged = stage(unseen)
    with torch.no_grad():
        before = held_out_loss(judged)
        torch.manual_seed(1)
        assert held_out_loss(judged) == before and before["total"] > 0
        assert held_out_loss(stage(ClipStore(tmp_path / "none"))) == {}
    config = LoopConfig(steps=8, batch=4, optim=OptimConfig(lr=1e-3, warmup_steps=1), ema=0.5, validate_every=4)
    told: dict[int, float] = {}
    learns = stage(seen)
    learns.validate = lambda: held_out_loss(judged)
    train_stage(learns, config, tmp_path, lambda *step: told.update({step[1]: step[3].get("val_total", 0.0)}))
    assert before["total"] > told[4] > told[8] > 0 == told[1]
    # The averaged weights, which are in place now, are those that were judged.
    with torch.no_grad():
        assert held_out_loss(judged)["total"] == pytest.approx(told[8], rel=1e-5)


def test_what_is_no_number_has_no_distance_and_ends_nothing() -> None:
    random = np.random.default_rng(0)
    true, made = (
        [Waveform(samples=random.normal(size=(1, 16000)).astype(np.float32), sample_rate=16000) for _ in range(3)]
        for _ in range(2)
    )
    ears = FrechetDistances([BUILTIN_EXTRACTORS["log-mel"]], "cpu")
    assert ears.between(zip(made, true, strict=True))["frechet_log-mel"] > 0
    broken = [*made[:2], Waveform(samples=np.full((1, 16000), np.nan, np.float32), sample_rate=16000)]
    assert ears.between(zip(broken, true, strict=True)) == {}


def test_audio_of_variable_length_is_a_stretch_of_each_clip(tmp_path: Path) -> None:
    """Section 3.2: lengths from the shortest to the window, and places from the start to the end, evenly drawn."""
    system, clips = System(TINY).eval(), _clips(tmp_path, 0)
    # Each value tells its clip and its token.
    tokens = system.config.window_tokens
    latents = (torch.arange(6)[:, None] * 1000 + torch.arange(tokens)).float()[..., None].expand(-1, -1, 4)
    stage = AudioStage(system, clips, latents, rates=Rates(shortest_s=1.0))
    shortest = round(system.config.tokens_per_second)
    lengths, starts = set(), set()
    for seed in range(300):
        generator = torch.Generator().manual_seed(seed)
        stretches = stage._stretches(latents[[4, 1]], generator)
        lengths.add(stretches.shape[1])
        for clip, stretch in zip((4, 1), stretches, strict=True):
            assert (stretch.diff(dim=0) == 1).all() and (stretch // 1000 == clip).all()
            starts.add(int(stretch[0, 0]) % 1000)
    assert min(lengths) == shortest and max(lengths) == tokens and len(lengths) > 60
    assert min(starts) == 0 and max(starts) > 0.8 * (tokens - shortest)
    assert stage.loss([0, 1], torch.Generator().manual_seed(0))["total"] > 0
    whole = AudioStage(system, clips, latents)
    assert whole._stretches(latents, torch.Generator()) is latents
