"""I3D (Carreira and Zisserman 2017) on Kinetics-400: 400 logits for a sequence of pictures, for FVD.

Key layout of pytorch-i3d (`rgb_imagenet.pt` and conversions of the TF-Hub module to it): `Conv3d_1a_7x7`,
`Conv3d_2b_1x1`, `Conv3d_2c_3x3`, `Mixed_3b` to `Mixed_5c` with branches `b0`, `b1a`, `b1b`, `b2a`, `b2b`, `b3b`,
`logits`. Padding is TensorFlow's "same": even on both sides, an odd row at the end.

The TorchScript file that is common for FVD is not read: loading it would run code.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional

from avlink import Content, Features, TooShort
from avlink_metrics.options import I3DOptions
from avlink_metrics.pictures import blocks, require_frames, stretched
from avlink_metrics.weights import Shapes, fill, open_weights

SIDE = 224
LEAST = 10
Triple = tuple[int, int, int]

STAGES: tuple[tuple[str, Triple, Triple], ...] = (
    ("Conv3d_1a_7x7", (7, 7, 7), (2, 2, 2)),
    ("MaxPool3d_2a_3x3", (1, 3, 3), (1, 2, 2)),
    ("Conv3d_2b_1x1", (1, 1, 1), (1, 1, 1)),
    ("Conv3d_2c_3x3", (3, 3, 3), (1, 1, 1)),
    ("MaxPool3d_3a_3x3", (1, 3, 3), (1, 2, 2)),
    ("Mixed_3b", (3, 3, 3), (1, 1, 1)),
    ("Mixed_3c", (3, 3, 3), (1, 1, 1)),
    ("MaxPool3d_4a_3x3", (3, 3, 3), (2, 2, 2)),
    *((f"Mixed_4{letter}", (3, 3, 3), (1, 1, 1)) for letter in "bcdef"),
    ("MaxPool3d_5a_2x2", (2, 2, 2), (2, 2, 2)),
    ("Mixed_5b", (3, 3, 3), (1, 1, 1)),
    ("Mixed_5c", (3, 3, 3), (1, 1, 1)),
)
BRANCHES = ("b0", "b1a", "b1b", "b2a", "b2b", "b3b")


def same(x: Tensor, kernel: Triple, stride: Triple) -> Tensor:
    """Return `x` padded with zeros as TensorFlow's "same" does, so that the output has ceil(length / stride) values."""
    pads: list[int] = []
    for length, window, step in zip(x.shape[2:], kernel, stride, strict=True):
        # TensorFlow pads so that the last window begins at the last multiple of the stride.
        over = max(window - (length % step or step), 0)
        # torch lists pads from the last axis to the first.
        pads = [over // 2, over - over // 2, *pads]
    return functional.pad(x, pads)


class _Unit(nn.Module):
    def __init__(self, shapes: Shapes, prefix: str, stride: Triple = (1, 1, 1)) -> None:
        super().__init__()
        out, into, *kernel = shapes.of(f"{prefix}.conv3d.weight", 5)
        self.conv3d = nn.Conv3d(into, out, (kernel[0], kernel[1], kernel[2]), stride, bias=False)
        # The epsilon of TensorFlow; that of torch is 1e-5.
        self.bn = nn.BatchNorm3d(out, eps=0.001)
        self._kernel, self._stride = (kernel[0], kernel[1], kernel[2]), stride

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv3d(same(x, self._kernel, self._stride))))


class _Mixed(nn.Module):
    def __init__(self, shapes: Shapes, prefix: str) -> None:
        super().__init__()
        for branch in BRANCHES:
            self.add_module(branch, _Unit(shapes, f"{prefix}.{branch}"))

    def forward(self, x: Tensor) -> Tensor:
        # Padding with zeros before a maximum is exact here: inputs are outputs of a ReLU.
        pooled = functional.max_pool3d(same(x, (3, 3, 3), (1, 1, 1)), 3, stride=1)
        chains = ((x, ("b0",)), (x, ("b1a", "b1b")), (x, ("b2a", "b2b")), (pooled, ("b3b",)))
        found = []
        for part, names in chains:
            for name in names:
                part = self.get_submodule(name)(part)
            found.append(part)
        return torch.cat(found, dim=1)


class I3D(nn.Module):
    """Maps (clips, 3, frames, 224, 224) in [-1, 1] to logits, (clips, 400), their mean over time."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        for name, _, stride in STAGES:
            if name.startswith("Conv3d"):
                self.add_module(name, _Unit(shapes, name, stride))
            elif name.startswith("Mixed"):
                self.add_module(name, _Mixed(shapes, name))
        classes, into, *_ = shapes.of("logits.conv3d.weight", 5)
        self.logits = nn.Module()
        self.logits.conv3d = nn.Conv3d(into, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        for name, kernel, stride in STAGES:
            if name.startswith("MaxPool"):
                x = functional.max_pool3d(same(x, kernel, stride), kernel, stride)
            else:
                x = self.get_submodule(name)(x)
        # Eight frames or less leave a single time step, which is shorter than the window of 2.
        x = functional.avg_pool3d(x, (min(2, x.shape[2]), 7, 7), stride=1)
        found: Tensor = self.logits.conv3d(x)  # type: ignore[operator]
        return found.mean(dim=(2, 3, 4))


class I3DExtractor:
    """Returns "embedding": (1, 400), the logits of the first `frames` pictures, stretched to 224x224.

    A clip with fewer pictures raises `TooShort`.
    """

    sample_rate: int | None = None
    side: int | None = SIDE

    def __init__(self, network: I3D, rate: Fraction, frames: int, device: str) -> None:
        self.frame_rate: Fraction | None = rate
        self._network, self._frames, self._device = network, frames, device

    @torch.inference_mode()
    def extract(self, content: Content) -> Mapping[str, Features]:
        """See the class."""
        frames = require_frames(content)
        if frames.num_frames < self._frames:
            raise TooShort(f"{frames.num_frames} pictures, where I3D is asked for {self._frames}")
        pictures = next(blocks(frames, self._device, self._frames))
        clip = 2 * stretched(pictures, SIDE, SIDE) - 1
        return {"embedding": Features(rows=self._network(clip.transpose(0, 1)[None]).cpu().numpy())}


def load_i3d(options: I3DOptions, device: str) -> I3DExtractor:
    """Return the extractor. Raises BundleError if the file holds something else."""
    shapes = open_weights(options.checkpoint, "I3D")
    return I3DExtractor(fill(I3D(shapes), shapes, device), options.exact_frame_rate, options.frames, device)
