"""The stage of heads: their loss on crops of clips, under changes of how much moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avlink.engine.learned_spotter import POSITIVE_WEIGHT, RATE, HitInputs
from avlink.engine.nn.hit_head import HitHead

CROP_BINS = 2 * RATE
"""Crops of two seconds."""

_WIDTH_S = 0.025
_LOUDER = 0.2
"""Deviation of the logarithm by which motion is scaled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HitLesson:
    """A clip to learn from: the inputs of heads, and the `true_s` seconds from its first bin at which hits are seen.

    Bins from `first` up to `last` count; nothing is known of what lies around them.
    """

    inputs: HitInputs
    true_s: NDArray[np.float64]
    first: int
    last: int

    def targets(self) -> NDArray[np.float32]:
        """Return bumps of height 1 around every hit, (bins,)."""
        times_s = (np.arange(self.inputs.curves.shape[1]) + 0.5) / RATE
        if not len(self.true_s):
            return np.zeros(len(times_s), np.float32)
        apart = np.abs(times_s[:, None] - self.true_s[None]).min(axis=1)
        return np.exp(-0.5 * (apart / _WIDTH_S) ** 2).astype(np.float32)


class HitStage:
    """The heads alone; the stem that they read stays as it is."""

    def __init__(self, name: str, head: HitHead, lessons: Sequence[HitLesson]) -> None:
        self.name, self.head = name, head
        self.trained: dict[str, nn.Module] = {"head": head}
        self.frozen: tuple[nn.Module, ...] = ()
        self._lessons = [(lesson, lesson.targets()) for lesson in lessons]
        # Long clips come up more often.
        self._clips = [
            index
            for index, lesson in enumerate(lessons)
            for _ in range(max(1, round((lesson.last - lesson.first) / CROP_BINS)))
        ]
        self.num_clips = len(self._clips)

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Return the cross-entropy of random crops of the clips, the mean over heads."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        crops = [self._crop(self._clips[index], rng) for index in indices]
        curves, tokens, targets, counts = (torch.from_numpy(np.stack(part)) for part in zip(*crops, strict=True))
        # Dropout draws from the global state, which a resumed run does not have.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**62)))
            logits = self.head(curves, tokens)
        losses = nn.functional.binary_cross_entropy_with_logits(
            logits,
            targets.expand_as(logits),
            weight=counts,
            pos_weight=torch.tensor(POSITIVE_WEIGHT),
            reduction="none",
        )
        return {"total": losses.sum() / (counts.sum() * len(logits)).clamp(min=1)}

    def validate(self) -> dict[str, float]:
        """Return nothing: heads are judged as spotters, on whole clips."""
        return {}

    def _crop(self, clip: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
        """Return curves, tokens, targets and the bins that count of a random crop, padded to its length."""
        lesson, targets = self._lessons[clip]
        curves, tokens = lesson.inputs.curves, lesson.inputs.tokens
        bins = curves.shape[1]
        start = int(rng.integers(0, max(0, bins - CROP_BINS) + 1))
        stop = min(bins, start + CROP_BINS)
        short = CROP_BINS - (stop - start)
        part = np.pad(curves[:, start:stop], ((0, 0), (0, short)))
        part[1] *= np.float32(np.exp(rng.normal(0, _LOUDER)))
        counts = np.zeros(CROP_BINS, np.float32)
        counts[max(0, lesson.first - start) : max(0, min(lesson.last, stop) - start)] = 1
        if not self.head.config.tokens:
            tokens = tokens[:, :0]
        return (
            part,
            np.pad(tokens[start:stop], ((0, short), (0, 0))),
            np.pad(targets[start:stop], (0, short)),
            counts,
        )
