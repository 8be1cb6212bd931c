"""The refiner of the video backbone's pictures."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from avlink.core.architecture import RefinerConfig, VideoConfig, VideoDiTConfig
from avlink.engine.system import System
from avlink.engine.train.loop import LoopConfig, train_stage
from avlink.engine.train.optim import OptimConfig
from avlink.training.data.clips import ClipLabels, ClipStore
from avlink.training.stages.backbones import VideoStage

sys.path.insert(0, str(Path(__file__).parent))
from tiny import TINY

REFINED = TINY.model_copy(
    update={"video": TINY.video.model_copy(update={"refiner": RefinerConfig(dim=16, outer_dim=8, layers=1)})}
)


def _system() -> System:
    torch.manual_seed(0)
    system = System(REFINED).requires_grad_(False).eval()
    with torch.no_grad():
        system.video.final.weight.normal_(0, 0.2)
    return system


@torch.no_grad()
def test_a_fresh_refiner_changes_no_picture_and_a_learned_one_sees_across_patches_and_frames() -> None:
    system = _system()
    video, refiner = system.video, system.video.refiner
    assert refiner is not None
    x_t, t = torch.randn(1, 8, 3, 36, 64), torch.tensor([0.3])
    text = system.text_encoder("video").encode(["a ball"])
    refined = video(x_t, t, text)
    video.refiner = None
    assert torch.equal(refined, video(x_t, t, text))

    for parameter in refiner.parameters():
        parameter.normal_(0, 0.3)
    pictures, time = torch.randn(1, 8, 3, 36, 64), torch.randn(1, 48)
    moved = pictures.clone()
    # One pixel beside the edge of a patch of 18x16.
    moved[0, 4, :, 17, 15] += 1
    changed = (refiner(moved, x_t, time) - refiner(pictures, x_t, time)).abs().amax(2)[0] > 1e-6
    assert changed[4, 18:, 16:].any() and changed[2].any() and changed[6].any()
    assert not changed[:2].any() and not changed[7:].any()
    # Detail of the noisy pictures gets past the tokens.
    assert not torch.equal(refiner(pictures, x_t + torch.randn_like(x_t), time), refiner(pictures, x_t, time))


def test_alone_it_learns_while_features_stay_bit_equal(tmp_path: Path) -> None:
    system = _system()
    frames = np.random.default_rng(0).integers(0, 255, (4, 124, 36, 64, 3)).astype(np.uint8)
    labels = [ClipLabels(caption="a colour", events=())] * 4
    ClipStore.write_shard(tmp_path / "train", 0, frames, np.zeros((4, 82560), np.float32), labels)
    before = {name: value.clone() for name, value in system.state_dict().items()}
    stage = VideoStage(system, ClipStore(tmp_path / "train"), motion_weight=2.0, refiner_alone=True)
    config = LoopConfig(steps=2, batch=4, optim=OptimConfig(lr=1e-3, warmup_steps=1), ema=0.5)
    train_stage(stage, config, tmp_path, lambda *_: None)
    changed = {name for name, value in system.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and all(name.startswith("video.refiner.") for name in changed)
    assert "video.refiner.outward.weight" in changed


def test_it_finishes_predicted_data_of_sizes_that_divide_by_four() -> None:
    with pytest.raises(ValidationError, match=r"finishes predicted pictures: set video.prediction = .data"):
        VideoDiTConfig(refiner=RefinerConfig())
    odd = TINY.model_dump() | {
        "picture": VideoConfig(height=54, width=96, patch=(1, 18, 16)).model_dump(),
        "video": REFINED.video.model_dump(),
    }
    with pytest.raises(ValidationError, match=r"video.refiner: 96x54 pixels do not divide by 4"):
        type(TINY).model_validate(odd)
