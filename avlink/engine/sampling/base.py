"""The parts that all samplers share.

All windows of a clip take each step together; where they overlap, their velocities are blended before the step,
so that no seam is audible or visible. Noise comes from the request's own seed: others in a batch change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from avlink.core.architecture import ExtractedConfig
from avlink.core.errors import InputError
from avlink.core.features import FeatureExtractor
from avlink.core.sampling import SampleConfig
from avlink.engine.flow.schedule import flow_times
from avlink.engine.flow.solver import updates
from avlink.engine.nn.dit import Stream
from avlink.engine.system import System
from avlink.engine.text.encoder import TextEmbeddings

SHORTEST_S = 0.64
"""Shorter clips are generated at this length, their last frame held, and cut: the model was trained on none shorter."""

KEPT_WINDOWS = 8
"""Most windows of a clip whose video streams are kept between steps: memory must not grow with its length."""


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

    def _precision(self) -> AbstractContextManager[object]:
        """Return the context in which the model gives velocities; they leave it as fp32."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.config.bf16 else nullcontext()

    def _guidance(self, t: float, weight: float | None = None) -> float:
        """Return the weight of guidance at a flow time: `weight` within the interval of guidance."""
        first, last = self.config.guidance_interval
        return (self.config.guidance if weight is None else weight) if first <= t < last else 1.0

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


def check_extractor(wanted: ExtractedConfig | None, given: FeatureExtractor | None) -> None:
    """Raise InputError if the model reads an extractor that was not given."""
    if wanted is not None and given is None:
        raise InputError(
            f"this model reads the features of the extractor '{wanted.name}', which was not given: say where its "
            "checkpoint lies, if it has one"
        )


def repeat(text: TextEmbeddings, count: int) -> TextEmbeddings:
    """Return one encoded prompt for each of `count` windows, without a copy."""
    return TextEmbeddings(tokens=text.tokens.expand(count, -1, -1), mask=text.mask.expand(count, -1))


def stack_trunks(trunks: Sequence[tuple[Stream, ...]]) -> tuple[Stream, ...]:
    """Return the trunks of windows of equal length as those of one batch; see `AVLink.trunk`."""

    def stacked(streams: Sequence[Stream]) -> Stream:
        joined = {
            name: torch.cat([getattr(stream, name) for stream in streams])
            for name in ("tokens", "time", "text", "mask")
        }
        # Positions are the same in all of them.
        return replace(streams[0], **joined)

    return tuple(stacked(streams) for streams in zip(*trunks, strict=True))
