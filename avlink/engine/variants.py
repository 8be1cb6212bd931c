"""The simpler feature injections of table 2: direct alignment and concatenation to text.

Both reduce a frame's tokens to their mean, as the models that they stand for have one vector per frame. Neither refines
the conditioning stream. Symmetric cross-attention is a switch of `FusionBlock`, FoleyCrafter's adapter stands in
`semantic_adapter`.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from avlink.core.architecture import AVLinkConfig, FusionConfig
from avlink.engine.avlink import AVLink, Direction, Fusion
from avlink.engine.nn.controller import TemporalController
from avlink.engine.nn.dit import AudioDiT, Stream, VideoDiT, modulate
from avlink.engine.nn.embed import sinusoids
from avlink.engine.nn.local_words import LocalWords
from avlink.engine.one_way import OneWayAVLink
from avlink.engine.semantic_adapter import AdapterAVLink, AdapterFusion

_TIME_DIM = 64


def make_fusion(config: AVLinkConfig, direction: Direction) -> Fusion:
    """Return the untrained fusion of one direction, with the feature injection of `config`."""
    kinds = {"direct": DirectFusion, "text": TextFusion, "adapter": AdapterFusion}
    return kinds.get(config.fusion.injection, Fusion)(config, direction)


def link_backbones(
    config: AVLinkConfig,
    *,
    audio: AudioDiT,
    video: VideoDiT,
    fusion: Fusion,
    controller: TemporalController | None = None,
) -> AVLink:
    """Return the model that links two backbones by `fusion`; modules are shared, not copied."""
    kinds = {"direct": DirectAVLink, "text": TextAVLink, "adapter": AdapterAVLink}
    model = kinds.get(config.fusion.injection, AVLink)
    return model(config, audio=audio, video=video, fusion=fusion, controller=controller)


def mean_per_moment(
    x: Float[Tensor, "batch tokens dim"], tau: Float[Tensor, " tokens"]
) -> tuple[Float[Tensor, "batch moments dim"], Float[Tensor, " moments"]]:
    """Average tokens of equal time, which stand side by side; returns the means and their times."""
    # Patches of one frame share a time; audio tokens have one each.
    per_moment = int((tau == tau[0]).sum())
    return reduce(x, "b (t k) d -> b t d", "mean", k=per_moment), tau[::per_moment]


class _Compressed(nn.Module):
    """asinh: linear near zero, logarithmic beyond, so that features of any size fit."""

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return x.asinh()


def _normalisation(dim: int, *, levels: bool) -> nn.Module:
    """Return the normalisation of activations, or of extracted `levels`, whose mean says how loud a sound is."""
    return _Compressed() if levels else nn.LayerNorm(dim, eps=1e-6, elementwise_affine=False)


class DirectBlock(nn.Module):
    """Direct alignment (Movie Gen Audio): features repeated to the generated stream's rate, projected, and added."""

    def __init__(
        self, config: FusionConfig, conditioning_dim: int, generated_dim: int, *, levels: bool = False
    ) -> None:
        super().__init__()
        self.norm = _normalisation(conditioning_dim, levels=levels)
        self.table = nn.Linear(config.dim, 2 * conditioning_dim)
        self.project = nn.Linear(conditioning_dim, generated_dim)
        # The projection starts at zero, as Fusion Blocks do: a fresh one leaves the backbone as it is.
        for layer in (self.table, self.project):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        x: Float[Tensor, "batch tokens dim"],
        conditioning: Float[Tensor, "batch others other_dim"],
        time: Float[Tensor, "batch common"],
        tau: Float[Tensor, " tokens"],
        other_tau: Float[Tensor, " others"],
    ) -> Float[Tensor, "batch tokens dim"]:
        """Add the features of the nearest moment to `x`; times are in video frames."""
        seen, moments = mean_per_moment(conditioning, other_tau)
        shift, scale = self.table(time).chunk(2, dim=-1)
        # (tokens,). Repeated, not interpolated, as in the model that it stands for.
        nearest = (tau[:, None] - moments[None]).abs().argmin(dim=1)
        # Projected before they are repeated: there are fewer moments than tokens.
        out: Tensor = x + self.project(modulate(self.norm(seen), shift, scale))[:, nearest]
        return out


class DirectFusion(Fusion):
    """A `DirectBlock` in the place of every Fusion Block."""

    def _make_blocks(self, config: AVLinkConfig) -> nn.ModuleList:
        dims = (self.video_dim, self.audio_dim)
        given, generated = dims if self.direction == "audio" else dims[::-1]
        levels = self.reads_sound is not None
        blocks = range(config.fusion.blocks)
        return nn.ModuleList(DirectBlock(config.fusion, given, generated, levels=levels) for _ in blocks)


class DirectAVLink(OneWayAVLink):
    """Backbones of which the generating one has the other's features added to its activations."""

    def read(
        self, block: nn.Module, generated: Tensor, given: Tensor, time: Tensor, taus: tuple[Tensor, Tensor]
    ) -> Tensor:
        made: Tensor = block(generated, given, time, *taus)
        return made


class TextLink(nn.Module):
    """Concatenation to text (Diff-Foley): features projected to further words of the prompt, each with its time.

    With `local_windows` they are those of TempoTokens; see `LocalWords`.
    """

    def __init__(self, config: FusionConfig, conditioning_dim: int, text_dim: int, *, levels: bool = False) -> None:
        super().__init__()
        self.norm = _normalisation(conditioning_dim, levels=levels)
        self.project = nn.ModuleList(nn.Linear(conditioning_dim, text_dim) for _ in range(config.blocks))
        self.place = nn.Linear(_TIME_DIM, text_dim)
        self.local = LocalWords(config.local_windows, text_dim) if config.local_windows else None

    def forward(
        self, seen: list[Float[Tensor, "batch others other_dim"]], other_tau: Float[Tensor, " others"], span: float
    ) -> Float[Tensor, "batch words text_dim"]:
        """Return one word per moment from the activations at every stop; times are as in `AVLink.tau`.

        With `local_windows` one word of the whole clip, without a time, comes last.
        """
        # (stops, batch, moments, text_dim), averaged over the stops: the prompt has one word a moment, however many
        # blocks are read.
        words = torch.stack(
            [
                project(self.norm(mean_per_moment(x, other_tau)[0]))
                for x, project in zip(seen, self.project, strict=True)
            ]
        ).mean(dim=0)
        moments = mean_per_moment(seen[0], other_tau)[1]
        # Cross-attention to text has no positions, so every word must carry its own.
        # As a share of the window: `sinusoids` are made for flow times, 0 to 1.
        place = self.place(sinusoids(moments / span, _TIME_DIM).to(words.dtype))
        if self.local is None:
            out: Tensor = words + place
            return out
        words, whole = self.local(words)
        return torch.cat((words + place, whole), dim=1)


class TextFusion(Fusion):
    """A `TextLink` instead of Fusion Blocks."""

    def _make_blocks(self, config: AVLinkConfig) -> nn.ModuleList:
        given = self.video_dim if self.direction == "audio" else self.audio_dim
        self.link = TextLink(config.fusion, given, config.text.dim, levels=self.reads_sound is not None)
        return nn.ModuleList()


class TextAVLink(AVLink):
    """Backbones of which the generating one reads the other's features as further words of its prompt."""

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
        assert isinstance(self.fusion, TextFusion)
        picture = self.config.picture
        tau = self.tau(a, v, None)
        # Without picture, V2A is the audio backbone on its prompt alone.
        if v is not None:
            # The conditioning backbone runs first and alone: its features are words before the other one starts.
            seen = []
            for index in range(len(self.spans_a)):
                if direction == "audio":
                    v = self.run_video(direction, v, index, trunk)
                else:
                    a = self.run_audio(direction, a, index, trunk)
                seen.append(v.tokens if direction == "audio" else a.tokens)
            other_tau = tau["video" if direction == "audio" else "audio"]
            words = self.fusion.link(seen, other_tau, picture.frames / picture.patch[0])
            a, v = (_with_words(a, words), v) if direction == "audio" else (a, _with_words(v, words))
        if direction == "audio":
            return self.audio.run(a, 0, self.config.audio.depth), v
        assert v is not None
        return a, self.video.run(v, 0, self.config.video.depth)


def _with_words(stream: Stream, words: Tensor) -> Stream:
    """Append words to the prompt of a stream."""
    seen = torch.ones(words.shape[:2], dtype=torch.bool, device=words.device)
    text = torch.cat((stream.text, words.to(stream.text.dtype)), dim=1)
    return replace(stream, text=text, mask=torch.cat((stream.mask, seen), dim=1))
