"""Surroundings of a scene: tables and floors, walls or sky, furniture, lights, and people and things that pass."""

from __future__ import annotations

import numpy as np

from avlink.foundry.physics.paths import Array, frame_quaternion, quaternion, wander
from avlink.foundry.physics.world import Part, World

FLOORS = ("wood", "stone", "any", "any", "any")
TOPS = ("wood", "wood", "metal", "stone", "any", "cloth", "glass")


def add_table(world: World, *, half: float | None = None, top: str | None = None) -> str:
    """Add a table whose top is at height 0, or a floor there; return the material of the top."""
    rng = world.rng
    look = top or str(rng.choice(TOPS))
    if half is None and rng.random() < 0.3:
        world.fixed("plane", (12, 12, 0.1), (0, 0, 0), world.paint(look, flat=True, repeat=rng.uniform(0.5, 3)))
        return "" if look == "any" else look
    wide, deep = (half, half) if half else (rng.uniform(0.4, 1.0), rng.uniform(0.35, 0.8))
    thick, turn = rng.uniform(0.015, 0.05), quaternion([0, 0, 1], rng.normal(0, 0.25))
    # Flat: a texture around a cube would be stretched on something as thin as this.
    paint = world.paint(look, flat=True, repeat=rng.uniform(1, 4))
    if rng.random() < 0.25:
        world.fixed("cylinder", (max(wide, deep), thick), (0, 0, -thick), paint)
    else:
        world.fixed("box", (wide, deep, thick), (0, 0, -thick), paint, turn=turn)
    leg = rng.uniform(0.02, 0.05)
    for x, y in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        at = (0.75 * wide * x, 0.75 * deep * y, -0.4 - thick)
        world.fixed("box", (leg, leg, 0.38), at, paint, solid=False)
    world.fixed("plane", (12, 12, 0.1), (0, 0, -0.78), world.paint(str(rng.choice(FLOORS)), flat=True, repeat=1))
    return "" if look == "any" else look


def add_ground(world: World, height: float = 0.0, look: str | None = None) -> str:
    """Add a wide floor; return its material."""
    rng = world.rng
    look = look or str(rng.choice(FLOORS))
    repeat = rng.uniform(0.4, 2)
    world.fixed("plane", (25, 25, 0.1), (0, 0, height), world.paint(look, flat=True, repeat=repeat))
    return "" if look == "any" else look


def add_surroundings(world: World, *, clutter: bool = True) -> None:
    """Add what is about a scene: walls or a sky, furniture, passers-by, lights."""
    rng = world.rng
    _add_walls(world)
    if clutter:
        for _ in range(int(rng.integers(0, 6))):
            _add_furniture(world)
        for _ in range(int(rng.choice([0, 1, 2], p=[0.55, 0.33, 0.12]))):
            add_passer(world)
    _add_lights(world)


def _add_walls(world: World) -> None:
    rng, spec, mujoco = world.rng, world.spec, world.mujoco
    outside = rng.random() < 0.35
    low = rng.uniform(0.55, 1.0, 3) if outside else rng.uniform(0.1, 0.9, 3)
    high = np.clip(low * rng.uniform(0.4, 0.9, 3) + [0, 0, 0.2], 0, 1) if outside else low * 0.7
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=high,
        rgb2=low,
        width=32,
        height=192,
    )
    for index in range(int(rng.integers(0, 3)) if outside else 4):
        angle, away = index * np.pi / 2 + rng.normal(0, 0.15), rng.uniform(1.8, 6)
        at = (away * np.cos(angle), away * np.sin(angle), 1.0)
        # Its thin side is z, so that a flat texture lies on it.
        turn = frame_quaternion([0, 0, 1.0], [-np.cos(angle), -np.sin(angle), 0])[0]
        paint = world.paint(str(rng.choice(["any", "wood", "stone"])), flat=True, repeat=rng.uniform(0.2, 1.5))
        world.fixed("box", (8, 3.5, 0.05), at, paint, turn=turn, solid=False)


def _add_furniture(world: World) -> None:
    """Add a box, cupboard, shelf, lamp or plant at some distance; it casts no contact."""
    rng = world.rng
    angle, away = rng.uniform(0, 2 * np.pi), rng.uniform(1.0, 2.6) * max(1.0, world.extent * 2)
    x, y = away * np.cos(angle), away * np.sin(angle)
    turn = quaternion([0, 0, 1], angle + rng.normal(0, 0.5))
    paint, kind = world.paint(str(rng.choice(["wood", "any", "cloth"]))), rng.random()
    if kind < 0.45:
        high = rng.uniform(0.15, 0.9)
        world.fixed(
            "box",
            (rng.uniform(0.1, 0.4), rng.uniform(0.1, 0.5), high),
            (x, y, high - 0.75),
            paint,
            turn=turn,
            solid=False,
        )
    elif kind < 0.65:
        for level in range(int(rng.integers(2, 5))):
            world.fixed("box", (0.12, 0.45, 0.015), (x, y, -0.4 + 0.35 * level), paint, turn=turn, solid=False)
    elif kind < 0.85:
        high = rng.uniform(0.2, 0.8)
        world.fixed("cylinder", (rng.uniform(0.02, 0.2), high), (x, y, high - 0.75), paint, solid=False)
        world.fixed("sphere", (rng.uniform(0.08, 0.25),), (x, y, 2 * high - 0.75), world.paint("any"), solid=False)
    else:
        size = rng.uniform(0.08, 0.4, 3)
        world.fixed("ellipsoid", tuple(size), (x, y, size[2] - 0.75), paint, turn=turn, solid=False)


def add_passer(world: World, *, near: bool = False) -> None:
    """Add something that moves without a sound: a swaying rod, a passing shape, or a turning board."""
    rng, t = world.rng, world.t
    angle, away = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.6) if near else rng.uniform(0.5, 2.0)
    base = np.array([away * np.cos(angle), away * np.sin(angle), rng.uniform(0.05, 0.8)])
    paint, kind = world.paint("skin" if rng.random() < 0.25 else "any"), rng.random()
    if kind < 0.4:
        tip = base + [0, 0, 0.3] + wander(rng, t, 0.1, rng.uniform(0.5, 2.5))
        world.limb(base, tip, rng.uniform(0.015, 0.07), paint, person=True)
    elif kind < 0.75:
        speed = rng.normal(0, 0.6, 3) * [1, 1, 0.08]
        path: Array = base + np.outer(t - rng.uniform(0, t[-1]), speed) + wander(rng, t, 0.03, 1.5)
        shape, size = (("capsule", (rng.uniform(0.05, 0.2), 0.3)), ("ellipsoid", tuple(rng.uniform(0.05, 0.25, 3))))[
            int(rng.integers(2))
        ]
        world.moving([Part(shape=shape, size=size, paint=paint)], path, person=True)
    else:
        part = Part(shape="box", size=(0.15, 0.02, 0.1), paint=paint, at=(0.1, 0, 0))
        world.moving([part], base, quaternion([0, 0, 1], 2 * np.pi * rng.uniform(0.2, 1.5) * t), person=True)


def _add_lights(world: World) -> None:
    rng = world.rng
    for index in range(int(rng.integers(1, 4))):
        angle, away = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 3)
        at = np.array([away * np.cos(angle), away * np.sin(angle), rng.uniform(1.2, 4)])
        bright = rng.uniform(0.35, 0.9) / (1 + 0.6 * index) * np.exp(rng.normal(0, 0.08, 3))
        world.spec.worldbody.add_light(
            pos=at,
            dir=-at / np.linalg.norm(at),
            # One light casts shadows; each more would cost a rendering.
            castshadow=index == 0,
            diffuse=bright,
            specular=[0.3, 0.3, 0.3],
            cutoff=80,
            type=world.mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
            if rng.random() < 0.4
            else world.mujoco.mjtLightType.mjLIGHT_SPOT,
        )
    headlight = world.spec.visual.headlight
    headlight.ambient = np.full(3, rng.uniform(0.18, 0.5)) * np.exp(rng.normal(0, 0.05, 3))
    headlight.diffuse, headlight.specular = np.full(3, rng.uniform(0, 0.4)), np.zeros(3)
