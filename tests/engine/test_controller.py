"""The temporal controller: the curve holds every hit, and without a curve the model is what it was."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from avlink.core.architecture import AVLinkConfig
from avlink.core.hits import HIT_KINDS, Hit
from avlink.core.motion_config import ControllerConfig
from avlink.core.sound import read_whole
from avlink.core.values import Frames, Prompt, SoundRequest
from avlink.engine.nn.controller import curve_channels, hit_curve
from avlink.engine.sampling import SampleConfig, SoundSampler
from avlink.engine.system import System

sys.path.insert(0, str(Path(__file__).parent))
from tiny import TINY

CONFIG = ControllerConfig(dim=16, layers=2)
RATE, TOKENS = 25.0, 129
MOMENTS = st.lists(st.integers(0, int((TOKENS - 1) * 40)), unique=True, max_size=12)


def curve(hits: list[Hit], start_s: float = 0.0) -> torch.Tensor:
    return hit_curve(hits, CONFIG, tokens=TOKENS, tokens_per_second=RATE, start_s=start_s)


def at(milliseconds: int, kind: str = "hit") -> Hit:
    return Hit(time_s=Fraction(milliseconds, 1000), strength=1.0, kind=kind)


@given(MOMENTS)
def test_every_hit_is_one_impulse_in_its_place(moments: list[int]) -> None:
    shares = curve([at(moment) for moment in moments])[:, : CONFIG.bins].flatten()
    # Half a bin at either end falls outside.
    lost = sum(moment < 1000 / RATE / CONFIG.bins / 2 for moment in moments)
    assert float(shares.sum()) == pytest.approx(len(moments), abs=0.5 * lost + 1e-3)
    centres_ms = (torch.arange(len(shares)) + 0.5) * 1000 / RATE / CONFIG.bins
    inner = sum(moment for moment in moments if moment >= 1000 / RATE / CONFIG.bins / 2)
    if not lost:
        assert float((shares * centres_ms).sum()) == pytest.approx(inner, rel=1e-3, abs=0.1)


@given(MOMENTS, st.integers(1, 40))
def test_a_later_start_moves_the_curve(moments: list[int], tokens: int) -> None:
    hits = [at(moment, "step") for moment in moments]
    later = curve(hits, start_s=tokens / RATE)
    # The last token of the moved curve, and what enters over its edges, have nothing to compare with.
    torch.testing.assert_close(later[1 : TOKENS - tokens - 1], curve(hits)[tokens + 1 : TOKENS - 1], atol=1e-3, rtol=0)


def test_a_curve_tells_strength_and_kind_and_whether_there_is_one() -> None:
    loud = curve([Hit(time_s=Fraction(1), strength=0.75, kind="splash"), at(2000, kind="creak")])
    assert loud.shape == (TOKENS, curve_channels(CONFIG)) and bool((loud[:, -1] == 1).all())
    assert float(loud[:30, CONFIG.bins : 2 * CONFIG.bins].max()) == 0.75
    named = loud[:, 2 * CONFIG.bins : -1]
    assert named.sum() == 1 and int(named.amax(0).argmax()) == HIT_KINDS.index("splash")
    assert curve([])[:, :-1].abs().sum() == 0


@torch.no_grad()
@pytest.mark.parametrize("trained", [False, True])
def test_without_a_curve_the_model_is_what_it_was(trained: bool) -> None:
    torch.manual_seed(0)
    system = System(TINY.model_copy(update={"controller": CONFIG})).eval()
    assert system.controller is not None and system.audio_text is not None and system.video_text is not None
    # Last layers and gates that start at zero would hide everything.
    for name, parameter in system.named_parameters():
        if trained or not name.startswith("controller"):
            parameter.normal_(0, 0.1)
    model = system.linked("audio")
    given_, pixels, t = torch.randn(2, TOKENS, 4), torch.randn(2, 31, 3, 36, 64), torch.tensor([0.3, 0.6])
    texts = {"text_a": system.audio_text.encode(["a", "b"]), "text_v": system.video_text.encode(["a", "b"])}
    motion = torch.randn(2, 124, 32)

    def sound(hits: torch.Tensor | None) -> torch.Tensor:
        made = model("audio", given_, pixels, t_a=t, t_v=t, motion=motion, hits=hits, **texts).audio
        assert made is not None
        return made

    plain, row = sound(None), curve([at(500), at(1500)])
    assert torch.equal(plain, sound(torch.zeros(2, *row.shape)))
    one = sound(torch.stack([row, torch.zeros_like(row)]))
    assert torch.equal(plain[1], one[1])
    assert torch.equal(plain[0], one[0]) is not trained


def test_injections_without_fusion_blocks_have_no_place_for_it() -> None:
    fusion = TINY.fusion.model_copy(update={"injection": "direct"})
    with pytest.raises(ValidationError, match="controller"):
        AVLinkConfig(**{**dict(TINY), "fusion": fusion, "controller": CONFIG})


@pytest.mark.parametrize(
    ("alone", "hits", "known_s", "stem_counts"),
    [
        (True, (at(500),), None, False),
        (True, (), (Fraction(0), Fraction(1)), False),
        (True, (at(500),), (Fraction(0), Fraction(1, 2)), True),
        (True, None, None, True),
        (False, (at(500),), None, True),
    ],
)
def test_where_hits_speak_alone_the_motion_stem_does_not_count(
    alone: bool, hits: tuple[Hit, ...] | None, known_s: tuple[Fraction, Fraction] | None, stem_counts: bool
) -> None:
    torch.manual_seed(0)
    controller = CONFIG.model_copy(update={"alone": alone})
    system = System(TINY.model_copy(update={"controller": controller})).eval()
    for parameter in system.parameters():
        # Of layers that start at zero nothing would be heard.
        torch.nn.init.normal_(parameter, std=0.1)
    picture = TINY.picture
    pixels = np.random.default_rng(0).integers(0, 255, (24, picture.height, picture.width, 3), np.uint8)
    request = SoundRequest(
        frames=Frames(pixels=pixels, rate=Fraction(24)),
        duration_s=Fraction(1),
        prompt=Prompt(),
        seed=1,
        hits=hits,
        known_s=known_s,
    )
    with_stem, without = (
        read_whole(SoundSampler(system, SampleConfig(steps=2, use_motion=used)).generate([request])[0]).samples
        for used in (True, False)
    )
    assert np.array_equal(with_stem, without) != stem_counts


@torch.no_grad()
def test_without_stem_and_backbone_nothing_is_seen() -> None:
    torch.manual_seed(0)
    system = System(TINY).eval()
    for parameter in system.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    picture = TINY.picture
    pixels = np.random.default_rng(0).integers(0, 255, (24, picture.height, picture.width, 3), np.uint8)
    request = SoundRequest(
        frames=Frames(pixels=pixels, rate=Fraction(24)), duration_s=Fraction(1), prompt=Prompt(text="wood"), seed=1
    )

    def made(**switches: bool) -> np.ndarray:
        return read_whole(SoundSampler(system, SampleConfig(steps=2, **switches)).generate([request])[0]).samples

    blind, whole = made(use_picture=False), made()
    np.testing.assert_array_equal(made(use_motion=False, use_backbone=False), blind)
    by_motion, by_backbone = made(use_backbone=False), made(use_motion=False)
    for one, other in ((by_motion, whole), (by_backbone, whole), (by_motion, by_backbone), (by_motion, blind)):
        assert not np.array_equal(one, other)
