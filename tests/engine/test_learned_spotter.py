"""Heads on a motion stem: they begin as the stem, are written and loaded without loss, and refuse what was altered."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from avlink.core.errors import BundleError
from avlink.core.hashing import content_digest
from avlink.core.learned import WEIGHTS, HeadTable
from avlink.core.motion_config import HitHeadConfig, SpotterConfig
from avlink.core.values import Frames, PictureSpec
from avlink.engine.learned_spotter import (
    RATE,
    HitInputs,
    confidences,
    hit_inputs,
    load_learned,
    new_head,
    read_head,
    save_learned,
)
from avlink.engine.nn.motion import MotionStem
from avlink.engine.spotter import OnsetNet, OnsetReading

STEM = SpotterConfig(fps=12, dim=16, widths=(8, 8), layers=1, width=32, height=20)
HEADS = HitHeadConfig(width=8, members=2, tokens=4)


def stem() -> MotionStem:
    torch.manual_seed(0)
    return MotionStem(STEM).half().float().eval().requires_grad_(False)


def net() -> OnsetNet:
    return OnsetNet(stem(), picture=PictureSpec(rate=Fraction(12), width=32, height=20), window_s=5.0, device="cpu")


def frames(count: int = 36) -> Frames:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 20, 32, 3), dtype=np.uint8)
    return Frames(pixels=pixels, rate=Fraction(12))


def table(folder: Path, **changes: object) -> HeadTable:
    said = {"heads": HEADS, "stem": STEM, "window_s": 5.0, "late_s": 0.1, "times": 1.4}
    return HeadTable(**{**said, "digest": content_digest(folder / WEIGHTS), **changes})  # type: ignore[arg-type]


def test_heads_begin_as_the_stem_that_they_read() -> None:
    reading = net().read(frames())
    inputs = hit_inputs(reading, np.zeros(179), 180, tokens=True)
    seen = read_head(new_head(HEADS, STEM, 3).eval(), inputs)
    # Both kinds of bins have centres every twelfth of a second.
    at, bins = np.arange(2, 180, 5), np.arange(2, 180, 5) // 5
    between = (reading.logits[2 * bins] + reading.logits[2 * bins + 1]) / 2
    assert seen[at] == pytest.approx(confidences(between.astype(np.float64)), abs=1e-3)


def test_inputs_keep_times_whatever_the_rates() -> None:
    logits = np.zeros(48, np.float32)
    logits[20] = 8.0
    reading = OnsetReading(
        logits=logits, classes=np.zeros((24, 1), np.float32), tokens=np.eye(24, dtype=np.float32), rate=Fraction(24)
    )
    novelty = np.zeros(119)
    novelty[59] = 5.0
    inputs = hit_inputs(reading, novelty, 120, tokens=True)
    assert (np.argmax(inputs.curves[0]) + 0.5) / RATE == pytest.approx(20.5 / 24, abs=0.5 / RATE)
    # A change lies between two pictures, and so between the centres of two bins.
    assert sorted(np.argsort(inputs.curves[1])[-2:]) == [59, 60]
    assert inputs.tokens.argmax(axis=1).tolist() == [int((index + 0.5) / RATE * 12) for index in range(120)]


def test_what_is_written_is_loaded(tmp_path: Path) -> None:
    torch.manual_seed(1)
    head = new_head(HEADS, STEM, 0).eval()
    for parameter in head.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    save_learned(tmp_path / WEIGHTS, stem(), head.state_dict())
    loaded = load_learned(tmp_path, table(tmp_path), "cpu")
    novelty = np.random.default_rng(0).random(179)
    inputs = hit_inputs(net().read(frames()), novelty, 180, tokens=True)
    assert np.array_equal(loaded.read(frames(), novelty, 180).logits, read_head(head, inputs).astype(np.float32))
    assert loaded.picture == PictureSpec(rate=Fraction(12), width=32, height=20)


def test_weights_that_are_missing_altered_or_others_are_told(tmp_path: Path) -> None:
    path = tmp_path / WEIGHTS
    save_learned(path, stem(), new_head(HEADS, STEM, 0).state_dict())
    whole = table(tmp_path)
    with pytest.raises(BundleError, match="do not fit their spotter"):
        load_learned(tmp_path, table(tmp_path, heads=HitHeadConfig(width=4)), "cpu")
    tensors = load_file(path)
    save_file({name: value + 1 for name, value in tensors.items()}, path)
    with pytest.raises(BundleError, match="was altered"):
        load_learned(tmp_path, whole, "cpu")
    path.write_bytes(b"no tensors")
    with pytest.raises(BundleError, match="are broken"):
        load_learned(tmp_path, table(tmp_path), "cpu")
    path.unlink()
    with pytest.raises(BundleError, match=r"lacks weights\.safetensors"):
        load_learned(tmp_path, whole, "cpu")


def test_the_same_seed_gives_the_same_heads_and_leaves_the_global_one() -> None:
    before = torch.random.get_rng_state()
    one, same, other = (new_head(HEADS, STEM, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_heads_without_tokens_do_not_read_them() -> None:
    head = new_head(HitHeadConfig(tokens=0), STEM, 0).eval()
    curves = np.random.default_rng(0).standard_normal((2, 90)).astype(np.float32)
    some, none = np.ones((90, STEM.dim), np.float32), np.zeros((90, 0), np.float32)
    assert np.array_equal(
        read_head(head, HitInputs(curves=curves, tokens=some)), read_head(head, HitInputs(curves=curves, tokens=none))
    )
