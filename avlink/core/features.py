"""What pretrained networks make of clips, and what they are given: values that cross floors, as in `core.values`."""

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
    """What an extractor makes of a clip: `rows` of shape (rows, dim), in the order of time.

    With a `rate`, row i belongs to the stretch [i / rate, (i + 1) / rate) of the clip in seconds; without, the rows
    are of the whole clip, and mostly there is one.
    """

    rows: NDArray[np.floating[Any]]
    rate: Fraction | None = None

    def __post_init__(self) -> None:
        if self.rows.ndim != 2:
            raise ValueError(f"features are (rows, dim), not of shape {self.rows.shape}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioVideo:
    """Sound and pictures of one stretch of time, which begin together."""

    sound: SoundSource
    frames: FrameSource


Content: TypeAlias = SoundSource | FrameSource | AudioVideo | str
"""What an extractor is given: a sound, pictures, both together, or words."""


@runtime_checkable
class FeatureExtractor(Protocol):
    """A pretrained network that describes clips. The same content has the same features, whatever came before."""

    sample_rate: int | None
    """The rate of the mono sound that it wants, in hertz; None where it takes none."""

    frame_rate: Fraction | None
    """How many pictures a second it wants; None where it takes none."""

    side: int | None
    """Pixels of the shorter side beyond which a larger picture gains nothing; None where it takes no pictures.

    Pictures come in the film's own shape, larger ones made smaller to this, smaller ones as they are.
    """

    def extract(self, content: Content) -> Mapping[str, Features]:
        """Features by name, of a whole clip.

        By custom, "embedding" has the vectors that distances and cosines are taken of, "logits" a row of scores
        before softmax, "frames" a row for each picture.
        """
        ...
