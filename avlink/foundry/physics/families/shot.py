"""Shots: a hand-held tool or gun that kicks back, with a flash of light."""

from __future__ import annotations

import numpy as np

from avlink.foundry.physics.figure import Person
from avlink.foundry.physics.paths import contact_times, quaternion, wander
from avlink.foundry.physics.setting import add_ground
from avlink.foundry.physics.world import Part, World

_FLASH_S = 0.045


def plan_shot(world: World) -> None:
    """Plan a nail gun, a pistol or a rifle that fires, single or in bursts."""
    rng, t = world.rng, world.t
    add_ground(world, -1.2)
    gap = rng.uniform(0.11, 0.2) if rng.random() < 0.25 else rng.uniform(0.35, 1.5)
    times = contact_times(rng, world.duration_s, gap)
    kick, decay = np.zeros_like(t), rng.uniform(7, 18)
    for at in times:
        since = np.maximum(t - at, 0)
        kick += np.exp(-decay * since) - np.exp(-80 * since)
    back, turn = rng.uniform(0.02, 0.07), rng.uniform(0.05, 0.4)
    body = np.outer(kick, [-back, 0, back * rng.uniform(0, 0.6)]) + wander(rng, t, 0.006, 1)
    facing = quaternion([0, 1, 0], -turn * kick)
    half, paint = rng.uniform(0.08, 0.32), world.paint(str(rng.choice(["metal", "any", "rubber"])))
    grip_at = -0.6 * half
    parts = [
        Part(shape="box", size=(half, 0.016, 0.022), paint=paint),
        Part(shape="box", size=(0.02, 0.013, 0.05), paint=paint, at=(grip_at, 0, -0.06)),
    ]
    world.moving(parts, body, facing)
    person, hand = Person(world), body + [grip_at, 0, -0.05]
    person.hand(hand, "fist", forward=(1.0, 0, 0.1), up=(0, 0.3, 1.0))
    chest = np.array([grip_at - rng.uniform(0.35, 0.5), rng.uniform(0.05, 0.2), -0.05]) + 0.3 * body
    person.arm(hand - [0.05, 0, 0], chest + [0.02, -0.15, 0.12], hint=(0, -0.4, -1))
    if rng.random() < 0.7:
        person.body(chest)
    muzzle = body + [half + 0.05, 0, 0]
    if rng.random() < 0.75:
        lit = np.zeros(len(t), bool)
        for at in times:
            lit |= (t >= at) & (t < at + _FLASH_S)
        world.brightness = 1 + rng.uniform(0.2, 1.2) * lit
        size = rng.uniform(0.025, 0.07)
        flame = Part(shape="ellipsoid", size=(size * 1.8, size, size), paint=world.glow((1.0, 0.93, 0.65)))
        world.moving([flame], np.where(lit[:, None], muzzle, [0, 0, -50.0]))
    for at in times:
        world.hit(at, rng.uniform(0.8, 1.0), muzzle, kind="flash", material="air", size_px=6)
    world.extent, world.caption = half + rng.uniform(0.05, 0.25), "a shot is fired"
    world.front, world.freedom = -np.pi / 2, 0.7
