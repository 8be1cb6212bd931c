"""Liquids and grains: poured streams, and things that fall into water and throw up drops."""

from __future__ import annotations

import numpy as np

from avlink.foundry.physics.families.struck import pick_material, size_px
from avlink.foundry.physics.figure import Person, wrist_of
from avlink.foundry.physics.paths import Array, contact_times, ease, quaternion, wander
from avlink.foundry.physics.setting import add_ground, add_table
from avlink.foundry.physics.world import Part, World

_GRAVITY = 9.81
_GONE = np.array([0.0, 0.0, -50.0])


def plan_pour(world: World) -> None:
    """Plan a vessel that is tilted and pours into another; heard from the first drop on until it is set upright."""
    rng, t = world.rng, world.t
    add_table(world)
    material = pick_material(rng, "glass", "metal", "", "stone")
    wide, high, fall = rng.uniform(0.04, 0.1), rng.uniform(0.05, 0.12), rng.uniform(0.1, 0.3)
    _add_vessel(world, material, wide, high)
    count = int(rng.integers(1, 3))
    begins = np.sort(rng.uniform(0.3, world.duration_s - 1.0, count))
    begins = begins[np.append(True, np.diff(begins) > 1.3)]
    lengths = np.minimum(rng.uniform(0.4, 1.4, len(begins)), np.append(begins[1:], world.duration_s) - begins - 0.4)
    open_ = np.zeros_like(t)
    fall_s = np.sqrt(2 * fall / _GRAVITY)
    for at, length in zip(begins, lengths, strict=True):
        open_ += ease((t - at + fall_s + 0.3) / 0.3) * (1 - ease((t - at + fall_s - length) / 0.25))
    spout = np.array([0, 0, high + fall])
    tilt = 0.4 + 1.1 * open_
    side = np.array([1.0, 0, 0])
    jug = spout + side * 0.02 + wander(rng, t, 0.003, 1.5)
    body = Part(shape="cylinder", size=(0.05, 0.08), paint=world.paint(material or "any"), at=(0.05, 0, -0.08))
    world.moving([body], jug, quaternion([0, 1, 0], -tilt))
    person, hand = Person(world), jug + [0.13, 0.02, 0.02]
    person.hand(hand, "grip", forward=(-1.0, -0.3, 0))
    person.behind([wrist_of(hand, (-1.0, 0, 0))], away=rng.uniform(0.4, 0.6), height=high + 0.2)
    _add_stream(world, spout, high * 0.4, open_, "water" if rng.random() < 0.7 else "any", fall_s)
    for at, length in zip(begins, lengths, strict=True):
        world.hit(
            at, rng.uniform(0.25, 0.6), (0, 0, high * 0.9), kind="splash", material="water", duration_s=float(length)
        )
    world.focus.append(spout)
    world.extent, world.caption = rng.uniform(0.1, 0.2), "something is poured into a vessel"


def plan_splash(world: World) -> None:
    """Plan things that fall into water, or hands that strike it; drops fly up from each contact."""
    rng, t = world.rng, world.t
    size = float(rng.choice([0.3, 1.0]))
    add_ground(world, -0.3 * size)
    wide = rng.uniform(0.4, 0.9) * size
    world.fixed("cylinder", (wide * 1.05, 0.1 * size), (0, 0, -0.12 * size), world.paint("any"), solid=False)
    world.fixed("cylinder", (wide, 0.01), (0, 0, -0.01), world.paint("water", flat=True, repeat=2), solid=False)
    times = contact_times(rng, world.duration_s - 0.2, rng.uniform(0.4, 1.4))
    drops = world.paint("water")
    for at in times:
        radius, high = rng.uniform(0.03, 0.1) * size, rng.uniform(0.2, 0.8) * size
        place = np.append(rng.uniform(-0.4, 0.4, 2) * wide, 0.0)
        fall_s = np.sqrt(2 * high / _GRAVITY)
        u = t - (at - fall_s)
        z = np.where(u < 0, 50.0, radius + high - 0.5 * _GRAVITY * u**2)
        # Sinks slowly once it is under water.
        z = np.where(t >= at, radius - 2.2 * radius * ease((t - at) / 0.15) - 0.02, z)
        path = np.stack([place[0] + 0 * t, place[1] + 0 * t, z], axis=1)
        shape = str(rng.choice(["sphere", "ellipsoid"]))
        sizes = (radius,) if shape == "sphere" else (radius, radius * 0.7, radius * 0.8)
        world.moving([Part(shape=shape, size=sizes, paint=world.paint("any"))], path)
        _add_drops(world, float(at), place, radius, drops)
        strength = float(np.clip(0.2 + 0.8 * np.sqrt(high / size) * radius / (0.1 * size), 0.1, 1))
        world.hit(at, strength, place, kind="splash", material="water", size_px=size_px(radius))
    world.extent, world.caption = 0.3 * size, "things fall into water"


def _add_vessel(world: World, material: str, wide: float, high: float) -> None:
    rng, paint = world.rng, world.paint(material or "any")
    if rng.random() < 0.5:
        world.fixed("cylinder", (wide, high / 2), (0, 0, high / 2), paint, solid=False)
        world.fixed("cylinder", (wide * 0.9, 0.003), (0, 0, high), world.paint("water"), solid=False)
        return
    for index in range(10):
        angle = index * np.pi / 5
        at = (wide * np.cos(angle), wide * np.sin(angle), high / 2)
        turn = quaternion([0, 0, 1], angle)
        world.fixed("box", (0.004, wide * 0.33, high / 2), at, paint, turn=turn, solid=False)


def _add_stream(world: World, top: Array, bottom: float, open_: Array, look: str, fall_s: float) -> None:
    """Add drops that follow each other from the spout into the vessel while it is open."""
    rng, t = world.rng, world.t
    paint, count = world.paint(look), 16
    radius = rng.uniform(0.004, 0.012)
    for index in range(count):
        phase = (t / fall_s + index / count) % 1.0
        born = np.clip(((t - phase * fall_s) / t[1]).astype(int), 0, len(t) - 1)
        z = top[2] - (top[2] - bottom) * phase**2
        path = np.stack([top[0] + 0.002 * np.sin(40 * t + index), 0 * t + top[1], z], axis=1)
        path[open_[born] < 0.5] = _GONE
        world.moving([Part(shape="capsule", size=(radius, radius * 1.8), paint=paint)], path)


def _add_drops(world: World, at_s: float, place: Array, radius: float, paint: str) -> None:
    rng, t = world.rng, world.t
    since = t - at_s
    for _ in range(5):
        angle, out, up = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 1.0), rng.uniform(0.8, 2.2)
        scale = np.sqrt(radius / 0.1)
        speed = np.array([out * np.cos(angle), out * np.sin(angle), up]) * scale
        path = place + np.outer(since, speed) - np.outer(0.5 * _GRAVITY * since**2, [0, 0, 1.0])
        path[(since < 0) | (path[:, 2] < -0.02)] = _GONE
        world.moving([Part(shape="sphere", size=(radius * rng.uniform(0.12, 0.35),), paint=paint)], path)
    ring = Part(shape="ellipsoid", size=(radius * 1.6, radius * 1.6, radius * 0.35), paint=paint)
    rise = np.where((since >= 0) & (since < 0.3), 0.0, -50.0)
    world.moving([ring], place + np.outer(rise, [0, 0, 1.0]))
