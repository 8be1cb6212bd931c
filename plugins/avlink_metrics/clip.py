"""CLIP and MetaCLIP as in transformers: an embedding for each picture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avlink import BundleError, Content, Features
from avlink_metrics.options import PictureExtractorOptions
from avlink_metrics.pictures import CLIP_MEAN, CLIP_STD, blocks, middle, normalised, require_frames, short_side
from avlink_metrics.transformers_models import load_model, model_type, transformers

_CLASSES = {
    "clip": "CLIPModel",
    "clip_vision_model": "CLIPVisionModelWithProjection",
    "metaclip_2": "MetaClip2Model",
}


class ClipExtractor:
    """Returns "frames": (pictures, dim), in the space shared with text; "embedding": their mean, (1, dim).

    Pictures are scaled to the network's size (shorter side, bicubic), cropped to the central square and normalised.
    """

    sample_rate: int | None = None

    def __init__(self, model: Any, colours: tuple[tuple[float, ...], tuple[float, ...]], rate: Fraction, device: str):
        self.frame_rate: Fraction | None = rate
        self.side: int | None = int(getattr(model.config, "vision_config", model.config).image_size)
        self._model, self._colours, self._device = model, colours, device

    @torch.inference_mode()
    def extract(self, content: Content) -> Mapping[str, Features]:
        """See the class."""
        assert self.side is not None
        frames = require_frames(content)
        rows = []
        for pictures in blocks(frames, self._device):
            seen = normalised(middle(short_side(pictures, self.side), self.side), *self._colours)
            rows.append(self._embed(seen).float().cpu())
        found = torch.cat(rows)
        return {
            "frames": Features(rows=found.numpy(), rate=frames.rate),
            "embedding": Features(rows=found.mean(dim=0, keepdim=True).numpy()),
        }

    def _embed(self, pictures: Tensor) -> Tensor:
        if not hasattr(self._model, "get_image_features"):
            return self._model(pixel_values=pictures).image_embeds
        found = self._model.get_image_features(pixel_values=pictures)
        # Versions of transformers return the embedding itself, or an object with it.
        return getattr(found, "pooler_output", found)


def load_clip(options: PictureExtractorOptions, device: str) -> ClipExtractor:
    """Return the extractor.

    Raises BundleError if the folder holds something else, InputError if transformers is not installed.
    """
    folder = Path(options.checkpoint)
    found = model_type(folder)
    if found not in _CLASSES:
        raise BundleError(f"'{folder}' holds '{found}', not one of {', '.join(_CLASSES)}; give a folder of CLIP's kind")
    library = transformers()
    model = load_model(getattr(library, _CLASSES[found]), folder, "CLIP with a picture tower", device)
    return ClipExtractor(model, _colours(folder), options.exact_frame_rate, device)


def _colours(folder: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of the colours from preprocessor_config.json, or those of CLIP."""
    try:
        found = json.loads((folder / "preprocessor_config.json").read_text("utf-8"))
        return tuple(map(float, found["image_mean"])), tuple(map(float, found["image_std"]))
    except (OSError, ValueError, KeyError, TypeError):
        return CLIP_MEAN, CLIP_STD
