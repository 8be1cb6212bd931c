"""A planned clip before anything is drawn or sounded: bodies with their paths, contacts, lasting sounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from avlink.foundry.shapes import Array, Shape

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """What covers a body: a texture between two colours (0 to 1), `grain_px` wide.

    `edge_px` softens the outline; `glow` adds light instead of covering.
    """

    texture: str
    low: Colour
    high: Colour
    opacity: float = 1.0
    grain_px: float = 3.0
    phase: float = 0.0
    edge_px: float = 0.0
    glow: bool = False


@dataclass(slots=True, kw_only=True)
class Body:
    """Something drawn: pose per frame (or constant) in world pixels, y down; `stretch_*` scale its own axes."""

    shape: Shape
    surface: Surface
    x: Array | float
    y: Array | float
    angle: Array | float = 0.0
    stretch_u: Array | float = 1.0
    stretch_v: Array | float = 1.0
    opacity: Array | float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A contact that is heard: when, what sounds, how hard (0 to 1), how large the sounding body is."""

    time_s: float
    material: str
    strength: float
    size_px: float
    strike_point: float = 0.3
    tool: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinuousSound:
    """A sound that lasts: `level` (0 to 1) and `speed` (0 to 1) at each frame."""

    kind: str
    level: Array
    speed: Array
    material: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaks:
    """Rain or drifting flakes over the whole picture: `density` a frame, `slant`, speed in pixels per second."""

    density: Array
    velocity_x: Array
    velocity_y: Array
    length_px: float
    colour: Colour
    opacity: float


@dataclass(slots=True, kw_only=True)
class ScenePlan:
    """One clip as planned, bodies from back to front."""

    kind: str
    group: str
    fixed: list[Body] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)
    continuous: list[ContinuousSound] = field(default_factory=list)
    streaks: Streaks | None = None
    light: Array | None = None
    shake: Array | None = None
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A contact plane in the picture: `along` runs on it, `height` away from it, turned by `tilt` radians."""

    x: float
    y: float
    tilt: float = 0.0
    mirrored: bool = False

    def to_world(self, along: Array | float, height: Array | float) -> tuple[Array, Array]:
        """World position of a point given on the plane."""
        side = -1.0 if self.mirrored else 1.0
        s, h = side * np.asarray(along, dtype=np.float64), np.asarray(height, dtype=np.float64)
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        return self.x + s * cos + h * sin, self.y + s * sin - h * cos

    def to_world_angle(self, angle: Array | float) -> Array:
        """World angle of a direction given on the plane (0 along it, a quarter turn away from it)."""
        angle = np.asarray(angle, dtype=np.float64)
        return np.asarray(self.tilt + angle + np.pi if self.mirrored else self.tilt - angle)


def latest_event(times: Sequence[float], t: Array) -> tuple[NDArray[np.int64], Array]:
    """Index of the last of `times` (ascending) at or before each `t` (-1: none) and the time since then."""
    index = np.searchsorted(np.asarray(times), t, side="right") - 1
    since = np.where(index >= 0, t - np.asarray([*times, 0.0])[index], np.inf)
    return index, since
