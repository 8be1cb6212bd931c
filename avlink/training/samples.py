"""Samples of a model that still trains, to look at and listen to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from avlink.core.paths import atomic_write
from avlink.engine.system import System
from avlink.training.stages.inputs import device_of

NUM_SAMPLES = 4
"""Sounds or pictures that are written."""


def save_contact_sheet(pixels: UInt8[np.ndarray, "frames height width 3"], path: Path) -> None:
    """Write all frames of a clip as one picture, in rows of eight."""
    from PIL import Image

    count = pixels.shape[0]
    columns = 8
    # Black tiles fill the last row.
    missing = -count % columns
    tiles = np.concatenate((pixels, np.zeros((missing, *pixels.shape[1:]), np.uint8)))
    rows = [np.concatenate(list(tiles[i : i + columns]), axis=1) for i in range(0, len(tiles), columns)]
    with atomic_write(path, flush=False) as hidden:
        Image.fromarray(np.concatenate(rows)).save(hidden, "PNG")


def save_sounds(
    system: System,
    sounds: Sequence[NDArray[np.float32]],
    events: list[list[float]] | None,
    out: Path | None,
    name: str,
) -> None:
    """Write a few sounds and their spectrograms, with ticks at `events` in seconds; nothing where `out` is None."""
    if out is None:
        return
    folder, rate = out / "samples", system.config.mel.sample_rate
    mels = []
    for index, samples in enumerate(sounds[:NUM_SAMPLES]):
        with atomic_write(folder / f"{name}-{index}.wav", flush=False) as hidden:
            soundfile.write(hidden, samples, rate)
        mels.append(system.codec.mel(torch.from_numpy(samples)[None].to(device_of(system)))[0].cpu())
    fps = rate / system.config.mel.hop_samples
    _draw_mels(mels, folder / f"{name}.png", (events or [[]] * len(mels))[: len(mels)], fps)


def _draw_mels(mels: list[Float[Tensor, "mels frames"]], picture: Path, marks_s: list[list[float]], fps: float) -> None:
    """Draw spectrograms below each other, low bands at the bottom, with red ticks above each at its `marks_s`."""
    from PIL import Image

    strips = []
    for mel, marks in zip(mels, marks_s, strict=True):
        levels = ((mel.float() + 1) / 2).clamp(0, 1).numpy()[::-1]
        grey = np.repeat(np.repeat((levels * 255).astype(np.uint8), 2, 0), 2, 1)
        strip = np.stack([grey] * 3, axis=-1)
        band = np.full((10, strip.shape[1], 3), 255, np.uint8)
        for mark in marks:
            x = round(mark * fps * 2)
            if 0 <= x < band.shape[1]:
                band[:, max(0, x - 1) : x + 1] = (220, 0, 0)
        strips += [band, strip]
    with atomic_write(picture, flush=False) as hidden:
        Image.fromarray(np.concatenate(strips)).save(hidden, "PNG")
