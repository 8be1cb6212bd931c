"""Layouts of public checkpoints, written down from their publishers' descriptions, with random weights."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
import torch
from torch import Tensor

from avlink.engine.text.t5 import import_transformers

Tensors = dict[str, Tensor]


def transformers() -> Any:
    """transformers, or the test is skipped."""
    if importlib.util.find_spec("transformers") is None:
        pytest.skip("transformers is not installed; it needs Python 3.11")
    return import_transformers()


class Layout:
    """Random weights by name, made on demand; small enough that deep networks stay finite."""

    def __init__(self, seed: int = 0) -> None:
        self.tensors: Tensors = {}
        self._generator = torch.Generator().manual_seed(seed)

    def conv(self, name: str, out: int, in_: int, kernel: int, *, bias: bool = True, bias_size: int = 0) -> None:
        scale = (in_ * kernel) ** -0.5
        self.tensors[f"{name}.weight"] = torch.randn(out, in_, kernel, generator=self._generator) * scale
        if bias:
            self.tensors[f"{name}.bias"] = torch.randn(bias_size or out, generator=self._generator) * 0.1

    def linear(self, name: str, out: int, in_: int) -> None:
        self.tensors[f"{name}.weight"] = torch.randn(out, in_, generator=self._generator) * in_**-0.5
        self.tensors[f"{name}.bias"] = torch.randn(out, generator=self._generator) * 0.1

    def vector(self, name: str, size: int) -> None:
        self.tensors[name] = torch.randn(size, generator=self._generator) * 0.3

    def norm(self, name: str, size: int) -> None:
        self.vector(f"{name}.weight", size)
        self.vector(f"{name}.bias", size)


def split_by_weight_norm(tensors: Tensors, *, modern: bool = False) -> Tensors:
    """As weight norm stores the same weights: a length per first axis, and any multiple of the direction."""
    split: Tensors = {}
    length, direction = (
        ("parametrizations.weight.original0", "parametrizations.weight.original1")
        if modern
        else ("weight_g", "weight_v")
    )
    for key, value in tensors.items():
        if not key.endswith(".weight"):
            split[key] = value
            continue
        norm = torch.linalg.vector_norm(value, dim=(1, 2), keepdim=True)
        split[key.removesuffix("weight") + length] = norm
        split[key.removesuffix("weight") + direction] = value * 3.0
    return split


def vae_layout(
    *, mels: int, ch: int, mult: tuple[int, ...], enc: int, dec: int, z: int, embed: int, k: int, down: tuple[int, ...]
) -> Tensors:
    """Latent diffusion's autoencoder in one dimension; `down` are the levels that halve."""
    made = Layout()

    def block(name: str, a: int, b: int, kernel: int) -> None:
        made.norm(f"{name}.norm1", a)
        made.conv(f"{name}.conv1", b, a, kernel)
        made.norm(f"{name}.norm2", b)
        made.conv(f"{name}.conv2", b, b, kernel)
        if a != b:
            made.conv(f"{name}.nin_shortcut", b, a, 1)

    def middle(name: str, width: int, kernel: int) -> None:
        block(f"{name}.block_1", width, width, kernel)
        made.norm(f"{name}.attn_1.norm", width)
        for part in ("q", "k", "v", "proj_out"):
            made.conv(f"{name}.attn_1.{part}", width, width, 1)
        block(f"{name}.block_2", width, width, kernel)

    widths = [ch * m for m in mult]
    made.conv("encoder.conv_in", ch, mels, k)
    before = ch
    for level, width in enumerate(widths):
        for i in range(enc):
            block(f"encoder.down.{level}.block.{i}", before if i == 0 else width, width, k)
        before = width
        if level in down:
            made.conv(f"encoder.down.{level}.downsample.conv", width, width, 3)
    middle("encoder.mid", widths[-1], k)
    made.norm("encoder.norm_out", widths[-1])
    made.conv("encoder.conv_out", 2 * z, widths[-1], k)
    made.conv("quant_conv", 2 * embed, 2 * z, 1)
    made.conv("post_quant_conv", z, embed, 1)
    made.conv("decoder.conv_in", widths[-1], z, k)
    middle("decoder.mid", widths[-1], 3)
    before = widths[-1]
    for level in reversed(range(len(widths))):
        for i in range(dec):
            block(f"decoder.up.{level}.block.{i}", before if i == 0 else widths[level], widths[level], 3)
        before = widths[level]
        if level - 1 in down:
            made.conv(f"decoder.up.{level}.upsample.conv", before, before, 3)
    made.norm("decoder.norm_out", before)
    made.conv("decoder.conv_out", mels, before, k)
    return made.tensors


GENAU = {"mels": 64, "ch": 32, "mult": (1, 2, 4), "enc": 3, "dec": 4, "z": 16, "embed": 8, "k": 3, "down": (0, 1)}
MAA2 = {"mels": 80, "ch": 32, "mult": (1, 2, 4), "enc": 2, "dec": 3, "z": 20, "embed": 20, "k": 5, "down": (0,)}


def hifigan_layout(*, mels: int, channels: int, kernels: tuple[int, ...], second: bool = False) -> Tensors:
    made = Layout(1)
    made.conv("conv_pre", channels, mels, 7)
    kinds = (3, 5, 7) if second else (3, 7, 11)
    for stage, kernel in enumerate(kernels):
        a, b = channels >> stage, channels >> (stage + 1)
        made.conv(f"ups.{stage}", a, b, kernel, bias_size=b)
        for kind, size in enumerate(kinds):
            for d in range(2 if second else 3):
                for convs in ("convs",) if second else ("convs1", "convs2"):
                    made.conv(f"resblocks.{stage * 3 + kind}.{convs}.{d}", b, b, size)
    made.conv("conv_post", 1, channels >> len(kernels), 7)
    return made.tensors
