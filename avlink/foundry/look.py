"""Nuisances, which a model must learn to ignore: background, camera, light, noise, blur, compression, frame rate.

They are drawn independently of the scene (domain randomisation, Tobin et al. 2017).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from avlink.foundry.clip import CLIP_FRAMES, CLIP_S
from avlink.foundry.sampler import SceneSampler
from avlink.foundry.scene import Body, Colour, Surface
from avlink.foundry.shapes import Array, box, capsule, disc, polygon

BACKDROPS = ("plain", "gradient", "cloud", "stripes", "blobs")
TRANSFER_STYLES = ("outline", "halftone", "mosaic")


@dataclass(slots=True, kw_only=True)
class Camera:
    """A similarity per frame: picture = centre + zoom * rotate(roll) * (world - centre) + shift."""

    zoom: Array
    roll: Array
    shift_x: Array
    shift_y: Array

    @property
    def moves(self) -> bool:
        """True unless the view is the identity in all frames."""
        still = np.ptp(self.zoom) + np.ptp(self.roll) + np.ptp(self.shift_x) + np.ptp(self.shift_y) == 0
        return not (still and self.zoom[0] == 1 and not self.roll[0] and not self.shift_x[0] and not self.shift_y[0])


@dataclass(slots=True, kw_only=True)
class Look:
    """The appearance of one clip: its style, camera, light and degradations."""

    style: str
    narrow: bool
    dark_back: bool
    back: tuple[Colour, Colour]
    back_numbers: Array
    camera: Camera
    source_index: NDArray[np.int64]
    t: Array
    shutter: float
    flicker: Array
    shade: tuple[float, float] = (0.0, 0.0)
    contrast: float = 1.0
    brightness: float = 0.5
    saturation: float = 1.0
    noise: float = 0.0
    blur: float = 0.0
    block: float = 0.0
    bar_rows: int = 0
    bar_columns: int = 0
    clutter: list[Body] = field(default_factory=list)
    silent: list[Body] = field(default_factory=list)


def random_walk(rng: np.random.Generator, amount: float, smooth: int) -> Array:
    """Return smooth noise about zero, one value per frame, with standard deviation `amount`."""
    # A kernel of unit energy keeps the variance of white noise.
    kernel = np.hanning(smooth + 2)[1:-1]
    noise = np.convolve(rng.standard_normal(CLIP_FRAMES + smooth), kernel / np.sqrt((kernel**2).sum()), mode="valid")
    return np.asarray(noise[:CLIP_FRAMES] * amount)


def frame_times(rng: np.random.Generator, slow: bool) -> tuple[Array, NDArray[np.int64]]:
    """Return the times that the 24 fps frames show, and the source frame of each; a `slow` source repeats frames."""
    # A frame shows the middle of its interval, as a camera's shutter does.
    middle = (np.arange(CLIP_FRAMES) + 0.5) / 24
    if not slow:
        return middle, np.arange(CLIP_FRAMES)
    rate = float(rng.choice([12, 15, 18]))
    # The source frame that is being shown at that time, as a player repeats frames.
    source = np.floor(middle * rate)
    return (source + 0.5) / rate, source.astype(np.int64)


def plan_camera(rng: np.random.Generator, zoom: float, *, moves: bool, slow_index: NDArray[np.int64]) -> Camera:
    """Draw a fixed view, or one with some of shake, pan, zoom and roll."""
    still = np.zeros(CLIP_FRAMES)
    camera = Camera(zoom=still + zoom, roll=still, shift_x=still, shift_y=still)
    if not moves:
        return camera
    ramp = np.linspace(-1, 1, CLIP_FRAMES)
    if rng.random() < 0.5:
        smooth, amount = int(rng.integers(2, 9)), float(rng.uniform(0.15, 1.0))
        camera.shift_x = camera.shift_x + random_walk(rng, amount, smooth)
        camera.shift_y = camera.shift_y + random_walk(rng, amount, smooth)
    if rng.random() < 0.4:
        angle, amount = rng.uniform(0, 2 * np.pi), rng.uniform(1, 6)
        camera.shift_x = camera.shift_x + amount * np.cos(angle) * ramp
        camera.shift_y = camera.shift_y + 0.5 * amount * np.sin(angle) * ramp
    if rng.random() < 0.4:
        camera.zoom = camera.zoom * (1 + rng.uniform(-0.14, 0.14) * ramp)
    if rng.random() < 0.4:
        camera.roll = rng.uniform(-0.1, 0.1) * ramp + rng.uniform(-0.08, 0.08)
    # Repeated source frames repeat the camera as well, or the camera would give the true frame rate away.
    # searchsorted: the first 24 fps frame that shows the same source frame.
    first = np.searchsorted(slow_index, slow_index)
    for name in ("zoom", "roll", "shift_x", "shift_y"):
        setattr(camera, name, np.asarray(getattr(camera, name))[first])
    return camera


def plan_look(rng: np.random.Generator, *, transfer: bool) -> Look:
    """Draw the look of one clip; about two in five are narrow: plain, without camera motion, undegraded."""
    narrow = bool(rng.random() < 0.4) and not transfer
    wide = not narrow
    t, source_index = frame_times(rng, slow=wide and bool(rng.random() < 0.25))
    style = str(rng.choice(BACKDROPS, p=[0.15, 0.2, 0.25, 0.2, 0.2])) if wide else "plain"
    if transfer:
        style = str(rng.choice(TRANSFER_STYLES))
    dark = bool(rng.random() < 0.5)
    level = rng.uniform(0.02, 0.3) if dark else rng.uniform(0.62, 1.0)
    tint = 1 - rng.uniform(0, 0.5 if wide else 0.25) * rng.random(3)
    # Dark or light: bodies are drawn in the other of the two.
    first = np.clip(level * tint, 0, 1)
    other = np.clip(first + rng.uniform(-0.22, 0.22) + rng.uniform(-0.1, 0.1, 3), 0, 1)
    bars = wide and bool(rng.random() < 0.25)
    # Drawn also where there are no bars, so that bars change nothing that is drawn after them.
    rows, columns = (int(rng.integers(3, 6)), 0) if rng.random() < 0.5 else (0, int(rng.integers(5, 12)))
    rows, columns = (rows, columns) if bars else (0, 0)
    # The scene is scaled to fit between the bars.
    zoom = (36 - 2 * rows) / 36 if rows else (64 - 2 * columns) / 64 if columns else 1.0
    # Below 1 the picture shows more than the scene, which is why the backdrop has margins.
    zoom *= float(rng.uniform(0.85, 1.08)) if wide and rng.random() < 0.4 else 1.0
    moves = wide and bool(rng.random() < (0.7 if not transfer else 0.3))
    flicker = np.ones(CLIP_FRAMES)
    if wide and not transfer and rng.random() < 0.35:
        flicker = 1 + np.clip(random_walk(rng, rng.uniform(0.01, 0.06), int(rng.integers(1, 20))), -0.2, 0.2)
        # A repeated source frame is as bright as the first time.
        flicker = flicker[np.searchsorted(source_index, source_index)]
    # The transfer split is hard by its kinds and styles, so its other nuisances are mild.
    rough = wide and not transfer
    low_contrast = rough and bool(rng.random() < 0.4)
    return Look(
        style=style,
        narrow=narrow,
        dark_back=dark,
        back=((float(first[0]), float(first[1]), float(first[2])), (float(other[0]), float(other[1]), float(other[2]))),
        back_numbers=rng.random(32),
        camera=plan_camera(rng, zoom, moves=moves, slow_index=source_index),
        source_index=source_index,
        t=t,
        # The share of a frame during which the shutter is open; 0 is a synthetic picture without motion blur.
        shutter=0.0 if rng.random() < 0.2 else float(rng.uniform(0.3, 1.0)),
        flicker=flicker,
        shade=(float(rng.uniform(-0.3, 0.3)), float(rng.uniform(-0.3, 0.3)))
        if wide and rng.random() < 0.4
        else (0.0, 0.0),
        contrast=float(rng.uniform(0.35, 0.65)) if low_contrast else 1.0,
        brightness=float(rng.uniform(0.3, 0.7)),
        # 0 is black and white.
        saturation=float(rng.choice([0.0, rng.uniform(0.2, 0.8)])) if rough and rng.random() < 0.3 else 1.0,
        noise=float(rng.uniform(0.005, 0.05)) if wide and rng.random() < (0.2 if transfer else 0.5) else 0.0,
        blur=float(rng.uniform(0.3, 1.0)) if rough and rng.random() < 0.2 else 0.0,
        block=float(rng.uniform(0.3, 0.9)) if rough and rng.random() < 0.2 else 0.0,
        bar_rows=rows,
        bar_columns=columns,
    )


def add_clutter(look: Look, sampler: SceneSampler) -> None:
    """Add bodies that stand still, and bodies that move smoothly and never make a sound."""
    if look.narrow:
        return
    if sampler.chance(0.45):
        for _ in range(int(sampler.rng.integers(1, 6))):
            size = sampler.uniform(1.5, 6)
            form = (disc(size), box(size, size * sampler.uniform(0.3, 1.5)), polygon(size, 5), capsule(size * 2, 1.0))
            shape = form[int(sampler.rng.integers(len(form)))]
            colour = _muted(look, sampler)
            look.clutter.append(
                Body(
                    shape=shape,
                    surface=Surface(texture="flat", low=colour, high=colour),
                    x=sampler.uniform(0, 64),
                    y=sampler.uniform(0, 36),
                    angle=sampler.uniform(0, 6.28),
                )
            )
    if sampler.chance(0.4):
        for _ in range(int(sampler.rng.integers(1, 3))):
            size, pace = sampler.uniform(1.5, 4.5), sampler.uniform(0.6, 3.0)
            phase = sampler.rng.uniform(0, 2 * np.pi, 4)
            # A sine turns around smoothly, unlike a body that hits something.
            x = sampler.uniform(8, 56) + sampler.uniform(2, 20) * np.sin(pace * sampler.t + phase[0])
            y = sampler.uniform(4, 32) + sampler.uniform(1, 9) * np.sin(
                pace * sampler.uniform(0.6, 1.6) * sampler.t + phase[1]
            )
            if sampler.chance(0.3):
                # Crosses the picture once, at constant speed.
                x = (sampler.t - sampler.uniform(0, CLIP_S)) * sampler.uniform(-40, 40) + 32
            colour = _muted(look, sampler)
            look.silent.append(
                Body(
                    shape=sampler.shape(size),
                    surface=Surface(texture="flat", low=colour, high=colour),
                    x=x,
                    y=y,
                    angle=sampler.uniform(-2, 2) * sampler.t,
                )
            )


def _muted(look: Look, sampler: SceneSampler) -> Colour:
    # Towards the background: clutter must not be more visible than what sounds.
    mix = sampler.uniform(0.3, 0.9)
    back, front = np.asarray(look.back[0]), np.asarray(sampler.colour())
    red, green, blue = (float(c) for c in back * (1 - mix) + front * mix)
    return red, green, blue
