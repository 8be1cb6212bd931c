"""Features of clips by pretrained networks, and the protocol of their extractors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from avlink.core.values import FrameSource, SoundSource

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Features of a clip: `rows` of shape (rows, dim), in the order of time.

    With a `rate`, row i describes [i / rate, (i + 1) / rate) seconds of the clip. Without, all rows describe the whole
    clip, and mostly there is one.
    """

    rows: NDArray[np.floating[Any]]
    rate: Fraction | None = None

    def __post_init__(self) -> None:
        if self.rows.ndim != 2:
            raise ValueError(f"features are (rows, dim), not of shape {self.rows.shape}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioVideo:
    """Sound and pictures of one span of time, which begin together."""

    sound: SoundSource
    frames: FrameSource


Content: TypeAlias = SoundSource | FrameSource | AudioVideo | str
"""Input of an extractor: a sound, pictures, both together, or text."""


@runtime_checkable
class FeatureExtractor(Protocol):
    """A pretrained network that describes clips. Equal content gives equal features, whatever was extracted before."""

    sample_rate: int | None
    """Sample rate of its mono input in hertz; None if it takes no sound."""

    frame_rate: Fraction | None
    """Frame rate of its input pictures; None if it takes none."""

    side: int | None
    """Pixels of the shorter side beyond which larger pictures gain nothing; None if it takes no pictures.

    Pictures keep the film's shape; larger ones are scaled down to this side, smaller ones stay as they are.
    """

    def extract(self, content: Content) -> Mapping[str, Features]:
        """Return the features of a whole clip by name.

        By convention "embedding" holds the vectors for distances and cosines, "logits" one row of scores before
        softmax, "frames" one row per picture. A model that reads an extractor takes its "frames", else an "embedding"
        with a rate.
        """
        ...
