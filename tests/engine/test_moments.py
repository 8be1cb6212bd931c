"""Patches of several frames: a moment of the video stream holds as many frames as a patch, in training and sampling."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from avlink.core.architecture import AVLinkConfig, ExtractedConfig, VideoConfig
from avlink.core.errors import InputError
from avlink.core.recipe.stages import FUSION_RATES
from avlink.core.values import Frames, PictureRequest, Prompt, SoundRequest, Waveform
from avlink.engine.avlink import AVLink, Direction, Velocities
from avlink.engine.sampling import PictureSampler, SampleConfig, SoundSampler
from avlink.engine.system import System
from avlink.engine.text.encoder import TextEmbeddings
from avlink.training.data.clips import ClipLabels, ClipStore
from avlink.training.stages.fusion import FusionStage

sys.path.insert(0, str(Path(__file__).parent))
from tiny import TINY

PAIRS = VideoConfig(fps=12, frames=62, patch=(2, 18, 16))
SMOOTH: AVLinkConfig = TINY.model_copy(update={"picture": PAIRS})


@given(st.floats(0.01, 100), st.sampled_from([(6, 1), (12, 2), (24, 4), (24, 3)]))
def test_frames_are_the_fewest_whole_patches_that_cover_the_time(seconds: float, rate: tuple[int, int]) -> None:
    fps, patch = rate
    config = VideoConfig(fps=fps, frames=60, patch=(patch, 18, 16))
    frames = config.frames_of(seconds)
    assert frames % patch == 0
    assert frames / fps >= seconds - 1e-9 > (frames - patch) / fps - 1e-6


def test_a_second_holds_whole_patches() -> None:
    with pytest.raises(ValidationError, match="patches of 4 frames do not tile a second of 6"):
        VideoConfig(frames=32, patch=(4, 18, 16))


@torch.no_grad()
def test_time_is_told_alike_however_many_frames_a_patch_has() -> None:
    def tau(config: AVLinkConfig) -> dict[str, torch.Tensor]:
        system = System(config).eval()
        model: AVLink = system.linked("audio")
        assert system.video_text is not None
        nothing: TextEmbeddings = system.video_text.encode([""])
        t, picture = torch.tensor([0.5]), config.picture
        a = model.audio.embed(torch.zeros(1, config.window_tokens, 4), t, nothing)
        pixels = torch.zeros(1, picture.frames, 3, picture.height, picture.width)
        return model.tau(a, model.video.embed(pixels, t, nothing), torch.zeros(1, 124, 32))

    one, two = tau(TINY), tau(SMOOTH)
    assert one.keys() == two.keys() == {"audio", "video", "motion"}
    for name, times in one.items():
        torch.testing.assert_close(two[name], times)


@pytest.mark.parametrize("seconds", [Fraction(1, 10), Fraction(7, 10), Fraction(2), Fraction(31, 6), Fraction(127, 12)])
def test_sound_and_pictures_have_the_asked_length(seconds: Fraction) -> None:
    system, config = System(SMOOTH).eval(), SampleConfig(steps=1)
    pixels = np.random.default_rng(0).integers(0, 255, (max(1, int(seconds * 24)), 36, 64, 3), dtype=np.uint8)
    sampler = SoundSampler(system, config)
    assert sampler.picture.rate == 24
    frames = Frames(pixels=pixels, rate=Fraction(24))
    sound = sampler.generate([SoundRequest(frames=frames, duration_s=seconds, prompt=Prompt(), seed=0)])[0]
    assert sound.num_samples == round(seconds * 16000)
    heard = Waveform(samples=np.zeros((1, round(seconds * 16000)), np.float32), sample_rate=16000)
    shown = PictureSampler(system, config).generate(
        [PictureRequest(sound=heard, duration_s=seconds, prompt=Prompt(), seed=0)]
    )[0]
    assert shown.rate == 12 and shown.num_frames == max(1, round(seconds * 12))


def _stage(folder: Path, config: AVLinkConfig, *, edited: bool = False, **options: Any) -> FusionStage:
    frames = np.random.default_rng(0).integers(0, 255, (4, 124, 36, 64, 3), dtype=np.uint8)
    notes = [ClipLabels(caption="a", events=((0.5 + k, "wood", 1.0),), edited=edited) for k in range(4)]
    ClipStore.write_shard(folder, 0, frames, np.zeros((4, 82560), np.float32), notes)
    system = System(config).requires_grad_(False)
    latents = torch.randn(4, config.window_tokens, 4, generator=torch.Generator().manual_seed(1))
    stage = FusionStage(system, ClipStore(folder), latents, name="fusion_v2a", tasks=("v2a",), **options)
    for part in stage.trained.values():
        part.requires_grad_(True)
    return stage


@pytest.mark.parametrize("config", [TINY, SMOOTH])
def test_onsets_are_read_from_the_picture_where_the_sound_is_noise(tmp_path: Path, config: AVLinkConfig) -> None:
    torch.manual_seed(0)
    rates = FUSION_RATES.model_copy(update={"motion_drop": 1.0})
    stage = _stage(tmp_path, config, onset_weight=0.5, train_motion=False, rates=rates)
    told: list[torch.Tensor] = []
    forward = stage.model.forward

    def spy(direction: Direction, a_t: torch.Tensor, v_t: torch.Tensor | None, **given: Any) -> Velocities:
        if v_t is not None:
            told.append(given["t_a"])
        return forward(direction, a_t, v_t, **given)

    stage.model.forward = spy  # type: ignore[method-assign]
    losses = stage.loss([0, 1, 2, 3], torch.Generator().manual_seed(0))
    blind = int((told[0] == 0).sum())
    assert abs(blind - 0.5 * len(told[0])) < 1
    torch.testing.assert_close(losses["total"], losses["flow_a"] + 0.5 * losses["seen"])
    losses["seen"].backward()  # type: ignore[no-untyped-call]
    # The last block refines no picture, so that the readouts are served by those before it.
    moved = [block.video.qkv.weight.grad is not None for block in stage.model.fusion.blocks]
    assert moved == [True, False]


def test_onsets_of_edited_clips_are_not_read_from_their_pictures(tmp_path: Path) -> None:
    rates = FUSION_RATES.model_copy(update={"motion_drop": 1.0})
    stage = _stage(tmp_path, SMOOTH, edited=True, onset_weight=0.5, train_motion=False, rates=rates)
    losses = [stage.loss([0, 1, 2, 3], torch.Generator().manual_seed(seed))["seen"] for seed in range(4)]
    assert torch.stack(losses).detach().tolist() == [0, 0, 0, 0]


def test_without_the_stem_a_step_learns_what_the_model_says_with_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    rates = FUSION_RATES.model_copy(update={"motion_drop": 1.0, "no_condition": 0.0})
    stage = _stage(tmp_path, SMOOTH, distill=20.0, train_motion=False, rates=rates)
    # A fresh fusion changes nothing, with the stem or without.
    assert float(stage.loss([0, 1], torch.Generator().manual_seed(0))["stem"].detach()) == 0
    with torch.no_grad():
        for parameter in [*stage.model.audio.parameters(), *stage.model.fusion.parameters()]:
            if not parameter.any():
                parameter.normal_(std=0.1)
    losses = stage.loss([0, 1], torch.Generator().manual_seed(0))
    assert float(losses["stem"].detach()) > 0
    torch.testing.assert_close(losses["total"], losses["flow_a"] + 20.0 * losses["stem"])
    losses["stem"].backward()  # type: ignore[no-untyped-call]
    # What is said with the stem is a constant.
    assert all(block.motion.kv.weight.grad is None for block in stage.model.fusion.blocks)
    assert all(block.audio.qkv.weight.grad is not None for block in stage.model.fusion.blocks)


def test_with_the_stem_no_onsets_are_read(tmp_path: Path) -> None:
    stage = _stage(tmp_path, SMOOTH, onset_weight=0.5, train_motion=False)
    assert all("seen" not in stage.loss([0, 1, 2, 3], torch.Generator().manual_seed(seed)) for seed in range(4))


@pytest.mark.parametrize("change", [{"extracted": ExtractedConfig(name="clip", dim=48)}, {"injection": "direct"}])
def test_a_readout_needs_fusion_blocks_on_the_video_stream(tmp_path: Path, change: dict[str, Any]) -> None:
    config = SMOOTH.model_copy(update={"fusion": SMOOTH.fusion.model_copy(update=change)})
    with pytest.raises(InputError, match="onset_weight reads the video stream between Fusion Blocks, which this"):
        _stage(tmp_path, config, onset_weight=0.5)


def test_every_stretch_of_a_training_clip_is_whole_patches(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (2, 124, 36, 64, 3), dtype=np.uint8)
    ClipStore.write_shard(
        tmp_path, 0, frames, np.zeros((2, 82560), np.float32), [ClipLabels(caption="a", events=())] * 2
    )
    system = System(SMOOTH).requires_grad_(False)
    latents = torch.zeros(2, SMOOTH.window_tokens, 4)
    stage = FusionStage(system, ClipStore(tmp_path), latents, name="fusion_a2v", tasks=("a2v",), motion_weight=2.0)
    stage.shorter = 1.0
    lengths = set()
    for seed in range(12):
        generator = torch.Generator().manual_seed(seed)
        lengths.add(stage.batch_of([0, 1], torch.Generator().manual_seed(seed)).slow.shape[1])
        losses = stage.loss([0, 1], generator)
        torch.testing.assert_close(losses["total"], losses["flow_v"] + 2.0 * losses["motion_v"])
    assert len(lengths) > 4 and all(length % 2 == 0 and 8 <= length <= 62 for length in lengths)
