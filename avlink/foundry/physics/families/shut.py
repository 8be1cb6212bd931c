"""Doors, lids, drawers, books and sliding panels that shut, some moved by a hand, some that stop before they do."""

from __future__ import annotations

import numpy as np

from avlink.foundry.physics.families.struck import pick_material
from avlink.foundry.physics.figure import Person
from avlink.foundry.physics.paths import Array, contact_times, quaternion, stroke, wander
from avlink.foundry.physics.setting import add_ground, add_table
from avlink.foundry.physics.world import STILL, Part, World


def plan_shut(world: World) -> None:
    """Plan something that is opened and shut, once or several times."""
    rng = world.rng
    kind = str(rng.choice(["lid", "door", "drawer", "panel", "book"]))
    times = contact_times(rng, world.duration_s, rng.uniform(0.6, 2.2))
    near, strengths = stroke(rng, world.t, times, sharpness=rng.uniform(1.0, 2.2))
    material = pick_material(rng, "wood", "wood", "metal", "glass", "")
    paint = world.paint(material or "any")
    grip, place = {"lid": _lid, "door": _door, "drawer": _drawer, "panel": _panel, "book": _lid}[kind](
        world, near, paint, thick=0.012 if kind != "book" else 0.02
    )
    if rng.random() < 0.6:
        person = Person(world)
        person.hand(grip, "grip", forward=(0, 1.0, 0.2), up=(0, -0.3, 1.0))
        shoulder = grip.mean(axis=0) + [rng.normal(0.15, 0.15), -0.45, 0.25] + 0.4 * (grip - grip.mean(axis=0))
        person.arm(grip + [0, -0.05, 0], shoulder, hint=(1, -0.2, -0.7))
        if rng.random() < 0.4:
            person.body(shoulder + np.array([-0.2, -0.08, -0.1]))
    for at, strength in zip(times, strengths, strict=True):
        world.hit(at, strength, place, material=material, size_px=9 if kind in ("door", "panel") else 6)
    world.freedom, world.caption = 1.0, f"a {kind} shuts"


def _lid(world: World, near: Array, paint: str, *, thick: float) -> tuple[Array, Array]:
    """Add a box with a lid, or the two halves of a book; return the path of its edge and the place it shuts at."""
    rng = world.rng
    add_table(world)
    wide, deep, high = rng.uniform(0.08, 0.3), rng.uniform(0.08, 0.25), rng.uniform(0.02, 0.3)
    world.fixed("box", (wide, deep, high / 2), (0, 0, high / 2), world.paint("any"))
    angle = (1 - near) * rng.uniform(0.4, 1.9)
    part = Part(shape="box", size=(wide, deep, thick / 2), paint=paint, at=(0, -deep, thick / 2))
    world.moving([part], (0, deep, high), quaternion([1, 0, 0], -angle))
    edge = np.stack([0 * angle, deep - 1.95 * deep * np.cos(angle), high + 0.02 + 1.95 * deep * np.sin(angle)], axis=1)
    world.extent = max(wide, deep, high) * rng.uniform(1.0, 1.6)
    world.focus.append(np.array([0, 0, high + 0.5 * deep]))
    return edge, np.array([0, -deep, high])


def _door(world: World, near: Array, paint: str, *, thick: float) -> tuple[Array, Array]:
    """Add a door in a wall, as high as a room or as small as a cupboard's."""
    rng = world.rng
    size = float(rng.choice([0.35, 1.0]))
    half, high = rng.uniform(0.3, 0.45) * size, rng.uniform(0.6, 1.0) * size
    add_ground(world)
    wall = world.paint("any")
    for x in (-1.6 * half, 3.6 * half):
        world.fixed("box", (1.6 * half, 0.04 * size, 1.25 * high), (x, 0.03 * size, 1.25 * high), wall)
    world.fixed("box", (half, 0.04 * size, 0.12 * high), (half, 0.03 * size, 2.38 * high), wall)
    world.fixed("box", (half * 0.98, 0.01, 1.1 * high), (half, 0.3 * size, 1.1 * high), world.paint("any"))
    angle = (1 - near) * rng.uniform(0.3, 1.7)
    handle = Part(shape="sphere", size=(0.035 * size,), paint=world.paint("metal"), at=(1.8 * half, -0.04 * size, 0))
    leaf = Part(shape="box", size=(half, 0.02 * size, 1.1 * high), paint=paint, at=(half, 0, 0))
    world.moving([leaf, handle], (0, 0, 1.1 * high), quaternion([0, 0, 1], -angle))
    reach = 1.8 * half
    grip = np.stack([reach * np.cos(angle), -reach * np.sin(angle) - 0.06 * size, 0 * angle + 1.1 * high], axis=1)
    world.extent = high * rng.uniform(0.7, 1.3)
    world.focus.append(np.array([half, -0.5 * half, high]))
    return grip, np.array([2 * half, -0.02, 1.1 * high])


def _drawer(world: World, near: Array, paint: str, *, thick: float) -> tuple[Array, Array]:
    """Add a chest with drawers, of which one moves."""
    rng = world.rng
    add_ground(world, -rng.uniform(0.0, 0.4))
    wide, high, count = rng.uniform(0.15, 0.4), rng.uniform(0.05, 0.1), int(rng.integers(1, 4))
    case, other = world.paint("wood"), world.paint("any")
    world.fixed("box", (wide * 1.06, 0.2, high * count * 1.1), (0, 0.22, high * count), case)
    moved = int(rng.integers(count))
    way = (1 - near) * rng.uniform(0.08, 0.32)
    for index in range(count):
        z = high * (2 * index + 1)
        knob = Part(shape="sphere", size=(0.018,), paint=world.paint("metal"), at=(0, -0.03, 0))
        front = Part(shape="box", size=(wide, thick, high * 0.92), paint=paint if index == moved else other)
        if index == moved:
            tray = Part(shape="box", size=(wide * 0.95, 0.15, high * 0.1), paint=other, at=(0, 0.15, -high * 0.7))
            world.moving([front, knob, tray], np.stack([0 * way, -way, 0 * way + z], axis=1), STILL)
        else:
            world.moving([front, knob], (0, 0, z), STILL)
    z = high * (2 * moved + 1)
    world.extent = max(wide, high * count) * rng.uniform(0.9, 1.5)
    world.focus.append(np.array([0, -0.1, z]))
    return np.stack([0 * way, -way - 0.05, 0 * way + z], axis=1), np.array([0, -0.01, z + 0.8 * high])


def _panel(world: World, near: Array, paint: str, *, thick: float) -> tuple[Array, Array]:
    """Add a panel that slides sideways or down into its frame, as a window or a shutter does."""
    rng = world.rng
    add_ground(world, -0.5)
    wide, high, down = rng.uniform(0.15, 0.4), rng.uniform(0.15, 0.4), rng.random() < 0.5
    way = (1 - near) * rng.uniform(0.3, 0.9)
    offset = (
        np.stack([0 * way, 0 * way, 2 * high * way], axis=1)
        if down
        else np.stack([2 * wide * way, 0 * way, 0 * way], axis=1)
    )
    frame = world.paint("any")
    world.fixed("box", (wide * 1.1, 0.03, 0.03), (0, 0.01, -high - 0.03), frame)
    world.fixed("box", (0.03, 0.03, high * 1.1), (-wide - 0.03, 0.01, 0), frame)
    world.moving([Part(shape="box", size=(wide, thick, high), paint=paint)], offset + wander(rng, world.t, 0.0005, 2))
    world.extent = max(wide, high) * rng.uniform(1.0, 1.6)
    world.focus.append(np.array([0.3 * wide, 0, 0.3 * high]))
    grip = offset + ([0, -0.05, -0.8 * high] if down else [-0.8 * wide, -0.05, 0])
    return grip, np.array([0, 0, -high]) if down else np.array([-wide, 0, 0])
