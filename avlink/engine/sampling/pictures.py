"""Pictures for sound (A2V), of any length, window by window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from avlink.core.clock import to_index
from avlink.core.picture import SpooledPictures
from avlink.core.values import (
    FrameSource,
    OnStep,
    PictureRequest,
    PictureSpec,
    SoundSource,
)
from avlink.engine.avlink import AVLink
from avlink.engine.flow.path import sample_path
from avlink.engine.flow.schedule import euler_times
from avlink.engine.flow.solver import guide
from avlink.engine.pixels import to_bytes
from avlink.engine.sampling.base import SHORTEST_S, SampleConfig, Sampler, repeat, seeded_noise
from avlink.engine.sampling.spooled import SpooledTensor, euler_step
from avlink.engine.system import System
from avlink.engine.windows import Window, plan_windows

_BLOCK = 64
"""Pictures that are made and read at once, besides those of windows."""


class PictureSampler(Sampler):
    """A `PictureGenerator` on a `System`."""

    def __init__(self, system: System, config: SampleConfig) -> None:
        super().__init__(system, config)
        self.model: AVLink = system.linked("video")
        picture = system.config.picture
        self.sample_rate = system.config.mel.sample_rate
        self.picture = PictureSpec(rate=Fraction(picture.fps), width=picture.width, height=picture.height)

    @torch.no_grad()
    def generate(self, requests: Sequence[PictureRequest], *, on_step: OnStep | None = None) -> tuple[FrameSource, ...]:
        """Frames for each request; see `avlink.core.values.PictureGenerator`."""
        return tuple(self._one(request, on_step) for request in requests)

    def _one(self, request: PictureRequest, on_step: OnStep | None) -> FrameSource:
        if request.sound.sample_rate != self.sample_rate or request.sound.channels != 1:
            raise ValueError(f"the sound must be mono at {self.sample_rate} Hz")
        wanted = max(1, to_index(request.duration_s, self.fps))
        frames = -int(-max(float(request.duration_s), SHORTEST_S) * self.fps // 1)
        windows = plan_windows(frames / self.fps, self.window_s + 1 / self.rate)
        latents = self._latents(request.sound, frames)
        picture = self.system.config.picture
        shape = (3, picture.height, picture.width)
        x = SpooledTensor(_noise_blocks(frames, shape, request.seed), shape=shape)
        spans = [self._span(window, frames) for window in windows]
        text_v = self._text("video", request.prompt.text)
        text_a = self._text("audio", request.prompt.text)
        negative, nothing = self._text("video", request.prompt.negative), self._text("audio", "")
        hushed = seeded_noise(tuple(latents.shape), request.seed, 1).to(self.device)

        def heard(window: Window) -> Tensor:
            start = round(window.start_s * self.rate)
            stop = start + round(window.duration_s * self.rate)
            t = torch.full((1,), self.config.t_condition, device=self.device)
            return sample_path(hushed[None, start:stop], latents[None, start:stop], t).x_t[0]

        def velocity(now: float, stacked: Tensor, part: list[int]) -> Tensor:
            count = len(part)
            t_v = torch.full((count,), now, device=self.device)
            t_a = torch.full((count,), self.config.t_condition, device=self.device)
            sounds = torch.stack([heard(windows[i]) for i in part])
            keep = self.model(
                "video",
                sounds,
                stacked,
                t_a=t_a,
                t_v=t_v,
                text_a=repeat(text_a, count),
                text_v=repeat(text_v, count),
            ).video
            # Without the sound nothing is left to attend to: noise at flow time 0 stands for it.
            drop = self.model(
                "video",
                torch.stack([hushed[: s.shape[0]] for s in sounds]),
                stacked,
                t_a=torch.zeros_like(t_a),
                t_v=t_v,
                text_a=repeat(nothing, count),
                text_v=repeat(negative, count),
            ).video
            return guide(keep, drop, self.config.guidance)

        knots = euler_times(self.config.steps).tolist()
        for index, (now, then) in enumerate(pairwise(knots)):
            of = partial(velocity, now)
            euler_step(x, spans, of, dt=then - now, at_once=self.config.max_windows, device=self.device)
            if on_step is not None:
                on_step(index + 1, self.config.steps)
        blocks = (to_bytes(x.read(at, min(at + _BLOCK, wanted))) for at in range(0, wanted, _BLOCK))
        return SpooledPictures(blocks, rate=self.picture.rate, height=picture.height, width=picture.width)

    def _latents(self, sound: SoundSource, frames: int) -> Float[Tensor, "tokens channels"]:
        """The sound of so many frames in latents; what there is not is silence."""
        codec = self.system.codec
        tokens = max(-int(-frames / self.fps * self.rate // 1), -(-sound.num_samples // codec.samples_per_token))

        def read(start: int, stop: int) -> Tensor:
            heard = torch.from_numpy(np.array(sound.read(start, stop)))
            return torch.nn.functional.pad(heard, (0, stop - start - heard.shape[-1])).to(self.device)

        return codec.encode_blocks(read, tokens)[0]

    def _span(self, window: Window, frames: int) -> tuple[int, int]:
        start = round(window.start_s * self.fps)
        return start, min(frames, start + round(window.duration_s * self.fps + 0.499))


def _noise_blocks(frames: int, shape: tuple[int, ...], seed: int) -> Iterator[Tensor]:
    """The noise of `_noise`, a block at a time: blocks of whole pictures are drawn as all of them are."""
    generator = torch.Generator().manual_seed((seed * 1_000_003) % 2**63)
    for start in range(0, frames, _BLOCK):
        yield torch.randn((min(_BLOCK, frames - start), *shape), generator=generator)
