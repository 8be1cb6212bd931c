"""Checkpoints of public layouts at small widths, and films to show to what is loaded from them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from avlink.core.values import Frames

Tensors = dict[str, torch.Tensor]


def randn(*shape: int, scale: float = 1.0) -> torch.Tensor:
    return torch.randn(shape) * scale


def nothing(*shape: int, scale: float = 1.0) -> torch.Tensor:
    """A shape that takes no memory."""
    return torch.zeros(1).expand(shape)


class Layout:
    """Tensors by public names, at a share of the public widths."""

    def __init__(self, share: int, draw=randn, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.share, self.draw = share, draw
        self.tensors: Tensors = {}

    def width(self, full: int) -> int:
        return full if full == 3 or self.share == 1 else max(2, full // self.share)

    def conv(self, conv: str, norm: str, out: int, into: int, kernel: Sequence[int]) -> int:
        out, into = self.width(out), into
        fan = into * int(np.prod(kernel))
        self.tensors[f"{conv}.weight"] = self.draw(out, into, *kernel, scale=1.2 / fan**0.5)
        self.tensors[f"{norm}.weight"], self.tensors[f"{norm}.bias"] = torch.rand(out) + 0.5, torch.randn(out) * 0.1
        self.tensors[f"{norm}.running_mean"] = torch.randn(out) * 0.1
        self.tensors[f"{norm}.running_var"] = torch.rand(out) + 0.5
        return out

    def linear(self, name: str, out: int, into: int, *, bias: bool = True, kernel: Sequence[int] = ()) -> None:
        self.tensors[f"{name}.weight"] = self.draw(out, into, *kernel, scale=into**-0.5)
        if bias:
            self.tensors[f"{name}.bias"] = self.draw(out, scale=0.1)

    def norm(self, name: str, width: int) -> None:
        self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"] = torch.rand(width) + 0.5, torch.randn(width) * 0.1

    def count(self) -> int:
        return sum(value.numel() for key, value in self.tensors.items() if "running" not in key)

    def save(self, path: Path, **more: torch.Tensor) -> str:
        torch.save(self.tensors | more, path)
        return str(path)


def film(frames: int, rate: int, height: int = 48, width: int = 64, seed: int = 0) -> Frames:
    pixels = np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
    return Frames(pixels=pixels, rate=Fraction(rate))


def floats(frames: Frames) -> torch.Tensor:
    return torch.from_numpy(frames.pixels).permute(0, 3, 1, 2).float() / 255
