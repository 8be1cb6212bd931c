"""An aligner tells what fits, and leads a sampler there: by the predicted data or by the noisy latents."""

from __future__ import annotations

import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from avlink.core.errors import InputError
from avlink.core.motion_config import AlignerConfig
from avlink.core.sound import read_whole
from avlink.core.values import Frames, Prompt, SoundRequest
from avlink.engine.flow.path import sample_path, velocity_to_data
from avlink.engine.nn.aligner import Aligner, alignment
from avlink.engine.sampling import SampleConfig, SoundSampler
from avlink.engine.sampling.alignment import AlignmentGuide
from avlink.engine.system import System
from avlink.training.data.clips import ClipStore
from avlink.training.data.index import ClipLabels
from avlink.training.stages.aligner import AlignerStage, told_apart

sys.path.insert(0, str(Path(__file__).parent))
from tiny import TINY

ALIGNED = TINY.model_copy(update={"aligner": AlignerConfig(dim=32, layers=1, widths=(8, 16), space=16)})
CLIP_S, CLIPS = 2, 12


def _random(config=ALIGNED) -> System:
    system = System(config).eval()
    # After it is built, so that the same weights are drawn with an aligner and without.
    torch.manual_seed(0)
    for name, part in system.components().items():
        # An aligner's own initial values make vectors that differ; others start at zero in places.
        for parameter in part.parameters() if name != "aligner" else ():
            torch.nn.init.normal_(parameter, std=0.1)
    return system


def _flashes(root: Path) -> tuple[ClipStore, Tensor]:
    """Clips of one flash each, at another time in each, and latents that are loud while it lasts."""
    shown = np.full((CLIPS, 24 * CLIP_S, 36, 64, 3), 40, np.uint8)
    latents = torch.zeros(CLIPS, 25 * CLIP_S, TINY.vae.latent_channels)
    for clip in range(CLIPS):
        start_s = 0.1 + 1.5 * clip / CLIPS
        shown[clip, round(24 * start_s) : round(24 * (start_s + 0.35))] = 230
        latents[clip, round(25 * start_s) : round(25 * (start_s + 0.35)), 0] = 3
    ClipStore.write_shard(root, 0, shown, None, [ClipLabels(caption="", events=())] * CLIPS)
    return ClipStore(root), latents


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[AlignerStage, list[float]]:
    """The stage of an aligner that has learned when things flash, and the losses of its steps."""
    torch.manual_seed(0)
    system = System(ALIGNED).requires_grad_(False)
    stage = AlignerStage(system, *_flashes(tmp_path_factory.mktemp("flashes") / "clips"))
    optimizer = torch.optim.AdamW(stage.trained["aligner"].requires_grad_(True).parameters(), lr=5e-3)
    losses = []
    for step in range(80):
        loss = stage.loss(list(range(CLIPS)), torch.Generator().manual_seed(step))["total"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert {name.partition(".")[0] for name, p in system.named_parameters() if p.grad is not None} == {"aligner"}
    return stage, losses


@pytest.mark.parametrize(("tokens", "moments"), [(1, 1), (25, 12), (50, 24), (129, 61), (131, 62)])
@torch.no_grad()
def test_both_sides_are_unit_vectors_at_common_moments_for_windows_of_any_length(tokens: int, moments: int) -> None:
    aligner = Aligner(ALIGNED)
    frames = ALIGNED.picture.frames_of(tokens / ALIGNED.tokens_per_second)
    heard = aligner.hear(torch.randn(2, tokens, 4), torch.tensor([0.3, 1.0]))
    seen = aligner.see(torch.randn(2, frames, 3, 36, 64))
    assert heard.shape[1] == moments and moments <= seen.shape[1] < moments + 2 * ALIGNED.aligner.moments
    for vectors in (heard, seen):
        torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(vectors.shape[:2]))
    assert (alignment(heard, seen).abs() <= 1).all()
    torch.testing.assert_close(alignment(seen, seen), torch.ones(2))


@torch.no_grad()
def test_a_clip_is_told_alike_beside_others_and_its_flow_time_counts() -> None:
    aligner, latents = Aligner(ALIGNED), torch.randn(3, 40, 4)
    times = torch.tensor([0.2, 0.5, 1.0])
    together = aligner.hear(latents, times)
    torch.testing.assert_close(together[1:2], aligner.hear(latents[1:2], times[1:2]))
    assert not torch.allclose(together[1:2], aligner.hear(latents[1:2], times[:1]))


def test_the_default_aligner_is_small() -> None:
    config = ALIGNED.model_copy(update={"aligner": AlignerConfig()})
    assert sum(p.numel() for p in Aligner(config).parameters()) < 500_000


def test_training_lowers_the_loss_and_true_sound_is_told_from_other_and_from_shifted_sound(trained) -> None:
    stage, losses = trained
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:3])
    told = told_apart(stage)
    assert told.keys() == {"other", "shifted", "other_noisy", "shifted_noisy"}
    assert told["other"] > 0.75 and told["shifted"] > 0.75 and min(told.values()) > 0.6
    assert told_apart(stage) == told


def test_clips_that_are_too_short_to_be_shifted_are_refused(tmp_path: Path) -> None:
    ClipStore.write_shard(
        tmp_path, 0, np.zeros((1, 24, 36, 64, 3), np.uint8), None, [ClipLabels(caption="", events=())]
    )
    stage = AlignerStage(System(ALIGNED), ClipStore(tmp_path), torch.zeros(1, 25, 4))
    with pytest.raises(InputError, match=r"stage 'aligner' shifts sound by 0\.3 s: it needs clips of 1\.7 s or more"):
        stage.loss([0], torch.Generator())


@pytest.mark.parametrize("at", ["predicted", "noisy"])
@pytest.mark.parametrize("t", [0.3, 0.8])
def test_a_guided_velocity_leads_to_sound_that_fits_better(trained, at: Any, t: float) -> None:
    stage, _ = trained
    guide = AlignmentGuide(stage.aligner, SampleConfig(alignment=0.2, alignment_at=at))
    pixels = torch.rand(3, 12, 3, 36, 64) * 2 - 1
    seen, times = torch.stack([guide.see(each) for each in pixels]), torch.full((3,), t)
    path = sample_path(torch.randn(3, 50, 4), torch.randn(3, 50, 4), times)

    def fit(velocity: Tensor) -> Tensor:
        # A short step, since a gradient holds nearby.
        read = path.x_t + 0.05 * velocity if at == "noisy" else velocity_to_data(velocity, path.x_t, times)
        return alignment(stage.aligner.hear(read, times if at == "noisy" else torch.ones(3)), seen)

    guided = guide.guided(path.velocity, path.x_t, times, seen)
    assert (fit(guided) > fit(path.velocity)).all() and not guided.requires_grad
    # The weight is the share of the velocity's own length, and windows of a batch do not change each other.
    moved, own = (x.square().mean(dim=(1, 2)).sqrt() for x in (guided - path.velocity, path.velocity))
    torch.testing.assert_close(moved, 0.2 * own)
    torch.testing.assert_close(guide.guided(path.velocity[1:2], path.x_t[1:2], times[1:2], seen[1:2]), guided[1:2])


def test_latents_that_are_noise_alone_guide_nowhere(trained) -> None:
    stage, _ = trained
    x, zero = torch.randn(1, 50, 4), torch.zeros(1)
    seen = stage.aligner.see(torch.rand(1, 12, 3, 36, 64)).detach()
    for at, same in (("noisy", True), ("predicted", False)):
        guide = AlignmentGuide(stage.aligner, SampleConfig(alignment=1.0, alignment_at=at))
        assert torch.equal(guide.guided(x, x, zero, seen), x) is same


def _request(seconds: float = 1) -> SoundRequest:
    pixels = np.random.default_rng(0).integers(0, 255, (int(24 * seconds), 36, 64, 3), np.uint8)
    frames = Frames(pixels=pixels, rate=Fraction(24))
    return SoundRequest(frames=frames, duration_s=Fraction(seconds), prompt=Prompt(text="wood"), seed=1)


def _made(system: System, request: SoundRequest | None = None, **settings: Any) -> np.ndarray:
    config = SampleConfig(steps=3, shift=1.0, **settings)
    return read_whole(SoundSampler(system, config).generate([request or _request()])[0]).samples


@pytest.mark.parametrize("use_fusion", [True, False])
def test_a_weight_of_zero_changes_no_bit_and_asks_for_no_aligner(use_fusion: bool) -> None:
    without, with_aligner = _random(TINY), _random()
    plain = _made(without, use_fusion=use_fusion)
    np.testing.assert_array_equal(_made(with_aligner, use_fusion=use_fusion), plain)
    np.testing.assert_array_equal(_made(with_aligner, use_fusion=use_fusion, alignment_at="noisy"), plain)
    assert not np.array_equal(_made(with_aligner, use_fusion=use_fusion, alignment=1.0), plain)
    # Without the picture there is nothing to be aligned with.
    blind = {"use_fusion": use_fusion, "use_picture": False}
    np.testing.assert_array_equal(_made(with_aligner, alignment=1.0, **blind), _made(without, **blind))


def test_a_model_without_an_aligner_refuses_a_weight() -> None:
    with pytest.raises(InputError, match=r"alignment = 2 guides by an aligner, which this model has not: train one"):
        SoundSampler(System(TINY), SampleConfig(alignment=2.0))


@pytest.mark.parametrize("at", ["predicted", "noisy"])
@pytest.mark.parametrize("use_fusion", [True, False])
@pytest.mark.parametrize("seconds", [2, 7])
def test_a_guided_sampler_ends_with_sound_that_fits_better(
    trained, monkeypatch: pytest.MonkeyPatch, at: Any, use_fusion: bool, seconds: int
) -> None:
    """Of one window or of several, with the same noise; by a fusion, or by the audio backbone alone."""
    stage, _ = trained
    system = _random()
    system.aligner = stage.aligner
    ends: list[Tensor] = []
    decode = type(system.codec).decode_blocks

    def kept(codec, latents: Tensor):
        ends.append(latents)
        return decode(codec, latents)

    monkeypatch.setattr(type(system.codec), "decode_blocks", kept)
    shown = np.full((24 * seconds, 36, 64, 3), 40, np.uint8)
    shown[24:34] = 230
    request = replace(_request(seconds), frames=Frames(pixels=shown, rate=Fraction(24)))
    settings = {"guidance": 1.0, "use_fusion": use_fusion}
    _made(system, request, **settings)
    _made(system, request, alignment=1.0, alignment_at=at, **settings)
    guide = AlignmentGuide(stage.aligner, SampleConfig(alignment=1.0))
    pixels = torch.from_numpy(shown[::4]).float().permute(0, 3, 1, 2) / 127.5 - 1
    plain, guided = (alignment(guide.aligner.hear(a_1, torch.ones(1)), guide.see(pixels)[None]) for a_1 in ends)
    assert guided > plain


def test_one_picture_is_seen_once_for_all_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    system, seen = _random(), []
    see = Aligner.see

    def counted(aligner: Aligner, pixels: Tensor) -> Tensor:
        seen.append(len(pixels))
        return see(aligner, pixels)

    monkeypatch.setattr(Aligner, "see", counted)
    _made(system, _request(7), alignment=1.0)
    # Two windows.
    assert seen == [1, 1]


def test_a_bundle_without_a_fusion_is_guided_by_the_command_line_too(tmp_path: Path) -> None:
    from avlink_fusion.plugin import SoundOptions, load_sound

    from avlink.engine.bundle import write_bundle
    from avlink.evaluation.model import BundleModel

    parts = _random().components()
    for fusion in ("fusion_v2a", "fusion_a2v"):
        del parts[fusion]
    write_bundle(tmp_path / "alone", ALIGNED, parts, name="alone", licence="x", description="x", training={})
    alone = str(tmp_path / "alone")
    options = SoundOptions(model=alone, spot=False, alignment=1.5, alignment_at="noisy")
    sampler = load_sound(options, "cpu")
    assert (sampler.config.alignment, sampler.config.alignment_at) == (1.5, "noisy") and sampler.model is None
    assert read_whole(sampler.generate([_request()])[0]).samples.shape[1] == 16000
    assert not BundleModel(alone, device="cpu", sound=SampleConfig(alignment=1.5))._config.use_fusion
