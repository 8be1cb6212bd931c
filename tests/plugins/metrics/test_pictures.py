"""Inception, I3D, CAVP and ImageBind at small widths, from files in their public layouts, against plain formulas."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from avlink_metrics.cavp import load_cavp
from avlink_metrics.i3d import load_i3d
from avlink_metrics.inception import load_inception
from avlink_metrics.options import I3DOptions, InceptionOptions
from torch.nn import functional

from avlink.core.errors import TooShort
from avlink.hooks import ExtractorOptions

sys.path.insert(0, str(Path(__file__).parent))
from public_layout import I3D_WIDTHS, Layout, Tensors, film, floats, i3d_layout, inception_layout, nothing, randn

EPS = 1e-3


def apply(t: Tensors, x: torch.Tensor, conv: str, norm: str, eps: float, **how) -> torch.Tensor:
    """Convolution and batch norm by their formulas."""
    run = functional.conv3d if x.ndim == 5 else functional.conv2d
    x = run(x, t[f"{conv}.weight"], **how)
    shape = [1, -1, *[1] * (x.ndim - 2)]
    scale = (t[f"{norm}.weight"] / torch.sqrt(t[f"{norm}.running_var"] + eps)).reshape(shape)
    return (x - t[f"{norm}.running_mean"].reshape(shape)) * scale + t[f"{norm}.bias"].reshape(shape)


def inception(t: Tensors, x: torch.Tensor) -> torch.Tensor:
    def conv(x: torch.Tensor, *names: str, stride: int = 1, pad: bool = True) -> torch.Tensor:
        for name in names:
            kernel = t[f"{name}.conv.weight"].shape[2:]
            padding = [side // 2 for side in kernel] if pad else 0
            x = apply(t, x, f"{name}.conv", f"{name}.bn", EPS, stride=stride, padding=padding).clamp(min=0)
        return x

    def mean3(x: torch.Tensor) -> torch.Tensor:
        ones = functional.avg_pool2d(torch.ones_like(x), 3, 1, 1)
        return functional.avg_pool2d(x, 3, 1, 1) / ones

    x = conv(x, "Conv2d_1a_3x3", stride=2, pad=False)
    x = conv(conv(x, "Conv2d_2a_3x3", pad=False), "Conv2d_2b_3x3")
    x = functional.max_pool2d(x, 3, 2)
    x = functional.max_pool2d(conv(conv(x, "Conv2d_3b_1x1"), "Conv2d_4a_3x3", pad=False), 3, 2)
    for n in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
        triple = conv(x, *(f"{n}.branch3x3dbl_{i}" for i in (1, 2, 3)))
        five = conv(x, f"{n}.branch5x5_1", f"{n}.branch5x5_2")
        x = torch.cat([conv(x, f"{n}.branch1x1"), five, triple, conv(mean3(x), f"{n}.branch_pool")], 1)
    n = "Mixed_6a"
    double = conv(conv(x, f"{n}.branch3x3dbl_1", f"{n}.branch3x3dbl_2"), f"{n}.branch3x3dbl_3", stride=2, pad=False)
    x = torch.cat([conv(x, f"{n}.branch3x3", stride=2, pad=False), double, functional.max_pool2d(x, 3, 2)], 1)
    for n in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        seven = conv(x, *(f"{n}.branch7x7_{i}" for i in (1, 2, 3)))
        double = conv(x, *(f"{n}.branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5)))
        x = torch.cat([conv(x, f"{n}.branch1x1"), seven, double, conv(mean3(x), f"{n}.branch_pool")], 1)
    n = "Mixed_7a"
    three = conv(conv(x, f"{n}.branch3x3_1"), f"{n}.branch3x3_2", stride=2, pad=False)
    seven = conv(x, *(f"{n}.branch7x7x3_{i}" for i in (1, 2, 3)))
    seven = conv(seven, f"{n}.branch7x7x3_4", stride=2, pad=False)
    x = torch.cat([three, seven, functional.max_pool2d(x, 3, 2)], 1)
    for n in ("Mixed_7b", "Mixed_7c"):
        pool = functional.max_pool2d(x, 3, 1, 1) if n == "Mixed_7c" else mean3(x)
        three = conv(x, f"{n}.branch3x3_1")
        double = conv(x, f"{n}.branch3x3dbl_1", f"{n}.branch3x3dbl_2")
        parts = [conv(three, f"{n}.branch3x3_2{half}") for half in "ab"]
        parts += [conv(double, f"{n}.branch3x3dbl_3{half}") for half in "ab"]
        x = torch.cat([conv(x, f"{n}.branch1x1"), *parts, conv(pool, f"{n}.branch_pool")], 1)
    return x.mean((2, 3))


class TestInception:
    def test_a_file_in_the_public_layout_gives_what_its_formula_gives(self, tmp_path: Path) -> None:
        layout = inception_layout()
        path = layout.save(tmp_path / "inception.pth")
        frames = film(3, 1)
        found = load_inception(InceptionOptions(checkpoint=path), "cpu").extract(frames)
        x = functional.interpolate(floats(frames), (299, 299), mode="bilinear", align_corners=False) * 2 - 1
        wanted = inception(layout.tensors, x)
        assert found["embedding"].rows.shape == wanted.shape and found["embedding"].rate == 1
        assert np.allclose(found["embedding"].rows, wanted.numpy(), atol=1e-4)
        assert wanted.std(0).max() > 1e-3
        logits = wanted @ layout.tensors["fc.weight"].T + layout.tensors["fc.bias"]
        assert np.allclose(found["logits"].rows, logits.numpy(), atol=1e-3)

    def test_the_public_widths_are_known(self) -> None:
        # torchvision's count of 27,161,264, without its auxiliary head, with 1008 classes.
        assert inception_layout(1, nothing).count() == 27_161_264 - 3_326_696 + 8 * 2049


def i3d(t: Tensors, x: torch.Tensor) -> torch.Tensor:
    def fit(x: torch.Tensor, kernel: Sequence[int], stride: Sequence[int]) -> torch.Tensor:
        """TensorFlow's "same": ceil(length / stride) windows, the odd zero at the end."""
        pads = []
        for length, size, step in zip(x.shape[2:], kernel, stride, strict=True):
            total = max((-(-length // step) - 1) * step + size - length, 0)
            pads.append((total // 2, total - total // 2))
        return functional.pad(x, [side for pair in reversed(pads) for side in pair])

    def unit(x: torch.Tensor, name: str, stride: int = 1) -> torch.Tensor:
        kernel = t[f"{name}.conv3d.weight"].shape[2:]
        x = fit(x, kernel, (stride,) * 3)
        return apply(t, x, f"{name}.conv3d", f"{name}.bn", EPS, stride=stride).clamp(min=0)

    def pool(x: torch.Tensor, kernel: Sequence[int], stride: Sequence[int]) -> torch.Tensor:
        return functional.max_pool3d(fit(x, kernel, stride), kernel, stride)

    x = pool(unit(x, "Conv3d_1a_7x7", 2), (1, 3, 3), (1, 2, 2))
    x = pool(unit(unit(x, "Conv3d_2b_1x1"), "Conv3d_2c_3x3"), (1, 3, 3), (1, 2, 2))
    for name in I3D_WIDTHS:
        if name == "Mixed_4b":
            x = pool(x, (3, 3, 3), (2, 2, 2))
        if name == "Mixed_5b":
            x = pool(x, (2, 2, 2), (2, 2, 2))
        branch = [unit(x, f"{name}.b0")]
        branch += [unit(unit(x, f"{name}.b{i}a"), f"{name}.b{i}b") for i in (1, 2)]
        x = torch.cat([*branch, unit(pool(x, (3, 3, 3), (1, 1, 1)), f"{name}.b3b")], 1)
    x = torch.stack([x[:, :, i : i + 2].mean((2, 3, 4)) for i in range(x.shape[2] - 1)]).mean(0)
    return x @ t["logits.conv3d.weight"].flatten(1).T + t["logits.conv3d.bias"]


class TestI3D:
    def test_a_file_in_the_public_layout_gives_what_its_formula_gives(self, tmp_path: Path) -> None:
        layout = i3d_layout()
        path = layout.save(tmp_path / "rgb_imagenet.pt")
        frames = film(14, 6)
        found = load_i3d(I3DOptions(checkpoint=path), "cpu").extract(frames)["embedding"].rows
        x = functional.interpolate(floats(frames)[:12], (224, 224), mode="bilinear", antialias=True) * 2 - 1
        wanted = i3d(layout.tensors, x.transpose(0, 1)[None])
        assert found.shape == (1, 400) and np.allclose(found, wanted.numpy(), atol=1e-4)

    def test_fewer_pictures_are_too_few_and_the_public_widths_are_known(self, tmp_path: Path) -> None:
        path = i3d_layout(32).save(tmp_path / "rgb_imagenet.pt")
        with pytest.raises(TooShort, match="11 pictures, where I3D is asked for 12"):
            load_i3d(I3DOptions(checkpoint=path), "cpu").extract(film(11, 6))
        assert i3d_layout(1, nothing).count() == 12_697_264


def cavp_layout(share: int = 16, draw=randn, blocks=(3, 4, 6, 3)) -> Layout:
    layout = Layout(share, draw)

    def conv(name: str, out: int, into: int, *kernel: int) -> int:
        name = f"video_encoder.{name}"
        return layout.conv(f"{name}.conv", f"{name}.bn", out, into, kernel)

    x = conv("conv1", 64, 3, 1, 7, 7)
    for stage, number in enumerate(blocks):
        width, time = 64 * 2**stage, 3 if stage >= 2 else 1
        for block in range(number):
            name = f"layer{stage + 1}.{block}"
            if not block:
                conv(f"{name}.downsample", 4 * width, x, 1, 1, 1)
            inner = conv(f"{name}.conv2", width, conv(f"{name}.conv1", width, x, time, 1, 1), 1, 3, 3)
            x = conv(f"{name}.conv3", 4 * width, inner, 1, 1, 1)
    layout.linear("video_project_head", 512, x)
    return layout


class TestCavp:
    def test_a_file_in_the_public_layout_gives_what_its_formula_gives(self, tmp_path: Path) -> None:
        blocks = (1, 2, 1, 2)
        layout = cavp_layout(blocks=blocks)
        more = {"spec_encoder.bn.weight": torch.zeros(128), "logit_scale": torch.zeros(())}
        path = tmp_path / "cavp.ckpt"
        torch.save({"state_dict": {f"module.{key}": value for key, value in (layout.tensors | more).items()}}, path)
        frames = film(6, 4)
        found = load_cavp(ExtractorOptions(checkpoint=str(path)), "cpu").extract(frames)
        t = layout.tensors

        def conv(x: torch.Tensor, name: str, stride: int = 1) -> torch.Tensor:
            name = f"video_encoder.{name}"
            padding = [side // 2 for side in t[f"{name}.conv.weight"].shape[2:]]
            return apply(t, x, f"{name}.conv", f"{name}.bn", 1e-5, stride=(1, stride, stride), padding=padding)

        x = functional.interpolate(floats(frames), (224, 224), mode="bilinear", antialias=True).transpose(0, 1)[None]
        x = functional.max_pool3d(conv(x, "conv1", 2).clamp(min=0), (1, 3, 3), (1, 2, 2), (0, 1, 1))
        for stage, number in enumerate(blocks, start=1):
            for block in range(number):
                name, stride = f"layer{stage}.{block}", 2 if stage > 1 and not block else 1
                short = x if block else conv(x, f"{name}.downsample", stride)
                inner = conv(conv(x, f"{name}.conv1").clamp(min=0), f"{name}.conv2", stride).clamp(min=0)
                x = (conv(inner, f"{name}.conv3") + short).clamp(min=0)
        rows = x.mean((3, 4))[0].T @ t["video_project_head.weight"].T + t["video_project_head.bias"]
        rows = rows / rows.norm(dim=1, keepdim=True)
        assert found["frames"].rows.shape == (6, 512) and found["frames"].rate == 4
        assert np.allclose(found["frames"].rows, rows.numpy(), atol=1e-5)
        assert np.linalg.norm(found["embedding"].rows) == pytest.approx(1)

    def test_the_public_widths_are_known(self) -> None:
        # SlowOnly R50 of mmaction2 without its head of 400 classes, and the projection.
        assert cavp_layout(1, nothing).count() == 32_454_096 - 400 * 2049 + 512 * 2049
