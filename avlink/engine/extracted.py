"""An extractor's features of pictures, as the stream that Fusion Blocks read in place of the video backbone's."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from avlink.core.architecture import ExtractedConfig
from avlink.core.errors import InputError
from avlink.core.features import FeatureExtractor
from avlink.core.picked import PickedFrames
from avlink.core.values import Frames


def describe(
    extractor: FeatureExtractor, pixels: NDArray[np.uint8], rate: Fraction, wanted: ExtractedConfig
) -> Float[Tensor, "pictures dim"]:
    """A row for each picture that is seen at a tick of `wanted.fps`; `pixels` (frames, height, width, 3) at `rate`.

    Raises InputError where the extractor gives other features than the model reads.
    """
    count = -int(-len(pixels) / rate * wanted.fps // 1)
    seen = PickedFrames(Frames(pixels=pixels, rate=rate), Fraction(wanted.fps), count)
    found = extractor.extract(seen).get("frames")
    if found is None or found.rows.shape != (count, wanted.dim):
        given = "none" if found is None else f"{found.rows.shape[0]} of width {found.rows.shape[1]}"
        raise InputError(
            f"extractor '{wanted.name}' gives no row of {wanted.dim} values for each of {count} pictures, but {given}; "
            "set model.fusion.extracted to what it gives"
        )
    return torch.from_numpy(np.ascontiguousarray(found.rows, dtype=np.float32))
