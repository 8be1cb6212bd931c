"""A sampler runs what it needs: one pass without guidance, each prompt once, at the flow times of the training."""

from __future__ import annotations

import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlink.core.architecture import TextConfig
from avlink.core.sound import read_whole
from avlink.core.values import Frames, PictureRequest, Prompt, SoundRequest, Waveform
from avlink.engine.avlink import AVLink
from avlink.engine.bundle import read_bundle, write_bundle
from avlink.engine.nn.rope import rotary_1d, rotate
from avlink.engine.sampling import JointSampler, PictureSampler, SampleConfig, SoundSampler
from avlink.engine.system import System
from avlink.engine.text.encoder import TextEmbeddings

sys.path.insert(0, str(Path(__file__).parent))
from tiny import TINY


class Counting:
    """Counts the forward passes of the linked backbones."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passes, forward = 0, AVLink.forward

        def counted(model: AVLink, *inputs, **named):
            self.passes += 1
            return forward(model, *inputs, **named)

        monkeypatch.setattr(AVLink, "forward", counted)

    def since(self) -> int:
        passes, self.passes = self.passes, 0
        return passes


def _random(config=TINY) -> System:
    torch.manual_seed(0)
    system = System(config).eval()
    for parameter in system.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return system


def _sound_request() -> SoundRequest:
    pixels = np.random.default_rng(0).integers(0, 255, (24, 36, 64, 3), np.uint8)
    frames = Frames(pixels=pixels, rate=Fraction(24))
    return SoundRequest(frames=frames, duration_s=Fraction(1), prompt=Prompt(text="wood"), seed=1)


def test_a_guidance_of_one_takes_one_pass_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    system, counting = _random(), Counting(monkeypatch)
    sound = Waveform(samples=np.zeros((1, 16000), np.float32), sample_rate=16000)
    picture = PictureRequest(sound=sound, duration_s=Fraction(1), prompt=Prompt(), seed=1)
    made = {}
    for guidance in (1.0, 1.0 + 1e-7, 2.0):
        config = SampleConfig(steps=3, guidance=guidance, guidance_rescale=0.5)
        made[guidance] = read_whole(SoundSampler(system, config).generate([_sound_request()])[0]).samples
        assert counting.since() == (3 if guidance == 1 else 6)
        PictureSampler(system, config).generate([picture])
        assert counting.since() == (3 if guidance == 1 else 6)
    np.testing.assert_allclose(made[1.0], made[1.0 + 1e-7], atol=1e-4)
    assert not np.allclose(made[1.0], made[2.0], atol=1e-4)
    shared = TINY.model_copy(update={"fusion": TINY.fusion.model_copy(update={"shared": True}), "motion": None})
    for guidance in (1.0, 3.0):
        JointSampler(_random(shared), SampleConfig(steps=2, guidance=guidance)).generate(Prompt(text="wood"), 0)
        assert counting.since() == (2 if guidance == 1 else 4)


def test_words_alone_are_guided_where_there_is_no_other_guidance(monkeypatch: pytest.MonkeyPatch) -> None:
    system, counting = _random(), Counting(monkeypatch)
    # Random weights hardly tell words apart.
    for name, parameter in system.named_parameters():
        if "text" in name:
            torch.nn.init.normal_(parameter)

    def made(text: str, negative: str = "", weight: float = 2.0, guidance: float = 1.0) -> NDArray[np.float32]:
        config = SampleConfig(steps=3, guidance=guidance, text_guidance=weight)
        request = replace(_sound_request(), prompt=Prompt(text=text, negative=negative))
        return read_whole(SoundSampler(system, config).generate([request])[0]).samples

    plain, guided, away = made("wood", weight=1), made("wood"), made("wood", "metal")
    # Of words the backbone tells, without the other one and without fusion.
    assert counting.since() == 9
    assert (made("") == made("", weight=1)).all()
    for other in (plain, guided, made("wood", "glass")):
        assert np.abs(away - other).max() > 1e-5
    # Against itself nothing is left of a prompt but what it was without.
    np.testing.assert_allclose(made("wood", "wood"), plain, atol=1e-6)
    # Other guidance has the words in it.
    assert (made("wood", weight=2, guidance=3) == made("wood", weight=1, guidance=3)).all()


def test_guidance_outside_its_interval_takes_one_pass_and_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    system, counting = _random(), Counting(monkeypatch)

    def made(**settings: Any) -> NDArray[np.float32]:
        config = SampleConfig(steps=4, shift=1.0, guidance_rescale=0.5, **settings)
        return read_whole(SoundSampler(system, config).generate([_sound_request()])[0]).samples

    half = made(guidance=3.0, guidance_interval=(0.0, 0.5))
    # Of the steps at 0, 0.25, 0.5 and 0.75 two are guided.
    assert counting.since() == 2 * 2 + 2
    assert (made(guidance=3.0, guidance_interval=(0.0, 1.0)) == made(guidance=3.0)).all()
    assert (made(guidance=3.0, guidance_interval=(1.0, 1.0)) == made(guidance=1.0)).all()
    assert not np.allclose(half, made(guidance=3.0), atol=1e-4) and not np.allclose(half, made(guidance=1.0), atol=1e-4)


class CountingText:
    """An external encoder that counts what it encodes."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def encode(self, prompts: list[str]) -> TextEmbeddings:
        self.read += prompts
        return TextEmbeddings(
            tokens=torch.zeros(len(prompts), 3, 32), mask=torch.ones(len(prompts), 3, dtype=torch.bool)
        )


def test_one_encoder_for_both_backbones_reads_a_prompt_once() -> None:
    system = _random(TINY.model_copy(update={"text": TextConfig(kind="t5", dim=32)}))
    system.external_text = CountingText()
    SoundSampler(system, SampleConfig(steps=2)).generate([_sound_request()])
    assert sorted(system.external_text.read) == ["", "wood"]


def test_a_bundle_is_sampled_at_the_flow_times_that_it_was_trained_with(tmp_path: Path) -> None:
    from avlink_fusion.plugin import PictureOptions, SoundOptions, load_picture, load_sound

    from avlink.evaluation.model import BundleModel

    told = {"conditioning": {"times": "fixed", "t_video": 0.7, "t_audio": 0.6}}
    parts = System(TINY).components()
    for name, training in (("own", told), ("none", {}), ("odd", {"conditioning": {"t_video": "late"}})):
        write_bundle(tmp_path / name, TINY, parts, name=name, licence="x", description="x", training=training)
        times = read_bundle(tmp_path / name).conditioning
        assert (times.t_video, times.t_audio) == ((0.7, 0.6) if name == "own" else (0.96, 0.8))
    own = str(tmp_path / "own")
    assert load_sound(SoundOptions(model=own, spot=False), "cpu").config.t_condition == 0.7
    assert load_sound(SoundOptions(model=own, spot=False, t_video=0.9), "cpu").config.t_condition == 0.9
    assert load_picture(PictureOptions(model=own), "cpu").config.t_condition == 0.6
    assert BundleModel(own, device="cpu")._config.t_condition == 0.7


def test_a_reflowed_bundle_makes_sound_in_its_own_steps_without_guidance(tmp_path: Path) -> None:
    from avlink_fusion.plugin import SoundOptions, fingerprint, load_sound

    from avlink.evaluation.model import BundleModel

    reflow = {"teacher": {"steps": 6, "segments": 3, "guidance": 4.5, "shift": 2.0, "text_guidance": 3.0}}
    trainings: dict[str, dict[str, Any]] = {
        "reflowed": {"stages": {"fusion_v2a": {}, "reflow_v2a": reflow}},
        # Another training has followed, which does not keep paths straight.
        "before": {"stages": {"fusion_v2a": {}}, "before": {"stages": {"reflow_v2a": reflow}}},
        # One that trains no Fusion Blocks for sound leaves them as they are.
        "spotted": {"stages": {"spotter": {}, "fusion_a2v": {}}, "before": [{}, {"stages": {"reflow_v2a": reflow}}]},
        "odd": {"stages": {"reflow_v2a": {"teacher": {"steps": "many"}}}},
        "odder": {"stages": ["reflow_v2a"], "before": "nothing"},
    }
    parts, settings = System(TINY).components(), {}
    for name, training in trainings.items():
        write_bundle(tmp_path / name, TINY, parts, name=name, licence="x", description="x", training=training)
        made = load_sound(SoundOptions(model=str(tmp_path / name), spot=False), "cpu").config
        assert BundleModel(str(tmp_path / name), device="cpu")._config == made
        settings[name] = (made.steps, made.guidance, made.text_guidance, made.shift)
    usual, own = (4, 4.0, 1.0, 4.0), (3, 1.0, 3.0, 2.0)
    assert settings == {"reflowed": own, "spotted": own, "before": usual, "odd": usual, "odder": usual}
    given = SoundOptions(
        model=str(tmp_path / "reflowed"), spot=False, steps=5, guidance=2.5, text_guidance=1.5, shift=1.5
    )
    made = load_sound(given, "cpu").config
    assert (made.steps, made.guidance, made.text_guidance, made.shift) == (5, 2.5, 1.5, 1.5)
    # A result is kept under the settings that it was made with.
    keys = [
        fingerprint(SoundOptions(model=str(tmp_path / "reflowed"), **told))
        for told in ({}, {"steps": 3, "guidance": 1.0}, {"steps": 4}, {"guidance": 4.0}, {"text_guidance": 2.0})
    ]
    assert keys[0] == keys[1] and len(set(keys)) == 4


def test_rotations_in_half_precision_are_those_of_fp32_rounded_once() -> None:
    rope = rotary_1d(torch.arange(1000, 1032).float(), 64, 10000.0)
    x: Tensor = torch.randn(2, 2, 32, 64).bfloat16()
    assert torch.equal(rotate(x, rope), rotate(x.float(), rope).bfloat16())
    assert rotate(x, rope).dtype == torch.bfloat16
