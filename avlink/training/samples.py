"""Samples of what a model makes while it trains, to look at and listen to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray

from avlink.engine.system import System
from avlink.training.curves import draw_mels
from avlink.training.stages.inputs import device_of

SAMPLES = 4
"""So many are kept."""


def contact_sheet(pixels: UInt8[np.ndarray, "frames height width 3"], path: Path) -> None:
    """All frames in rows of eight."""
    from PIL import Image

    count = pixels.shape[0]
    columns = 8
    missing = -count % columns
    tiles = np.concatenate((pixels, np.zeros((missing, *pixels.shape[1:]), np.uint8)))
    rows = [np.concatenate(list(tiles[i : i + columns]), axis=1) for i in range(0, len(tiles), columns)]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(path)


def keep_sounds(
    system: System,
    sounds: Sequence[NDArray[np.float32]],
    events: list[list[float]] | None,
    out: Path | None,
    name: str,
) -> None:
    """Write a few sounds, and their spectrograms under marks of `events` in seconds; nothing without a place."""
    if out is None:
        return
    folder, rate = out / "samples", system.config.mel.sample_rate
    folder.mkdir(parents=True, exist_ok=True)
    mels = []
    for index, samples in enumerate(sounds[:SAMPLES]):
        soundfile.write(folder / f"{name}-{index}.wav", samples, rate)
        mels.append(system.codec.mel(torch.from_numpy(samples)[None].to(device_of(system)))[0].cpu())
    fps = rate / system.config.mel.hop_samples
    draw_mels(mels, folder / f"{name}.png", (events or [[]] * len(mels))[: len(mels)], fps)
