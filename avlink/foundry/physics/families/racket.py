"""Rackets, bats and palms that hit balls: rallies, dribbling, balls kept up in the air. All flights are ballistic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avlink.foundry.physics.families.struck import size_px
from avlink.foundry.physics.figure import Person
from avlink.foundry.physics.paths import Array, frame_quaternion, moved_between, unit, wander
from avlink.foundry.physics.setting import add_ground
from avlink.foundry.physics.world import Part, World

_GRAVITY = np.array([0.0, 0.0, -9.81])


def plan_rally(world: World) -> None:
    """Plan a ball between two rackets, with a bounce on the table on each way or without."""
    rng = world.rng
    size = float(rng.choice([1.0, 1.0, 3.0]))
    add_ground(world, -0.75 if size == 1.0 else 0.0)
    half, radius = rng.uniform(0.5, 0.9) * size, rng.uniform(0.018, 0.035) * size
    bounces = size == 1.0 or rng.random() < 0.4
    if size == 1.0:
        world.fixed("box", (half * 0.95, rng.uniform(0.35, 0.6), 0.02), (0, 0, -0.02), world.paint("any", flat=True))
        world.fixed("box", (0.004, 0.5, 0.06), (0, 0, 0.06), world.paint("any"), solid=False)
    times, places, kinds = [], [], []
    gap = rng.uniform(0.45, 0.9)
    # The ball is in play when the clip begins.
    now, side = rng.uniform(-2, -1) * gap, 1.0
    while now < world.duration_s + gap:
        times.append(now)
        places.append([side * half, rng.uniform(-0.15, 0.15) * size, rng.uniform(0.1, 0.35) * size + (size - 1) * 0.3])
        kinds.append("hit")
        if bounces:
            times.append(now + gap * rng.uniform(0.5, 0.65))
            places.append([-side * half * rng.uniform(0.3, 0.6), rng.uniform(-0.15, 0.15) * size, radius])
            kinds.append("drop")
        now += gap * rng.uniform(0.92, 1.08)
        side = -side
    at, spots = np.asarray(times), np.asarray(places)
    ball = flights(world.t, at, spots)
    world.moving([Part(shape="sphere", size=(radius,), paint=world.paint("any"))], ball)
    hits = np.asarray([kind == "hit" for kind in kinds])
    for end in (1.0, -1.0):
        own = hits & (spots[:, 0] * end > 0)
        _add_racket(world, at[own], spots[own], -end, size, radius)
    for time, place, kind in zip(at, spots, kinds, strict=True):
        strength = rng.uniform(0.45, 0.8) if kind == "hit" else rng.uniform(0.25, 0.5)
        world.hit(time, strength, place, kind=kind, material="wood" if kind == "hit" else "", size_px=size_px(radius))
    world.extent, world.caption = 0.2 * size, "a ball is played to and fro"


def plan_keep_up(world: World) -> None:
    """Plan a ball that a racket, a palm or a foot keeps up in the air."""
    rng, t = world.rng, world.t
    add_ground(world, -0.8)
    radius, gap = rng.uniform(0.02, 0.09), rng.uniform(0.35, 0.8)
    at = np.cumsum(np.append(rng.uniform(-1, 0) * gap, gap * rng.uniform(0.85, 1.15, 14)))
    spots = np.stack(
        [rng.normal(0, 0.05, len(at)), rng.normal(0, 0.05, len(at)), 0.1 + rng.normal(0, 0.02, len(at))], axis=1
    )
    ball = flights(t, at, spots)
    world.moving([Part(shape="sphere", size=(radius,), paint=world.paint("any"))], ball)
    person = Person(world)
    hand = moved_between(t, at, spots) - [0, 0, radius + 0.02] + np.outer(_up_at(t, at), [0, 0, 1.0])
    if rng.random() < 0.6:
        head = Part(
            shape="cylinder", size=(rng.uniform(0.07, 0.12), 0.006), paint=world.paint(str(rng.choice(["any", "wood"])))
        )
        world.moving([head], hand)
        grip = hand + [0, 0.2, -0.01]
        world.limb(grip, hand + [0, 0.05, 0], 0.012, world.paint("any"))
        person.hand(grip, "grip")
        wrist = grip + [0, 0.05, 0]
    else:
        person.hand(hand, "flat", forward=(0, -1.0, 0.1), up=(0, 0, -1.0))
        wrist = hand + [0, 0.06, 0]
    person.behind([wrist], away=rng.uniform(0.45, 0.6), height=rng.uniform(0.1, 0.3))
    for time, place in zip(at, spots, strict=True):
        world.hit(time, rng.uniform(0.35, 0.7), place - [0, 0, radius], material="wood", size_px=size_px(radius))
    world.focus.append(np.array([0, 0, 0.1 + 9.81 * gap**2 / 8]))
    world.extent, world.caption = rng.uniform(0.14, 0.3), "a ball is kept up in the air"


def plan_dribble(world: World) -> None:
    """Plan a ball that a palm dribbles on the floor; palm and floor are heard, the floor louder."""
    rng, t = world.rng, world.t
    material = add_ground(world)
    radius, gap = rng.uniform(0.09, 0.13), rng.uniform(0.45, 0.85)
    floor_s = np.cumsum(np.append(rng.uniform(-1, 0) * gap, gap * rng.uniform(0.93, 1.07, 12)))
    palm_s = floor_s[:-1] + np.diff(floor_s) * 0.5
    at = np.sort(np.concatenate([floor_s, palm_s]))
    high = rng.uniform(0.6, 0.9)
    spots = np.stack([0.03 * rng.standard_normal(len(at)), 0.03 * rng.standard_normal(len(at)), 0 * at], axis=1)
    on_floor = np.isin(at, floor_s)
    spots[:, 2] = np.where(on_floor, radius, high)
    ball = flights(t, at, spots)
    world.moving([Part(shape="sphere", size=(radius,), paint=world.paint(str(rng.choice(["rubber", "any"]))))], ball)
    person = Person(world)
    # The palm goes down with the ball and waits for it.
    palm = np.stack([ball[:, 0], ball[:, 1], np.maximum(ball[:, 2] + radius + 0.015, high - 0.08 + radius)], axis=1)
    person.hand(palm, "flat", forward=(0, -1.0, -0.1))
    chest = np.array([-0.25, 0.5, high + 0.35]) + wander(rng, t, 0.02, 0.8) + 0.2 * (palm - palm.mean(axis=0))
    person.body(chest)
    person.arm(palm + [0, 0.06, 0.01], chest + [0.22, -0.02, 0.1], hint=(1, 0.5, 0.2))
    for foot in (-0.12, 0.12):
        ankle = np.broadcast_to([-0.25 + foot, 0.45, 0.06], (len(t), 3))
        person.leg(ankle, chest + [foot, 0, -0.48], (0, -1.0, 0))
        world.moving(
            [Part(shape="ellipsoid", size=(0.045, 0.12, 0.045), paint=world.paint("any"), at=(0, -0.05, -0.02))], ankle
        )
    for time, place, floor in zip(at, spots, on_floor, strict=True):
        if floor:
            world.hit(time, rng.uniform(0.5, 0.85), place - [0, 0, radius], kind="drop", material="rubber", size_px=8)
        else:
            world.hit(time, rng.uniform(0.12, 0.3), place + [0, 0, radius], material="", size_px=4)
    world.extent, world.caption = rng.uniform(0.3, 0.6), f"a ball is dribbled{' on ' + material if material else ''}"


def plan_bat(world: World) -> None:
    """Plan a bat that swings at balls which fly to it; some it misses, and those are silent."""
    rng, t = world.rng, world.t
    add_ground(world)
    count = int(rng.integers(1, 4))
    times = np.sort(rng.uniform(0.5, world.duration_s - 0.4, count))
    times = times[np.append(True, np.diff(times) > 0.9)]
    spot, radius = np.array([0.0, 0.0, rng.uniform(0.7, 1.1)]), rng.uniform(0.035, 0.07)
    angle, missed = np.full_like(t, -1.2), rng.random(len(times)) < 0.25
    for at in times:
        u = (t - at) / 0.22
        angle = np.where((u > -1) & (u < 1.2), -1.2 + 1.2 * (np.clip(u, -1, 1.2) + 1) ** 1.5, angle)
        later = u >= 1.2
        angle = np.where(later, 2.7 - 3.9 * np.clip((u - 1.2) / 2.5, 0, 1), angle)
    long = rng.uniform(0.55, 0.8)
    # At angle 0 the bat points to the spot, along y.
    lever = np.stack([-np.sin(angle), -np.cos(angle), 0 * angle], axis=1) * long
    grip = spot + [0, long, 0] + wander(rng, t, 0.01, 1)
    world.limb(
        grip, grip + lever * 1.2, rng.uniform(0.025, 0.04), world.paint(str(rng.choice(["wood", "metal", "any"])))
    )
    person = Person(world)
    person.hand(grip, "grip", forward=unit(lever))
    chest = grip.mean(axis=0) + np.array([0.1, 0.35, 0.25]) + wander(rng, t, 0.015, 0.7)
    person.body(chest)
    person.arm(grip, chest + [0.2, 0, 0.1], hint=(1, 0, -1))
    person.arm(grip, chest + [-0.2, 0, 0.1], hint=(-1, 0, -1))
    paint = world.paint("any")
    for at, miss in zip(times, missed, strict=True):
        place = spot + ([0, 0, 0.35] if miss else [0, 0, 0])
        speed_in = np.array([-rng.uniform(3, 6), rng.normal(0, 0.3), rng.uniform(0.5, 1.5)])
        speed_out = speed_in if miss else np.array([rng.uniform(3, 7), rng.normal(0, 1.5), rng.uniform(0.5, 3)])
        u = (t - at)[:, None]
        path = place + np.where(u < 0, u * speed_in, u * speed_out) + 0.5 * _GRAVITY * u**2
        path[np.abs(t - at) > 0.9] = [0, 0, -50]
        world.moving([Part(shape="sphere", size=(radius,), paint=paint)], path)
        if not miss:
            world.hit(at, rng.uniform(0.6, 1.0), place, material="wood", size_px=7)
    world.focus += [spot, spot + [0.4, 0, 0]]
    world.extent, world.caption = rng.uniform(0.4, 0.7), "a bat hits a ball"
    world.front, world.freedom = -np.pi / 2, 0.8


def flights(t: Array, times: Array, places: Sequence[Array] | Array) -> Array:
    """Return the path (times, 3) of a ball that is at `places[k]` at `times[k]` and flies freely in between.

    The first must lie before the clip, the last behind it.
    """
    spots = np.asarray(places)
    index = np.clip(np.searchsorted(times, t, side="right") - 1, 0, len(times) - 2)
    start, end = times[index], times[index + 1]
    length, u = (end - start)[:, None], (t - start)[:, None]
    # The speed that reaches the next place in time: x1 = x0 + v T + g T^2 / 2.
    speed = (spots[index + 1] - spots[index]) / length - 0.5 * _GRAVITY * length
    return np.asarray(spots[index] + speed * u + 0.5 * _GRAVITY * u**2)


def _up_at(t: Array, times: Array) -> Array:
    """Return a small movement up through 0 at each time, which is a racket's blow."""
    total = np.zeros_like(t)
    for at in times:
        u = (t - at) / 0.09
        total += 0.05 * u * np.exp(-(u**2))
    return total


def _add_racket(world: World, times: Array, spots: Array, towards: float, size: float, radius: float) -> None:
    """Add a racket that meets the ball at its places, moving `towards` (+1 or -1 along x), with its player's arm."""
    rng, t = world.rng, world.t
    if not len(times):
        return
    swing = np.zeros_like(t)
    for at in times:
        u = (t - at) / 0.14
        # Back before the blow, through it at speed, and on.
        swing += u * np.exp(0.5 - 0.5 * u**2)
    centre = moved_between(t, times, spots) - [towards * (radius + 0.008), 0, 0]
    centre = centre + np.outer(swing, [towards * 0.12 * size, 0, 0.03 * size])
    blade = Part(shape="cylinder", size=(0.085 * size**0.5, 0.007), paint=world.paint("any"))
    facing = frame_quaternion(np.array([0, 1.0, 0]), np.array([towards, 0, rng.normal(0, 0.15)]))
    world.moving([blade], centre, facing)
    grip = centre + np.array([-0.02 * towards, 0.16 * size**0.5, -0.05])
    world.limb(centre + [0, 0.06 * size**0.5, 0], grip, 0.013 * size**0.5, world.paint("wood"))
    person = Person(world)
    person.hand(grip, "grip", forward=(towards, -0.5, 0))
    chest = spots.mean(axis=0) + [-towards * 0.45, 0.3, 0.15 if size == 1 else 0.35]
    body = chest + wander(rng, t, 0.03, 0.7) + 0.5 * (grip - grip.mean(axis=0)) * [0.3, 1, 0]
    person.arm(grip + [0, 0.04, 0], body + [0, -0.1, 0.1], hint=(0, 0.3, -1))
    if rng.random() < 0.7:
        person.body(body)
