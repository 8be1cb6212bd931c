"""Things that are struck, and light things about them that jump or swing with each blow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avlink.foundry.physics.paths import Array, ringing
from avlink.foundry.physics.world import Part, World

_MATERIALS = ("wood", "metal", "glass", "stone", "rubber", "cloth", "")


@dataclass(frozen=True, slots=True)
class Target:
    """A struck thing: the point (3,) of its top, its material, and its size as sounds count it."""

    top: Array
    material: str
    size_px: float


def pick_material(rng: np.random.Generator, *options: str) -> str:
    """Return one of some materials, of all by default; "" is one that no material of the foundry fits."""
    return str(rng.choice(options or _MATERIALS))


def size_px(radius_m: float) -> float:
    """Return the size of a body of this radius as sounds count it: 3 for 1 cm, 9 for half a metre."""
    return float(np.clip(3 + 6 * np.log(radius_m / 0.01) / np.log(50), 3, 9))


def add_target(world: World, times: Array, strengths: Array, table: str) -> Target:
    """Add what is struck near the origin: the table itself, a box, drum, bowl, block, plate or heap.

    It shakes a little with each blow, or not at all.
    """
    rng = world.rng
    kind = str(rng.choice(["table", "box", "drum", "bowl", "plate", "block", "cymbal"]))
    x, y = rng.normal(0, 0.06, 2)
    if kind == "table":
        return Target(np.array([x, y, 0.0]), table, 9.0)
    material = pick_material(rng)
    paint, wide = world.paint(material or "any", flat=kind not in ("box", "bowl"), repeat=3), rng.uniform(0.05, 0.2)
    high = {"box": rng.uniform(0.02, 0.3), "drum": rng.uniform(0.06, 0.35), "bowl": rng.uniform(0.04, 0.12)}.get(
        kind, rng.uniform(0.01, 0.06)
    )
    parts = {
        "box": [
            Part(shape="box", size=(wide, wide * rng.uniform(0.5, 1.2), high / 2), paint=paint, at=(0, 0, high / 2))
        ],
        "drum": [
            Part(shape="cylinder", size=(wide, high / 2), paint=paint, at=(0, 0, high / 2)),
            Part(
                shape="cylinder",
                size=(wide * 0.96, 0.004),
                paint=world.paint("any", flat=True, repeat=4),
                at=(0, 0, high),
            ),
        ],
        "bowl": [Part(shape="ellipsoid", size=(wide, wide, high), paint=paint)],
        "plate": [Part(shape="cylinder", size=(wide, high / 2), paint=paint, at=(0, 0, high / 2))],
        "block": [Part(shape="box", size=(wide, wide, high / 2), paint=paint, at=(0, 0, high / 2))],
        "cymbal": [
            Part(shape="cylinder", size=(wide * 1.3, 0.005), paint=paint, at=(0, 0, high + 0.12)),
            Part(shape="cylinder", size=(0.008, 0.06), paint=paint, at=(0, 0, 0.06)),
        ],
    }[kind]
    if kind == "cymbal":
        high += 0.125
    path = np.broadcast_to(np.array([x, y, 0.0]), (len(world.t), 3))
    if rng.random() < 0.4:
        swing = ringing(world.t, times, strengths, hz=rng.uniform(6, 18), decay=rng.uniform(5, 15))
        path = path + np.outer(swing, rng.normal(0, 1, 3) * [1, 1, 0.3] * rng.uniform(0.002, 0.012))
    world.moving(parts, path)
    return Target(np.array([x, y, high]), material, size_px(wide))


def add_crumbs(world: World, place: Array, times: Array, strengths: Array) -> None:
    """Add light things around a struck place, which jump with each blow and are too light to be heard."""
    rng = world.rng
    names = []
    for _ in range(int(rng.integers(2, 7))):
        size = rng.uniform(0.004, 0.022)
        at = np.append(place[:2] + rng.normal(0, 0.07, 2), max(place[2], 0) + 0.02)
        names.append(
            world.loose(
                "box" if rng.random() < 0.6 else "sphere",
                (size, size * rng.uniform(0.3, 1), size * rng.uniform(0.3, 1)),
                at,
                world.paint("any"),
                mass=0.004,
                bounce=0.3,
                resting=True,
                loud=False,
            )
        )
    force = rng.uniform(0.4, 1.5)
    for at, strength in zip(times, strengths, strict=True):
        world.pushes.append((float(at), tuple(names), place, float(force * strength)))


def add_leaves(world: World, place: Array, times: Array, strengths: Array) -> None:
    """Add stalks that swing after each blow."""
    rng, t = world.rng, world.t
    swing = ringing(t, times, strengths, hz=rng.uniform(2, 7), decay=rng.uniform(2, 7)) * rng.uniform(0.1, 0.5)
    paint = world.paint("any")
    for _ in range(int(rng.integers(3, 9))):
        foot = np.append(place[:2] + rng.normal(0, 0.1, 2), 0.0)
        lean, long, way = rng.normal(0, 0.35, 2), rng.uniform(0.08, 0.3), rng.normal(0, 0.5, 2)
        tip = foot + long * np.stack([lean[0] + swing * way[0], lean[1] + swing * way[1], np.ones_like(t)], axis=1)
        world.limb(foot, tip, rng.uniform(0.004, 0.018), paint)
