"""Features of a sound extractor in place of the audio backbone's activations (A2V), in every injection."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from avlink.core.architecture import AVLinkConfig, ExtractedConfig, FusionConfig
from avlink.core.errors import InputError, RecipeError
from avlink.core.features import Features
from avlink.core.values import PictureRequest, Prompt, Waveform
from avlink.engine.extracted import resampled_rows, sound_features
from avlink.engine.nn.local_words import LocalWords, local_means
from avlink.engine.sampling import PictureSampler, SampleConfig
from avlink.engine.system import System
from avlink.engine.variants import TextLink
from avlink.evaluation.extractors import LogMelExtractor, fusion_extractor

sys.path.insert(0, str(Path(__file__).parent))
from tiny import TINY, awake

HEARD = ExtractedConfig(name="log-mel", dim=64, fps=6, medium="sound")
INJECTIONS: dict[str, dict[str, Any]] = {
    "fusion": {},
    "one_way": {"reinject": False},
    "after": {"after": 1},
    "cross_attention": {"injection": "cross_attention"},
    "direct": {"injection": "direct"},
    "text": {"injection": "text"},
    "tempotokens": {"injection": "text", "local_windows": (1, 2, 4, 8)},
}


def _config(**fusion: Any) -> AVLinkConfig:
    update = {"extracted": HEARD, **fusion}
    model = TINY.model_copy(update={"motion": None, "fusion": TINY.fusion.model_copy(update=update)})
    return AVLinkConfig.model_validate(model.model_dump())


def _system(**fusion: Any) -> System:
    return awake(_config(**fusion))


def _given(system: System, frames: int = 31) -> dict[str, Any]:
    torch.manual_seed(1)
    return {
        "t_a": torch.tensor([0.8]),
        "t_v": torch.tensor([0.5]),
        "text_a": system.text_encoder("audio").encode(["a"]),
        "text_v": system.text_encoder("video").encode(["b"]),
        "v_t": torch.randn(1, frames, 3, 36, 64),
    }


def _ran(system: System) -> list[str]:
    """The list to which all modules of the audio backbone and the VAE add their names when they run."""
    names: list[str] = []
    for part in ("audio", "vae"):
        for name, module in getattr(system, part).named_modules():
            module.register_forward_hook(lambda *_, name=f"{part}.{name}": names.append(name))
    return names


@pytest.mark.parametrize("name", INJECTIONS)
@torch.no_grad()
def test_pictures_follow_the_features_and_the_audio_backbone_is_left_out(name: str) -> None:
    system = _system(**INJECTIONS[name])
    ran, model = _ran(system), system.linked("video")
    for frames in (31, 7):
        given, features = _given(system, frames), torch.randn(1, frames, 64)
        made = model("video", None, features=features, **given)
        assert made.audio is None and made.video.shape == (1, frames, 3, 36, 64)
        assert not torch.equal(model("video", None, features=features.flip(1), **given).video, made.video)
        # Sound that comes besides is not read.
        again = model("video", torch.randn(1, 129, 4), features=features, **given)
        assert torch.equal(again.video, made.video)
    assert not ran
    with pytest.raises(ValueError, match="no sound to read"):
        model("video", torch.randn(1, 129, 4), **_given(system))


@pytest.mark.parametrize("name", ["fusion", "direct", "cross_attention"])
@torch.no_grad()
def test_a_change_of_the_sound_is_seen_at_its_moment(name: str) -> None:
    torch.manual_seed(0)
    # Fresh heads attend to the same moment; what they attend to has to reach the picture.
    system = System(_config(**INJECTIONS[name])).eval()
    for key, parameter in system.named_parameters():
        if "modulation" in key or "final" in key or key.endswith(("back.weight", "mlp.2.weight", "project.weight")):
            parameter.normal_(0, 0.2)
    model, given, features = system.linked("video"), _given(system), torch.randn(1, 31, 64)
    before = model("video", None, features=features, **given).video
    for moment in (6, 15, 24):
        changed = features.clone()
        changed[:, moment] += 3
        moved = (model("video", None, features=changed, **given).video - before).abs().mean((0, 2, 3, 4))
        assert abs(int(moved.argmax()) - moment) <= 1
        assert moved[moment] > 2 * moved.median()


@torch.no_grad()
def test_sound_is_made_as_by_a_model_without_the_extractor() -> None:
    heard, plain = _system(), _system(extracted=None)
    plain.load_state_dict({k: v for k, v in heard.state_dict().items() if "fusion_a2v" not in k}, strict=False)
    made = []
    for system in (heard, plain):
        given = _given(system)
        made.append(system.linked("audio")("audio", torch.ones(1, 129, 4), **given).audio)
    assert torch.equal(*made)


@pytest.mark.parametrize("duration_s", [Fraction(1, 3), Fraction(3), Fraction(49, 4)])
def test_features_are_extracted_once_for_each_window_of_a_clip(duration_s: Fraction) -> None:
    calls = []

    class Counted(LogMelExtractor):
        def extract(self, content: Any) -> Any:
            calls.append(content.num_samples)
            return super().extract(content)

    system = _system(**INJECTIONS["tempotokens"])
    ran, rng = _ran(system), np.random.default_rng(0)
    sampler = PictureSampler(system, SampleConfig(steps=3, guidance=2.0), Counted())
    sounds = [rng.normal(0, 0.1, (1, int(duration_s * 16000))).astype(np.float32) for _ in range(2)]
    made = []
    for samples in sounds:
        wave = Waveform(samples=samples, sample_rate=16000)
        (frames,) = sampler.generate([PictureRequest(sound=wave, duration_s=duration_s, prompt=Prompt(), seed=0)])
        assert frames.num_frames == max(1, round(duration_s * 6))
        made.append(frames.read(0, frames.num_frames))
    assert (made[0] != made[1]).any()
    # A window begins every four seconds, and none for a rest that the one before covers.
    assert len(calls) == 2 * (3 if duration_s > 9 else 1) and not ran


def test_a_sampler_needs_the_extractor_for_its_fusion_alone() -> None:
    system = _system()
    with pytest.raises(InputError, match="reads the features of the extractor 'log-mel'"):
        PictureSampler(system, SampleConfig(steps=1))
    PictureSampler(system, SampleConfig(steps=1, use_fusion=False))


# Rows in time.


def test_rows_at_another_rate_are_means_over_each_tick() -> None:
    rows = np.random.default_rng(0).normal(size=(12, 3))
    np.testing.assert_array_equal(resampled_rows(rows, Fraction(6), Fraction(6), 12), rows)
    np.testing.assert_allclose(resampled_rows(rows, Fraction(12), Fraction(6), 6), (rows[::2] + rows[1::2]) / 2)
    np.testing.assert_array_equal(resampled_rows(rows, Fraction(3), Fraction(6), 24), rows.repeat(2, axis=0))
    for rate in (Fraction(10), Fraction(100, 96), Fraction(50)):
        # Of equal rows the mean is the same row, and ticks that cover all of them have their mean.
        constant = resampled_rows(np.ones((9, 1)), rate, Fraction(6), 7)
        np.testing.assert_allclose(constant, 1.0, rtol=1e-12)
        whole = resampled_rows(rows, rate, rate * 5 / 12, 5)
        np.testing.assert_allclose(whole.mean(axis=0), rows.mean(axis=0))
    # Beyond its end the last row is held.
    np.testing.assert_array_equal(resampled_rows(rows[:2], Fraction(6), Fraction(6), 4)[1:], rows[[1, 1, 1]])


def test_a_sound_has_a_row_for_each_tick_and_a_click_changes_those_around_it() -> None:
    for rate in (16000, 48000):
        silence = np.zeros(round(5.16 * rate), np.float32)
        click = silence.copy()
        click[2 * rate : 2 * rate + rate // 100] = 0.5
        before, after = (sound_features(LogMelExtractor(), sound, rate, HEARD) for sound in (silence, click))
        assert before.shape == (31, 64) and before.dtype == torch.float32
        changed = (before != after).any(1).nonzero().flatten().tolist()
        assert changed and set(changed) <= {11, 12, 13}


class _Hearer:
    """Features of zeros at a rate."""

    frame_rate = side = None

    def __init__(self, name: str, width: int, rate: Fraction | None) -> None:
        self.sample_rate, self._name, self._width, self._rate = 8000, name, width, rate

    def extract(self, content: Any) -> dict[str, Features]:
        assert content.sample_rate == 8000
        return {self._name: Features(rows=np.zeros((5, self._width)), rate=self._rate)}


def test_features_that_do_not_follow_the_sound_are_refused() -> None:
    sound = np.zeros(16000, np.float32)
    for name in ("frames", "embedding"):
        assert sound_features(_Hearer(name, 64, Fraction(5)), sound, 16000, HEARD).shape == (6, 64)
    for wrong, said in (
        (_Hearer("embedding", 64, None), "gives no rows in time, where the model reads rows of 64 values"),
        (_Hearer("logits", 64, Fraction(5)), "gives no rows in time"),
        (_Hearer("frames", 3, Fraction(5)), "gives rows of width 3, where"),
    ):
        with pytest.raises(InputError, match=said):
            sound_features(wrong, sound, 16000, HEARD)


def test_an_extractor_describes_what_it_takes() -> None:
    for name, medium, other in (("log-mel", "pictures", "sound"), ("rgb-cells", "sound", "pictures")):
        wrong = _config(extracted=ExtractedConfig(name=name, dim=64, medium=medium))
        with pytest.raises(RecipeError, match=f"'{name}' takes {other}, and is to describe {medium}; set medium"):
            fusion_extractor(wrong, {})
    ready = fusion_extractor(_config(), {})
    assert ready is not None and ready.name == "log-mel"
    assert fusion_extractor(_config(), {}, medium="pictures") is None
    plugged = fusion_extractor(_config(extracted=ExtractedConfig(name="vggish", dim=128, medium="sound")), {})
    assert plugged is not None and "needs its checkpoint" in str(plugged.lack)


# Local windows (TempoTokens).


def test_local_means_are_those_of_the_moments_that_exist() -> None:
    x = torch.randn(2, 13, 5)
    for half_width in (1, 2, 8, 20):
        wanted = [x[:, max(0, at - half_width) : at + half_width + 1].mean(1) for at in range(13)]
        torch.testing.assert_close(local_means(x, half_width), torch.stack(wanted, 1))


@torch.no_grad()
def test_a_moment_changes_the_words_of_its_windows_and_the_word_of_the_whole() -> None:
    local = LocalWords((1, 4), 6)
    words = torch.randn(1, 31, 6)
    changed = words.clone()
    changed[:, 15] += 1
    (wide, whole), (other, moved) = local(words), local(changed)
    assert wide.shape == words.shape and whole.shape == (1, 1, 6)
    assert (wide != other).any(-1)[0].nonzero().flatten().tolist() == list(range(11, 20))
    assert not torch.equal(whole, moved)


def test_without_windows_a_link_has_the_weights_that_it_had() -> None:
    config = FusionConfig(dim=8, heads=1, blocks=2, injection="text")
    names = {"project.0.weight", "project.0.bias", "project.1.weight", "project.1.bias", "place.weight", "place.bias"}
    assert set(TextLink(config, 4, 8).state_dict()) == names
    link = TextLink(config.model_copy(update={"local_windows": (1, 2)}), 4, 8)
    seen, at = [torch.randn(1, 9, 4)] * 2, torch.arange(9) + 0.5
    assert link(seen, at, 31.0).shape == (1, 10, 8)
    with pytest.raises(ValidationError, match=r"local_windows widen the words of a prompt"):
        FusionConfig(local_windows=(1,))
