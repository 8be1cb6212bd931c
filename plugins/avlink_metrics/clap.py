"""LAION's CLAP as in transformers: one embedding space for sound and text."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from avlink import BundleError, Content, Features
from avlink.hooks import ExtractorOptions
from avlink_metrics.sound import mono
from avlink_metrics.transformers_models import load_helper, load_model, model_type, transformers


class ClapExtractor:
    """Returns "embedding": (1, dim), of norm 1 except for sounds of several windows.

    CLAP takes ten seconds; shorter sounds are repeated to fill them. Its authors crop longer ones at random. Here they
    are covered by as few evenly spaced windows as possible and the embeddings are averaged: the result is repeatable.
    """

    frame_rate: Fraction | None = None
    side: int | None = None

    def __init__(self, model: Any, tokenizer: Any, ears: Any, device: str) -> None:
        self.sample_rate: int | None = int(ears.sampling_rate)
        self._model, self._tokenizer, self._ears, self._device = model, tokenizer, ears, device

    @torch.inference_mode()
    def extract(self, content: Content) -> Mapping[str, Features]:
        """See the class."""
        if isinstance(content, str):
            # 77 tokens, as CLAP was trained with.
            words = self._tokenizer([content], truncation=True, max_length=77, return_tensors="pt").to(self._device)
            found = self._model.get_text_features(**words)
            return {"embedding": Features(rows=_pooled(found).cpu().numpy())}
        assert self.sample_rate is not None
        sound = mono(content, self.sample_rate).numpy()
        rows = torch.cat([self._window(window) for window in _windows(sound, int(self._ears.nb_max_samples))])
        return {"embedding": Features(rows=rows.mean(dim=0, keepdim=True).cpu().numpy())}

    def _window(self, sound: np.ndarray) -> Tensor:
        heard = self._ears(sound, sampling_rate=self.sample_rate, return_tensors="pt").to(self._device)
        features = heard["input_features"].float()
        return _pooled(self._model.get_audio_features(input_features=features, is_longer=heard["is_longer"]))


def _windows(sound: np.ndarray, length: int) -> list[np.ndarray]:
    if len(sound) <= length:
        return [sound]
    # Rounded, not truncated, so that the last window ends with the sound.
    starts = np.linspace(0, len(sound) - length, -(-len(sound) // length)).round().astype(int)
    return [sound[start : start + length] for start in starts]


def _pooled(found: Any) -> Tensor:
    """Return embeddings of norm 1. Versions of transformers differ in the object that they return."""
    rows = getattr(found, "pooler_output", found)
    return torch.nn.functional.normalize(rows, dim=-1)


def load_clap(options: ExtractorOptions, device: str) -> ClapExtractor:
    """Return the extractor.

    Raises BundleError if the folder holds something else, InputError if transformers is not installed.
    """
    folder = Path(options.checkpoint)
    found = model_type(folder)
    if found != "clap":
        raise BundleError(f"'{folder}' holds '{found}', not 'clap'; give the folder of a CLAP model")
    library = transformers()
    return ClapExtractor(
        load_model(library.ClapModel, folder, "CLAP", device),
        load_helper(library.AutoTokenizer, folder, "tokenizer of CLAP"),
        load_helper(library.ClapFeatureExtractor, folder, "preprocessor of CLAP"),
        device,
    )
