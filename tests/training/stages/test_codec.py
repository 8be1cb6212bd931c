from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from avlink.core.codec_config import VocosConfig
from avlink.core.recipe.stages import StageTable
from avlink.engine.codec.discriminator import Discriminator
from avlink.engine.codec.mel import LogMel
from avlink.engine.system import System
from avlink.training.data.clips import ClipStore
from avlink.training.data.index import ClipLabels
from avlink.training.stages.codec import CodecStage, VAEStage, VocoderStage, whiten

sys.path.insert(0, str(Path(__file__).parents[2] / "engine"))
from tiny import TINY

_TABLE = StageTable(steps=1, batch=2, stft_drawn=2, periodicity=1.0, adversarial=0.1)


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
    for stage in (VAEStage(system, clips), VocoderStage(system, clips, _TABLE)):
        (module,) = stage.trained.values()
        module.requires_grad_(True)
        losses = [stage.loss([0, 1], torch.Generator().manual_seed(3)) for _ in range(2)]
        # All randomness is the generator's.
        assert losses[0]["total"].equal(losses[1]["total"])
        losses[0]["total"].backward()
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())
        module.requires_grad_(False)


def test_the_codec_stage_keeps_the_latents_and_each_side_learns_from_its_own_loss(tmp_path: Path) -> None:
    torch.manual_seed(0)
    noisy = TINY.model_copy(update={"vocoder": VocosConfig(dim=32, layers=2, mel_base=True, noise=True)})
    system, clips = System(noisy).requires_grad_(False), _clips(tmp_path)
    gradients = []
    for adversarial in (1e-6, 0.5):
        stage = CodecStage(system, clips, _TABLE.model_copy(update={"adversarial": adversarial}))
        torch.manual_seed(1)
        stage.trained["discriminator"] = Discriminator()
        for module in stage.trained.values():
            module.requires_grad_(True).zero_grad()
        for part in stage.frozen:
            part.requires_grad_(False)
        losses = stage.loss([0, 1], torch.Generator().manual_seed(3))
        losses["total"].backward()
        assert all(p.grad is None for part in stage.frozen for p in part.parameters())
        gradients.append({name: _gradient(module) for name, module in stage.trained.items()})
    weak, strong = gradients
    # The discriminator learns from its own loss, whatever weight the generator gives to its judgement.
    torch.testing.assert_close(weak["discriminator"], strong["discriminator"])
    assert weak["discriminator"].abs().sum() > 0
    assert (weak["vocoder"] - strong["vocoder"]).abs().sum() > 1e-3 * strong["vocoder"].abs().sum()
    assert strong["vae"].abs().sum() > 0


def _gradient(module: nn.Module) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])
