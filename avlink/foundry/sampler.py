"""Random choices that all scene kinds share: numbers, materials, surfaces, shapes, grounds and contact times."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from avlink.foundry.clip import CLIP_S
from avlink.foundry.materials import MATERIALS
from avlink.foundry.scene import Body, Colour, Ground, ScenePlan, Surface, latest_event
from avlink.foundry.shapes import Array, Shape, box, capsule, disc, half_plane, polygon

MIN_GAP_S = 0.125
"""Least time between contacts: three frames, so that pictures show the rebound between two of them."""
FIRST_S, LAST_S = 0.12, CLIP_S - 0.14


class InvalidPlan(Exception):
    """A plan breaks a rule, such as contacts too close together; another one is drawn."""


@dataclass(slots=True, kw_only=True)
class SceneSampler:
    """Draws the parts of one scene from its random stream; `t` are the times of the frames in seconds.

    The order of draws is part of a clip's identity: a draw more or less changes all clips.
    """

    rng: np.random.Generator
    t: Array
    narrow: bool
    recoloured: bool
    dark_back: bool
    back_level: float

    def uniform(self, low: float, high: float) -> float:
        """Draw a number uniformly from `low` to `high`."""
        return float(self.rng.uniform(low, high))

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return bool(self.rng.random() < probability)

    def choose(self, *options: str) -> str:
        """Draw one of `options` uniformly."""
        return str(options[int(self.rng.integers(len(options)))])

    def material(self, *options: str) -> str:
        """Draw the name of a material, of all seven unless `options` are given."""
        return self.choose(*(options or tuple(MATERIALS)))

    def colour(self) -> Colour:
        """Draw a colour that contrasts with the background, dark on light or light on dark."""
        hue = self.rng.random(3)
        # The strongest channel at 1: `tint` then sets saturation alone, and `level` brightness.
        hue = hue / max(hue.max(), 1e-3)
        tint = 1.0 - self.uniform(0.0, 0.7) * (1.0 - hue)
        level = self.uniform(0.65, 1.0) if self.dark_back else self.uniform(0.12, 0.45)
        return _colour(tint * level)

    def surface(self, material: str) -> Surface:
        """Draw a surface of a material: always its texture, and its usual colours unless the clip is recoloured."""
        # Recoloured clips keep models from telling materials by colour alone.
        colours = MATERIALS[material].colours
        low, high = colours[int(self.rng.integers(len(colours)))]
        if self.recoloured:
            base = np.asarray(self.colour())
            spread = {"rubber": 0.1, "metal": 0.75, "glass": 0.6}.get(material, 0.45)
            low, high = _colour(base * (1 - spread)), _colour(base + (1 - base) * spread * 0.8)
        # The mean of two colours of three channels.
        level = (sum(low) + sum(high)) / 6
        if abs(level - self.back_level) < (0.2 if self.narrow else 0.12):
            # A body that is invisible against the background teaches nothing.
            low, high = (_mixed(colour, 1.0 if self.dark_back else 0.0, 0.3) for colour in (low, high))
        return Surface(
            texture=material,
            low=low,
            high=high,
            opacity=0.75 if material == "glass" else 1.0,
            grain_px=self.uniform(2.6, 4.6),
            phase=self.uniform(0, 2 * np.pi),
            edge_px=1.3 if material == "cloth" else 0.0,
        )

    def plain_surface(self, colour: Colour | None = None, opacity: float = 1.0) -> Surface:
        """Return a surface without texture, of `colour` or of a drawn one that contrasts with the background."""
        low = colour or self.colour()
        return Surface(texture="flat", low=low, high=low, opacity=opacity)

    def shape(self, radius: float) -> Shape:
        """Draw a shape of about `radius` pixels: mostly discs, also boxes, capsules and polygons."""
        draw = self.rng.random()
        if draw < (0.6 if self.narrow else 0.4):
            return disc(radius)
        if draw < 0.75:
            return box(radius, radius * self.uniform(0.6, 1.0), self.uniform(0.3, 1.5))
        if draw < 0.88:
            # A polygon of the same circumradius would look smaller than a disc.
            return polygon(radius * 1.1, int(self.rng.integers(3, 8)))
        return capsule(radius * 1.2, radius * self.uniform(0.5, 0.75))

    def radius(self) -> float:
        """Draw a body's radius, 3 to 9 pixels, mostly large enough for its texture to be visible."""
        return self.uniform(4.5, 8.5) if self.chance(0.75) else self.uniform(3.0, 9.0)

    def ground(self, floor: float, *, upright: float = 0.65) -> Ground:
        """Draw a contact plane `floor` pixels below the centre: nearly horizontal, or at any angle."""
        mirrored = self.chance(0.5)
        if self.narrow or self.chance(upright):
            tilt = 0.0 if self.chance(0.6) else self.uniform(-0.12, 0.12)
        else:
            # A turned plane has the width of the picture above it, so it needs no smaller bodies.
            tilt = self.uniform(-np.pi, np.pi)
        return Ground(
            x=32 - floor * np.sin(tilt) * 1.3 + self.uniform(-2, 2),
            y=18 + floor * np.cos(tilt),
            tilt=tilt,
            mirrored=mirrored,
        )

    def add_floor(self, scene: ScenePlan, ground: Ground, material: str | None = None, *, shown: bool = False) -> None:
        """Add the visible surface of a plane: a half-plane, a platform, a line, or nothing unless `shown`."""
        draw = self.rng.random()
        surface = self.surface(material) if material else self.plain_surface()
        x, y = ground.to_world(0.0, 0.0)
        if draw < 0.5 or shown:
            scene.fixed.append(Body(shape=half_plane(), surface=surface, x=float(x), y=float(y), angle=ground.tilt))
        elif draw < 0.92:
            thick = self.uniform(1.0, 3.5) if draw < 0.75 else 0.6
            x, y = ground.to_world(0.0, -thick)
            half = self.uniform(24, 40)
            slab = box(half, thick, 0.4)
            scene.fixed.append(Body(shape=slab, surface=surface, x=float(x), y=float(y), angle=ground.tilt))

    def check_times(self, times: list[float], *, fewest: int = 1, most: int = 12) -> None:
        """Check the number of contacts, their gaps, and that they lie within the clip; raises InvalidPlan."""
        times = sorted(times)
        if not fewest <= len(times) <= most or times[0] < FIRST_S or times[-1] > LAST_S:
            raise InvalidPlan
        if any(b - a < MIN_GAP_S for a, b in pairwise(times)):
            raise InvalidPlan

    def contact_times(self, *, low: float, high: float, rest: float = 0.3) -> list[float]:
        """Draw contact times with gaps from `low` seconds; some clips start late, end early or pause."""
        now = self.uniform(0.2, 0.3 + high) if self.chance(0.8) else self.uniform(0.8, 2.2)
        end = LAST_S if self.chance(0.75) else self.uniform(2.5, LAST_S)
        steady = self.uniform(low, high) if self.chance(0.4) else 0.0
        times: list[float] = []
        while now < end and len(times) < 11:
            times.append(now)
            # Exponential gaps: the next contact cannot be guessed from the last ones.
            gap = steady or (low + float(self.rng.exponential(high - low)))
            now += gap + (self.uniform(0.5, 1.6) if self.chance(rest * 0.4) else 0.0)
        return times

    def add_particles(
        self, scene: ScenePlan, times: list[float], x: Array, y: Array, strength: list[float], kind: str
    ) -> None:
        """Add dust, sparks or drops at each contact; `x` and `y` are the contact points."""
        if not times:
            return
        index, since = latest_event(times, self.t)
        x, y, force = (np.asarray([*np.broadcast_to(a, len(times)), 0.0])[index] for a in (x, y, strength))
        if kind == "dust":
            # A puff that grows and is gone after 0.28 s.
            size = (1.5 + 9 * np.minimum(since, 1.0)) * (0.5 + force)
            fade = np.where(since < 0.28, 1 - since / 0.28, 0.0) * (0.35 + 0.4 * force)
            grey = self.uniform(0.55, 0.9)
            soft = Surface(texture="flat", low=(grey,) * 3, high=(grey,) * 3, edge_px=3.0)
            scene.bodies.append(
                Body(shape=disc(1.0), surface=soft, x=x, y=y, stretch_u=size, stretch_v=size, opacity=fade)
            )
            return
        colour: Colour = (1.0, 0.9, 0.5) if kind == "spark" else (0.65, 0.85, 1.0)
        life = 0.14 if kind == "spark" else 0.3
        bright = Surface(texture="flat", low=colour, high=colour, glow=kind == "spark")
        tau = np.minimum(since, 1.0)
        for _ in range(2 if kind == "spark" else 3):
            # One more than there are contacts: frames before the first one have the index -1.
            away = self.rng.uniform(-1, 1, len(times) + 1)[index]
            rise = self.rng.uniform(0.4, 1.0, len(times) + 1)[index]
            fly = 70 if kind == "spark" else 32
            # Thrown up and to the side, and falling at 240 pixels per second squared.
            dx, dy = away * fly * tau, -rise * fly * tau + 120 * tau**2
            fade = np.where(since < life, 1 - 0.6 * since / life, 0.0)
            scene.bodies.append(
                Body(shape=disc(1.0), surface=bright, x=x + dx, y=y + dy, opacity=fade * (0.4 + 0.6 * force))
            )


def _colour(values: Array) -> Colour:
    return float(values[0]), float(values[1]), float(values[2])


def _mixed(colour: Colour, towards: float, share: float) -> Colour:
    return _colour(np.asarray(colour) * (1 - share) + towards * share)


def impact_strength(speed: float) -> float:
    """Return the strength (0 to 1) of a contact at `speed` pixels per second."""
    return float(np.clip(speed / 190.0, 0.06, 1.0))
