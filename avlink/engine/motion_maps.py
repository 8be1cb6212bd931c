"""Motion maps: what moves at each place of a picture, from frame differences and optical flow. Not in the paper.

A network on maps needs fewer scenes than one on pixels, and does not mind whether they are drawn, rendered or filmed.
"""

from __future__ import annotations

import torch
from einops import rearrange, reduce
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, grid_sample, interpolate, pad

ROWS, COLS = 9, 16
"""Places of the maps."""

FEATURES = ("change", "soft_change", "light", "speed", "stop", "start", "turn", "return", "right", "down")
"""Channels of the maps, means over a place. Changes are in grey levels a frame of 25 fps, motion in pixels a frame."""

MIRRORED = FEATURES.index("right")
"""The channel whose sign a mirrored picture turns."""

_LUMA = (0.299, 0.587, 0.114)
_SOFT_LEVELS = 6.0
"""Changes of fewer grey levels of 255 are noise of the camera and of compression."""
_HELD_LEVELS = 0.08
"""A mean difference of fewer grey levels is a frame that is held."""
_CUT_LEVELS = 8.0
_FRAME_S = 0.04
_LONGEST_S = 1 / 12
"""No film has frames that last longer."""
_STEADY = 10
"""Frames over which the time of one is averaged: of 24 fps held at 60, frames last two or three in turn."""

_LEVELS, _WINDOW, _NOISE = 4, 1.5, 4.0
"""Of the optical flow: levels of its pyramid, spread of its window in pixels, and power of a gradient that is noise."""
_FURTHEST = 1.5


def grey_of(pixels: Float[Tensor, "frames 3 height width"]) -> Float[Tensor, "frames height width"]:
    """Return the brightness of `pixels` in [-1, 1], as grey levels of 0 to 255."""
    luma = torch.tensor(_LUMA, device=pixels.device)
    return ((pixels.float() * luma[:, None, None]).sum(dim=1) + 1) * 127.5


@torch.no_grad()
def motion_maps(grey: Float[Tensor, "frames height width"], rate: float) -> Float[Tensor, "frames rows cols features"]:
    """Return the maps of grey pictures with levels of 0 to 255, as many as there are pictures, `rate` of them a second.

    A map tells of what changes in the middle of its frame. Frames that repeat the one before are taken as held.
    """
    count, height, width = grey.shape
    if height % ROWS or width % COLS:
        raise ValueError(f"maps of {ROWS}x{COLS} places do not tile pictures of {height}x{width}")
    own = _own_frames(grey, rate)
    if len(own) < 2:
        return grey.new_zeros(count, ROWS, COLS, len(FEATURES))
    times_s = own / rate
    lasts_s = _smooth(times_s[1:] - times_s[:-1])
    changes = _changes(grey[own], lasts_s)
    return _at_frames(changes, times_s[1:] - lasts_s / 2, (torch.arange(count, device=grey.device) + 0.5) / rate)


def optical_flow(grey: Float[Tensor, "frames height width"]) -> Float[Tensor, "changes 2 height width"]:
    """Return the motion from each frame to the next in pixels, right and down.

    Lucas and Kanade's method on a pyramid (Bouguet 2001) at every pixel, with one step a level.
    """
    pyramid = [grey.float()[:, None]]
    while len(pyramid) < _LEVELS:
        pyramid.append(avg_pool2d(_blurred(pyramid[-1], 0.6), 2, ceil_mode=True))
    flow: Tensor | None = None
    for level in reversed(pyramid):
        here, there = level[:-1], level[1:]
        size = here.shape[-2:]
        if flow is None:
            flow = here.new_zeros(len(here), 2, *size)
        else:
            flow = 2 * interpolate(flow, size=size, mode="bilinear", align_corners=False)
        there = _moved(there, flow)
        right, down = _gradients((here + there) / 2)
        missing = there - here
        products = (right * right, right * down, down * down, right * missing, down * missing)
        xx, xy, yy, xt, yt = _blurred(torch.cat(products, dim=1), _WINDOW).unbind(1)
        # Where there is no gradient nothing is known, and nothing is said to move.
        xx, yy = xx + _NOISE, yy + _NOISE
        step = torch.stack((xy * yt - yy * xt, xy * xt - xx * yt), dim=1) / (xx * yy - xy * xy)[:, None]
        flow = _blurred(flow + step.clamp(-_FURTHEST, _FURTHEST), 0.8)
    assert flow is not None
    return flow


def _own_frames(grey: Float[Tensor, "frames height width"], rate: float) -> Int[Tensor, " own"]:
    """Return the numbers of the film's own frames, those of a picture at rest included."""
    few = grey[:, ::2, ::2]
    changed = ((few[1:] - few[:-1]).abs().mean(dim=(1, 2)) > _HELD_LEVELS).nonzero()[:, 0] + 1
    gaps = changed.diff()
    gaps = gaps[gaps <= _LONGEST_S * rate]
    # A frame of the film lasts so long, and one that is held for half as long again shows things at rest.
    usual = float(gaps.float().mean()) if len(gaps) else _LONGEST_S * rate
    moved, own = set(changed.tolist()), [0]
    for number in range(1, len(grey)):
        if number in moved or number - own[-1] >= 1.5 * usual:
            own.append(number)
    return torch.tensor(own, device=grey.device)


def _changes(
    grey: Float[Tensor, "frames height width"], lasts_s: Float[Tensor, " changes"]
) -> Float[Tensor, "changes rows cols features"]:
    """Return the maps between neighbouring frames, as if each lasted as long as one of 25 fps."""
    differences = grey[1:] - grey[:-1]
    high, wide = grey.shape[1] // ROWS, grey.shape[2] // COLS
    tiles = "t (r h) (k w) -> t r k"
    flow = optical_flow(grey)
    # A cut is what no motion explains, nearly everywhere, and is no change of the light.
    missed = _moved(grey[1:, None], flow)[:, 0] - grey[:-1]
    everywhere = reduce(missed.abs(), tiles, "mean", h=high, w=wide).flatten(1).quantile(0.2, dim=1) > _CUT_LEVELS
    lighter = missed.mean(dim=(1, 2)).abs() > 0.6 * missed.abs().mean(dim=(1, 2))
    moves = ~everywhere | lighter
    differences = differences * moves[:, None, None]
    flow = flow * (moves * _FRAME_S / lasts_s)[:, None, None, None]
    # The motion of the camera is that of most of the picture; a quarter of its pixels tells it.
    after = flow - flow[..., ::2, ::2].flatten(2).median(dim=2).values[..., None, None]
    before = torch.cat((torch.zeros_like(after[:1]), after[:-1]))
    fast, was_fast = _length(after), _length(before)
    channels = (
        differences.abs(),
        (differences.abs() - _SOFT_LEVELS).clamp(min=0),
        differences,
        fast,
        (was_fast - fast).clamp(min=0),
        (fast - was_fast).clamp(min=0),
        _length(after - before),
        (-(before * after).sum(dim=1)).clamp(min=0).sqrt(),
        after[:, 0],
        after[:, 1],
    )
    maps = torch.stack([reduce(channel, tiles, "mean", h=high, w=wide) for channel in channels], dim=-1)
    return maps * moves[:, None, None, None]


def _length(vectors: Float[Tensor, "changes 2 height width"]) -> Float[Tensor, "changes height width"]:
    return (vectors[:, 0].square() + vectors[:, 1].square()).sqrt()


def _at_frames(
    changes: Float[Tensor, "changes rows cols features"],
    middles_s: Float[Tensor, " changes"],
    times_s: Float[Tensor, " frames"],
) -> Float[Tensor, "frames rows cols features"]:
    """Interpolate changes, which lie at `middles_s`, at other times; held beyond both ends."""
    before = (torch.searchsorted(middles_s, times_s) - 1).clamp(0, len(middles_s) - 1)
    after = (before + 1).clamp(max=len(middles_s) - 1)
    span = (middles_s[after] - middles_s[before]).clamp(min=1e-6)
    share = ((times_s - middles_s[before]) / span).clamp(0, 1)[:, None, None, None]
    return changes[before] * (1 - share) + changes[after] * share


def _smooth(x: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    padded = pad(x[None, None], (_STEADY // 2, _STEADY - 1 - _STEADY // 2), mode="replicate")
    return torch.nn.functional.avg_pool1d(padded, _STEADY, stride=1)[0, 0]


def _blurred(x: Float[Tensor, "n c h w"], spread: float) -> Float[Tensor, "n c h w"]:
    reach, channels = int(2.5 * spread + 0.5), x.shape[1]
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=x.device) / spread) ** 2)
    taps = (taps / taps.sum()).repeat(channels, 1, 1, 1)
    x = conv2d(pad(x, (reach, reach, 0, 0), mode="replicate"), taps, groups=channels)
    return conv2d(
        pad(x, (0, 0, reach, reach), mode="replicate"), rearrange(taps, "c 1 1 k -> c 1 k 1"), groups=channels
    )


def _gradients(x: Float[Tensor, "n 1 h w"]) -> tuple[Tensor, Tensor]:
    wide, high = pad(x, (1, 1, 0, 0), mode="replicate"), pad(x, (0, 0, 1, 1), mode="replicate")
    return (wide[..., 2:] - wide[..., :-2]) / 2, (high[..., 2:, :] - high[..., :-2, :]) / 2


def _moved(x: Float[Tensor, "n 1 h w"], flow: Float[Tensor, "n 2 h w"]) -> Float[Tensor, "n 1 h w"]:
    """Return pictures read where `flow` says that each pixel went."""
    height, width = x.shape[-2:]
    down, right = torch.meshgrid(
        torch.arange(height, device=x.device), torch.arange(width, device=x.device), indexing="ij"
    )
    grid = torch.stack(
        ((right + flow[:, 0]) / max(1, width - 1) * 2 - 1, (down + flow[:, 1]) / max(1, height - 1) * 2 - 1), dim=-1
    )
    return grid_sample(x, grid, align_corners=True, padding_mode="border")
