"""The extractors that need no weights: a Fréchet distance of what they give is a gate against regressions.

It is no FAD, and no FID: nothing in them knows what sounds and pictures are, and their numbers have nothing to do with
published ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from avlink.core.features import Content, Features
from avlink.core.sound import read_whole
from avlink.core.values import FrameSource, SoundSource
from avlink.hooks import Extractor, ExtractorOptions, Medium, ReadyExtractor
from avlink.metrics.spectral import log_mel_levels

SIDE = 64
"""Pixels of the shorter side at which pictures are looked at where nothing but movement and colour counts."""

_RATE = 16000
_POOLED = 10
_CELLS = 4
_FPS = Fraction(6)
"""As many as the paper's pictures have."""


class LogMelExtractor:
    """Rows of 64 levels in decibels, each the mean of 100 ms."""

    sample_rate: int | None = _RATE
    frame_rate: Fraction | None = None
    side: int | None = None

    def extract(self, content: Content) -> Mapping[str, Features]:
        """Rows "embedding", one for each 100 ms, one at least."""
        assert isinstance(content, SoundSource)
        levels = log_mel_levels(read_whole(content).samples[0], _RATE)
        whole = len(levels) // _POOLED * _POOLED
        rows = levels[:whole].reshape(-1, _POOLED, levels.shape[1]).mean(axis=1) if whole else levels.mean(0)[None]
        return {"embedding": Features(rows=rows.astype("float32"), rate=Fraction(100, _POOLED))}


class RgbCellsExtractor:
    """Rows of 64 levels: red, green and blue of 4x4 cells of a picture, and each cell's change from the one before.

    The change is the mean absolute difference; the first picture has the second one's. All are decibels,
    20 log10(1 + x) of 0 to 255: plain changes are so much smaller than colours that they would hardly count.
    """

    sample_rate: int | None = None
    frame_rate: Fraction | None = _FPS
    side: int | None = SIDE

    def extract(self, content: Content) -> Mapping[str, Features]:
        """Rows "embedding", one for each picture."""
        assert isinstance(content, FrameSource)
        rows, before = [], content.read(0, 1)[0]
        # A picture at a time: long films would not fit in memory as floats.
        for index in range(content.num_frames):
            now = content.read(index, index + 1)[0]
            change = np.abs(now.astype(np.int16) - before).mean(axis=2, keepdims=True)
            rows.append(_cells(np.concatenate((now, change), axis=2)))
            before = now
        if len(rows) > 1:
            rows[0][:, 3] = rows[1][:, 3]
        levels = 20 * np.log10(1 + np.stack(rows).reshape(len(rows), -1))
        return {"embedding": Features(rows=levels.astype("float32"), rate=content.rate)}


def _cells(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    """The means of 4x4 cells, (16, channels); a side of fewer pixels has some more than once."""
    for axis in (0, 1):
        edges = np.arange(_CELLS + 1) * picture.shape[axis] // _CELLS
        pixels = np.expand_dims(np.maximum(1, np.diff(edges)), (1 - axis, 2))
        picture = np.add.reduceat(picture, edges[:-1], axis) / pixels
    return picture.reshape(_CELLS**2, -1)


def _weightless(name: str, medium: Medium, kind: type[LogMelExtractor | RgbCellsExtractor]) -> ReadyExtractor:
    extractor = Extractor(
        name=name,
        takes=(medium,),
        fingerprint=lambda options: f"{name} 1",
        load=lambda options, device: kind(),
    )
    return ReadyExtractor(extractor=extractor, options=ExtractorOptions())


WEIGHTLESS: Mapping[str, ReadyExtractor] = {
    "log-mel": _weightless("log-mel", "sound", LogMelExtractor),
    "rgb-cells": _weightless("rgb-cells", "pictures", RgbCellsExtractor),
}
"""By name."""
