"""Inception-v3 with the weights of TensorFlow's FID: 2048 features for each picture.

Key layout of `pt_inception-2015-12-05-6726825d.pth` (pytorch-fid): torchvision's names, 1008 classes. It differs from
torchvision's network in two places: average pools do not count their padding, and the last block pools the maximum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional

from avlink import Content, Features
from avlink_metrics.options import InceptionOptions
from avlink_metrics.pictures import blocks, require_frames, stretched
from avlink_metrics.weights import Shapes, fill, open_weights

SIDE = 299
Padding = tuple[int, int]
Layout = Mapping[str, tuple[int, Padding]]
"""Convolutions of a block by name: stride and padding."""

_A: Layout = {
    "branch1x1": (1, (0, 0)),
    "branch5x5_1": (1, (0, 0)),
    "branch5x5_2": (1, (2, 2)),
    "branch3x3dbl_1": (1, (0, 0)),
    "branch3x3dbl_2": (1, (1, 1)),
    "branch3x3dbl_3": (1, (1, 1)),
    "branch_pool": (1, (0, 0)),
}
_B: Layout = {
    "branch3x3": (2, (0, 0)),
    "branch3x3dbl_1": (1, (0, 0)),
    "branch3x3dbl_2": (1, (1, 1)),
    "branch3x3dbl_3": (2, (0, 0)),
}
_C: Layout = {
    "branch1x1": (1, (0, 0)),
    "branch7x7_1": (1, (0, 0)),
    "branch7x7_2": (1, (0, 3)),
    "branch7x7_3": (1, (3, 0)),
    "branch7x7dbl_1": (1, (0, 0)),
    "branch7x7dbl_2": (1, (3, 0)),
    "branch7x7dbl_3": (1, (0, 3)),
    "branch7x7dbl_4": (1, (3, 0)),
    "branch7x7dbl_5": (1, (0, 3)),
    "branch_pool": (1, (0, 0)),
}
_D: Layout = {
    "branch3x3_1": (1, (0, 0)),
    "branch3x3_2": (2, (0, 0)),
    "branch7x7x3_1": (1, (0, 0)),
    "branch7x7x3_2": (1, (0, 3)),
    "branch7x7x3_3": (1, (3, 0)),
    "branch7x7x3_4": (2, (0, 0)),
}
_E: Layout = {
    "branch1x1": (1, (0, 0)),
    "branch3x3_1": (1, (0, 0)),
    "branch3x3_2a": (1, (0, 1)),
    "branch3x3_2b": (1, (1, 0)),
    "branch3x3dbl_1": (1, (0, 0)),
    "branch3x3dbl_2": (1, (1, 1)),
    "branch3x3dbl_3a": (1, (0, 1)),
    "branch3x3dbl_3b": (1, (1, 0)),
    "branch_pool": (1, (0, 0)),
}
_STEM = (("Conv2d_1a_3x3", 2, 0), ("Conv2d_2a_3x3", 1, 0), ("Conv2d_2b_3x3", 1, 1))
_NECK = (("Conv2d_3b_1x1", 1, 0), ("Conv2d_4a_3x3", 1, 0))
# Names and order are torchvision's, so that the checkpoint loads without a table of names.
BLOCKS: Mapping[str, Layout] = {
    "Mixed_5b": _A,
    "Mixed_5c": _A,
    "Mixed_5d": _A,
    "Mixed_6a": _B,
    "Mixed_6b": _C,
    "Mixed_6c": _C,
    "Mixed_6d": _C,
    "Mixed_6e": _C,
    "Mixed_7a": _D,
    "Mixed_7b": _E,
    "Mixed_7c": _E,
}


class _ConvNormRelu(nn.Module):
    """A convolution, a batch norm and a ReLU."""

    def __init__(self, shapes: Shapes, prefix: str, stride: int, padding: Padding) -> None:
        super().__init__()
        out, into, high, wide = shapes.of(f"{prefix}.conv.weight", 4)
        self.conv = nn.Conv2d(into, out, (high, wide), stride, padding, bias=False)
        # The epsilon of TensorFlow; that of torch is 1e-5.
        self.bn = nn.BatchNorm2d(out, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)))


class _InceptionBlock(nn.Module):
    def __init__(self, shapes: Shapes, name: str) -> None:
        super().__init__()
        for branch, (stride, padding) in BLOCKS[name].items():
            self.add_module(branch, _ConvNormRelu(shapes, f"{name}.{branch}", stride, padding))
        self._is_last = name == "Mixed_7c"

    def chain(self, x: Tensor, *branches: str) -> Tensor:
        for branch in branches:
            x = self.get_submodule(branch)(x)
        return x

    def forks(self, x: Tensor, *branches: str) -> Tensor:
        return torch.cat([self.chain(x, branch) for branch in branches], dim=1)

    def pooled(self, x: Tensor) -> Tensor:
        # FID's TensorFlow graph has a maximum in its last block and excludes padding from averages; torchvision does
        # neither, and the scores would differ from published ones.
        if self._is_last:
            found = functional.max_pool2d(x, 3, stride=1, padding=1)
        else:
            found = functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
        return self.chain(found, "branch_pool")


class _A5(_InceptionBlock):
    def forward(self, x: Tensor) -> Tensor:
        five = self.chain(x, "branch5x5_1", "branch5x5_2")
        three = self.chain(x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3")
        return torch.cat((self.chain(x, "branch1x1"), five, three, self.pooled(x)), dim=1)


class _B6(_InceptionBlock):
    def forward(self, x: Tensor) -> Tensor:
        three = self.chain(x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3")
        return torch.cat((self.chain(x, "branch3x3"), three, functional.max_pool2d(x, 3, stride=2)), dim=1)


class _C6(_InceptionBlock):
    def forward(self, x: Tensor) -> Tensor:
        seven = self.chain(x, *(f"branch7x7_{number}" for number in range(1, 4)))
        double = self.chain(x, *(f"branch7x7dbl_{number}" for number in range(1, 6)))
        return torch.cat((self.chain(x, "branch1x1"), seven, double, self.pooled(x)), dim=1)


class _D7(_InceptionBlock):
    def forward(self, x: Tensor) -> Tensor:
        three = self.chain(x, "branch3x3_1", "branch3x3_2")
        seven = self.chain(x, *(f"branch7x7x3_{number}" for number in range(1, 5)))
        return torch.cat((three, seven, functional.max_pool2d(x, 3, stride=2)), dim=1)


class _E7(_InceptionBlock):
    def forward(self, x: Tensor) -> Tensor:
        three = self.forks(self.chain(x, "branch3x3_1"), "branch3x3_2a", "branch3x3_2b")
        double = self.chain(x, "branch3x3dbl_1", "branch3x3dbl_2")
        double = self.forks(double, "branch3x3dbl_3a", "branch3x3dbl_3b")
        return torch.cat((self.chain(x, "branch1x1"), three, double, self.pooled(x)), dim=1)


_KINDS: tuple[tuple[Layout, Callable[[Shapes, str], _InceptionBlock]], ...] = (
    (_A, _A5),
    (_B, _B6),
    (_C, _C6),
    (_D, _D7),
    (_E, _E7),
)


class Inception(nn.Module):
    """Maps (pictures, 3, 299, 299) in [-1, 1] to features (pictures, 2048) and logits (pictures, 1008)."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        for name, stride, padding in (*_STEM, *_NECK):
            self.add_module(name, _ConvNormRelu(shapes, name, stride, (padding, padding)))
        for name, layout in BLOCKS.items():
            make = next(kind for known, kind in _KINDS if known is layout)
            self.add_module(name, make(shapes, name))
        classes, into = shapes.of("fc.weight", 2)
        self.fc = nn.Linear(into, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        for part in (_STEM, _NECK):
            for name, _, _ in part:
                x = self.get_submodule(name)(x)
            x = functional.max_pool2d(x, 3, stride=2)
        for name in BLOCKS:
            x = self.get_submodule(name)(x)
        # The features of FID are the pooled ones before the classifier.
        found = x.mean(dim=(2, 3))
        return found, self.fc(found)


class InceptionExtractor:
    """Returns "embedding": (pictures, 2048); "logits": (pictures, 1008).

    Pictures are stretched to 299x299 (bilinear, without antialiasing, as in pytorch-fid) and scaled to [-1, 1].
    """

    sample_rate: int | None = None
    side: int | None = SIDE

    def __init__(self, network: Inception, rate: Fraction, device: str) -> None:
        self.frame_rate: Fraction | None = rate
        self._network, self._device = network, device

    @torch.inference_mode()
    def extract(self, content: Content) -> Mapping[str, Features]:
        """See the class."""
        frames = require_frames(content)
        found = [
            self._network(2 * stretched(pictures, SIDE, SIDE, antialias=False) - 1)
            for pictures in blocks(frames, self._device)
        ]
        return {
            name: Features(rows=torch.cat([rows[index] for rows in found]).cpu().numpy(), rate=frames.rate)
            for index, name in enumerate(("embedding", "logits"))
        }


def load_inception(options: InceptionOptions, device: str) -> InceptionExtractor:
    """Return the extractor. Raises BundleError if the file holds something else."""
    shapes = open_weights(options.checkpoint, "Inception-v3 of FID")
    return InceptionExtractor(
        fill(Inception(shapes), shapes, device, ignored=("AuxLogits.",)), options.exact_frame_rate, device
    )
