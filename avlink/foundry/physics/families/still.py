"""Movement without a contact: waving, passing, turning and swinging things, near misses, cameras and lights alone."""

from __future__ import annotations

import numpy as np

from avlink.foundry.physics.families.struck import add_target
from avlink.foundry.physics.figure import Person, wrist_of
from avlink.foundry.physics.paths import ease, quaternion, wander
from avlink.foundry.physics.setting import add_ground, add_passer, add_table
from avlink.foundry.physics.world import STILL, Part, World

_NONE = np.zeros(0)


def plan_wave(world: World) -> None:
    """Plan a person who waves or gestures."""
    rng, t = world.rng, world.t
    add_ground(world, -0.8)
    person, hands = Person(world), []
    for side in (1, -1)[: int(rng.integers(1, 3))]:
        swing = rng.uniform(0.04, 0.16) * np.sin(2 * np.pi * rng.uniform(0.5, 2.5) * t + rng.uniform(0, 6))
        way = rng.normal(0, 1, 3) * [1, 0.3, 0.7]
        palm = np.array([0.25 * side, 0.0, rng.uniform(0.1, 0.5)]) + np.outer(swing, way) + wander(rng, t, 0.04, 0.8)
        forward = np.stack([swing, 0 * t - 0.2, 0 * t + 1.0], axis=1)
        person.hand(palm, "flat", forward=forward, up=(0, -1.0, 0.2), side=side)
        hands.append(wrist_of(palm, forward))
    person.behind(hands, away=rng.uniform(0.35, 0.5), height=rng.uniform(0.05, 0.25))
    world.focus.append(np.array([0, 0.1, 0.25]))
    world.extent, world.caption = rng.uniform(0.25, 0.55), "someone waves"


def plan_pass(world: World) -> None:
    """Plan people and things that pass, some near the camera; nothing touches."""
    rng, t = world.rng, world.t
    add_ground(world, -0.9)
    for _ in range(int(rng.integers(1, 4))):
        add_passer(world, near=True)
    person = Person(world)
    speed = rng.choice([-1, 1]) * rng.uniform(0.15, 0.6)
    chest = np.stack([speed * (t - world.duration_s / 2), 0 * t + rng.uniform(0.2, 0.8), 0 * t + 0.35], axis=1)
    person.body(chest + wander(rng, t, 0.015, 1.8))
    world.focus.append(np.array([0, 0.2, 0.3]))
    world.extent, world.caption = rng.uniform(0.35, 0.8), "someone passes"


def plan_near_miss(world: World) -> None:
    """Plan a hand with or without a tool that reaches for a thing and turns before it touches."""
    rng, t = world.rng, world.t
    table, person = add_table(world), Person(world)
    target = add_target(world, _NONE, _NONE, table)
    near = np.zeros_like(t)
    now = rng.uniform(0.3, 1.0)
    while now < world.duration_s:
        # It slows down before it turns, as no blow does.
        near = np.maximum(near, rng.uniform(0.5, 0.85) * np.exp(-(((t - now) / rng.uniform(0.12, 0.35)) ** 2)))
        now += rng.uniform(0.6, 1.6)
    reach = rng.uniform(0.15, 0.35)
    lift = np.array([rng.normal(0, 0.4), rng.normal(0, 0.3), 1.0])
    hand = target.top + [0, 0, 0.07] + np.outer(1 - near, lift) * reach + wander(rng, t, 0.008, 1.5)
    if rng.random() < 0.5:
        world.limb(hand + [0, 0.03, 0], hand + [0, -0.12, 0.02], 0.01, world.paint("any"))
        hand = hand + [0, 0.04, 0]
    person.hand(hand, "grip" if rng.random() < 0.5 else "flat")
    person.behind([wrist_of(hand, (0, -1.0, 0))], away=rng.uniform(0.45, 0.6), height=target.top[2] + 0.25)
    world.focus.append(target.top + [0, 0, 0.1])
    world.extent, world.caption = rng.uniform(0.16, 0.35), "a hand reaches and turns back"


def plan_turn(world: World) -> None:
    """Plan fans, wheels, pendulums and hanging things that turn or swing freely."""
    rng, t = world.rng, world.t
    add_ground(world, -0.6)
    for index in range(int(rng.integers(1, 4))):
        at = np.array([0.3 * (index - 0.5) + rng.normal(0, 0.05), rng.normal(0, 0.1), rng.uniform(0.1, 0.4)])
        paint, size = world.paint("any"), rng.uniform(0.06, 0.2)
        if rng.random() < 0.5:
            spin = 2 * np.pi * (rng.uniform(0.3, 2.5) * t + 0.1 * wander(rng, t, 1.0, 0.5, 1)[:, 0])
            blades = [
                Part(
                    shape="box", size=(size, size * 0.15, 0.006), paint=paint, turn=quaternion([0, 0, 1], np.pi * k / 2)
                )
                for k in range(2)
            ]
            world.moving(blades, at, _turned(rng, spin))
        else:
            swing = rng.uniform(0.2, 0.7) * np.sin(2 * np.pi * t / rng.uniform(0.7, 1.8) + rng.uniform(0, 6))
            rod = Part(shape="capsule", size=(0.006, size), paint=paint, at=(0, 0, -size))
            bob = Part(shape="sphere", size=(0.04,), paint=world.paint("any"), at=(0, 0, -2 * size))
            world.moving([rod, bob], at + [0, 0, 0.3], quaternion([0, 1, 0], swing))
    world.focus.append(np.array([0, 0, 0.2]))
    world.extent, world.caption = rng.uniform(0.25, 0.45), "things turn and swing freely"


def plan_lights(world: World) -> None:
    """Plan a room in which nothing moves but the light: it flickers, fades, or is switched."""
    rng, t = world.rng, world.t
    _add_still_life(world)
    kind = rng.random()
    if kind < 0.4:
        level = 1 + 0.35 * wander(rng, t, 1.0, rng.uniform(1, 8), 1)[:, 0]
    elif kind < 0.7:
        level = 0.25 + 0.75 * ease((t - rng.uniform(0, 1.5)) / rng.uniform(1, 2.5))
    else:
        level = np.where((t * rng.uniform(0.3, 1.0) + rng.random()) % 1.0 < 0.5, 1.0, rng.uniform(0.15, 0.6))
    world.brightness = np.clip(level, 0.1, 1.6)
    add_passer(world, near=True)
    world.caption = "the light changes"


def plan_scenery(world: World) -> None:
    """Plan things that stand still: only the camera moves."""
    _add_still_life(world)
    path = wander(world.rng, world.t, 0.06, 0.7)
    world.follow, world.caption = path, "a view of things"


def _add_still_life(world: World) -> None:
    rng = world.rng
    add_table(world)
    for _ in range(int(rng.integers(2, 7))):
        size = rng.uniform(0.02, 0.1)
        at = np.append(rng.uniform(-0.3, 0.3, 2), size)
        shape = str(rng.choice(["box", "cylinder", "sphere", "ellipsoid"]))
        sizes = {"sphere": (size,), "cylinder": (size * 0.7, size)}.get(shape, (size * 0.8, size * 0.6, size))
        turn = quaternion([0, 0, 1], rng.uniform(0, 6)) if shape == "box" else STILL
        world.fixed(shape, sizes, at, world.paint("any"), turn=turn)
    world.focus.append(np.array([0, 0, 0.06]))
    world.extent = rng.uniform(0.2, 0.4)


def _turned(rng: np.random.Generator, spin: np.ndarray) -> np.ndarray:
    """Return turns about an axis that is upright or lies towards the viewer."""
    turn = quaternion([0, 0, 1], spin)
    if rng.random() < 0.5:
        return turn
    half = np.sqrt(0.5)
    w, x, y, z = turn.T
    # Laid down by a quarter turn about x.
    return np.stack([half * w - half * x, half * x + half * w, half * y - half * z, half * z + half * y], axis=1)
