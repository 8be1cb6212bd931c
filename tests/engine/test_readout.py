"""The readout gives the tokens of the stem from what the video backbone computes, and from nothing else."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from avlink.core.architecture import AVLinkConfig
from avlink.core.motion_config import ReadoutConfig
from avlink.core.sound import read_whole
from avlink.core.values import Frames, Prompt, SoundRequest
from avlink.engine.nn.readout import activations
from avlink.engine.sampling import SampleConfig, SoundSampler
from avlink.engine.system import System
from avlink.training.data.clips import ClipStore
from avlink.training.data.index import ClipLabels
from avlink.training.stages.readout import ReadoutStage
from avlink.training.validation import readout

sys.path.insert(0, str(Path(__file__).parent))
from tiny import TINY

WITH_READOUT = TINY.model_copy(update={"readout": ReadoutConfig(dim=16, layers=1)})


def _random_system(config: AVLinkConfig = WITH_READOUT) -> System:
    torch.manual_seed(0)
    system = System(config).eval()
    for parameter in system.parameters():
        # Of layers that start at zero nothing would be heard.
        torch.nn.init.normal_(parameter, std=0.1)
    return system


@pytest.mark.parametrize("patch", [(1, 18, 16), (2, 18, 16)])
@pytest.mark.parametrize("frames", [2, 8, 30])
@torch.no_grad()
def test_there_are_as_many_tokens_as_the_stem_has_for_windows_of_any_length(
    patch: tuple[int, int, int], frames: int
) -> None:
    picture = TINY.picture.model_copy(update={"patch": patch})
    system = System(WITH_READOUT.model_copy(update={"picture": picture})).eval()
    assert system.readout is not None and system.motion is not None
    v_t = torch.randn(2, frames, 3, picture.height, picture.width)
    seen = activations(system.video, v_t, torch.ones(2), system.text_encoder("video").encode(["", ""]), 2)
    pixels = v_t.repeat_interleave(system.motion.config.fps // picture.fps, dim=1)
    assert system.readout(seen).shape == system.motion(pixels).tokens.shape


@torch.no_grad()
def test_the_first_activations_are_those_that_the_first_fusion_block_reads() -> None:
    system = _random_system()
    picture = TINY.picture
    v_t, t = torch.randn(1, 6, 3, picture.height, picture.width), torch.ones(1)
    text = system.text_encoder("video").encode([""])
    read = system.linked("audio")("audio", torch.randn(1, 25, 4), v_t, t_a=t, t_v=t, text_a=text, text_v=text).seen
    assert len(read) == TINY.fusion.blocks
    torch.testing.assert_close(activations(system.video, v_t, t, text, TINY.fusion.blocks)[0], read[0])


@torch.no_grad()
def test_without_the_stem_sound_is_told_by_the_readout_and_the_stem_does_not_matter() -> None:
    system = _random_system()
    picture = TINY.picture
    pixels = np.random.default_rng(0).integers(0, 255, (24, picture.height, picture.width, 3), np.uint8)
    request = SoundRequest(
        frames=Frames(pixels=pixels, rate=Fraction(24)), duration_s=Fraction(1), prompt=Prompt(), seed=1
    )

    def made(system: System = system, **switches: bool) -> np.ndarray:
        return read_whole(SoundSampler(system, SampleConfig(steps=2, **switches)).generate([request])[0]).samples

    told, whole = made(use_motion=False), made()
    assert system.motion is not None and system.readout is not None
    torch.nn.init.normal_(system.motion.norm.bias)
    np.testing.assert_array_equal(made(use_motion=False), told)
    assert not np.array_equal(made(), whole)
    torch.nn.init.normal_(system.readout.norm.bias)
    assert not np.array_equal(made(use_motion=False), told)
    np.testing.assert_array_equal(made(use_motion=False, use_backbone=False), made(use_picture=False))


def test_a_readout_learns_the_stems_tokens_and_nothing_else_learns(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (2, 24, 36, 64, 3), np.uint8)
    labels = [ClipLabels(caption="", events=((0.5, "wood", 1.0),))] * 2
    ClipStore.write_shard(tmp_path / "clips", 0, frames, None, labels)
    torch.manual_seed(0)
    system = System(WITH_READOUT).requires_grad_(False)
    clips = ClipStore(tmp_path / "clips")
    stage = ReadoutStage(system, clips)
    assert set(stage.trained) == {"readout"}
    weights = stage.trained["readout"].requires_grad_(True).parameters()
    optimizer, tokens = torch.optim.AdamW(weights, lr=1e-2), []
    for step in range(30):
        losses = stage.loss([0, 1], torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        losses["total"].backward()
        optimizer.step()
        tokens.append(float(losses["tokens"].detach()))
    assert np.mean(tokens[-5:]) < 0.7 * tokens[0]
    assert {name.partition(".")[0] for name, p in system.named_parameters() if p.grad is not None} == {"readout"}
    assert readout(system, clips, 0.96).keys() == {"f1_100ms", "f1_50ms", "class"}
