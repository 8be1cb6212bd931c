"""Sound for pictures (V2A), of any length, window by window."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from avlink.core.clock import to_index
from avlink.core.errors import InputError
from avlink.core.features import FeatureExtractor
from avlink.core.sound import FittedSound, SpooledSound
from avlink.core.values import (
    OnStep,
    PictureSpec,
    SoundRequest,
    SoundSource,
)
from avlink.engine.avlink import AVLink
from avlink.engine.flow.path import sample_path
from avlink.engine.flow.schedule import euler_times
from avlink.engine.flow.solver import euler, guide
from avlink.engine.pixels import extract_features, lower_frame_rate, to_pixels
from avlink.engine.sampling.base import SHORTEST_S, SampleConfig, Sampler, repeat, seeded_noise
from avlink.engine.system import System
from avlink.engine.windows import Window, plan_windows


class SoundSampler(Sampler):
    """A `SoundGenerator` on a `System`."""

    def __init__(self, system: System, config: SampleConfig, extractor: FeatureExtractor | None = None) -> None:
        """`extractor` is the one whose features the model reads, where it reads those.

        Raises InputError where it needs one that is not given.
        """
        super().__init__(system, config)
        self.model: AVLink = system.linked("audio")
        self.extracted, self.extractor = system.config.fusion.extracted, extractor
        if self.extracted is not None and extractor is None and config.use_picture:
            name = self.extracted.name
            raise InputError(f"this model reads the features of the extractor '{name}': say where its checkpoint lies")
        motion, picture = system.config.motion, system.config.picture
        self.factor = 1 if motion is None else motion.fps // picture.fps
        self.sample_rate = system.config.mel.sample_rate
        self.picture = PictureSpec(rate=Fraction(picture.fps * self.factor), width=picture.width, height=picture.height)

    @torch.no_grad()
    def generate(self, requests: Sequence[SoundRequest], *, on_step: OnStep | None = None) -> tuple[SoundSource, ...]:
        """One sound a request; see `avlink.core.values.SoundGenerator`."""
        made, steps = [], self.config.steps
        for number, request in enumerate(requests):

            def tell(done: int, _: int, number: int = number) -> None:
                if on_step is not None:
                    on_step(number * steps + done, len(requests) * steps)

            made.append(self._one(request, tell))
        return tuple(made)

    def _one(self, request: SoundRequest, tell: OnStep) -> SoundSource:
        duration_s = max(float(request.duration_s), SHORTEST_S)
        tokens = -int(-duration_s * self.rate // 1)
        windows = plan_windows(tokens / self.rate, self.window_s)
        x_0 = seeded_noise((tokens, self.system.config.vae.latent_channels), request.seed, 0).to(self.device)
        prompt = self._text("audio", request.prompt.text)
        negative = self._text("audio", request.prompt.negative)
        scene = self._text("video", request.prompt.text)
        seen = [self._motion(request, w) for w in windows] if self.config.use_motion else [None] * len(windows)
        features = [self._features(request, w) for w in windows]

        def velocity(x: Tensor, now: float) -> Tensor:
            def of(stacked: Tensor, part: list[int]) -> Tensor:
                count = len(part)
                t_a = torch.full((count,), now, device=self.device)
                t_v = torch.full((count,), self.config.t_condition, device=self.device)
                drop = self.model("audio", stacked, None, t_a=t_a, t_v=t_v, text_a=repeat(negative, count)).audio
                if not self.config.use_picture:
                    plain = self.model("audio", stacked, None, t_a=t_a, t_v=t_v, text_a=repeat(prompt, count)).audio
                    return guide(plain, drop, self.config.guidance)
                pictures = torch.stack([self._pixels(request, windows[i]) for i in part])
                motion = [seen[i] for i in part]
                keep = self.model(
                    "audio",
                    stacked,
                    pictures,
                    t_a=t_a,
                    t_v=t_v,
                    text_a=repeat(prompt, count),
                    text_v=repeat(scene, count),
                    motion=None if motion[0] is None else torch.stack([m for m in motion if m is not None]),
                    features=None if self.extracted is None else torch.stack([features[i] for i in part]),
                ).audio
                return guide(keep, drop, self.config.guidance)

            return self._over_windows(x, windows, self.rate, of)

        latents = euler(velocity, x_0, euler_times(self.config.steps), tell)
        blocks = (block.clamp(-1, 1).float().cpu().numpy() for block in self.system.codec.decode_blocks(latents[None]))
        made = SpooledSound(blocks, sample_rate=self.sample_rate, channels=1)
        return FittedSound(made, to_index(request.duration_s, self.sample_rate))

    def _frames(self, request: SoundRequest, window: Window) -> Tensor:
        """The window's frames at the motion rate, (frames, 3, height, width); the last one is held beyond the end."""
        rate = self.fps * self.factor
        start = window.start_s * rate
        count = -int(-window.duration_s * self.fps // 1) * self.factor
        source = request.frames
        read = source.read(min(start, source.num_frames - 1), min(start + count, source.num_frames))
        pixels = to_pixels(torch.from_numpy(np.ascontiguousarray(read))[None])[0].to(self.device)
        missing = count - pixels.shape[0]
        return torch.cat((pixels, pixels[-1:].expand(missing, -1, -1, -1))) if missing > 0 else pixels

    def _motion(self, request: SoundRequest, window: Window) -> Tensor | None:
        if self.system.motion is None or not self.config.use_picture:
            return None
        tokens: Tensor = self.system.motion(self._frames(request, window)[None]).tokens[0]
        return tokens

    def _features(self, request: SoundRequest, window: Window) -> Tensor:
        """What the extractor sees in the window, (pictures, dim); nothing for a model that reads none."""
        if self.extracted is None or self.extractor is None or not self.config.use_picture:
            return torch.empty(0)
        pixels = ((self._frames(request, window) + 1) * 127.5).round().to(torch.uint8)
        shown = pixels.permute(0, 2, 3, 1).cpu().numpy()
        return extract_features(self.extractor, shown, Fraction(self.fps * self.factor), self.extracted).to(self.device)

    def _pixels(self, request: SoundRequest, window: Window) -> Tensor:
        """The conditioning picture at its fixed flow time: mostly data, a little noise of the request's own."""
        pixels = lower_frame_rate(self._frames(request, window)[None], self.factor)[0]
        noise = seeded_noise(tuple(pixels.shape), request.seed, 1 + window.start_s).to(self.device)
        t = torch.full((1,), self.config.t_condition, device=self.device)
        return sample_path(noise[None], pixels[None], t).x_t[0]
