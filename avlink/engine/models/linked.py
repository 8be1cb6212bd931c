"""The AV-Link model: two frozen backbones, Fusion Blocks between them (figure 2), and the optional motion stem.

`AVLink.forward` answers for one direction: "audio" is V2A, "video" is A2V. It returns velocities (see flow/path.py);
how a velocity becomes sound or picture is the sampler's matter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from avlink.core.architecture import AVLinkConfig
from avlink.engine.flow.path import data_to_velocity
from avlink.engine.nn.dit import AudioDiT, Stream, VideoDiT
from avlink.engine.nn.embed import TimeEmbedding
from avlink.engine.nn.fusion import FusionBlock, aligned_rope

Direction = Literal["audio", "video"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Encoded prompts; `mask` is True where there is a word."""

    tokens: Float[Tensor, "batch words dim"]
    mask: Bool[Tensor, "batch words"]


def placement(depth: int, blocks: int) -> tuple[int, ...]:
    """After how many backbone blocks each Fusion Block stands: regular, the last one after the last block."""
    return tuple(round((index + 1) * depth / blocks) for index in range(blocks))


class Fusion(nn.Module):
    """All Fusion Blocks of one direction and the embedding of both flow times that they share."""

    def __init__(self, config: AVLinkConfig) -> None:
        super().__init__()
        motion_dim = None if config.motion is None else config.motion.dim
        self.time = TimeEmbedding(config.fusion.dim, num_times=2)
        self.blocks = nn.ModuleList(
            FusionBlock(config.fusion, config.audio.dim, config.video.dim, motion_dim)
            for _ in range(config.fusion.blocks)
        )


class AVLink(nn.Module):
    """Both backbones linked by `fusion`; the backbones' parameters are frozen by whoever trains the fusion."""

    def __init__(self, config: AVLinkConfig, *, audio: AudioDiT, video: VideoDiT, fusion: Fusion) -> None:
        super().__init__()
        self.config = config
        self.audio, self.video, self.fusion = audio, video, fusion
        self.audio_stops = placement(config.audio.depth, config.fusion.blocks)
        self.video_stops = placement(config.video.depth, config.fusion.blocks)

    def forward(
        self,
        direction: Direction,
        latents: Float[Tensor, "batch tokens channels"],
        pixels: Float[Tensor, "batch frames 3 height width"] | None,
        *,
        t_audio: Float[Tensor, " batch"],
        t_video: Float[Tensor, " batch"],
        audio_text: Text,
        video_text: Text | None = None,
        motion: Float[Tensor, "batch motion_frames dim"] | None = None,
    ) -> Float[Tensor, "batch ..."]:
        """The velocity of the `direction` modality at its flow time.

        `pixels=None` (V2A only) is the branch without picture. `motion` is attended where the model has a stem.
        Raises ValueError when picture is to be generated and there is no picture stream.
        """
        if direction == "video" and pixels is None:
            raise ValueError("A2V needs the noisy picture that it denoises")
        fusion_time = torch.nn.functional.silu(self.fusion.time(t_audio, t_video))
        a = self.audio.open(latents, t_audio, audio_text.tokens, audio_text.mask)
        v = None
        if pixels is not None and video_text is not None:
            v = self.video.open(pixels, t_video, video_text.tokens, video_text.mask)
        ropes = self._aligned(latents.shape[1], v, motion)
        wanted: Direction = direction
        done_a = done_v = 0
        for index, block in enumerate(self.fusion.blocks):
            last = index + 1 == len(self.fusion.blocks)
            a = replace(a, tokens=self.audio.run(a, done_a, self.audio_stops[index]))
            done_a = self.audio_stops[index]
            if v is not None:
                v = replace(v, tokens=self.video.run(v, done_v, self.video_stops[index]))
                done_v = self.video_stops[index]
            # After the last block only the generated stream goes on: renewing the other would be wasted.
            refine = (wanted,) if last or not self.config.fusion.reinject else ("audio", "video")
            x_a, x_v = block(a.tokens, None if v is None else v.tokens, motion, fusion_time, ropes, refine)
            a = replace(a, tokens=x_a)
            v = v if v is None else replace(v, tokens=x_v)
        if wanted == "audio":
            velocity = self.audio.close(a)
            return self._velocity(velocity, latents, t_audio, self.config.audio.prediction)
        assert v is not None and pixels is not None
        return self._velocity(self.video.close(v), pixels, t_video, self.config.video.prediction)

    @staticmethod
    def _velocity(out: Tensor, x_t: Tensor, t: Tensor, prediction: str) -> Tensor:
        return out if prediction == "velocity" else data_to_velocity(out, x_t, t)

    def _aligned(self, audio_tokens: int, video: Stream | None, motion: Tensor | None) -> dict[str, Tensor]:
        """Equation 4, at the centres of tokens: tau is the moment in video frames."""
        config = self.config
        device = next(self.fusion.parameters()).device
        head_dim = config.fusion.dim // config.fusion.heads
        fps, patch = config.picture.fps, config.picture.patch

        def places(count: int) -> Tensor:
            return torch.arange(count, device=device, dtype=torch.float32) + 0.5

        ropes = {"audio": aligned_rope(places(audio_tokens) * fps / config.tokens_per_second, head_dim)}
        if video is not None:
            per_time = (config.picture.height // patch[1]) * (config.picture.width // patch[2])
            times = places(video.tokens.shape[1] // per_time) * patch[0]
            ropes["video"] = aligned_rope(times.repeat_interleave(per_time), head_dim)
        if motion is not None and config.motion is not None:
            ropes["motion"] = aligned_rope(places(motion.shape[1]) * fps / config.motion.fps, head_dim)
        return ropes
