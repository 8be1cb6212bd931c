"""The readout: the motion stem's tokens, read from the frozen activations of the video backbone. Not in the paper.

A Fusion Block attends to single tokens of the video stream, and the touch of two things is told by several: by those of
neighbouring moments. This network looks at them together, as the stem does with pixels, and gives the Fusion Blocks the
tokens that they know from the stem. It reads what they read, and nothing of the pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from avlink.core.architecture import AVLinkConfig
from avlink.engine.avlink import fusion_positions
from avlink.engine.nn.dit import VideoDiT
from avlink.engine.nn.motion import Pool, Temporal
from avlink.engine.text.encoder import TextEmbeddings

_LOCAL_LAYERS = 2


def activations(
    video: VideoDiT,
    v_t: Float[Tensor, "batch frames 3 height width"],
    t_v: Float[Tensor, " batch"],
    text: TextEmbeddings,
    blocks: int,
) -> list[Float[Tensor, "batch tokens dim"]]:
    """Return the activations of a video backbone before each of `blocks` Fusion Blocks, without their refinements."""
    stream, start, found = video.embed(v_t, t_v, text), 0, []
    for stop in fusion_positions(video.config.depth, blocks):
        stream = video.run(stream, start, stop)
        found.append(stream.tokens)
        start = stop
    return found


class MotionReadout(nn.Module):
    """Motion tokens from the activations before each Fusion Block. Raises ValueError for a model without a stem."""

    def __init__(self, config: AVLinkConfig) -> None:
        super().__init__()
        if config.readout is None or config.motion is None:
            raise ValueError("a readout needs [model.readout] and [model.motion]")
        width, stem, picture = config.readout.dim, config.motion, config.picture
        moment, height, breadth = picture.patch
        self.places = (picture.height // height) * (picture.width // breadth)
        self.frames = moment * (stem.fps // picture.fps)
        """Frames of the stem in one moment of the video stream."""
        blocks = config.fusion.blocks
        self.norms = nn.ModuleList(nn.LayerNorm(config.video.dim) for _ in range(blocks))
        self.inputs = nn.Linear(blocks * config.video.dim, width)
        self.local = nn.ModuleList(Temporal(width, 3, 1) for _ in range(_LOCAL_LAYERS))
        self.pool = Pool(width, stem.dim)
        self.spread = nn.Linear(stem.dim, self.frames * stem.dim)
        self.temporal = nn.ModuleList(Temporal(stem.dim, 5, (1, 2, 4)[i % 3]) for i in range(config.readout.layers))
        self.norm = nn.LayerNorm(stem.dim)

    def forward(self, seen: Sequence[Float[Tensor, "batch tokens dim"]]) -> Float[Tensor, "batch frames motion_dim"]:
        """Return tokens like those of the motion stem, as many a second, from `activations`."""
        x = self.inputs(torch.cat([norm(each) for norm, each in zip(self.norms, seen, strict=True)], dim=-1))
        batch = x.shape[0]
        x = rearrange(x, "b (t places) c -> (b places) t c", places=self.places)
        for layer in self.local:
            x = layer(x)
        x = rearrange(nn.functional.gelu(x), "(b places) t c -> b t places 1 c", b=batch)
        x = self.spread(nn.functional.gelu(self.pool(x)))
        x = rearrange(x, "b t (frames c) -> b (t frames) c", frames=self.frames)
        for layer in self.temporal:
            x = layer(x)
        out: Tensor = self.norm(x)
        return out
