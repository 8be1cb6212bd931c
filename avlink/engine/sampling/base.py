"""What both directions of generation share.

All windows of a clip take each Euler step together; where they overlap their velocities are blended before the step,
so no seam is heard. Noise comes from the request's own seed, so batch mates change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from avlink.engine.system import System
from avlink.engine.text.encoder import TextEmbeddings
from avlink.engine.windows import Window, blend

SHORTEST_S = 0.64
"""Clips below this are generated at this length, their last frame held, and cut: the model saw none shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleConfig:
    """How to sample. Flow times of the conditioning modality are the paper's: 0.96 for V2A, 0.8 for A2V."""

    steps: int = 16
    guidance: float = 4.0
    t_condition: float = 0.96
    max_windows: int = 2
    """Windows in one forward pass: what bounds memory."""
    use_picture: bool = True
    use_motion: bool = True


def seeded_noise(shape: tuple[int, ...], seed: int, salt: int) -> Tensor:
    """Normal noise of a request's own seed; `salt` tells its several noises apart."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + salt) % 2**63)
    return torch.randn(shape, generator=generator)


class Sampler:
    """What both directions share: the system, its device and type, and texts encoded once."""

    def __init__(self, system: System, config: SampleConfig) -> None:
        self.system, self.config = system, config
        self.device = system.vae.latent_mean.device
        self.fps = system.config.picture.fps
        self.rate = system.config.tokens_per_second
        self.window_s = system.config.window_tokens / self.rate

    def _text(self, side: Literal["audio", "video"], prompt: str) -> TextEmbeddings:
        return self.system.text_encoder(side).encode([prompt])

    def _over_windows(
        self,
        x: Float[Tensor, "total ..."],
        windows: Sequence[Window],
        rate: float,
        velocity: Callable[[Tensor, list[int]], Tensor],
    ) -> Float[Tensor, "total ..."]:
        """The blended velocity of all windows of one clip, a few of equal length at a time."""
        starts = [round(w.start_s * rate) for w in windows]
        lengths = [
            min(x.shape[0] - start, round(w.duration_s * rate + 0.499))
            for w, start in zip(windows, starts, strict=True)
        ]
        pieces: list[Tensor] = [x] * len(windows)
        for length in dict.fromkeys(lengths):
            chosen = [index for index, other in enumerate(lengths) if other == length]
            for at in range(0, len(chosen), self.config.max_windows):
                part = chosen[at : at + self.config.max_windows]
                stacked = torch.stack([x[starts[i] : starts[i] + length] for i in part])
                for index, piece in zip(part, velocity(stacked, part), strict=True):
                    pieces[index] = piece
        return blend(pieces, starts, x.shape[0])


def repeat(text: TextEmbeddings, count: int) -> TextEmbeddings:
    """One encoded prompt for `count` windows."""
    return TextEmbeddings(tokens=text.tokens.expand(count, -1, -1), mask=text.mask.expand(count, -1))
