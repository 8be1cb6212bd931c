"""Painting bodies and textures: each body in a window that follows it, over all frames at once.

A texture is a field between the dark (0) and the light (1) colour of a surface.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from avlink.foundry.clip import CLIP_FRAMES, HEIGHT, WIDTH
from avlink.foundry.look import Camera
from avlink.foundry.scene import Body, Streaks, Surface
from avlink.foundry.shapes import Array


@dataclass(frozen=True, slots=True)
class TexturePoint:
    """Broadcastable coordinates: the body's `u`, `v`, the screen's `x`, `y`, signed distance in pixels, seconds."""

    u: torch.Tensor
    v: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor
    distance: torch.Tensor
    t: torch.Tensor


@lru_cache(maxsize=4)
def speckle(device: str) -> torch.Tensor:
    """Return a fixed table of 64 x 64 random levels, the grain of stone."""
    generator = torch.Generator().manual_seed(20)
    return torch.rand(64 * 64, generator=generator).to(device)


def texture_level(surface: Surface, at: TexturePoint) -> torch.Tensor:
    """Return the level of `surface` at every pixel, 0 (its dark colour) to 1 (its light one)."""
    grain, phase = surface.grain_px, surface.phase
    if surface.texture == "wood":
        # Grain along u, bent by slow waves.
        wave = at.v * (2 * math.pi / grain) + 1.4 * torch.sin(at.u * (0.9 / grain) + phase)
        return 0.5 + 0.5 * torch.sin(wave)
    if surface.texture == "metal":
        # A reflection that stays on the screen while the body moves under it, and a darker rim.
        band = torch.sin((at.x * 0.8 + at.y * 1.1) * (2.2 / (grain + 4)) + 2.0 * at.t + phase)
        return (0.25 + 0.75 * band.clamp(min=0).square() + 0.12 * at.distance.clamp(-1.5, 0)).clamp(0, 1)
    if surface.texture == "glass":
        return (1.0 - (at.distance + 1.0).abs() * 0.8).clamp(0.15, 1)
    if surface.texture == "stone":
        cell = 6.0 / grain / 2.4
        # & 63 repeats the table; the offset keeps truncation towards zero from mirroring it at the centre.
        column = (at.u * cell + 512 + phase * 9).to(torch.int32) & 63
        row = (at.v * cell + 512 + phase * 5).to(torch.int32) & 63
        return speckle(str(at.u.device))[row * 64 + column]
    if surface.texture == "water":
        ripple = torch.sin(at.v * (5.0 / grain) + torch.sin(at.u * (3.0 / grain) + 5 * at.t + phase) - 7 * at.t)
        return 0.45 + 0.45 * ripple
    if surface.texture == "cloth":
        # Four times a product of sines, cut off: squares with soft edges.
        check = torch.sin(at.u * (6.3 / grain)) * torch.sin(at.v * (6.3 / grain))
        return (0.5 + 4 * check).clamp(0, 1)
    if surface.texture == "rubber":
        return (0.3 - 0.06 * at.distance).clamp(0, 1)
    return torch.full_like(at.distance, 0.5)


def per_frame(value: Array | float) -> Array:
    """Return a pose value for each frame."""
    return np.broadcast_to(np.asarray(value, dtype=np.float64), (CLIP_FRAMES,))


def world_to_picture(camera: Camera, x: Array, y: Array) -> tuple[Array, Array]:
    """Return picture positions of world positions, per frame."""
    cos, sin = np.cos(camera.roll) * camera.zoom, np.sin(camera.roll) * camera.zoom
    # A similarity about the centre of the picture, as `Camera` defines it; y points down.
    dx, dy = x - WIDTH / 2, y - HEIGHT / 2
    return WIDTH / 2 + cos * dx - sin * dy + camera.shift_x, HEIGHT / 2 + sin * dx + cos * dy + camera.shift_y


def frame_column(values: Array, device: torch.device) -> torch.Tensor:
    """Return per-frame numbers as a float32 tensor (frames, 1, 1)."""
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(device)[:, None, None]


def paint_body(
    canvas: torch.Tensor,
    body: Body,
    camera: Camera,
    t: Array,
    shown: NDArray[np.int64],
    *,
    shutter: float,
    outline: bool = False,
) -> None:
    """Paint one moving body onto `canvas` (frames, height, width, 3) in place; `shown` are the clip's frames on it.

    `shutter` is the fraction of a frame during which it is open.
    """
    device = canvas.device
    x, y = world_to_picture(camera, per_frame(body.x), per_frame(body.y))
    angle = per_frame(body.angle) + camera.roll
    scale_u, scale_v = per_frame(body.stretch_u) * camera.zoom, per_frame(body.stretch_v) * camera.zoom
    opacity = np.clip(per_frame(body.opacity), 0, 1)
    smaller = np.minimum(scale_u, scale_v)
    # Pixels per frame while the shutter is open.
    pace = np.hypot(np.gradient(x), np.gradient(y)) * shutter
    # Motion blur as a wider edge, by the distance covered while the shutter is open. A jump, of a particle that starts
    # again, is no motion.
    edge = 1.0 + np.where(pace > 14, 0, 0.7 * pace) + body.surface.edge_px
    wide, high = body.shape.extent(angle)
    larger = np.maximum(scale_u, scale_v)
    wide, high = wide * larger + edge / 2 + 1, high * larger + edge / 2 + 1
    # Frames in which nothing would be drawn are left out: most bodies of particles are visible in few.
    seen = (opacity > 0.02) & (x + wide > 0) & (x - wide < WIDTH) & (y + high > 0) & (y - high < HEIGHT)
    rows = np.nonzero((seen & (smaller > 0.05))[shown])[0]
    if not len(rows):
        return
    frames = shown[rows]
    # One window size for all frames, so that they are one tensor: painting frame by frame is many times slower.
    span_x = int(min(WIDTH, 2 * math.ceil(wide[frames].max()) + 1))
    span_y = int(min(HEIGHT, 2 * math.ceil(high[frames].max()) + 1))
    # Windows are kept within the picture, so that no index needs a check.
    left = np.clip(np.floor(x[frames] - span_x / 2 + 0.5), 0, WIDTH - span_x).astype(np.int64)
    top = np.clip(np.floor(y[frames] - span_y / 2 + 0.5), 0, HEIGHT - span_y).astype(np.int64)
    # (frames, 1, span_x) and (frames, span_y, 1).
    grid_x = torch.from_numpy(left).to(device)[:, None, None] + torch.arange(span_x, device=device)[None, None, :]
    grid_y = torch.from_numpy(top).to(device)[:, None, None] + torch.arange(span_y, device=device)[None, :, None]
    cos, sin = np.cos(angle[frames]), np.sin(angle[frames])
    # At the middle of pixels.
    dx = grid_x.float() + 0.5 - frame_column(x[frames], device)
    dy = grid_y.float() + 0.5 - frame_column(y[frames], device)
    # The inverse of the pose: turned back by the angle, then divided by the stretch of each axis.
    u = dx * frame_column(cos / scale_u[frames], device) + dy * frame_column(sin / scale_u[frames], device)
    v = dy * frame_column(cos / scale_v[frames], device) - dx * frame_column(sin / scale_v[frames], device)
    distance = body.shape.distance(u, v)
    # Distances are in the body's own units; stretched unevenly, the smaller scale keeps edges from blurring.
    in_pixels = distance * frame_column(smaller[frames], device)
    if outline:
        in_pixels = in_pixels.abs() - 0.45
    # Coverage of a pixel by a straight edge at that distance: for an edge of one pixel 1 at half a pixel inside, 0 at
    # half a pixel outside.
    cover = (0.5 - in_pixels / frame_column(edge[frames], device)).clamp_(0, 1)
    surface = body.surface
    point = TexturePoint(u, v, dx, dy, distance, frame_column(t[frames], device))
    if surface.texture == "metal":
        # Reflections belong to the screen, not to the body.
        point = TexturePoint(u, v, grid_x.float(), grid_y.float(), distance, frame_column(0.3 * t[frames], device))
    if surface.texture == "glass":
        cover = cover * (0.45 + 0.55 * texture_level(surface, point))
    else:
        cover = cover * frame_column(opacity[frames] * surface.opacity, device)
    # Indexed as one row of pixels: index_select is faster than advanced indexing on three axes.
    flat_index = (torch.from_numpy(rows).to(device)[:, None, None] * HEIGHT + grid_y) * WIDTH + grid_x
    flat_index = flat_index.reshape(-1)
    pixels = canvas.view(-1, 3)
    under = pixels.index_select(0, flat_index)
    low = torch.tensor(surface.low, device=device)
    if surface.low == surface.high or outline:
        colour = low
    else:
        colour = torch.addcmul(
            low, texture_level(surface, point).reshape(-1, 1), torch.tensor(surface.high, device=device) - low
        )
    cover = cover.reshape(-1, 1)
    if surface.glow:
        pixels.index_copy_(0, flat_index, torch.addcmul(under, cover, colour.expand_as(under)))
    else:
        pixels.index_copy_(0, flat_index, torch.lerp(under, colour.expand_as(under), cover))


def paint_fixed(canvas: torch.Tensor, body: Body, origin: tuple[float, float], *, outline: bool = False) -> None:
    """Paint a body that never moves onto a world picture (height, width, 3) whose corner is at `origin`."""
    device = canvas.device
    rows, columns = canvas.shape[:2]
    dx = torch.arange(columns, device=device)[None, :] + (0.5 + origin[0] - float(np.mean(body.x)))
    dy = torch.arange(rows, device=device)[:, None] + (0.5 + origin[1] - float(np.mean(body.y)))
    angle = float(np.mean(body.angle))
    u = dx * math.cos(angle) + dy * math.sin(angle)
    v = dy * math.cos(angle) - dx * math.sin(angle)
    distance = body.shape.distance(u, v)
    still = torch.zeros(1, 1, device=device)
    level = texture_level(body.surface, TexturePoint(u, v, dx.expand_as(u), dy.expand_as(v), distance, still))[
        ..., None
    ]
    low, high = torch.tensor(body.surface.low, device=device), torch.tensor(body.surface.high, device=device)
    edge = distance.abs() - 0.45 if outline else distance
    cover = (0.5 - edge / (1 + body.surface.edge_px)).clamp(0, 1)[..., None] * body.surface.opacity
    canvas.copy_(torch.lerp(canvas, low + level * (high - low), cover))


def paint_streaks(canvas: torch.Tensor, streaks: Streaks, ranks: torch.Tensor, shown: NDArray[np.int64]) -> None:
    """Paint rain or flakes; `ranks` (96, 128), 0 to 1, is the density at which each drop of the tile appears."""
    device = canvas.device
    # The integral of the velocity: a change of wind moves drops on from the place where they are.
    shift_x = torch.from_numpy((np.cumsum(streaks.velocity_x) / 24)[shown]).to(device)
    shift_y = torch.from_numpy((np.cumsum(streaks.velocity_y) / 24)[shown]).to(device)
    rows = torch.arange(HEIGHT, device=device)[None, :] - shift_y.long()[:, None]
    columns = torch.arange(WIDTH, device=device)[None, :] - shift_x.long()[:, None]
    # The tile repeats: indices are taken modulo its size.
    tile = ranks[(rows % 96)[:, :, None], (columns % 128)[:, None, :]]
    density = frame_column(streaks.density[shown], device)
    # A drop appears once the density exceeds its rank, over a sixtieth, so that drops fade in rather than pop up.
    cover = ((density * 0.16 - tile) * 60).clamp(0, 1)[..., None] * streaks.opacity
    canvas.copy_(torch.lerp(canvas, torch.tensor(streaks.colour, device=device).expand_as(canvas), cover))
