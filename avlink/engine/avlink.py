"""AV-Link, in the order and with the symbols of section 3 of the paper (Haji-Ali et al.). Start here.

3.1  Background
     X_t = t X_1 + (1 - t) X_0, v = X_1 - X_0  (eq. 1)       flow.path.sample_path
     flow-matching loss  (eq. 2)                             flow.loss.flow_matching_loss
     p_t, logit-normal  (appendix D.1)                       flow.schedule.logit_normal
     first-order Euler solver                                flow.solver.updates
3.2  Base models
     G_A(A_t, t), G_V(V_t, t): one DiT for both              nn.dit.AudioDiT, VideoDiT
     A_1 from sound, and back: mel, 1D-VAE, vocoder          codec.codec.AudioCodec
     text encoder                                            text.t5.T5Encoder, text.byte_encoder.ByteEncoder
3.3  Multimodal Fusion Block
     x_a^, x_v^ = FusionBlock(x_a, x_v, t_a, t_v)  (eq. 3)   FusionBlock, FusionBranch
     multimodal temporal alignment, tau(n)  (eq. 4)          aligned_rope, AVLink.tau
     time-aware feature fusion                               Fusion.time, the tables of FusionBranch
     symmetric feature reinjection                           AVLink.link
     G_V2A, G_A2V, and both at once                          AVLink.forward
     training  (eq. 5)                                       training.stages.fusion, with the loss of 3.1
     inference                                               sampling.sound (V2A), sampling.pictures (A2V)
C.2  classifier-free guidance                                flow.solver.guide
4.4  simpler feature injections  (table 2)                   variants

Symbols: `a_t`, `v_t` are noised audio latents and pixels at flow times `t_a`, `t_v`; `a`, `v` the two backbones'
streams; `x_a`, `x_v` their activations. `motion` belongs to the optional motion stem and `hits` to the optional
temporal controller, which are not in the paper.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from avlink.core.architecture import AVLinkConfig, FusionConfig
from avlink.engine.extracted import feature_stream
from avlink.engine.nn.attention import AlignedHeads
from avlink.engine.nn.controller import TemporalController
from avlink.engine.nn.dit import MLP, AudioDiT, Stream, VideoDiT, modulate
from avlink.engine.nn.embed import TimeEmbedding
from avlink.engine.nn.motion import MotionKeys
from avlink.engine.nn.rope import rotary
from avlink.engine.text.encoder import TextEmbeddings

Direction: TypeAlias = Literal["audio", "video", "both"]
"""The generated modality: "audio" is V2A, "video" is A2V, "both" generates both at once."""

_SLOWEST, _FASTEST = 0.05, 3.0
"""Radians per moment of the video stream: at 6 a second, from one turn in 21 s to one in a third of a second."""


class Velocities(NamedTuple):
    """Velocities of the generated modalities; None for one that only conditions."""

    audio: Tensor | None
    """(batch, tokens, channels)."""
    video: Tensor | None
    """(batch, frames, 3, height, width)."""
    seen: tuple[Tensor, ...] = ()
    """The video stream as each Fusion Block of V2A reads it, (batch, tokens, dim)."""


# Section 3.3, Fusion Blocks.


class FusionBlock(nn.Module):
    """Joint self-attention over both streams, with parameters of its own for each modality (equation 3).

    At the paper's size, where all widths are equal, it has 23.25M parameters (appendix B). A motion stream is attended
    to as further keys and values, and is not refined.
    """

    def __init__(self, config: FusionConfig, audio_dim: int, video_dim: int, motion_dim: int | None) -> None:
        super().__init__()
        self.audio = FusionBranch(config, audio_dim)
        self.video = FusionBranch(config, video_dim)
        self.motion = None if motion_dim is None else MotionKeys(config, motion_dim)
        self.cross = config.injection == "cross_attention"

    def forward(
        self,
        x_a: Float[Tensor, "batch tokens_a audio_dim"],
        x_v: Float[Tensor, "batch tokens_v video_dim"] | None,
        motion: Float[Tensor, "batch tokens_m motion_dim"] | None,
        time: Float[Tensor, "batch common"],
        ropes: dict[str, Tensor],
        refined: tuple[str, ...],
    ) -> tuple[Tensor, Tensor | None]:
        """Return both activations, those named in `refined` made aware of the other modality.

        `time` embeds t_a and t_v. Without `x_v` and `motion` the audio attends to itself alone.
        """
        projected_a, q_a, k_a, v_a = self.audio.project_qkv(x_a, time, ropes["audio"])
        # The order of the streams is free: a token's place is in its rotation, not in its index.
        streams = {"audio": (k_a, v_a)}
        projected_v = q_v = None
        if x_v is not None:
            projected_v, q_v, k_v, v_v = self.video.project_qkv(x_v, time, ropes["video"])
            streams["video"] = k_v, v_v
        if motion is not None and self.motion is not None:
            streams["motion"] = self.motion(motion, ropes["motion"])
        # Both modalities read the activations that came in: neither sees the other already refined.
        if "audio" in refined:
            x_a = x_a + self.audio.residual(projected_a, self._attend("audio", q_a, streams), time)
        if x_v is not None and projected_v is not None and q_v is not None and "video" in refined:
            x_v = x_v + self.video.residual(projected_v, self._attend("video", q_v, streams), time)
        return x_a, x_v

    def _attend(self, own: str, queries: Tensor, streams: dict[str, tuple[Tensor, Tensor]]) -> Tensor:
        """Attend to the concatenation of all streams; under symmetric cross-attention (table 2) to the others only."""
        seen = [pair for name, pair in streams.items() if not (self.cross and name == own)]
        # Cross-attention of a clip without picture. The block is then the MLP of its branch.
        if not seen:
            return queries.new_zeros(queries.shape[0], queries.shape[2], queries.shape[1] * queries.shape[3])
        # (batch, heads, tokens of all streams, head_dim): one softmax decides between the modalities. No mask, since
        # all windows of a batch are equally long and whole.
        keys, values = (torch.cat(parts, dim=2) for parts in zip(*seen, strict=True))
        return rearrange(scaled_dot_product_attention(queries, keys, values), "b h n d -> b n (h d)")


class FusionBranch(nn.Module):
    """The parameters of one modality in a Fusion Block: projections, QKV, MLP and adaLN-Zero tables."""

    def __init__(self, config: FusionConfig, stream_dim: int) -> None:
        super().__init__()
        self.heads = config.heads
        # At equal widths QKV and MLP are the projections into and out of D: two more matrices would exceed 23.25M.
        self.project = nn.Identity() if stream_dim == config.dim else nn.Linear(stream_dim, config.dim)
        self.norm_in = nn.LayerNorm(config.dim, eps=1e-6, elementwise_affine=False)
        self.norm_mlp = nn.LayerNorm(config.dim, eps=1e-6, elementwise_affine=False)
        self.qkv = nn.Linear(config.dim, 3 * config.dim)
        self.queries, self.keys = AlignedHeads(config), AlignedHeads(config)
        self.mlp = MLP(config.dim, config.mlp_ratio * config.dim)
        self.back = nn.Identity() if stream_dim == config.dim else nn.Linear(config.dim, stream_dim)
        # adaLN by tables that scale the shared time embedding: a projection of its own per block, as in DiT, would add
        # 6 D^2 parameters per branch (cf. adaLN-single, Chen et al. 2023).
        # Rows: shift and scale before the attention, the gate after it, shift and scale before the MLP, the gate after
        # it.
        self.table = nn.Parameter(torch.zeros(6, config.dim))
        # The last layer starts at zero: a fresh fusion leaves both frozen backbones exactly as they are.
        last = self.back if isinstance(self.back, nn.Linear) else self.mlp[2]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def project_qkv(
        self,
        x: Float[Tensor, "batch tokens dim"],
        time: Float[Tensor, "batch common"],
        rope: Float[Tensor, "tokens pairs 2"],
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the activations projected to D, (batch, tokens, common), and their queries, keys and values."""
        x = self.project(x)
        shift, scale = self.table[0] * time, self.table[1] * time
        q, k, v = rearrange(
            self.qkv(modulate(self.norm_in(x), shift, scale)), "b n (three h d) -> three b h n d", three=3, h=self.heads
        )
        return x, self.queries(q, rope), self.keys(k, rope), v

    def residual(
        self,
        x: Float[Tensor, "batch tokens common"],
        attended: Float[Tensor, "batch tokens common"],
        time: Float[Tensor, "batch common"],
    ) -> Float[Tensor, "batch tokens dim"]:
        """Return what is added to the backbone's activations."""
        gate_1, shift, scale, gate_2 = (self.table[i] * time for i in range(2, 6))
        # 1 + gate: the zero-initialised last layer already makes the start an identity. With gates of zero as well,
        # that layer would get no gradient.
        x = x + (1 + gate_1[:, None]) * attended
        out: Tensor = self.back((1 + gate_2[:, None]) * self.mlp(modulate(self.norm_mlp(x), shift, scale)))
        return out


# Section 3.3, Multimodal Temporal Alignment.


def aligned_rope(tau: Float[Tensor, " tokens"], head_dim: int) -> Float[Tensor, "tokens pairs 2"]:
    """Return the rotations e^(i tau theta) of equation 4; `tau` is in moments of the video stream."""
    pairs = head_dim // 2
    # Bounded on both sides, unlike the speeds for words: slower pairs hardly turn within a window of 31 moments,
    # and above pi neighbouring ones would alias.
    # (pairs,), in equal ratios from _FASTEST to exactly _SLOWEST: so the exponent ends at 1, unlike in `frequencies`.
    speeds = _FASTEST * (_SLOWEST / _FASTEST) ** (torch.arange(pairs, device=tau.device) / max(pairs - 1, 1))
    return rotary(tau[:, None] * speeds)


# Section 3.3, Time-Aware Feature Fusion: the blocks, and the one embedding of both flow times that they share.


class Fusion(nn.Module):
    """The Fusion Blocks of one direction, and the embedding of t_a and t_v; "both" serves every direction."""

    def __init__(self, config: AVLinkConfig, direction: Direction) -> None:
        super().__init__()
        fusion = config.fusion
        self.direction = direction
        self.reads_pictures = fusion.extracted_of("pictures") if direction == "audio" else None
        self.reads_sound = fusion.extracted_of("sound") if direction == "video" else None
        self.audio_dim = config.audio.dim if self.reads_sound is None else self.reads_sound.dim
        self.video_dim = config.video.dim if self.reads_pictures is None else self.reads_pictures.dim
        self.time = TimeEmbedding(fusion.dim, num_times=2)
        self.blocks = self._make_blocks(config)

    def _make_blocks(self, config: AVLinkConfig) -> nn.ModuleList:
        # Pictures are made from sound alone: their fusion has nothing to read the motion of.
        motion_dim = None if config.motion is None or self.direction == "video" else config.motion.dim
        return nn.ModuleList(
            FusionBlock(config.fusion, self.audio_dim, self.video_dim, motion_dim) for _ in range(config.fusion.blocks)
        )


def fusion_positions(depth: int, blocks: int) -> tuple[int, ...]:
    """Return the number of backbone blocks before each Fusion Block: interleaved, the last one after all of them."""
    return tuple(round((index + 1) * depth / blocks) for index in range(blocks))


class AVLink(nn.Module):
    """Both backbones, linked by `fusion`. The stage that trains the fusion freezes them."""

    def __init__(
        self,
        config: AVLinkConfig,
        *,
        audio: AudioDiT,
        video: VideoDiT,
        fusion: Fusion,
        controller: TemporalController | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.audio, self.video, self.fusion, self.controller = audio, video, fusion, controller
        self.extracted = fusion.reads_pictures or fusion.reads_sound
        blocks = config.fusion.blocks
        # Features come from outside: no block of the conditioning backbone runs.
        after = config.fusion.after if self.extracted is None else 0
        stops_a = fusion_positions(config.audio.depth, blocks)
        stops_v = fusion_positions(config.video.depth, blocks)
        # All Fusion Blocks read the output of one conditioning block (table 2, arrangement). The blocks after it never
        # run.
        if after is not None and fusion.direction == "audio":
            stops_v = (after,) * blocks
        elif after is not None:
            stops_a = (after,) * blocks
        self.spans_a = tuple(pairwise((0, *stops_a)))
        self.spans_v = tuple(pairwise((0, *stops_v)))
        """The backbone blocks, [start, stop), that run before each Fusion Block."""

    def trunk(
        self, direction: Direction, x_t: Float[Tensor, "batch ..."], t: Float[Tensor, " batch"], text: TextEmbeddings
    ) -> tuple[Stream, ...]:
        """Return the part of the conditioning stream that is independent of the generated one, for `forward`.

        At a fixed flow time it is the same at every step of a sampler: the stream before the first Fusion Block, and
        without reinjection before all of them.
        """
        backbone, spans = (self.video, self.spans_v) if direction == "audio" else (self.audio, self.spans_a)
        stream, streams = backbone.embed(x_t, t, text), []
        for span in spans[:1] if self.config.fusion.refines_condition else spans:
            stream = backbone.run(stream, *span)
            streams.append(stream)
        return tuple(streams)

    def forward(
        self,
        direction: Direction,
        a_t: Float[Tensor, "batch tokens channels"] | None,
        v_t: Float[Tensor, "batch frames 3 height width"] | None,
        *,
        t_a: Float[Tensor, " batch"],
        t_v: Float[Tensor, " batch"],
        text_a: TextEmbeddings,
        text_v: TextEmbeddings | None = None,
        motion: Float[Tensor, "batch motion_frames dim"] | None = None,
        features: Float[Tensor, "batch rows features"] | None = None,
        hits: Float[Tensor, "batch tokens curve"] | None = None,
        trunk: tuple[Stream, ...] = (),
    ) -> Velocities:
        """Return G_V2A(A_t, V_t, t_a, t_v) or G_A2V of the same: the velocity of the generated modality (equation 5).

        `v_t=None` (V2A only) is the branch without picture. `features` take the place of the conditioning `v_t` (V2A)
        or `a_t` (A2V) if the model reads an extractor's; else `trunk` may. `hits` are curves for the temporal
        controller (`hit_curve`); a curve of zeros is none.

        Raises ValueError if pictures are to be generated and `v_t` is None, or if there is no sound to read or denoise.
        """
        if direction != "audio" and v_t is None:
            raise ValueError("A2V needs the noisy picture that it denoises")
        kept = direction == "video" and bool(trunk)
        if (a_t if self.fusion.reads_sound is None else features) is None and not kept:
            raise ValueError("there is no sound to read or to denoise")
        # DiT has this SiLU before the projection in every block. The tables of the Fusion Blocks only scale, so once is
        # enough.
        time = torch.nn.functional.silu(self.fusion.time(t_a, t_v))
        # Each backbone is told its own flow time, as in its pretraining. The Fusion Blocks alone know both.
        given = trunk[0] if trunk else None
        if self.extracted is not None and features is not None:
            given = feature_stream(features)
        a, v = (None, given) if direction == "audio" else (given, None)
        if a is None and a_t is not None:
            a = self.audio.embed(a_t, t_a, text_a)
        if v is None and self.fusion.reads_pictures is None and v_t is not None and text_v is not None:
            v = self.video.embed(v_t, t_v, text_v)
        assert a is not None
        control = None if self.controller is None or hits is None else self.controller(hits, t_a)
        seen: list[Tensor] = []
        a, v = self.link(direction, a, v, motion, time, control, seen, trunk)
        audio = video = None
        if direction != "video":
            assert a_t is not None
            audio = self.audio.velocity(a, a_t, t_a)
        if direction != "audio":
            assert v is not None and v_t is not None
            video = self.video.velocity(v, v_t, t_v)
        return Velocities(audio, video, tuple(seen))

    def run_audio(self, direction: Direction, a: Stream, index: int, trunk: tuple[Stream, ...] = ()) -> Stream:
        """Return the audio stream before Fusion Block `index`: from the trunk where that has it."""
        if direction == "video" and index < len(trunk):
            return trunk[index]
        return self.audio.run(a, *self.spans_a[index])

    def run_video(self, direction: Direction, v: Stream, index: int, trunk: tuple[Stream, ...] = ()) -> Stream:
        """Return the video stream before Fusion Block `index`: from the trunk where that has it."""
        if direction == "audio" and index < len(trunk):
            return trunk[index]
        return self.video.run(v, *self.spans_v[index])

    def link(
        self,
        direction: Direction,
        a: Stream,
        v: Stream | None,
        motion: Tensor | None,
        time: Tensor,
        control: Tensor | None = None,
        seen: list[Tensor] | None = None,
        trunk: tuple[Stream, ...] = (),
    ) -> tuple[Stream, Stream | None]:
        """Run both backbones; each Fusion Block refines both (symmetric feature reinjection). `variants` overrides it.

        `control`, (spans, batch, tokens, audio_dim), is what the temporal controller adds before each span. The video
        stream is appended to `seen` as each block reads it.
        """
        head_dim = self.config.fusion.dim // self.config.fusion.heads
        # Once for all Fusion Blocks: refining an activation does not move it in time.
        ropes = {name: aligned_rope(tau, head_dim) for name, tau in self.tau(a, v, motion).items()}
        generated = ("audio", "video") if direction == "both" else (direction,)
        for index, block in enumerate(self.fusion.blocks):
            last = index + 1 == len(self.fusion.blocks)
            if control is not None:
                a = replace(a, tokens=a.tokens + control[index])
            a = self.run_audio(direction, a, index, trunk)
            v = None if v is None else self.run_video(direction, v, index, trunk)
            if seen is not None and v is not None:
                seen.append(v.tokens)
            # Nothing reads the conditioning activations after the last block: refining them would be wasted.
            refined = generated if last or not self.config.fusion.reinject else ("audio", "video")
            # The text is not among the keys: prompts reach a stream through its backbone alone.
            x_a, x_v = block(a.tokens, None if v is None else v.tokens, motion, time, ropes, refined)
            a = replace(a, tokens=x_a)
            v = v if v is None else replace(v, tokens=x_v)
        return a, v

    def tau(self, a: Stream, v: Stream | None, motion: Tensor | None) -> dict[str, Float[Tensor, " tokens"]]:
        """Return the time of every token in moments of the video stream, which is tau of equation 4.

        A moment is a video frame, as in the paper, or as many as a patch has. An audio token is eta_v / eta_a moments
        long, where eta_a is `tokens_per_second` and eta_v `moments_per_second`.
        """
        config, picture = self.config, self.config.picture
        eta_v = picture.moments_per_second

        def centres(count: int) -> Tensor:
            # n + 1/2 where the paper has n: tokens of different lengths are aligned by their centres. Aligned by their
            # starts, sound would be matched to pictures (1 - eta_v / eta_a) / 2 moments late.
            return torch.arange(count, device=a.tokens.device, dtype=torch.float32) + 0.5

        seen, heard = self.fusion.reads_pictures, self.fusion.reads_sound
        eta_a = config.tokens_per_second if heard is None else heard.fps
        tau = {"audio": centres(a.tokens.shape[1]) * eta_v / eta_a}
        if v is not None and seen is not None:
            tau["video"] = centres(v.tokens.shape[1]) * eta_v / seen.fps
        elif v is not None:
            # All patches of a moment stand together: the alignment is temporal, space is left to the backbone.
            per_time = (picture.height // picture.patch[1]) * (picture.width // picture.patch[2])
            tau["video"] = centres(v.tokens.shape[1] // per_time).repeat_interleave(per_time)
        if motion is not None and config.motion is not None:
            tau["motion"] = centres(motion.shape[1]) * eta_v / config.motion.fps
        return tau
