"""A scene while it is planned: bodies that stand, follow paths or obey physics, contacts, and what a camera frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from avlink.foundry.physics.backend import load_mujoco
from avlink.foundry.physics.paths import Array, along_quaternion
from avlink.foundry.physics.texture import SIDE, texture

STEP_S = 0.002
"""Time of one step of the physics."""
TAIL_S = 0.1
"""Time that is simulated beyond the clip: the last frame's shutter is open until then."""
STILL = np.array([1.0, 0.0, 0.0, 0.0])
FIXED, MOVING, PERSON = 0, 1, 2
"""Groups of bodies: what stands, what moves, and people, who may hide a contact behind them."""

_CUBE_FACES = 6
_CONTACT_RATE = np.pi / 0.01
"""Angular frequency of the spring of a contact: half a period takes 10 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One shape of a body: `size` and `at` in metres, `turn` a quaternion, relative to the body."""

    shape: str
    size: tuple[float, ...]
    paint: str
    at: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn: tuple[float, float, float, float] | Array = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedHit:
    """A contact at a point of the world; `place` is (3,)."""

    time_s: float
    strength: float
    place: Array
    kind: str = "hit"
    material: str = ""
    size_px: float = 6.0
    duration_s: float = 0.0


@dataclass(slots=True, kw_only=True)
class FreeBody:
    """A body that obeys physics from `release_s` on; until then it follows `carried`, or is out of sight without one.

    `loud` bodies give hits, with their `material`. `kick` is the velocity (metres per second) at the release.
    """

    name: str
    start: Array
    release_s: float
    kick: Array
    spin: Array
    mass: float
    material: str
    size_px: float
    loud: bool
    kind: str
    carried: Array | None = None
    resting: bool = False


class World:
    """Collects a scene; `t` are the times of all physics steps, in seconds."""

    def __init__(self, rng: np.random.Generator, duration_s: float) -> None:
        self.mujoco: Any = load_mujoco()
        self.rng, self.duration_s = rng, duration_s
        self.t: Array = np.arange(round((duration_s + TAIL_S) / STEP_S) + 1, dtype=np.float64) * np.float64(STEP_S)
        self.spec: Any = self.mujoco.MjSpec()
        self.spec.option.timestep = STEP_S
        # Elliptic cones: the normal force of a contact is then a number of its own.
        self.spec.option.cone = self.mujoco.mjtCone.mjCONE_ELLIPTIC
        self.paths: dict[str, tuple[Array, Array]] = {}
        self.free: list[FreeBody] = []
        self.hits: list[PlannedHit] = []
        self.pushes: list[tuple[float, tuple[str, ...], Array, float]] = []
        """Blows on loose things: time, names, place, strength in metres per second."""
        self.focus: list[Array] = []
        """Points (3,) that the camera frames beside the contacts."""
        self.extent = 0.15
        """Radius in metres of what surrounds these points and should be in the picture."""
        self.follow: Array | None = None
        """A path that the camera may follow, (times, 3)."""
        self.front = -np.pi / 2
        """Azimuth from which the scene is best seen."""
        self.freedom = 0.9
        """Spread of the camera's azimuth about it, in radians."""
        self.caption = ""
        self.solid_paths = False
        self.brightness: Array | None = None
        self._paints: list[str] = []
        self._bodies = 0

    # --- paints -----------------------------------------------------------------------------------------------------
    def paint(self, look: str = "any", *, flat: bool = False, repeat: float = 1.0) -> str:
        """Return the name of a new paint: a material of the foundry, "skin" or "any"; `flat` is for planes."""
        rng, name = self.rng, f"p{len(self._paints)}"
        self._paints.append(name)
        image = texture(rng, look)
        kinds = self.mujoco.mjtTexture
        if flat:
            sheet = self.spec.add_texture(name=name, type=kinds.mjTEXTURE_2D, width=SIDE, height=SIDE, nchannel=3)
            sheet.data = image.tobytes()
        else:
            sheet = self.spec.add_texture(
                name=name, type=kinds.mjTEXTURE_CUBE, width=SIDE, height=SIDE * _CUBE_FACES, nchannel=3
            )
            sheet.data = np.tile(image, (_CUBE_FACES, 1, 1)).tobytes()
        shiny = look in ("metal", "glass", "water") or (look == "any" and rng.random() < 0.3)
        paint = self.spec.add_material(
            name=name,
            specular=rng.uniform(0.5, 1.0) if shiny else rng.uniform(0, 0.3),
            shininess=rng.uniform(0.5, 1.0) if shiny else rng.uniform(0, 0.4),
            rgba=[1, 1, 1, rng.uniform(0.35, 0.7) if look in ("glass", "water") and rng.random() < 0.7 else 1],
        )
        paint.textures[self.mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
        paint.texuniform, paint.texrepeat = True, [repeat, repeat]
        return name

    def glow(self, colour: Sequence[float]) -> str:
        """Return the name of a paint that shines by itself."""
        name = f"p{len(self._paints)}"
        self._paints.append(name)
        self.spec.add_material(name=name, rgba=[*colour, 1], emission=1.0)
        return name

    # --- bodies -----------------------------------------------------------------------------------------------------
    def fixed(
        self,
        shape: str,
        size: Sequence[float],
        at: ArrayLike,
        paint: str,
        *,
        turn: ArrayLike = STILL,
        solid: bool = True,
    ) -> None:
        """Add a shape that stands still."""
        self._geom(self.spec.worldbody, Part(shape=shape, size=tuple(size), paint=paint), FIXED, solid, at, turn)

    def moving(
        self,
        parts: Sequence[Part],
        at: ArrayLike,
        turn: ArrayLike = STILL,
        *,
        solid: bool = False,
        person: bool = False,
    ) -> str:
        """Add a body on a path: `at` (times, 3) or (3,), `turn` (times, 4) or (4,). Return its name."""
        name = f"m{len(self.paths)}"
        body = self.spec.worldbody.add_body(name=name, mocap=True)
        for part in parts:
            self._geom(body, part, PERSON if person else MOVING, solid, part.at, part.turn)
        count = len(self.t)
        self.paths[name] = (
            np.broadcast_to(np.asarray(at, dtype=np.float64), (count, 3)),
            np.broadcast_to(np.asarray(turn, dtype=np.float64), (count, 4)),
        )
        self.solid_paths |= solid
        return name

    def limb(
        self,
        start: ArrayLike,
        end: ArrayLike,
        radius: float,
        paint: str,
        *,
        shape: str = "capsule",
        solid: bool = False,
        person: bool = False,
    ) -> str:
        """Add a rod from one path to another, of the length that it has on average."""
        count = len(self.t)
        a, b = (np.broadcast_to(np.asarray(p, dtype=np.float64), (count, 3)) for p in (start, end))
        half = max(float(np.linalg.norm(b - a, axis=1).mean()) / 2, 1e-3)
        size = (radius, half) if shape in ("capsule", "cylinder") else (radius, radius * 0.4, half)
        part = Part(shape=shape, size=size, paint=paint)
        return self.moving([part], (a + b) / 2, along_quaternion(b - a), solid=solid, person=person)

    def loose(
        self,
        shape: str,
        size: Sequence[float],
        at: ArrayLike,
        paint: str,
        *,
        mass: float = 0.1,
        bounce: float = 0.4,
        friction: float | None = None,
        release_s: float = 0.0,
        kick: ArrayLike = (0.0, 0.0, 0.0),
        spin: ArrayLike = (0.0, 0.0, 0.0),
        turn: ArrayLike = STILL,
        carried: Array | None = None,
        resting: bool = False,
        loud: bool = True,
        material: str = "",
        size_px: float = 6.0,
        kind: str = "drop",
    ) -> str:
        """Add a body that obeys physics; `bounce` is its coefficient of restitution. Return its name."""
        name, rng = f"f{len(self.free)}", self.rng
        start = np.asarray(at, dtype=np.float64)
        body = self.spec.worldbody.add_body(name=name, pos=start, quat=np.asarray(turn, dtype=np.float64))
        body.add_freejoint()
        slide = rng.uniform(0.3, 0.9) if friction is None else friction
        geom = self._geom(body, Part(shape=shape, size=tuple(size), paint=paint), MOVING, True, (0, 0, 0), STILL)
        geom.mass, geom.condim, geom.friction = mass, 6, [slide, 0.004, 0.0004]
        # A spring that is pressed for some five steps, damped so that it gives back the wanted share of the speed,
        # whatever the body lands on. Negative numbers are stiffness and damping themselves.
        log_e = np.log(np.clip(bounce, 0.02, 0.98))
        damping = -log_e / np.hypot(np.pi, log_e)
        geom.solref = [-(_CONTACT_RATE**2), -2 * float(damping) * _CONTACT_RATE]
        geom.solimp = [0.95, 0.95, 0.001, 0.5, 2]
        geom.priority = 1
        self.free.append(
            FreeBody(
                name=name,
                start=start,
                release_s=release_s,
                kick=np.asarray(kick, dtype=np.float64),
                spin=np.asarray(spin, dtype=np.float64),
                mass=mass,
                material=material,
                size_px=size_px,
                loud=loud,
                kind=kind,
                carried=carried,
                resting=resting,
            )
        )
        return name

    def hit(
        self,
        time_s: float,
        strength: float,
        place: ArrayLike,
        *,
        kind: str = "hit",
        material: str = "",
        size_px: float = 6.0,
        duration_s: float = 0.0,
    ) -> None:
        """Add a contact; `place` is (3,), or a path (times, 3) of which the point at that time is taken."""
        where = np.asarray(place, dtype=np.float64)
        if where.ndim == 2:
            where = where[min(round(time_s / STEP_S), len(where) - 1)]
        planned = PlannedHit(
            time_s=float(time_s),
            strength=float(np.clip(strength, 0.02, 1.0)),
            place=where,
            kind=kind,
            material=material,
            size_px=size_px,
            duration_s=duration_s,
        )
        if 0 <= planned.time_s < self.duration_s:
            self.hits.append(planned)

    def _geom(self, body: Any, part: Part, group: int, solid: bool, at: ArrayLike, turn: ArrayLike) -> Any:
        kind = getattr(self.mujoco.mjtGeom, f"mjGEOM_{part.shape.upper()}")
        size = [*part.size, 0.0, 0.0][:3]
        touches = 1 if solid else 0
        return body.add_geom(
            type=kind,
            size=size,
            pos=np.asarray(at, dtype=np.float64),
            quat=np.asarray(turn, dtype=np.float64),
            material=part.paint,
            contype=touches,
            conaffinity=touches,
            group=group,
        )
