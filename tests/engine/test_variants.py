"""The variants of table 2: what each can change, and what it must leave alone."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from avlink.core.architecture import AVLinkConfig, ExtractedConfig
from avlink.core.errors import InputError
from avlink.core.values import Frames, PictureRequest, Prompt, SoundRequest, Waveform
from avlink.engine.avlink import AVLink
from avlink.engine.sampling import JointSampler, PictureSampler, PromptSampler, SampleConfig, SoundSampler, pictures
from avlink.engine.system import System
from avlink.engine.windows import plan_windows

sys.path.insert(0, str(Path(__file__).parent))
from tiny import TINY, awake

VARIANTS: dict[str, dict[str, Any]] = {
    "fusion": {},
    "cross_attention": {"injection": "cross_attention"},
    "direct": {"injection": "direct"},
    "text": {"injection": "text"},
    "adapter": {"injection": "adapter"},
    "no_reinjection": {"reinject": False},
    "after": {"after": 1},
    "shared": {"shared": True},
    "extracted": {"extracted": ExtractedConfig(name="clip", dim=20, fps=6)},
}


def _config(**fusion: Any) -> AVLinkConfig:
    model = TINY.model_copy(update={"motion": None, "fusion": TINY.fusion.model_copy(update=fusion)})
    return AVLinkConfig.model_validate(model.model_dump())


def _system(**fusion: Any) -> System:
    return awake(_config(**fusion))


def _given(system: System, seconds: int = 31) -> dict[str, Any]:
    torch.manual_seed(1)
    return {
        "latents": torch.randn(2, 129, 4),
        "pixels": torch.randn(2, seconds, 3, 36, 64),
        "t_a": torch.tensor([0.3, 0.6]),
        "t_v": torch.tensor([0.9, 0.5]),
        "text_a": system.text_encoder("audio").encode(["a", "metal"]),
        "text_v": system.text_encoder("video").encode(["", "b"]),
    }


def _run(model: AVLink, direction: str, given: dict[str, Any]) -> Any:
    rest = {name: value for name, value in given.items() if name not in ("latents", "pixels")}
    return model(direction, given["latents"], given["pixels"], **rest)


@pytest.mark.parametrize("name", VARIANTS)
@torch.no_grad()
def test_the_condition_changes_what_is_made_and_nothing_is_made_of_the_condition(name: str) -> None:
    system = _system(**VARIANTS[name])
    given = _given(system)
    given = {**given, "features": torch.randn(2, 31, 20)} if name == "extracted" else given
    made = _run(system.linked("audio"), "audio", given)
    assert made.video is None and made.audio.shape == (2, 129, 4)
    other = {key: value.flip(1) if key in ("pixels", "features") else value for key, value in given.items()}
    assert not torch.equal(_run(system.linked("audio"), "audio", other).audio, made.audio)
    if name != "extracted":
        seen = _run(system.linked("video"), "video", given)
        assert seen.audio is None and seen.video.shape == (2, 31, 3, 36, 64)
        deaf = _run(system.linked("video"), "video", {**given, "latents": given["latents"].flip(1)})
        assert not torch.equal(deaf.video, seen.video)


@pytest.mark.parametrize("name", [name for name in VARIANTS if name not in ("text", "extracted")])
@torch.no_grad()
def test_a_fresh_link_leaves_the_backbone_as_it_is(name: str) -> None:
    """All but words: a further word, whatever it says, is attended."""
    torch.manual_seed(0)
    system = System(_config(**VARIANTS[name])).eval()
    for key, parameter in system.named_parameters():
        if not key.startswith("fusion") and ("modulation" in key or "final" in key):
            parameter.normal_(0, 0.2)
    given = _given(system)
    text = given["text_a"]
    alone = system.audio(given["latents"], given["t_a"], text)
    assert torch.equal(_run(system.linked("audio"), "audio", given).audio, alone)


@torch.no_grad()
def test_without_reinjection_the_condition_is_what_its_backbone_alone_makes_of_it() -> None:
    """So its activations could be kept from step to step, as with a static extractor."""
    for reinject in (True, False):
        system = _system(reinject=reinject)
        seen: list[torch.Tensor] = []
        system.video.blocks[-1].register_forward_hook(lambda _m, _i, out, seen=seen: seen.append(out))
        given = _given(system)
        _run(system.linked("audio"), "audio", given)
        _run(system.linked("audio"), "audio", {**given, "latents": given["latents"].flip(1)})
        assert torch.equal(*seen) is not reinject


@torch.no_grad()
def test_direct_alignment_hears_only_the_nearest_picture() -> None:
    """At the first stop, a change of one picture changes the sound tokens of its moment and no others."""
    system = _system(injection="direct")
    assert system.fusion_v2a is not None
    block = system.fusion_v2a.blocks[0]
    x, seen = torch.randn(1, 129, 32), torch.randn(1, 31 * 8, 48)
    at, others_at = (torch.arange(129) + 0.5) * 6 / 25, (torch.arange(31) + 0.5).repeat_interleave(8)
    time = torch.randn(1, 32)
    before = block(x, seen, time, at, others_at)
    seen[:, 10 * 8] += 1
    changed = (block(x, seen, time, at, others_at) != before).any(-1)[0]
    assert torch.equal(changed, (at - 10.5).abs() < 0.5)


@torch.no_grad()
def test_the_semantic_adapter_tells_what_is_seen_and_not_when() -> None:
    """Its words are the same in whatever order the pictures come, and every moment of the sound reads all of them."""
    system = _system(injection="adapter")
    assert system.fusion_v2a is not None
    block = system.fusion_v2a.blocks[0]
    x, seen = torch.randn(1, 129, 32), torch.randn(1, 31 * 8, 48)
    before = block(x, seen)
    torch.testing.assert_close(block(x, seen[:, torch.randperm(31 * 8)]), before)
    seen[:, 10 * 8] += 5
    assert (block(x, seen) != before).any(-1).all()


@torch.no_grad()
def test_all_blocks_read_after_the_one_that_is_named() -> None:
    system = _system(after=1)
    ran: list[int] = []
    for number, block in enumerate(system.video.blocks):
        block.register_forward_hook(lambda _m, _i, _o, number=number: ran.append(number))
    _run(system.linked("audio"), "audio", _given(system))
    assert ran == [0]


@torch.no_grad()
def test_one_shared_fusion_makes_sound_pictures_and_both() -> None:
    system = _system(shared=True)
    assert set(system.components()) >= {"fusion"} and not {"fusion_v2a", "fusion_a2v"} & set(system.components())
    assert system.linked("audio").fusion is system.linked("video").fusion
    made = _run(system.linked("both"), "both", _given(system))
    assert made.audio.shape == (2, 129, 4) and made.video.shape == (2, 31, 3, 36, 64)
    with pytest.raises(InputError, match="one shared fusion"):
        _system().linked("both")


def test_variants_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValidationError, match="the backbones have 2 blocks"):
        _config(after=3)
    with pytest.raises(ValidationError, match=r"fusion\.shared is for Fusion Blocks"):
        _config(shared=True, injection="direct")


def test_sound_and_pictures_are_made_at_once_from_words() -> None:
    sampler = JointSampler(_system(shared=True), SampleConfig(steps=2, guidance=3.0))
    wood, metal = (sampler.generate(Prompt(text=words), seed) for seed, words in ((1, "wood"), (2, "metal")))
    sound, frames = sampler.generate(Prompt(text="metal"), 2)
    assert sound.samples.shape == (1, 129 * 640) and frames.pixels.shape == (31, 36, 64, 3)
    assert (metal[0].samples == sound.samples).all() and (metal[1].pixels == frames.pixels).all()
    assert (wood[0].samples != metal[0].samples).any()
    unlike = sampler.generate(Prompt(text="metal", negative="wood"), 2)
    assert (unlike[0].samples != sound.samples).any() and (unlike[1].pixels != frames.pixels).any()


def test_a_model_of_one_shared_fusion_makes_both_at_once_and_no_longer_than_a_window() -> None:
    system, few = _system(shared=True), SampleConfig(steps=2, guidance=3.0)
    sampler = PromptSampler(system, "both", sound=few, pictures=few)
    told: list[tuple[int, int]] = []
    made = sampler.generate(Prompt(text="wood"), 3, Fraction(2), on_step=lambda *done: told.append(done))
    assert sampler.joint is not None and told == [(1, 2), (2, 2)]
    assert made.sound is not None and made.pictures is not None
    assert made.sound.num_samples == 2 * 16000 and made.pictures.num_frames == 12
    with pytest.raises(InputError, match="at most"):
        sampler.generate(Prompt(), 3, sampler.window_s + 1)


def test_a_backbone_alone_is_what_the_base_model_says() -> None:
    """T2A and T2V follow the backbones' own velocities (equation 2): no Fusion Block takes part."""
    system, few = _system(), SampleConfig(steps=2, guidance=1.0)
    for makes in ("audio", "video"):
        sampler = PromptSampler(system, makes, sound=few, pictures=few)
        before = sampler.generate(Prompt(text="wood"), 3, Fraction(2))
        for part in (system.fusion_v2a, system.fusion_a2v):
            assert part is not None
            for weight in part.parameters():
                weight.data.add_(1.0)
        after = sampler.generate(Prompt(text="wood"), 3, Fraction(2))
        assert (before.sound is None) == (makes == "video") and (before.pictures is None) == (makes == "audio")
        for one, other in ((before.sound, after.sound), (before.pictures, after.pictures)):
            if one is not None and other is not None:
                assert (one.read(0, 9) == other.read(0, 9)).all()


@pytest.mark.parametrize(
    ("fusion", "kept"),
    [
        ({}, 1),
        ({"reinject": False}, 2),
        ({"after": 1}, 1),
        ({"injection": "cross_attention"}, 1),
        ({"injection": "direct"}, 2),
        ({"injection": "text"}, 2),
    ],
)
@pytest.mark.parametrize("direction", ["audio", "video"])
@torch.no_grad()
def test_a_trunk_takes_the_place_of_what_conditions(
    direction: Literal["audio", "video"], fusion: dict[str, Any], kept: int
) -> None:
    """The part that does not depend on the generated stream is computed once for all steps, and changes nothing."""
    system = _system(**fusion)
    model, given = system.linked(direction), _given(system)
    whole = _run(model, direction, given)
    side, x_t = ("v", given["pixels"]) if direction == "audio" else ("a", given["latents"])
    trunk = model.trunk(direction, x_t, given[f"t_{side}"], given[f"text_{side}"])
    assert len(trunk) == kept
    # Of the conditioning side nothing else is read.
    given["pixels" if direction == "audio" else "latents"] = None if direction == "audio" else torch.zeros(2, 129, 4)
    backbone = model.video if direction == "audio" else model.audio
    ran: list[int] = []
    for number, block in enumerate(backbone.blocks):
        block.register_forward_hook(lambda *_, number=number: ran.append(number))
    again = model(
        direction,
        given["latents"],
        given["pixels"],
        **{name: value for name, value in given.items() if name not in ("latents", "pixels")},
        trunk=trunk,
    )
    for one, other in ((whole.audio, again.audio), (whole.video, again.video)):
        if one is not None:
            torch.testing.assert_close(other, one)
    spans = model.spans_v if direction == "audio" else model.spans_a
    assert ran == (list(range(spans[0][1], spans[-1][1])) if kept == 1 else [])


@pytest.mark.parametrize("steps", [2, 5])
def test_sound_passes_the_first_blocks_once_for_all_steps(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    system = _system()
    ran: list[int] = []
    for number, block in enumerate(system.audio.blocks):
        block.register_forward_hook(lambda *_, number=number: ran.append(number))
    sampler = PictureSampler(system, SampleConfig(steps=steps, guidance=2.0))
    sound = Waveform(
        samples=np.random.default_rng(0).normal(0, 0.1, (1, 9 * 16000)).astype(np.float32), sample_rate=16000
    )
    asked = PictureRequest(sound=sound, duration_s=Fraction(9), prompt=Prompt(text="wood"), seed=1)
    windows = len(plan_windows(9.0, system.config.picture.frames / system.config.picture.fps))
    (kept,) = sampler.generate([asked])
    # Of the sound and of the noise in its place.
    assert windows > 1 and ran.count(0) == 2 * windows and ran.count(1) >= 2 * steps
    monkeypatch.setattr(pictures, "KEPT_WINDOWS", 0)
    (anew,) = sampler.generate([asked])
    # Batches of other sizes may round otherwise.
    difference = kept.read(0, 54).astype(int) - anew.read(0, 54)
    assert np.abs(difference).max() <= 1


def test_in_bfloat16_sound_and_pictures_are_nearly_those_of_single_precision() -> None:
    system = _system()
    sound = Waveform(samples=np.random.default_rng(0).normal(0, 0.1, (1, 32000)).astype(np.float32), sample_rate=16000)
    asked = PictureRequest(sound=sound, duration_s=Fraction(2), prompt=Prompt(text="wood"), seed=1)
    shown = Frames(pixels=np.random.default_rng(1).integers(0, 255, (12, 36, 64, 3), np.uint8), rate=Fraction(6))
    heard = SoundRequest(frames=shown, duration_s=Fraction(2), prompt=Prompt(text="wood"), seed=1)
    made = {}
    for bf16 in (False, True):
        config = SampleConfig(steps=3, guidance=2.0, bf16=bf16)
        (pictures,) = PictureSampler(system, config).generate([asked])
        (samples,) = SoundSampler(system, config).generate([heard])
        made[bf16] = pictures.read(0, 12).astype(float), samples.read(0, 32000)
    for full, half in zip(made[False], made[True], strict=True):
        assert 0 < np.abs(half - full).mean() < 0.1 * np.abs(full - full.mean()).mean()
