"""A planned clip, before it is rendered: bodies with their paths, contacts, continuous sounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from avlink.foundry.shapes import Array, Shape

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """The texture of a body between two colours (0 to 1), `grain_px` wide.

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
    """A drawn shape: its pose per frame, or constant, in world pixels, y down; `stretch_*` scale its own axes."""

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
    """An audible contact: its time, the sounding material, its strength (0 to 1) and the size of the sounding body.

    `strike_point` (0 to 1) is the position along the body, which decides the levels of its partials.
    """

    time_s: float
    material: str
    strength: float
    size_px: float
    strike_point: float = 0.3
    tool: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinuousSound:
    """A continuous sound: `level` (0 to 1) and `speed` (0 to 1) at each frame."""

    kind: str
    level: Array
    speed: Array
    material: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaks:
    """Rain or drifting flakes over the whole picture: density (0 to 1) and velocity, pixels per second, per frame."""

    density: Array
    velocity_x: Array
    velocity_y: Array
    length_px: float
    colour: Colour
    opacity: float


@dataclass(slots=True, kw_only=True)
class ScenePlan:
    """One planned clip; bodies are drawn from first to last, so from back to front."""

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
    """A contact plane in the picture, turned by `tilt` radians: `along` is measured on it, `height` above it."""

    x: float
    y: float
    tilt: float = 0.0
    mirrored: bool = False

    def to_world(self, along: Array | float, height: Array | float) -> tuple[Array, Array]:
        """Return the world position of a point given in the plane's coordinates."""
        side = -1.0 if self.mirrored else 1.0
        s, h = side * np.asarray(along, dtype=np.float64), np.asarray(height, dtype=np.float64)
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        # The plane's own axes are (cos, sin) along it and (sin, -cos) away from it, since y points down.
        return self.x + s * cos + h * sin, self.y + s * sin - h * cos

    def to_world_angle(self, angle: Array | float) -> Array:
        """Return the world angle of a direction given on the plane: 0 is along it, pi / 2 away from it."""
        angle = np.asarray(angle, dtype=np.float64)
        # y points down in the world and up from the plane, so that angles change their sign.
        return np.asarray(self.tilt + angle + np.pi if self.mirrored else self.tilt - angle)


def latest_event(times: Sequence[float], t: Array) -> tuple[NDArray[np.int64], Array]:
    """Return the index of the last of `times` (ascending) at or before each `t` (-1: none), and the time since then."""
    # side="right": a frame at the very time of an event is after it.
    index = np.searchsorted(np.asarray(times), t, side="right") - 1
    # The appended time is what index -1 reads; `where` discards it.
    since = np.where(index >= 0, t - np.asarray([*times, 0.0])[index], np.inf)
    return index, since
