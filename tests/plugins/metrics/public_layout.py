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


# Inception-v3: (name, width, kernel, stride, padding) of each branch, in the order of Szegedy et al. 2016.
def inception_layout(share: int = 16, draw=randn) -> Layout:
    layout = Layout(share, draw)

    def conv(name: str, out: int, into: int, high: int, wide: int) -> int:
        return layout.conv(f"{name}.conv", f"{name}.bn", out, into, (high, wide))

    x = conv("Conv2d_1a_3x3", 32, 3, 3, 3)
    x = conv("Conv2d_2a_3x3", 32, x, 3, 3)
    x = conv("Conv2d_2b_3x3", 64, x, 3, 3)
    x = conv("Conv2d_3b_1x1", 80, x, 1, 1)
    x = conv("Conv2d_4a_3x3", 192, x, 3, 3)
    for name, pool in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
        one = conv(f"{name}.branch1x1", 64, x, 1, 1)
        five = conv(f"{name}.branch5x5_2", 64, conv(f"{name}.branch5x5_1", 48, x, 1, 1), 5, 5)
        three = conv(f"{name}.branch3x3dbl_2", 96, conv(f"{name}.branch3x3dbl_1", 64, x, 1, 1), 3, 3)
        three = conv(f"{name}.branch3x3dbl_3", 96, three, 3, 3)
        x = one + five + three + conv(f"{name}.branch_pool", pool, x, 1, 1)
    three = conv("Mixed_6a.branch3x3", 384, x, 3, 3)
    double = conv("Mixed_6a.branch3x3dbl_2", 96, conv("Mixed_6a.branch3x3dbl_1", 64, x, 1, 1), 3, 3)
    x += three + conv("Mixed_6a.branch3x3dbl_3", 96, double, 3, 3)
    for name, mid in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        one = conv(f"{name}.branch1x1", 192, x, 1, 1)
        seven = conv(f"{name}.branch7x7_2", mid, conv(f"{name}.branch7x7_1", mid, x, 1, 1), 1, 7)
        seven = conv(f"{name}.branch7x7_3", 192, seven, 7, 1)
        double = conv(f"{name}.branch7x7dbl_1", mid, x, 1, 1)
        for step, out, (high, wide) in ((2, mid, (7, 1)), (3, mid, (1, 7)), (4, mid, (7, 1)), (5, 192, (1, 7))):
            double = conv(f"{name}.branch7x7dbl_{step}", out, double, high, wide)
        x = one + seven + double + conv(f"{name}.branch_pool", 192, x, 1, 1)
    three = conv("Mixed_7a.branch3x3_2", 320, conv("Mixed_7a.branch3x3_1", 192, x, 1, 1), 3, 3)
    seven = conv("Mixed_7a.branch7x7x3_1", 192, x, 1, 1)
    for step, (high, wide) in ((2, (1, 7)), (3, (7, 1)), (4, (3, 3))):
        seven = conv(f"Mixed_7a.branch7x7x3_{step}", 192, seven, high, wide)
    x += three + seven
    for name in ("Mixed_7b", "Mixed_7c"):
        one = conv(f"{name}.branch1x1", 320, x, 1, 1)
        three = conv(f"{name}.branch3x3_1", 384, x, 1, 1)
        double = conv(f"{name}.branch3x3dbl_2", 384, conv(f"{name}.branch3x3dbl_1", 448, x, 1, 1), 3, 3)
        wide = [conv(f"{name}.branch3x3_2{half}", 384, three, *size) for half, size in (("a", (1, 3)), ("b", (3, 1)))]
        wide += [
            conv(f"{name}.branch3x3dbl_3{half}", 384, double, *size) for half, size in (("a", (1, 3)), ("b", (3, 1)))
        ]
        x = one + sum(wide) + conv(f"{name}.branch_pool", 192, x, 1, 1)
    layout.linear("fc", 1008, x)
    return layout


I3D_WIDTHS = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}


def i3d_layout(share: int = 16, draw=randn) -> Layout:
    layout = Layout(share, draw)

    def unit(name: str, out: int, into: int, side: int) -> int:
        return layout.conv(f"{name}.conv3d", f"{name}.bn", out, into, (side,) * 3)

    x = unit("Conv3d_1a_7x7", 64, 3, 7)
    x = unit("Conv3d_2c_3x3", 192, unit("Conv3d_2b_1x1", 64, x, 1), 3)
    for name, (b0, b1a, b1b, b2a, b2b, b3b) in I3D_WIDTHS.items():
        one = unit(f"{name}.b0", b0, x, 1)
        two = unit(f"{name}.b1b", b1b, unit(f"{name}.b1a", b1a, x, 1), 3)
        three = unit(f"{name}.b2b", b2b, unit(f"{name}.b2a", b2a, x, 1), 3)
        x = one + two + three + unit(f"{name}.b3b", b3b, x, 1)
    layout.linear("logits.conv3d", 400, x, kernel=(1, 1, 1))
    return layout


def film(frames: int, rate: int, height: int = 48, width: int = 64, seed: int = 0) -> Frames:
    pixels = np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
    return Frames(pixels=pixels, rate=Fraction(rate))


def floats(frames: Frames) -> torch.Tensor:
    return torch.from_numpy(frames.pixels).permute(0, 3, 1, 2).float() / 255
