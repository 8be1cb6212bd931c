"""Pictures for sound (A2V, section 3.3, inference), of any length, window by window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from avlink.core.clock import to_index
from avlink.core.features import FeatureExtractor
from avlink.core.frames import SpooledPictures
from avlink.core.sampling import SampleConfig
from avlink.core.sound import FittedSound
from avlink.core.values import (
    FrameSource,
    OnStep,
    PictureRequest,
    PictureSpec,
    SoundSource,
)
from avlink.engine.avlink import AVLink
from avlink.engine.extracted import sound_features
from avlink.engine.flow.path import sample_path
from avlink.engine.flow.solver import guide
from avlink.engine.nn.dit import Stream
from avlink.engine.pixels import to_bytes
from avlink.engine.sampling.base import (
    KEPT_WINDOWS,
    SHORTEST_S,
    Sampler,
    check_extractor,
    repeat,
    seeded_noise,
    stack_trunks,
)
from avlink.engine.sampling.spooled import SpooledTensor, update_rows
from avlink.engine.system import System
from avlink.engine.text.encoder import TextEmbeddings
from avlink.engine.windows import Window, plan_windows

_BLOCK_FRAMES = 64
"""Frames of noise that are drawn, and of pictures that are returned, at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """The latents of the sound that conditions, and their noise: (tokens, channels)."""

    a_0: Tensor
    a_1: Tensor

    def at(self, tokens: tuple[int, int], t_a: Float[Tensor, " 1"]) -> Float[Tensor, "tokens channels"]:
        """Return A_ta of tokens [start, stop)."""
        span = slice(*tokens)
        return sample_path(self.a_0[None, span], self.a_1[None, span], t_a).x_t[0]

    def noise(self, tokens: tuple[int, int]) -> Float[Tensor, "tokens channels"]:
        """Return the noise that stands for a missing sound of tokens [start, stop): the same in all windows."""
        return self.a_0[: tokens[1] - tokens[0]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _HeardTrunks:
    """The parts of a window's audio stream that all steps share; see `AVLink.trunk`."""

    of_sound: tuple[Stream, ...]
    of_noise: tuple[Stream, ...]


class PictureSampler(Sampler):
    """A `PictureGenerator` on a `System`."""

    def __init__(self, system: System, config: SampleConfig, extractor: FeatureExtractor | None = None) -> None:
        """Link the model for A2V; `extractor` is needed if the model reads features instead of the sound.

        Raises InputError if it is missing then.
        """
        super().__init__(system, config)
        self.model: AVLink | None = system.linked("video") if config.use_fusion else None
        self.extracted, self.extractor = system.config.fusion.extracted_of("sound"), extractor
        if config.use_fusion:
            check_extractor(self.extracted, extractor)
        picture = system.config.picture
        self.sample_rate = system.config.mel.sample_rate
        self.picture = PictureSpec(rate=Fraction(picture.fps), width=picture.width, height=picture.height)

    @torch.no_grad()
    def generate(self, requests: Sequence[PictureRequest], *, on_step: OnStep | None = None) -> tuple[FrameSource, ...]:
        """Generate frames for each request; see `avlink.core.values.PictureGenerator`."""
        return tuple(self._generate_one(request, on_step) for request in requests)

    def _generate_one(self, request: PictureRequest, on_step: OnStep | None) -> FrameSource:
        if self.config.use_fusion and (request.sound.sample_rate != self.sample_rate or request.sound.channels != 1):
            raise ValueError(f"the sound must be mono at {self.sample_rate} Hz")
        wanted = max(1, to_index(request.duration_s, self.fps))
        picture = self.system.config.picture
        # Rounded up; the frames beyond `wanted` are generated and not returned.
        frames = picture.frames_of(max(float(request.duration_s), SHORTEST_S))
        # By the frames: a window of 31 at 6 fps is slightly longer than its 129 tokens.
        windows = plan_windows(frames / self.fps, picture.frames / self.fps)
        shape = (3, picture.height, picture.width)
        # Pixels of a long clip may not fit into memory; latents, which V2A generates, are far smaller.
        v_t = SpooledTensor(_noise_blocks(frames, shape, request.seed), shape=shape)
        spans = [self._span(window, frames) for window in windows]
        scene, prompt = self._texts(request.prompt.text)
        negative, nothing = self._text("video", request.prompt.negative), self._text("audio", "")

        sound, features = None, [self._features(request.sound, span) for span in spans]
        if self.config.use_fusion and self.extracted is None:
            a_1 = self._latents(request.sound, frames)
            sound = _Heard(a_0=seeded_noise(tuple(a_1.shape), request.seed, 1).to(self.device), a_1=a_1)
        trunks = self._trunks(sound, windows, scene, nothing)

        def predicted(stacked: Tensor, t_v: Tensor, part: list[int], *, heard: bool) -> Tensor:
            """Return the velocity with sound and prompt, or without them and with the negative prompt."""
            words = repeat(prompt if heard else negative, len(part))
            if self.model is None:
                return self.system.video(stacked, t_v, words)
            # The model always has an audio stream. Noise at flow time 0, which says nothing, stands for a missing
            # sound, and zeros for its features, as in training.
            t_a = self._times(self.config.t_condition if heard else 0.0, len(part))
            given: dict[str, Any] = {"text_a": repeat(scene if heard else nothing, len(part)), "text_v": words}
            sounds = None
            if trunks:
                given["trunk"] = stack_trunks([trunks[i].of_sound if heard else trunks[i].of_noise for i in part])
            elif sound is not None:
                places = [self._tokens(windows[i]) for i in part]
                sounds = torch.stack([sound.at(at, t_a[:1]) if heard else sound.noise(at) for at in places])
            else:
                rows = torch.stack([features[i] for i in part])
                given["features"] = rows if heard else torch.zeros_like(rows)
            return self.model("video", sounds, stacked, t_a=t_a, t_v=t_v, **given).video

        def velocity(t: float, stacked: Tensor, part: list[int]) -> Tensor:
            t_v, weight = self._times(t, len(part)), self._guidance(t)
            with self._precision():
                keep = predicted(stacked, t_v, part, heard=True).float()
                return keep if weight == 1 else guide(keep, predicted(stacked, t_v, part, heard=False).float(), weight)

        # Not `solve`: the state lies in a file, and moves window by window.
        memory = SpooledTensor((), shape=shape)
        for index, update in enumerate(self.plan):
            at_now = partial(velocity, update.t)
            update_rows(v_t, memory, spans, at_now, update, at_once=self.config.max_windows, device=self.device)
            if on_step is not None:
                on_step(index + 1, len(self.plan))
        starts = range(0, wanted, _BLOCK_FRAMES)
        blocks = (to_bytes(v_t.read(at, min(at + _BLOCK_FRAMES, wanted))) for at in starts)
        return SpooledPictures(blocks, rate=self.picture.rate, height=picture.height, width=picture.width)

    def _trunks(
        self, sound: _Heard | None, windows: Sequence[Window], scene: TextEmbeddings, nothing: TextEmbeddings
    ) -> list[_HeardTrunks]:
        """Return the trunks of all windows; none for clips of many windows, whose memory would grow with them."""
        model = self.model
        if model is None or sound is None or len(windows) > KEPT_WINDOWS:
            return []
        t_a, t_0 = self._times(self.config.t_condition, 1), self._times(0.0, 1)
        spans = [self._tokens(window) for window in windows]
        with self._precision():
            return [
                _HeardTrunks(
                    of_sound=model.trunk("video", sound.at(span, t_a)[None], t_a, scene),
                    # A guidance of 1 has no pass without sound.
                    of_noise=()
                    if self.config.guidance == 1
                    else model.trunk("video", sound.noise(span)[None], t_0, nothing),
                )
                for span in spans
            ]

    def _latents(self, sound: SoundSource, frames: int) -> Float[Tensor, "tokens channels"]:
        """Return A_1 of a sound for so many frames; a sound that is too short is followed by silence."""
        codec = self.system.codec
        # At least as many as the sound has: windows of pictures may end before its last token.
        tokens = max(-int(-frames / self.fps * self.rate // 1), -(-sound.num_samples // codec.samples_per_token))

        def read(start: int, stop: int) -> Tensor:
            heard = torch.from_numpy(np.array(sound.read(start, stop)))
            return torch.nn.functional.pad(heard, (0, stop - start - heard.shape[-1])).to(self.device)

        return codec.encode_blocks(read, tokens)[0]

    def _features(self, sound: SoundSource, frames: tuple[int, int]) -> Float[Tensor, "rows dim"]:
        """Return the extractor's features of the sound of frames [start, stop); empty for a model that reads none."""
        if self.extracted is None or self.extractor is None or not self.config.use_fusion:
            return torch.empty(0, 0)
        # Rounded down: a sample beyond the last frame would begin a further row.
        first, last = (at * self.sample_rate // self.fps for at in frames)
        # A sound that is too short is followed by silence.
        heard = FittedSound(sound, last - first, first).read(0, last - first)[0]
        return sound_features(self.extractor, heard, self.sample_rate, self.extracted).to(self.device)

    def _tokens(self, window: Window) -> tuple[int, int]:
        """Return the latent tokens of a window, (start, stop)."""
        # Windows start at whole seconds, where a token begins, and end at the token that is nearest to their end.
        start = round(window.start_s * self.rate)
        return start, start + round(window.duration_s * self.rate)

    def _span(self, window: Window, frames: int) -> tuple[int, int]:
        start = round(window.start_s * self.fps)
        return start, min(frames, start + round(window.duration_s * self.fps))


def _noise_blocks(frames: int, shape: tuple[int, ...], seed: int) -> Iterator[Tensor]:
    """Yield the noise of `seeded_noise` with salt 0, block by block."""
    # torch draws 16 normal numbers at a time. A picture has a multiple of that, so blocks are what one draw would be.
    generator = torch.Generator().manual_seed((seed * 1_000_003) % 2**63)
    for start in range(0, frames, _BLOCK_FRAMES):
        yield torch.randn((min(_BLOCK_FRAMES, frames - start), *shape), generator=generator)
