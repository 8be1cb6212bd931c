"""Features of a pretrained extractor: rows at the rate that a model reads, and the stream that they make.

They stand for the activations of the conditioning backbone: those of pictures in V2A, those of sound in A2V.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from avlink.core.architecture import ExtractedConfig
from avlink.core.errors import InputError
from avlink.core.features import FeatureExtractor, Features
from avlink.core.frames import ResampledFrames
from avlink.core.values import Frames, Waveform
from avlink.engine.nn.dit import Stream
from avlink.engine.torchaudio import torchaudio


def picture_features(
    extractor: FeatureExtractor, pixels: NDArray[np.uint8], rate: Fraction, wanted: ExtractedConfig
) -> Float[Tensor, "pictures dim"]:
    """Return an extractor's features of `pixels`, a row for each tick of `wanted.fps` (table 2, features type).

    `pixels` are RGB bytes (frames, height, width, 3) at `rate` frames per second.
    Raises InputError if the extractor gives other features than the model reads.
    """
    count = _ticks(len(pixels) / rate, wanted)
    seen = ResampledFrames(Frames(pixels=pixels, rate=rate), rate=Fraction(wanted.fps), num_frames=count)
    found = _rows_in_time(extractor.extract(seen))
    if found is None or found.rows.shape != (count, wanted.dim):
        given = "none" if found is None else f"{found.rows.shape[0]} of width {found.rows.shape[1]}"
        raise InputError(
            f"extractor '{wanted.name}' gives no row of {wanted.dim} values for each of {count} pictures, but {given}; "
            "set model.fusion.extracted to what it gives"
        )
    return _as_tensor(found.rows)


def sound_features(
    extractor: FeatureExtractor, samples: NDArray[np.float32], sample_rate: int, wanted: ExtractedConfig
) -> Float[Tensor, "rows dim"]:
    """Return an extractor's features of a mono sound (samples,), a row for each tick of `wanted.fps` (TempoTokens).

    The sound is resampled to the rate that the extractor takes, and its rows to `wanted.fps`.
    Raises InputError if the extractor gives other features than the model reads.
    """
    assert extractor.sample_rate is not None
    count = _ticks(Fraction(len(samples), sample_rate), wanted)
    heard = torchaudio.functional.resample(torch.from_numpy(samples)[None], sample_rate, extractor.sample_rate)
    found = _rows_in_time(extractor.extract(Waveform(samples=heard.numpy(), sample_rate=extractor.sample_rate)))
    if found is None or found.rate is None or not len(found.rows) or found.rows.shape[1] != wanted.dim:
        given = "no rows in time" if found is None or found.rate is None else f"rows of width {found.rows.shape[1]}"
        raise InputError(
            f"extractor '{wanted.name}' gives {given}, where the model reads rows of {wanted.dim} values that follow "
            "the sound; set model.fusion.extracted to what it gives"
        )
    return _as_tensor(resampled_rows(found.rows, found.rate, Fraction(wanted.fps), count))


def resampled_rows(rows: NDArray[np.floating], rate: Fraction, wanted: Fraction, count: int) -> NDArray[np.float64]:
    """Return `count` rows at the rate `wanted` from rows (rows, dim) at `rate`: means over each tick, by overlap.

    The last row is held to the end.
    """
    # A tick is p units long and a row q, so that all edges are whole numbers.
    p, q = (rate / wanted).as_integer_ratio()
    ticks, starts = np.arange(count)[:, None] * p, np.arange(len(rows)) * q
    stops = starts + q
    # Extractors leave out a last window that the sound does not fill.
    stops[-1] = max(stops[-1], count * p)
    overlap = np.minimum(ticks + p, stops) - np.maximum(ticks, starts)
    return overlap.clip(min=0) @ rows.astype(np.float64) / p


def feature_stream(features: Float[Tensor, "batch rows dim"]) -> Stream:
    """Wrap an extractor's features, which no backbone runs on; Fusion Blocks may still refine them."""
    batch, count, dim = features.shape
    # Placeholders: the spans of this stream are empty, so that no block reads its time, rotations or text.
    no_time, no_rope, no_text = (features.new_zeros(size) for size in ((batch, dim), (count, 0, 2), (batch, 0, dim)))
    mask = torch.zeros(batch, 0, dtype=torch.bool, device=features.device)
    return Stream(tokens=features, time=no_time, rope=no_rope, text=no_text, mask=mask)


def _ticks(duration_s: Fraction, wanted: ExtractedConfig) -> int:
    # A ceiling in exact fractions: a clip's last, partly covered tick has a row too.
    return -int(-duration_s * wanted.fps // 1)


def _rows_in_time(found: Mapping[str, Features]) -> Features | None:
    """Return the rows that follow the clip, if there are any; see `FeatureExtractor.extract`."""
    embedding = found.get("embedding")
    return found.get("frames", None if embedding is None or embedding.rate is None else embedding)


def _as_tensor(rows: NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32))
