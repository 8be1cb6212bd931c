"""VGGish: 128 features for each 0.96 s of sound, without PCA and without the last ReLU, as FAD uses it today.

Key layout of torchvggish (`vggish-10086976.pth`): `features.0` to `features.13`, `embeddings.0`, `.2`, `.4`.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import torch
from torch import Tensor, nn

from avlink import Content, Features
from avlink.hooks import ExtractorOptions
from avlink_metrics.sound import mono, vggish_patches
from avlink_metrics.weights import Shapes, fill, open_weights

_POOLED = (0, 3, 8, 13)
"""Convolutions of `features` after which pictures are halved."""

_CONVOLUTIONS = (0, 3, 6, 8, 11, 13)


class VGGish(nn.Module):
    """Maps (patches, 1, 96, 64) to (patches, 128)."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index in _CONVOLUTIONS:
            out, into, *_ = shapes.of(f"features.{index}.weight", 4)
            layers += [nn.Conv2d(into, out, 3, padding=1), nn.ReLU()]
            if index in _POOLED:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        dense: list[nn.Module] = []
        for index in (0, 2, 4):
            out, into = shapes.of(f"embeddings.{index}.weight", 2)
            dense += [nn.Linear(into, out), nn.ReLU()]
        # Without the last ReLU: FAD assumes Gaussian features, which a rectifier would not leave.
        self.embeddings = nn.Sequential(*dense[:-1])

    def forward(self, patches: Tensor) -> Tensor:
        """See the class."""
        # Flattened with channels last, as in TensorFlow, where it was trained.
        return self.embeddings(self.features(patches).permute(0, 2, 3, 1).flatten(1))


class VGGishExtractor:
    """Returns "embedding": (patches, 128), one every 0.96 s."""

    sample_rate: int | None = 16000
    frame_rate: Fraction | None = None
    side: int | None = None

    def __init__(self, network: VGGish, device: str) -> None:
        self._network, self._device = network, device

    @torch.inference_mode()
    def extract(self, content: Content) -> Mapping[str, Features]:
        """See the class."""
        patches = vggish_patches(mono(content, 16000))
        # About a minute in one batch, to bound the memory.
        rows = [self._network(part.to(self._device)).cpu() for part in torch.split(patches, 64)]
        return {"embedding": Features(rows=torch.cat(rows).numpy(), rate=Fraction(100, 96))}


def load_vggish(options: ExtractorOptions, device: str) -> VGGishExtractor:
    """Return the extractor. Raises BundleError if the file holds something else."""
    shapes = open_weights(options.checkpoint, "VGGish")
    # Some files also hold the PCA, which FAD does not use.
    return VGGishExtractor(fill(VGGish(shapes), shapes, device, ignored=("pproc.",)), device)
