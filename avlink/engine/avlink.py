"""The AV-Link model: two frozen backbones, Fusion Blocks between them (figure 2), and the optional motion stem.

`AVLink.forward` answers for one direction: "audio" is V2A, "video" is A2V, "both" makes both at once. It returns
velocities (see flow/path.py); how a velocity becomes sound or picture is the sampler's matter.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avlink.core.architecture import AVLinkConfig
from avlink.engine.flow.path import data_to_velocity
from avlink.engine.nn.dit import AudioDiT, Stream, VideoDiT
from avlink.engine.nn.embed import TimeEmbedding
from avlink.engine.nn.fusion import FusionBlock, aligned_rope
from avlink.engine.nn.inject import DirectBlock, TextLink
from avlink.engine.text.encoder import TextEmbeddings

Direction: TypeAlias = Literal["audio", "video", "both"]


class Velocities(NamedTuple):
    """What is generated, by modality; None for the one that only conditions."""

    audio: Tensor | None
    """(batch, tokens, channels)."""
    video: Tensor | None
    """(batch, frames, 3, height, width)."""


def placement(depth: int, blocks: int) -> tuple[int, ...]:
    """After how many backbone blocks each Fusion Block stands: regular, the last one after the last block."""
    return tuple(round((index + 1) * depth / blocks) for index in range(blocks))


class Fusion(nn.Module):
    """What links the backbones in one direction, and the embedding of both flow times that its blocks share.

    `makes` is the generated modality; "both" serves every direction.
    """

    def __init__(self, config: AVLinkConfig, makes: Direction) -> None:
        super().__init__()
        fusion, audio_dim = config.fusion, config.audio.dim
        # Only sound has pictures, and so what is extracted from them, for its condition.
        extracted = fusion.extracted if makes == "audio" else None
        video_dim = config.video.dim if extracted is None else extracted.dim
        given, made = (video_dim, audio_dim) if makes == "audio" else (audio_dim, video_dim)
        self.makes = makes
        self.time = TimeEmbedding(fusion.dim, num_times=2)
        self.link: TextLink | None = None
        if fusion.injection == "text":
            self.link = TextLink(fusion, given, config.text.dim)
        self.blocks = nn.ModuleList()
        if fusion.injection == "direct":
            self.blocks.extend(DirectBlock(fusion, given, made) for _ in range(fusion.blocks))
        elif fusion.injection != "text":
            motion_dim = None if config.motion is None else config.motion.dim
            self.blocks.extend(FusionBlock(fusion, audio_dim, video_dim, motion_dim) for _ in range(fusion.blocks))


class AVLink(nn.Module):
    """Both backbones linked by `fusion`; the backbones' parameters are frozen by whoever trains the fusion."""

    def __init__(self, config: AVLinkConfig, *, audio: AudioDiT, video: VideoDiT, fusion: Fusion) -> None:
        super().__init__()
        self.config = config
        self.audio, self.video, self.fusion = audio, video, fusion
        self.extracted = config.fusion.extracted if fusion.makes == "audio" else None
        blocks = config.fusion.blocks
        one_place = None if config.fusion.after is None else (config.fusion.after,) * blocks
        self.audio_stops = placement(config.audio.depth, blocks)
        self.video_stops = placement(config.video.depth, blocks)
        if one_place is not None and fusion.makes == "audio":
            self.video_stops = one_place
        elif one_place is not None:
            self.audio_stops = one_place

    def forward(
        self,
        direction: Direction,
        latents: Float[Tensor, "batch tokens channels"],
        pixels: Float[Tensor, "batch frames 3 height width"] | None,
        *,
        t_audio: Float[Tensor, " batch"],
        t_video: Float[Tensor, " batch"],
        audio_text: TextEmbeddings,
        video_text: TextEmbeddings | None = None,
        motion: Float[Tensor, "batch motion_frames dim"] | None = None,
        features: Float[Tensor, "batch pictures features"] | None = None,
    ) -> Velocities:
        """The velocity of the `direction` modality at its flow time.

        `pixels=None` (V2A only) is the branch without picture. `motion` is attended where the model has a stem.
        `features` take the place of `pixels` where the model reads an extractor's.
        Raises ValueError when picture is to be generated and there is no picture stream.
        """
        if direction != "audio" and pixels is None:
            raise ValueError("A2V needs the noisy picture that it denoises")
        time = torch.nn.functional.silu(self.fusion.time(t_audio, t_video))
        a = self.audio.open(latents, t_audio, audio_text.tokens, audio_text.mask)
        v = None
        if self.extracted is not None and features is not None:
            v = _held(features, a)
        elif self.extracted is None and pixels is not None and video_text is not None:
            v = self.video.open(pixels, t_video, video_text.tokens, video_text.mask)
        if self.config.fusion.injection == "text":
            a, v = self._as_words(direction, a, v)
        elif self.config.fusion.injection == "direct":
            a, v = self._added(direction, a, v, time)
        else:
            a, v = self._fused(direction, a, v, motion, time)
        audio = video = None
        if direction != "video":
            audio = self._velocity(self.audio.close(a), latents, t_audio, self.config.audio.prediction)
        if direction != "audio":
            assert v is not None and pixels is not None
            video = self._velocity(self.video.close(v), pixels, t_video, self.config.video.prediction)
        return Velocities(audio, video)

    def _fused(
        self, direction: Direction, a: Stream, v: Stream | None, motion: Tensor | None, time: Tensor
    ) -> tuple[Stream, Stream | None]:
        """Both streams through their backbones, met by a Fusion Block at every stop."""
        head_dim = self.config.fusion.dim // self.config.fusion.heads
        ropes = {name: aligned_rope(at, head_dim) for name, at in self._times(a, v, motion).items()}
        wanted = ("audio", "video") if direction == "both" else (direction,)
        done_a = done_v = 0
        for index, block in enumerate(self.fusion.blocks):
            last = index + 1 == len(self.fusion.blocks)
            a, done_a = self._on(self.audio, a, done_a, self.audio_stops[index])
            if v is not None:
                v, done_v = self._on_video(v, done_v, self.video_stops[index])
            # After the last block only what is generated goes on: renewing the other would be wasted.
            refine = wanted if last or not self.config.fusion.reinject else ("audio", "video")
            x_a, x_v = block(a.tokens, None if v is None else v.tokens, motion, time, ropes, refine)
            a = replace(a, tokens=x_a)
            v = v if v is None else replace(v, tokens=x_v)
        return a, v

    def _added(self, direction: Direction, a: Stream, v: Stream | None, time: Tensor) -> tuple[Stream, Stream | None]:
        """Direct alignment: what the conditioning backbone holds is added at every stop."""
        times = self._times(a, v, None)
        done_a = done_v = 0
        for index, block in enumerate(self.fusion.blocks):
            a, done_a = self._on(self.audio, a, done_a, self.audio_stops[index])
            if v is None:
                continue
            v, done_v = self._on_video(v, done_v, self.video_stops[index])
            if direction == "audio":
                a = replace(a, tokens=block(a.tokens, v.tokens, time, times["audio"], times["video"]))
            else:
                v = replace(v, tokens=block(v.tokens, a.tokens, time, times["video"], times["audio"]))
        return a, v

    def _as_words(self, direction: Direction, a: Stream, v: Stream | None) -> tuple[Stream, Stream | None]:
        """Concatenation to text: the conditioning backbone runs first, what it held becomes words."""
        assert self.fusion.link is not None
        times = self._times(a, v, None)
        if v is not None:
            given, name = (v, "video") if direction == "audio" else (a, "audio")
            seen, done = [], 0
            for stop in self.video_stops if direction == "audio" else self.audio_stops:
                if direction == "audio":
                    given, done = self._on_video(given, done, stop)
                else:
                    given, done = self._on(self.audio, given, done, stop)
                seen.append(given.tokens)
            words = self.fusion.link(seen, times[name], float(self.config.picture.frames))
            a, v = (_with_words(a, words), v) if direction == "audio" else (a, _with_words(v, words))
        if direction == "audio":
            return self._on(self.audio, a, 0, self.config.audio.depth)[0], v
        assert v is not None
        return a, self._on_video(v, 0, self.config.video.depth)[0]

    @staticmethod
    def _on(backbone: AudioDiT | VideoDiT, stream: Stream, done: int, stop: int) -> tuple[Stream, int]:
        return (stream if done == stop else replace(stream, tokens=backbone.run(stream, done, stop))), stop

    def _on_video(self, stream: Stream, done: int, stop: int) -> tuple[Stream, int]:
        return (stream, stop) if self.extracted is not None else self._on(self.video, stream, done, stop)

    @staticmethod
    def _velocity(out: Tensor, x_t: Tensor, t: Tensor, prediction: str) -> Tensor:
        return out if prediction == "velocity" else data_to_velocity(out, x_t, t)

    def _times(self, audio: Stream, video: Stream | None, motion: Tensor | None) -> dict[str, Tensor]:
        """The moment of every token's centre, in video frames: tau of equation 4."""
        config = self.config
        fps, patch = config.picture.fps, config.picture.patch

        def places(count: int) -> Tensor:
            return torch.arange(count, device=audio.tokens.device, dtype=torch.float32) + 0.5

        times = {"audio": places(audio.tokens.shape[1]) * fps / config.tokens_per_second}
        if video is not None and self.extracted is not None:
            times["video"] = places(video.tokens.shape[1]) * fps / self.extracted.fps
        elif video is not None:
            per_time = (config.picture.height // patch[1]) * (config.picture.width // patch[2])
            frames = places(video.tokens.shape[1] // per_time) * patch[0]
            times["video"] = frames.repeat_interleave(per_time)
        if motion is not None and config.motion is not None:
            times["motion"] = places(motion.shape[1]) * fps / config.motion.fps
        return times


def _held(features: Tensor, beside: Stream) -> Stream:
    """Features as a stream that no backbone carries on; the blocks may still refine it."""
    batch, count, dim = features.shape
    no_time, no_rope = features.new_zeros(batch, dim), features.new_zeros(count, 0, 2)
    return Stream(tokens=features, time=no_time, rope=no_rope, text=beside.text, mask=beside.mask)


def _with_words(stream: Stream, words: Tensor) -> Stream:
    """The stream with further words behind its prompt."""
    seen = torch.ones(words.shape[:2], dtype=torch.bool, device=words.device)
    text = torch.cat((stream.text, words.to(stream.text.dtype)), dim=1)
    return replace(stream, text=text, mask=torch.cat((stream.mask, seen), dim=1))
