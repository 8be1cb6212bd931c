"""Drawing bodies: each is painted only in a window that follows it, over all frames at once."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from avlink.foundry.clip import CLIP_FRAMES, HEIGHT, WIDTH
from avlink.foundry.look import Camera
from avlink.foundry.scene import Array, Body, Streaks
from avlink.foundry.textures import Place, tone


def over_frames(value: Array | float) -> Array:
    """A pose value for each frame."""
    return np.broadcast_to(np.asarray(value, dtype=np.float64), (CLIP_FRAMES,))


def to_picture(camera: Camera, x: Array, y: Array) -> tuple[Array, Array]:
    """World positions as picture positions, per frame."""
    cos, sin = np.cos(camera.roll) * camera.zoom, np.sin(camera.roll) * camera.zoom
    dx, dy = x - WIDTH / 2, y - HEIGHT / 2
    return WIDTH / 2 + cos * dx - sin * dy + camera.shift_x, HEIGHT / 2 + sin * dx + cos * dy + camera.shift_y


def column(values: Array, device: torch.device) -> torch.Tensor:
    """Per-frame numbers as (frames, 1, 1) float32."""
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

    Fast bodies get a wider edge, by the way they go while the shutter (a fraction of the frame) is open.
    """
    device = canvas.device
    x, y = to_picture(camera, over_frames(body.x), over_frames(body.y))
    angle = over_frames(body.angle) + camera.roll
    scale_u, scale_v = over_frames(body.stretch_u) * camera.zoom, over_frames(body.stretch_v) * camera.zoom
    opacity = np.clip(over_frames(body.opacity), 0, 1)
    smaller = np.minimum(scale_u, scale_v)
    pace = np.hypot(np.gradient(x), np.gradient(y)) * shutter
    # A jump (a spark that starts anew) is no motion.
    edge = 1.0 + np.where(pace > 14, 0, 0.7 * pace) + body.surface.edge_px
    wide, high = body.shape.extent(angle)
    larger = np.maximum(scale_u, scale_v)
    wide, high = wide * larger + edge / 2 + 1, high * larger + edge / 2 + 1
    seen = (opacity > 0.02) & (x + wide > 0) & (x - wide < WIDTH) & (y + high > 0) & (y - high < HEIGHT)
    rows = np.nonzero((seen & (smaller > 0.05))[shown])[0]
    if not len(rows):
        return
    frames = shown[rows]
    span_x = int(min(WIDTH, 2 * math.ceil(wide[frames].max()) + 1))
    span_y = int(min(HEIGHT, 2 * math.ceil(high[frames].max()) + 1))
    left = np.clip(np.floor(x[frames] - span_x / 2 + 0.5), 0, WIDTH - span_x).astype(np.int64)
    top = np.clip(np.floor(y[frames] - span_y / 2 + 0.5), 0, HEIGHT - span_y).astype(np.int64)
    grid_x = torch.from_numpy(left).to(device)[:, None, None] + torch.arange(span_x, device=device)[None, None, :]
    grid_y = torch.from_numpy(top).to(device)[:, None, None] + torch.arange(span_y, device=device)[None, :, None]
    cos, sin = np.cos(angle[frames]), np.sin(angle[frames])
    dx = grid_x.float() + 0.5 - column(x[frames], device)
    dy = grid_y.float() + 0.5 - column(y[frames], device)
    u = dx * column(cos / scale_u[frames], device) + dy * column(sin / scale_u[frames], device)
    v = dy * column(cos / scale_v[frames], device) - dx * column(sin / scale_v[frames], device)
    distance = body.shape.distance(u, v)
    in_pixels = distance * column(smaller[frames], device)
    if outline:
        in_pixels = in_pixels.abs() - 0.45
    cover = (0.5 - in_pixels / column(edge[frames], device)).clamp_(0, 1)
    surface = body.surface
    place = Place(u, v, dx, dy, distance, column(t[frames], device))
    if surface.texture == "metal":
        place = Place(u, v, grid_x.float(), grid_y.float(), distance, column(0.3 * t[frames], device))
    if surface.texture == "glass":
        cover = cover * (0.45 + 0.55 * tone(surface, place))
    else:
        cover = cover * column(opacity[frames] * surface.opacity, device)
    flat_index = (torch.from_numpy(rows).to(device)[:, None, None] * HEIGHT + grid_y) * WIDTH + grid_x
    flat_index = flat_index.reshape(-1)
    pixels = canvas.view(-1, 3)
    under = pixels.index_select(0, flat_index)
    low = torch.tensor(surface.low, device=device)
    if surface.low == surface.high or outline:
        colour = low
    else:
        colour = torch.addcmul(
            low, tone(surface, place).reshape(-1, 1), torch.tensor(surface.high, device=device) - low
        )
    cover = cover.reshape(-1, 1)
    if surface.glow:
        pixels.index_copy_(0, flat_index, torch.addcmul(under, cover, colour.expand_as(under)))
    else:
        pixels.index_copy_(0, flat_index, torch.lerp(under, colour.expand_as(under), cover))


def paint_fixed(canvas: torch.Tensor, body: Body, origin: tuple[float, float], *, outline: bool = False) -> None:
    """Paint a body that never moves onto a world picture (height, width, 3) whose corner lies at `origin`."""
    device = canvas.device
    rows, columns = canvas.shape[:2]
    dx = torch.arange(columns, device=device)[None, :] + (0.5 + origin[0] - float(np.mean(body.x)))
    dy = torch.arange(rows, device=device)[:, None] + (0.5 + origin[1] - float(np.mean(body.y)))
    angle = float(np.mean(body.angle))
    u = dx * math.cos(angle) + dy * math.sin(angle)
    v = dy * math.cos(angle) - dx * math.sin(angle)
    distance = body.shape.distance(u, v)
    still = torch.zeros(1, 1, device=device)
    level = tone(body.surface, Place(u, v, dx.expand_as(u), dy.expand_as(v), distance, still))[..., None]
    low, high = torch.tensor(body.surface.low, device=device), torch.tensor(body.surface.high, device=device)
    edge = distance.abs() - 0.45 if outline else distance
    cover = (0.5 - edge / (1 + body.surface.edge_px)).clamp(0, 1)[..., None] * body.surface.opacity
    canvas.copy_(torch.lerp(canvas, low + level * (high - low), cover))


def paint_streaks(canvas: torch.Tensor, streaks: Streaks, ranks: torch.Tensor, shown: NDArray[np.int64]) -> None:
    """Paint rain or flakes: `ranks` (96, 128) in 0..1 says at which density each drop of the tile appears."""
    device = canvas.device
    shift_x = torch.from_numpy((np.cumsum(streaks.velocity_x) / 24)[shown]).to(device)
    shift_y = torch.from_numpy((np.cumsum(streaks.velocity_y) / 24)[shown]).to(device)
    rows = torch.arange(HEIGHT, device=device)[None, :] - shift_y.long()[:, None]
    columns = torch.arange(WIDTH, device=device)[None, :] - shift_x.long()[:, None]
    tile = ranks[(rows % 96)[:, :, None], (columns % 128)[:, None, :]]
    density = column(streaks.density[shown], device)
    cover = ((density * 0.16 - tile) * 60).clamp(0, 1)[..., None] * streaks.opacity
    canvas.copy_(torch.lerp(canvas, torch.tensor(streaks.colour, device=device).expand_as(canvas), cover))
