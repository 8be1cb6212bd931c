"""The built-in extractors, which need no weights, and the extractor that a model's fusion reads.

A Fréchet distance of built-in features is a check against regressions. It is neither FAD nor FID: the features hold no
learned knowledge of sounds and pictures, and the numbers are not comparable with published ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from avlink.core.errors import RecipeError
from avlink.core.features import Content, Features
from avlink.core.recipe import RecipeSource
from avlink.core.sound import read_whole
from avlink.core.values import FrameSource, SoundSource
from avlink.hooks import (
    Extractor,
    ExtractorOptions,
    Medium,
    ReadyExtractor,
    load_registry,
    resolve_extractor,
    resolve_for_pictures,
)
from avlink.metrics.spectral import log_mel_levels

if TYPE_CHECKING:
    from avlink.core.architecture import AVLinkConfig, Described

SIDE = 64
"""Pixels of the shorter side of pictures of which only movement and colour count."""

_RATE = 16000
_POOLED = 10
_CELLS = 4
_FPS = Fraction(6)
"""The rate of the paper's pictures."""


class LogMelExtractor:
    """Rows of 64 levels in decibels, each the mean of 100 ms."""

    sample_rate: int | None = _RATE
    frame_rate: Fraction | None = None
    side: int | None = None

    def extract(self, content: Content) -> Mapping[str, Features]:
        """Return rows "embedding", one per 100 ms, at least one."""
        assert isinstance(content, SoundSource)
        levels = log_mel_levels(read_whole(content).samples[0], _RATE)
        whole = len(levels) // _POOLED * _POOLED
        rows = levels[:whole].reshape(-1, _POOLED, levels.shape[1]).mean(axis=1) if whole else levels.mean(0)[None]
        return {"embedding": Features(rows=rows.astype("float32"), rate=Fraction(100, _POOLED))}


class RgbCellsExtractor:
    """Rows of 64 levels: red, green, blue and change of 4x4 cells of a picture.

    The change is the mean absolute difference to the picture before; the first picture has that of the second one.
    All are decibels, 20 log10(1 + x) of 0 to 255: on a linear scale changes are so much smaller than colours that they
    would hardly count.
    """

    sample_rate: int | None = None
    frame_rate: Fraction | None = _FPS
    side: int | None = SIDE

    def extract(self, content: Content) -> Mapping[str, Features]:
        """Return rows "embedding", one per picture."""
        assert isinstance(content, FrameSource)
        rows, before = [], content.read(0, 1)[0]
        # One picture at a time: a long film would not fit in memory as floats.
        for index in range(content.num_frames):
            now = content.read(index, index + 1)[0]
            change = np.abs(now.astype(np.int16) - before).mean(axis=2, keepdims=True)
            rows.append(_cells(np.concatenate((now, change), axis=2)))
            before = now
        # The first picture has none before it: 0 would be a false stillness.
        if len(rows) > 1:
            rows[0][:, 3] = rows[1][:, 3]
        levels = 20 * np.log10(1 + np.stack(rows).reshape(len(rows), -1))
        return {"embedding": Features(rows=levels.astype("float32"), rate=content.rate)}


def _cells(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of 4x4 cells, (16, channels); sides of fewer than four pixels repeat some of them."""
    for axis in (0, 1):
        # Cells of a side that four does not divide differ by one pixel.
        edges = np.arange(_CELLS + 1) * picture.shape[axis] // _CELLS
        pixels = np.expand_dims(np.maximum(1, np.diff(edges)), (1 - axis, 2))
        picture = np.add.reduceat(picture, edges[:-1], axis) / pixels
    return picture.reshape(_CELLS**2, -1)


def _builtin(name: str, medium: Medium, kind: type[LogMelExtractor | RgbCellsExtractor]) -> ReadyExtractor:
    extractor = Extractor(
        name=name,
        takes=(medium,),
        fingerprint=lambda options: f"{name} 1",
        load=lambda options, device: kind(),
    )
    return ReadyExtractor(extractor=extractor, options=ExtractorOptions())


BUILTIN_EXTRACTORS: Mapping[str, ReadyExtractor] = {
    "log-mel": _builtin("log-mel", "sound", LogMelExtractor),
    "rgb-cells": _builtin("rgb-cells", "pictures", RgbCellsExtractor),
}
"""Extractors without weights, by name."""


def fusion_extractor(
    config: AVLinkConfig,
    options: Mapping[str, Mapping[str, Any]],
    source: RecipeSource | None = None,
    *,
    medium: Described | None = None,
) -> ReadyExtractor | None:
    """Return the extractor whose features the model's fusion reads; None where it reads the backbones alone.

    With `medium`, None for an extractor of the other one, too. `options` are those of the recipe, by extractor.

    Raises RecipeError for an extractor that no plugin offers, that does not take the medium that it is to describe, or
    options that it does not take.
    """
    wanted = config.fusion.extracted if medium is None else config.fusion.extracted_of(medium)
    if wanted is None:
        return None
    given, ready = options.get(wanted.name, {}), BUILTIN_EXTRACTORS.get(wanted.name)
    if ready is not None and given:
        raise RecipeError(f"extractors.{wanted.name}: this extractor is built in and takes no options; leave them out")
    if ready is None and wanted.medium == "pictures":
        ready = resolve_for_pictures(wanted.name, given, wanted.fps, load_registry(), source=source)
    elif ready is None:
        ready = resolve_extractor(wanted.name, given, load_registry(), source=source)
    if wanted.medium not in ready.extractor.takes:
        takes = " and ".join(ready.extractor.takes)
        raise RecipeError(
            f"model.fusion.extracted: the extractor '{wanted.name}' takes {takes}, and is to describe {wanted.medium}; "
            "set medium to what it takes, or name another"
        )
    return ready
