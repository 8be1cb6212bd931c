"""CAVP's video encoder (Diff-Foley, Luo et al. 2023): 512 features for each of four pictures a second.

A SlowOnly ResNet-50 (Feichtenhofer et al. 2019): 2D convolutions in its first two stages, kernels over three pictures
at the first convolution of each block in the last two, no stride in time; then a linear layer.

Key layout of `cavp_epoch66.ckpt`: `video_encoder.conv1.{conv,bn}`, `video_encoder.layer1.0.conv1.{conv,bn}` and so on,
`.downsample.{conv,bn}`, `video_project_head`; the audio encoder (`spec_`) is not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional

from avlink import Content, Features
from avlink.hooks import ExtractorOptions
from avlink_metrics.pictures import blocks, require_frames, stretched
from avlink_metrics.weights import Shapes, fill, open_weights

RATE = Fraction(4)
SIDE = 224
_TOGETHER = 40
"""Pictures in one batch: ten seconds. The temporal kernels reach a few pictures, so only edges of batches differ."""

_STAGES = 4
_STRIDES = (1, 2, 2, 2)


class _ConvNorm(nn.Module):
    def __init__(self, shapes: Shapes, prefix: str, stride: int = 1) -> None:
        super().__init__()
        out, into, *kernel = shapes.of(f"{prefix}.conv.weight", 5)
        # All kernels are odd: half of each keeps the length, and the stride acts on space alone.
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        size = (kernel[0], kernel[1], kernel[2])
        self.conv = nn.Conv3d(into, out, size, (1, stride, stride), padding, bias=False)
        self.bn = nn.BatchNorm3d(out)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


class _Bottleneck(nn.Module):
    def __init__(self, shapes: Shapes, prefix: str, stride: int) -> None:
        super().__init__()
        self.conv1 = _ConvNorm(shapes, f"{prefix}.conv1")
        self.conv2 = _ConvNorm(shapes, f"{prefix}.conv2", stride)
        self.conv3 = _ConvNorm(shapes, f"{prefix}.conv3")
        # The first block of a stage changes the width, and has a projection for its shortcut.
        has_shortcut = f"{prefix}.downsample.conv.weight" in shapes.tensors
        self.downsample = _ConvNorm(shapes, f"{prefix}.downsample", stride) if has_shortcut else None

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = functional.relu(self.conv1(x))
        x = functional.relu(self.conv2(x))
        return functional.relu(self.conv3(x) + shortcut)


class _SlowOnly(nn.Module):
    def __init__(self, shapes: Shapes, prefix: str) -> None:
        super().__init__()
        self.conv1 = _ConvNorm(shapes, f"{prefix}.conv1", 2)
        for stage in range(1, _STAGES + 1):
            name = f"{prefix}.layer{stage}"
            number = shapes.count(name + ".{}.conv1.conv.weight")
            parts = [_Bottleneck(shapes, f"{name}.{i}", 1 if i else _STRIDES[stage - 1]) for i in range(number)]
            self.add_module(f"layer{stage}", nn.Sequential(*parts))

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.conv1(x))
        # SlowOnly pools space and never time, so that there is a row for each picture.
        x = functional.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
        for stage in range(1, _STAGES + 1):
            x = self.get_submodule(f"layer{stage}")(x)
        return x.mean(dim=(3, 4))


class CavpVideoEncoder(nn.Module):
    """Maps (clips, 3, pictures, 224, 224) in [0, 1] to rows of norm 1, (clips, pictures, 512)."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.video_encoder = _SlowOnly(shapes, "video_encoder")
        out, into = shapes.of("video_project_head.weight", 2)
        self.video_project_head = nn.Linear(into, out)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return functional.normalize(self.video_project_head(self.video_encoder(x).transpose(1, 2)), dim=-1)


class CavpExtractor:
    """Returns "frames": (pictures, 512), four a second; "embedding": (1, 512), their maximum over time."""

    sample_rate: int | None = None
    frame_rate: Fraction | None = RATE
    side: int | None = SIDE

    def __init__(self, network: CavpVideoEncoder, device: str) -> None:
        self._network, self._device = network, device

    @torch.inference_mode()
    def extract(self, content: Content) -> Mapping[str, Features]:
        """See the class. Pictures are stretched to 224x224."""
        frames = require_frames(content)
        rows = [
            self._network(stretched(pictures, SIDE, SIDE).transpose(0, 1)[None])[0]
            for pictures in blocks(frames, self._device, _TOGETHER)
        ]
        found = torch.cat(rows).cpu()
        # The contrastive loss of CAVP compares maxima over time, normalised once more.
        whole = functional.normalize(found.amax(dim=0, keepdim=True), dim=-1)
        return {"frames": Features(rows=found.numpy(), rate=frames.rate), "embedding": Features(rows=whole.numpy())}


def load_cavp(options: ExtractorOptions, device: str) -> CavpExtractor:
    """Return the extractor. Raises BundleError if the file holds something else."""
    shapes = open_weights(options.checkpoint, "CAVP")
    left = ("spec_", "logit_scale", "video_pool", "spec_pool")
    return CavpExtractor(fill(CavpVideoEncoder(shapes), shapes, device, ignored=left), device)
