"""The parts that both samplers share.

All windows of a clip take each step together; where they overlap, their velocities are blended before the step,
so that no seam is audible or visible. Noise comes from the request's own seed: others in a batch change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from avlink.core.values import SolverName
from avlink.engine.flow.schedule import flow_times
from avlink.engine.flow.solver import updates
from avlink.engine.system import System
from avlink.engine.text.encoder import TextEmbeddings

SHORTEST_S = 0.64
"""Shorter clips are generated at this length, their last frame held, and cut: the model was trained on none shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleConfig:
    """Settings of a sampler."""

    # Measured on a small model (onset F1, 64 clips, error .03): 8, 16, 32 and 64 steps give .77, .77, .77 and .76;
    # guidance of 1, 3 and 5 gives .67, .77 and .78; a conditioning flow time of .5, .8, .96 and 1 gives .53, .76, .77
    # and .76.
    steps: int = 16
    """Steps of the solver; the paper takes 64."""
    solver: SolverName = "euler"
    """See `flow.solver.updates`; the paper's is `euler`."""
    guidance: float = 4.0
    """Weight of classifier-free guidance; the paper's is 5."""
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    """Flow times [from, to) at which guidance counts (Kynkäänniemi et al. 2024); elsewhere one pass is enough."""
    guidance_rescale: float = 0.5
    """Share by which guided sound is brought back to its spread without guidance; see `flow.solver.rescale`."""
    shift: float = 1.0
    """Shift of the steps towards noise; see `flow.schedule.flow_times`."""
    t_condition: float = 0.96
    """Fixed flow time of the conditioning modality: the paper's 0.96 for V2A; its A2V takes 0.8 (section 4.4)."""
    max_windows: int = 2
    """Windows in one forward pass, which bounds the memory."""
    use_fusion: bool = True
    """Generate from picture and prompt, or from sound and prompt. Without, a backbone generates from its prompt alone
    (T2A, T2V; section 3.1)."""
    use_picture: bool = True
    use_motion: bool = True
    """Read motion by the motion stem. Without it the readout tells it from the video backbone, if the model has one."""
    use_backbone: bool = True
    """Read the picture by the backbone of the other modality too. Without it sound knows of the picture what the motion
    stem sees, and of hits."""


def seeded_noise(shape: tuple[int, ...], seed: int, salt: int) -> Tensor:
    """Return normal noise of a request's seed; each `salt` gives another one."""
    # On the CPU, whose generator gives the same numbers on every machine; CUDA's depends on the device.
    # The factor keeps seed + 1 with salt 0 apart from seed with salt 1.
    # Of any seed, the generator takes 64 bits at most.
    generator = torch.Generator().manual_seed((seed * 1_000_003 + salt) % 2**63)
    return torch.randn(shape, generator=generator)


class Sampler:
    """A model and its settings, with the rates that windows are measured in."""

    def __init__(self, system: System, config: SampleConfig) -> None:
        self.system, self.config = system, config
        self.device = system.vae.latent_mean.device
        self.fps = system.config.picture.fps
        self.rate = system.config.tokens_per_second
        self.window_s = system.config.window_tokens / self.rate
        self.plan = updates(config.solver, flow_times(config.steps, config.shift))
        """The evaluations of the model, and what each of them moves."""

    def _guidance(self, t: float) -> float:
        """Return the weight of guidance at a flow time."""
        first, last = self.config.guidance_interval
        return self.config.guidance if first <= t < last else 1.0

    def _texts(self, prompt: str) -> tuple[TextEmbeddings, TextEmbeddings]:
        """Return a prompt as the audio and as the video backbone read it; one T5 serves both, and encodes it once."""
        of_sound, of_picture = (self.system.text_encoder(side) for side in ("audio", "video"))
        read = of_sound.encode([prompt])
        return read, read if of_sound is of_picture else of_picture.encode([prompt])

    def _text(self, side: Literal["audio", "video"], prompt: str) -> TextEmbeddings:
        return self.system.text_encoder(side).encode([prompt])

    def _times(self, t: float, count: int) -> Tensor:
        """Return one flow time for each of `count` windows."""
        return torch.full((count,), t, device=self.device)


def repeat(text: TextEmbeddings, count: int) -> TextEmbeddings:
    """Return one encoded prompt for each of `count` windows, without a copy."""
    return TextEmbeddings(tokens=text.tokens.expand(count, -1, -1), mask=text.mask.expand(count, -1))
