from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from avlink.engine.codec.mel import LogMel
from avlink.engine.system import System
from avlink.training.data.clips import ClipStore
from avlink.training.data.index import ClipLabels
from avlink.training.stages.codec import VAEStage, VocoderStage, whiten

sys.path.insert(0, str(Path(__file__).parents[2] / "engine"))
from tiny import TINY


def _clips(root: Path) -> ClipStore:
    rng = np.random.default_rng(0)
    frames = np.zeros((4, 1, 2, 2, 3), np.uint8)
    labels = [ClipLabels(caption="", events=((0.5, "wood", 1.0),))] * 4
    ClipStore.write_shard(root, 0, frames, rng.normal(size=(4, 82560)) * 0.1, labels)
    return ClipStore(root)


def test_whitened_latents_have_mean_zero_and_deviation_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    system, clips = System(TINY).requires_grad_(False).eval(), _clips(tmp_path)
    whiten(system, clips)
    latents = system.vae.encode(LogMel(TINY.mel)(clips.sound(range(4))))
    torch.testing.assert_close(latents.mean(dim=(0, 1)), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(latents.std(dim=(0, 1)), torch.ones(4), atol=1e-3, rtol=0)


def test_losses_of_the_codec_reach_all_that_is_trained(tmp_path: Path) -> None:
    torch.manual_seed(0)
    system, clips = System(TINY).requires_grad_(False), _clips(tmp_path)
    for stage in (VAEStage(system, clips), VocoderStage(system, clips)):
        (module,) = stage.trained.values()
        module.requires_grad_(True)
        losses = [stage.loss([0, 1], torch.Generator().manual_seed(3)) for _ in range(2)]
        # All randomness is the generator's.
        assert losses[0]["total"].equal(losses[1]["total"])
        losses[0]["total"].backward()
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())
        module.requires_grad_(False)
