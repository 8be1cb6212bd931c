"""Clips that the foundry makes in a second on one thread, against filling the same memory with noise."""

from __future__ import annotations

import torch

from avlink.foundry.clip import CLIP_FRAMES, CLIP_SAMPLES, HEIGHT, WIDTH
from avlink.foundry.generate import make_clips
from benchmarks.figure import Figure, Wanted
from benchmarks.stopwatch import seconds


def measure(wanted: Wanted) -> list[Figure]:
    """Clips per second for each split; a clip is 5.16 s of 64x36 pixels at 24 per second, and its sound."""
    torch.set_num_threads(1)
    count = 2 if wanted.quick else 100
    figures = []
    for split in ("train", "transfer"):
        make_clips([count], split=split)
        made_s = seconds(lambda split=split: [make_clips([seed], split=split) for seed in range(count)])  # type: ignore[misc]
        noise_s = seconds(lambda: [_noise() for _ in range(count)])
        figures.append(
            Figure(
                name=f"foundry, {split} clips, one thread",
                value=count / made_s,
                unit="clips/s",
                baseline=count / noise_s,
                baseline_name="noise of the same size",
            )
        )
    return figures


def _noise() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randint(256, (CLIP_FRAMES, HEIGHT, WIDTH, 3), dtype=torch.uint8), torch.randn(CLIP_SAMPLES)
