"""Rendering of a planned scene and its look into frames."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from avlink.foundry.clip import CLIP_FRAMES, HEIGHT, WIDTH
from avlink.foundry.look import Camera, Look
from avlink.foundry.paint import frame_column, paint_body, paint_fixed, paint_streaks
from avlink.foundry.scene import ScenePlan

MARGIN_X, MARGIN_Y = 32, 26
"""World pixels beyond each edge of the picture, for cameras that shake, pan, roll and zoom out."""


def backdrop(look: Look, rng: np.random.Generator, device: torch.device) -> torch.Tensor:
    """Return the background, (36 + 2 * 26, 64 + 2 * 32, 3), with margins around the picture."""
    rows, columns = HEIGHT + 2 * MARGIN_Y, WIDTH + 2 * MARGIN_X
    # In picture widths and heights from the top left corner of the picture, so negative in the margin.
    x = (torch.arange(columns, device=device) - MARGIN_X)[None, :] / WIDTH
    y = (torch.arange(rows, device=device) - MARGIN_Y)[:, None] / HEIGHT
    numbers = [float(n) for n in look.back_numbers]
    angle = 2 * math.pi * numbers[0]
    along = math.cos(angle) * x + math.sin(angle) * y
    if look.style == "gradient":
        mix = (along * 0.9 + numbers[1]).clamp(0, 1)
    elif look.style == "stripes":
        mix = 0.5 + (4 * torch.sin(along * (8 + 40 * numbers[1]) + 6 * numbers[2])).clamp(-0.5, 0.5)
    elif look.style == "mosaic":
        size = 4 + 5 * numbers[1]
        mix = (((x * WIDTH / size).floor() + (y * HEIGHT / size).floor()) % 2).abs()
    elif look.style == "cloud":
        frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None, :])
        # Noise whose power falls with frequency, as in natural images (Field 1987).
        power = 1 / np.maximum(frequency, 0.01) ** (0.8 + 0.8 * numbers[1])
        noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((rows, columns))) * power, s=(rows, columns))
        mix = torch.from_numpy((0.5 + noise / noise.std() * 0.3).astype(np.float32)).to(device).clamp(0, 1)
    elif look.style == "blobs":
        mix = torch.zeros(rows, columns, device=device)
        for k in range(5):
            cx, cy, size = (2 * numbers[4 * k + i] - 0.5 for i in (3, 4, 5))
            near = torch.exp(-(((x - cx) * 1.8) ** 2 + (y - cy) ** 2) / (0.05 + 0.1 * abs(size)))
            mix = mix + near * (1.0 if k % 2 else -0.7)
        mix = mix.clamp(0, 1)
    else:
        mix = torch.zeros(rows, columns, device=device)
    first, other = (torch.tensor(colour, device=device) for colour in look.back)
    return first + mix.expand(rows, columns)[..., None] * (other - first)


def view_world(world: torch.Tensor, camera: Camera, shown: NDArray[np.int64]) -> torch.Tensor:
    """Return the fixed world as the camera sees it in the frames `shown`: (frames, height, width, 3)."""
    inner = world[MARGIN_Y : MARGIN_Y + HEIGHT, MARGIN_X : MARGIN_X + WIDTH]
    if not camera.moves:
        return inner.expand(len(shown), -1, -1, -1).clone()
    device = world.device
    # A camera that is set up once but does not move needs one frame, which is repeated.
    still = all(float(np.ptp(a)) == 0 for a in (camera.zoom, camera.roll, camera.shift_x, camera.shift_y))
    frames = shown[:1] if still else shown
    x = (
        torch.arange(WIDTH, device=device)[None, None, :]
        + 0.5
        - WIDTH / 2
        - frame_column(camera.shift_x[frames], device)
    )
    y = (
        torch.arange(HEIGHT, device=device)[None, :, None]
        + 0.5
        - HEIGHT / 2
        - frame_column(camera.shift_y[frames], device)
    )
    # The inverse of the camera: for each pixel the place in the world that it shows.
    cos = frame_column((np.cos(camera.roll) / camera.zoom)[frames], device)
    sin = frame_column((np.sin(camera.roll) / camera.zoom)[frames], device)
    rows, columns = world.shape[:2]
    # grid_sample counts from -1 to 1 over the world with its margins.
    grid = torch.stack([(cos * x + sin * y) * (2 / columns), (cos * y - sin * x) * (2 / rows)], dim=-1)
    source = world.permute(2, 0, 1).expand(grid.shape[0], -1, -1, -1)
    seen = F.grid_sample(source, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return seen.permute(0, 2, 3, 1).expand(len(shown), -1, -1, -1).contiguous()


def render_frames(
    scene: ScenePlan,
    look: Look,
    rng: np.random.Generator,
    device: torch.device,
    shown: NDArray[np.int64] | None = None,
) -> torch.Tensor:
    """Return uint8 frames of one clip, (frames, 36, 64, 3): all 124, or the `shown` ones, bit for bit the same."""
    # Random numbers are drawn for all frames, whichever are shown, so that single frames are those of the clip.
    shown = np.arange(CLIP_FRAMES) if shown is None else shown
    outline = look.style == "outline"
    world = backdrop(look, rng, device)
    for body in [*look.clutter, *scene.fixed]:
        paint_fixed(world, body, (-MARGIN_X, -MARGIN_Y), outline=outline)
    camera = look.camera
    if scene.shake is not None:
        # Independent from frame to frame, as of a blast, unlike the smooth shake of a hand.
        shake = rng.uniform(-1, 1, (2, CLIP_FRAMES)) * scene.shake
        camera = Camera(
            zoom=camera.zoom, roll=camera.roll, shift_x=camera.shift_x + shake[0], shift_y=camera.shift_y + shake[1]
        )
    # Everything that stands still is painted once, into a world that the camera then looks at; moving bodies are
    # painted into each frame.
    canvas = view_world(world, camera, shown)
    for body in [*look.silent, *scene.bodies]:
        paint_body(canvas, body, camera, look.t, shown, shutter=look.shutter, outline=outline)
    if scene.streaks is not None:
        drops = np.ones((96, 128), dtype=np.float32)
        # A fiftieth of the tile is drops; all other places have a rank of 1, which no density reaches.
        where = rng.random((96, 128)) < 0.02
        drops[where] = (rng.random(int(where.sum())) * 0.15).astype(np.float32)
        long = max(1, round(scene.streaks.length_px))
        # Streaks are drops smeared along their fall.
        drops = np.min(np.stack([np.roll(drops, k, axis=0) for k in range(long)]), axis=0)
        paint_streaks(canvas, scene.streaks, torch.from_numpy(drops).to(device), shown)
    return post_process(canvas, scene, look, rng, shown)


def post_process(
    canvas: torch.Tensor, scene: ScenePlan, look: Look, rng: np.random.Generator, shown: NDArray[np.int64]
) -> torch.Tensor:
    """Apply light, contrast, colour, blur, noise, compression and bars; returns uint8."""
    device = canvas.device
    if scene.light is not None:
        if not look.dark_back:
            # A flash is visible only against something darker.
            canvas *= 0.6
        canvas += 0.5 * frame_column(scene.light[shown], device)[..., None]
    if np.ptp(look.flicker):
        canvas *= frame_column(look.flicker[shown], device)[..., None]
    if any(look.shade):
        x = torch.linspace(-1, 1, WIDTH, device=device)[None, :] * look.shade[0]
        y = torch.linspace(-1, 1, HEIGHT, device=device)[:, None] * look.shade[1]
        canvas *= (1 + x + y)[None, :, :, None]
    if look.contrast != 1:
        # About mid grey, which goes to `brightness`.
        canvas.sub_(0.5).mul_(look.contrast).add_(look.brightness)
    if look.saturation != 1:
        grey = canvas.mean(dim=-1, keepdim=True)
        canvas = torch.lerp(grey.expand_as(canvas), canvas, look.saturation)
    if look.blur:
        soft = F.avg_pool2d(canvas.permute(0, 3, 1, 2), 3, stride=1, padding=1, count_include_pad=False)
        canvas = torch.lerp(canvas, soft.permute(0, 2, 3, 1), look.blur)
    if look.style == "halftone":
        # Bayer's matrix (1973).
        screen = torch.tensor([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], device=device)
        # Thresholds at the middle of 16 equal steps.
        screen = (screen.float() / 16 + 1 / 32).repeat(HEIGHT // 4, WIDTH // 4)
        canvas = torch.where(canvas > screen[None, :, :, None], 0.95, 0.05)
    if look.block:
        # Coarse averages and a threshold on the rest resemble strong block compression.
        # 24 levels of each channel, and cells of 4 by 4 pixels.
        cells = F.avg_pool2d(canvas.permute(0, 3, 1, 2), 4).mul_(24).round_().div_(24)
        cells = F.interpolate(cells, scale_factor=4, mode="nearest").permute(0, 2, 3, 1)
        rest = canvas - cells
        canvas = cells + torch.where(rest.abs() > 0.08 * look.block, rest, torch.zeros_like(rest))
    if look.noise:
        # One table, read from random places: normal numbers for every pixel of every frame would be slow to draw.
        table = torch.from_numpy(rng.standard_normal((1 << 17) + HEIGHT * WIDTH * 3).astype(np.float32)).to(device)
        starts = rng.integers(0, 1 << 17, CLIP_FRAMES)
        # A repeated source frame repeats its noise.
        starts = starts[np.searchsorted(look.source_index, look.source_index)][shown]
        size = HEIGHT * WIDTH * 3
        grain = torch.stack([table[int(start) : int(start) + size] for start in starts]).view_as(canvas)
        canvas = torch.add(canvas, grain, alpha=look.noise)
    if look.bar_rows:
        canvas[:, : look.bar_rows] = 0
        canvas[:, HEIGHT - look.bar_rows :] = 0
    if look.bar_columns:
        canvas[:, :, : look.bar_columns] = 0
        canvas[:, :, WIDTH - look.bar_columns :] = 0
    # + 0.5 rounds, as the conversion truncates.
    return canvas.mul(255).add_(0.5).clamp_(0, 255).to(torch.uint8)
