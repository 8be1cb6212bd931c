"""The Fusion Block (section 3.3): joint self-attention over both streams, reinjected into both.

Every modality has its own projection into the common width, QKV, MLP and adaLN-Zero tables; one embedding of both flow
times serves all blocks. At equal widths the projection into the common width is part of QKV, which gives the paper's
23.25M parameters a block. The last layer of each MLP starts at zero: a fresh fusion leaves both backbones as they are.

A motion stream, where there is one, is attended as further keys and values and is not changed.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from avlink.core.architecture import FusionConfig
from avlink.engine.nn.attention import HeadNorm
from avlink.engine.nn.dit import MLP, modulate
from avlink.engine.nn.rope import rotary, rotate

_SLOWEST, _FASTEST = 0.05, 3.0
"""Radians per video frame: at 6 fps, from one turn in 21 s to one in a third of a second."""


def aligned_rope(positions: Float[Tensor, " tokens"], head_dim: int) -> Float[Tensor, "tokens pairs 2"]:
    """Rotation by tau(n) (eq. 4): `positions` are in video frames for every modality."""
    pairs = head_dim // 2
    speeds = _FASTEST * (_SLOWEST / _FASTEST) ** (torch.arange(pairs, device=positions.device) / max(pairs - 1, 1))
    return rotary(positions[:, None] * speeds)


class AlignedHeads(nn.Module):
    """QK-norm, the optional aligned start, and rotation, for queries or keys of one modality."""

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        head_dim = config.dim // config.heads
        self.norm = HeadNorm(head_dim)
        self.bias: nn.Parameter | None = None
        if config.aligned_init:
            # A bias on the first half only: its dot product after rotation is a sum of cosines of the time offset.
            start = torch.zeros(config.heads, 1, head_dim)
            start[..., : head_dim // 2] = config.aligned_init
            self.bias = nn.Parameter(start)

    def forward(
        self, x: Float[Tensor, "batch heads tokens dim"], rope: Float[Tensor, "tokens pairs 2"]
    ) -> Float[Tensor, "batch heads tokens dim"]:
        x = self.norm(x)
        if self.bias is not None:
            x = x + self.bias.to(x.dtype)
        return rotate(x, rope)


class FusionSide(nn.Module):
    """What one modality owns in a Fusion Block; the block itself only joins the attention."""

    def __init__(self, config: FusionConfig, stream_dim: int) -> None:
        super().__init__()
        self.heads = config.heads
        self.project = nn.Identity() if stream_dim == config.dim else nn.Linear(stream_dim, config.dim)
        self.norm_in = nn.LayerNorm(config.dim, eps=1e-6, elementwise_affine=False)
        self.norm_mlp = nn.LayerNorm(config.dim, eps=1e-6, elementwise_affine=False)
        self.qkv = nn.Linear(config.dim, 3 * config.dim)
        self.queries, self.keys = AlignedHeads(config), AlignedHeads(config)
        self.mlp = MLP(config.dim, config.mlp_ratio * config.dim)
        self.back = nn.Identity() if stream_dim == config.dim else nn.Linear(config.dim, stream_dim)
        self.table = nn.Parameter(torch.zeros(6, config.dim))
        last = self.back if isinstance(self.back, nn.Linear) else self.mlp[2]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def attend(
        self,
        x: Float[Tensor, "batch tokens dim"],
        time: Float[Tensor, "batch common"],
        rope: Float[Tensor, "tokens pairs 2"],
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The projected stream, and its queries, keys and values."""
        x = self.project(x)
        shift, scale = self.table[0] * time, self.table[1] * time
        q, k, v = rearrange(
            self.qkv(modulate(self.norm_in(x), shift, scale)), "b n (three h d) -> three b h n d", three=3, h=self.heads
        )
        return x, self.queries(q, rope), self.keys(k, rope), v

    def answer(
        self,
        x: Float[Tensor, "batch tokens common"],
        attended: Float[Tensor, "batch tokens common"],
        time: Float[Tensor, "batch common"],
    ) -> Float[Tensor, "batch tokens dim"]:
        """What is added to the stream, from the attention's result."""
        gate_1, shift, scale, gate_2 = (self.table[i] * time for i in range(2, 6))
        x = x + (1 + gate_1[:, None]) * attended
        out: Tensor = self.back((1 + gate_2[:, None]) * self.mlp(modulate(self.norm_mlp(x), shift, scale)))
        return out


class MotionSide(nn.Module):
    """Keys and values of motion tokens."""

    def __init__(self, config: FusionConfig, motion_dim: int) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm = nn.LayerNorm(motion_dim, eps=1e-6)
        self.kv = nn.Linear(motion_dim, 2 * config.dim)
        self.keys = AlignedHeads(config)

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], rope: Float[Tensor, "tokens pairs 2"]
    ) -> tuple[Tensor, Tensor]:
        k, v = rearrange(self.kv(self.norm(x)), "b n (two h d) -> two b h n d", two=2, h=self.heads)
        return self.keys(k, rope), v


class FusionBlock(nn.Module):
    """Equation 3: x_a, x_v -> x_a_hat, x_v_hat, at flow times that `time` embeds."""

    def __init__(self, config: FusionConfig, audio_dim: int, video_dim: int, motion_dim: int | None) -> None:
        super().__init__()
        self.audio = FusionSide(config, audio_dim)
        self.video = FusionSide(config, video_dim)
        self.motion = None if motion_dim is None else MotionSide(config, motion_dim)
        self.cross = config.injection == "cross_attention"

    def forward(
        self,
        audio: Float[Tensor, "batch n_a audio_dim"],
        video: Float[Tensor, "batch n_v video_dim"] | None,
        motion: Float[Tensor, "batch n_m motion_dim"] | None,
        time: Float[Tensor, "batch common"],
        ropes: dict[str, Tensor],
        refine: tuple[str, ...],
    ) -> tuple[Tensor, Tensor | None]:
        """Both streams, those named in `refine` renewed. Without `video` and `motion` the audio attends to itself."""
        x_a, q_a, k_a, v_a = self.audio.attend(audio, time, ropes["audio"])
        streams = {"audio": (k_a, v_a)}
        x_v = q_v = None
        if video is not None:
            x_v, q_v, k_v, v_v = self.video.attend(video, time, ropes["video"])
            streams["video"] = k_v, v_v
        if motion is not None and self.motion is not None:
            streams["motion"] = self.motion(motion, ropes["motion"])
        if "audio" in refine:
            audio = audio + self.audio.answer(x_a, self._attended("audio", q_a, streams), time)
        if video is not None and x_v is not None and q_v is not None and "video" in refine:
            video = video + self.video.answer(x_v, self._attended("video", q_v, streams), time)
        return audio, video

    def _attended(self, own: str, queries: Tensor, streams: dict[str, tuple[Tensor, Tensor]]) -> Tensor:
        """What `own` takes from all streams, or under cross-attention from the others only: none, nothing."""
        seen = [pair for name, pair in streams.items() if not (self.cross and name == own)]
        if not seen:
            return queries.new_zeros(queries.shape[0], queries.shape[2], queries.shape[1] * queries.shape[3])
        keys, values = (torch.cat(parts, dim=2) for parts in zip(*seen, strict=True))
        return rearrange(scaled_dot_product_attention(queries, keys, values), "b h n d -> b n (h d)")
