"""One component of a public checkpoint, ready to be written into a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from avlink.core.codec_config import MelSpec, VAEConfig, VocoderConfig
from avlink.core.errors import BundleError
from avlink.core.text import first_reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicComponent:
    """A VAE or a vocoder with its weights, its spectrogram, and its licence."""

    name: Literal["vae", "vocoder"]
    title: str
    licence: str
    """As its publisher states it; "unknown" if the file does not identify the model."""
    mel: MelSpec
    config: VAEConfig | VocoderConfig
    module: nn.Module
    source: Path

    def loaded(self, tensors: Mapping[str, Tensor]) -> PublicComponent:
        """Load `tensors` as the weights, each of which must fit, and return this component.

        Raises BundleError naming the first tensor that is missing, unexpected or of another shape.
        """
        places = self.module.state_dict()
        wrong = [f"'{key}' is missing" for key in places if key not in tensors]
        wrong += [f"'{key}' has no place" for key in tensors if key not in places]
        wrong += [
            f"'{key}' has the shape {tuple(value.shape)} instead of {tuple(places[key].shape)}"
            for key, value in tensors.items()
            if key in places and value.shape != places[key].shape
        ]
        if wrong:
            raise BundleError(f"{self.source} does not fit {self.title}: {first_reasons(wrong, most=1)}")
        self.module.load_state_dict({key: value.float() for key, value in tensors.items()})
        return self
