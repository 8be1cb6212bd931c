"""Generation: from requests to sound (V2A) or picture (A2V), of any length, window by window.

All windows of a clip take each Euler step together; where they overlap their velocities are blended before the step,
so no seam is heard. Noise comes from the request's own seed, so batch mates change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from avlink.core.clock import to_index
from avlink.core.errors import InputError
from avlink.core.features import FeatureExtractor
from avlink.core.picture import SpooledPictures
from avlink.core.sound import FittedSound, SpooledSound
from avlink.core.values import (
    FrameSource,
    OnStep,
    PictureRequest,
    PictureSpec,
    SoundRequest,
    SoundSource,
)
from avlink.engine.extracted import describe
from avlink.engine.flow.path import sample_path
from avlink.engine.flow.schedule import euler_times
from avlink.engine.flow.solver import euler, guide
from avlink.engine.models.linked import AVLink, Text
from avlink.engine.models.system import System
from avlink.engine.rows import Rows, euler_step
from avlink.engine.train.clips import slower, to_pixels
from avlink.engine.windows import Window, blend, plan_windows

_SHORTEST_S = 0.64
"""Clips below this are generated at this length, their last frame held, and cut: the model saw none shorter."""

_BLOCK = 64
"""Pictures that are made and read at once, besides those of windows."""


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


def _noise(shape: tuple[int, ...], seed: int, salt: int) -> Tensor:
    generator = torch.Generator().manual_seed((seed * 1_000_003 + salt) % 2**63)
    return torch.randn(shape, generator=generator)


class _Sampler:
    """What both directions share: the system, its device and type, and texts encoded once."""

    def __init__(self, system: System, config: SampleConfig) -> None:
        self.system, self.config = system, config
        self.device = system.vae.latent_mean.device
        self.fps = system.config.picture.fps
        self.rate = system.config.tokens_per_second
        self.window_s = system.config.window_tokens / self.rate

    def _text(self, side: Literal["audio", "video"], prompt: str) -> Text:
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


def _repeat(text: Text, count: int) -> Text:
    return Text(tokens=text.tokens.expand(count, -1, -1), mask=text.mask.expand(count, -1))


class SoundSampler(_Sampler):
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
        duration_s = max(float(request.duration_s), _SHORTEST_S)
        tokens = -int(-duration_s * self.rate // 1)
        windows = plan_windows(tokens / self.rate, self.window_s)
        x_0 = _noise((tokens, self.system.config.vae.latent_channels), request.seed, 0).to(self.device)
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
                drop = self.model(
                    "audio", stacked, None, t_audio=t_a, t_video=t_v, audio_text=_repeat(negative, count)
                ).audio
                if not self.config.use_picture:
                    plain = self.model(
                        "audio", stacked, None, t_audio=t_a, t_video=t_v, audio_text=_repeat(prompt, count)
                    ).audio
                    return guide(plain, drop, self.config.guidance)
                pictures = torch.stack([self._pixels(request, windows[i]) for i in part])
                motion = [seen[i] for i in part]
                keep = self.model(
                    "audio",
                    stacked,
                    pictures,
                    t_audio=t_a,
                    t_video=t_v,
                    audio_text=_repeat(prompt, count),
                    video_text=_repeat(scene, count),
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
        return describe(self.extractor, shown, Fraction(self.fps * self.factor), self.extracted).to(self.device)

    def _pixels(self, request: SoundRequest, window: Window) -> Tensor:
        """The conditioning picture at its fixed flow time: mostly data, a little noise of the request's own."""
        pixels = slower(self._frames(request, window)[None], self.factor)[0]
        noise = _noise(tuple(pixels.shape), request.seed, 1 + window.start_s).to(self.device)
        t = torch.full((1,), self.config.t_condition, device=self.device)
        return sample_path(noise[None], pixels[None], t).x_t[0]


class PictureSampler(_Sampler):
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
        frames = -int(-max(float(request.duration_s), _SHORTEST_S) * self.fps // 1)
        windows = plan_windows(frames / self.fps, self.window_s + 1 / self.rate)
        latents = self._latents(request.sound, frames)
        picture = self.system.config.picture
        shape = (3, picture.height, picture.width)
        x = Rows(_noise_blocks(frames, shape, request.seed), shape=shape)
        spans = [self._span(window, frames) for window in windows]
        text_v = self._text("video", request.prompt.text)
        text_a = self._text("audio", request.prompt.text)
        negative, nothing = self._text("video", request.prompt.negative), self._text("audio", "")
        hushed = _noise(tuple(latents.shape), request.seed, 1).to(self.device)

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
                t_audio=t_a,
                t_video=t_v,
                audio_text=_repeat(text_a, count),
                video_text=_repeat(text_v, count),
            ).video
            # Without the sound nothing is left to attend to: noise at flow time 0 stands for it.
            drop = self.model(
                "video",
                torch.stack([hushed[: s.shape[0]] for s in sounds]),
                stacked,
                t_audio=torch.zeros_like(t_a),
                t_video=t_v,
                audio_text=_repeat(nothing, count),
                video_text=_repeat(negative, count),
            ).video
            return guide(keep, drop, self.config.guidance)

        knots = euler_times(self.config.steps).tolist()
        for index, (now, then) in enumerate(pairwise(knots)):
            of = partial(velocity, now)
            euler_step(x, spans, of, dt=then - now, at_once=self.config.max_windows, device=self.device)
            if on_step is not None:
                on_step(index + 1, self.config.steps)
        blocks = (_to_bytes(x.read(at, min(at + _BLOCK, wanted))) for at in range(0, wanted, _BLOCK))
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


def _to_bytes(pixels: Float[Tensor, "frames 3 height width"]) -> NDArray[np.uint8]:
    values = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return values.permute(0, 2, 3, 1).cpu().numpy()
