"""Walkers, runners and jumpers: feet that stay on the ground until they are lifted, with a contact at each fall."""

from __future__ import annotations

import numpy as np

from avlink.foundry.physics.families.struck import pick_material
from avlink.foundry.physics.figure import Person
from avlink.foundry.physics.paths import Array, ease, frame_quaternion, wander
from avlink.foundry.physics.setting import add_ground
from avlink.foundry.physics.world import Part, World

_ANKLE_M = 0.055


def plan_walk(world: World) -> None:
    """Plan a person who walks, runs or marches on the spot; the whole body or the legs alone."""
    rng, t = world.rng, world.t
    material, person = add_ground(world), Person(world)
    running = rng.random() < 0.25
    step_s = rng.uniform(0.24, 0.36) if running else rng.uniform(0.38, 0.72)
    stride = 0.0 if rng.random() < 0.25 else (rng.uniform(0.6, 0.95) if running else rng.uniform(0.35, 0.65))
    azimuth = rng.uniform(0, 2 * np.pi)
    forward = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    falls = _fall_times(rng, world.duration_s, step_s)
    strengths = np.clip(rng.uniform(0.35, 0.75) + rng.normal(0, 0.08, len(falls)) + 0.15 * running, 0.1, 1)
    feet = _feet(rng, t, falls, stride, forward, lift=rng.uniform(0.06, 0.2) + 0.1 * running)
    speed = stride / step_s
    middle = np.outer(speed * (t - world.duration_s / 2), forward)
    _add_body(world, person, feet, middle, forward, falls, bob=0.015 + 0.02 * running, whole=rng.random() < 0.75)
    for index, (at, strength) in enumerate(zip(falls, strengths, strict=True)):
        if at < 0:
            continue
        place = feet[index % 2][min(int(at / t[1]), len(t) - 1)] - [0, 0, _ANKLE_M]
        world.hit(at, strength, place, kind="step", material=material, size_px=7)
    world.follow = middle
    whole = rng.random() < 0.5
    # The whole figure, or what stands on the ground.
    world.extent = rng.uniform(0.55, 0.85) if whole else rng.uniform(0.25, 0.45)
    if whole:
        world.focus.append(np.array([0, 0, 0.9]))
    world.front, world.freedom = rng.uniform(0, 2 * np.pi), 1.5
    world.caption = "someone runs" if running else "someone walks"


def plan_jump(world: World) -> None:
    """Plan a person who jumps on the spot, or skips; both feet land together."""
    rng, t = world.rng, world.t
    material, person = add_ground(world), Person(world)
    landings, height = [], np.zeros_like(t)
    now = rng.uniform(0.2, 0.8)
    while True:
        high = rng.uniform(0.05, 0.4)
        flight = 2 * np.sqrt(2 * high / 9.81)
        land = now + flight
        if land > world.duration_s - 0.05:
            break
        u = t - now
        height = np.where((u >= 0) & (u < flight), 9.81 / 2 * u * (flight - u), height)
        landings.append((land, float(np.clip(0.25 + 1.6 * high, 0, 1))))
        now = land + rng.uniform(0.05, 0.9)
    azimuth = rng.uniform(0, 2 * np.pi)
    forward = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    side = np.array([-forward[1], forward[0], 0.0])
    up = np.array([0, 0, 1.0])
    feet = [np.outer(height + _ANKLE_M, up) + 0.1 * s * side + 0 * t[:, None] for s in (1, -1)]
    crouch = np.zeros_like(t)
    for land, strength in landings:
        crouch += strength * 0.16 * np.exp(-(((t - land - 0.07) / 0.1) ** 2))
    middle = np.outer(height - crouch, up)
    _add_body(world, person, feet, middle, forward, np.array([]), bob=0.0, whole=rng.random() < 0.8)
    for land, strength in landings:
        world.hit(land, strength, np.zeros(3), kind="step", material=material, size_px=8)
    world.focus.append(np.array([0, 0, 0.7]))
    world.extent, world.caption = rng.uniform(0.45, 0.9), "someone jumps and lands"


def plan_trot(world: World) -> None:
    """Plan a four-legged animal that walks or trots past: a fall of two feet at a time."""
    rng, t = world.rng, world.t
    material = add_ground(world)
    fur, size = world.paint(pick_material(rng, "cloth", "any", "any")), rng.uniform(0.5, 1.3)
    step_s, stride = rng.uniform(0.22, 0.45) * size**0.5, rng.uniform(0.2, 0.5) * size
    azimuth = rng.uniform(0, 2 * np.pi)
    forward, up = np.array([np.cos(azimuth), np.sin(azimuth), 0.0]), np.array([0, 0, 1.0])
    side = np.array([-forward[1], forward[0], 0.0])
    falls = _fall_times(rng, world.duration_s, step_s)
    pair = _feet(rng, t, falls, stride, forward, lift=0.12 * size, spread=0.0)
    middle = np.outer(stride / step_s * (t - world.duration_s / 2), forward) + wander(rng, t, 0.008, 1)
    body = middle + up * 0.5 * size
    # Legs at opposite corners move together.
    for corner, (ahead, across) in enumerate(((1, 1), (1, -1), (-1, 1), (-1, -1))):
        offset = forward * 0.28 * size * ahead + side * 0.1 * size * across
        foot = pair[0 if corner in (0, 3) else 1] + offset
        hip = body + offset - up * 0.08 * size
        knee = (foot + hip) / 2 - forward * 0.03 * size * ahead
        world.limb(hip, knee, 0.045 * size, fur)
        world.limb(knee, foot, 0.028 * size, fur)
    facing = frame_quaternion(forward, up)
    world.moving([Part(shape="ellipsoid", size=(0.14 * size, 0.4 * size, 0.15 * size), paint=fur)], body, facing)
    head = body + forward * 0.5 * size + up * 0.2 * size + wander(rng, t, 0.02 * size, 1.5)
    world.moving([Part(shape="ellipsoid", size=(0.09 * size, 0.17 * size, 0.1 * size), paint=fur)], head, facing)
    world.limb(body + forward * 0.3 * size, head, 0.07 * size, fur)
    world.limb(body - forward * 0.38 * size, body - forward * 0.55 * size + wander(rng, t, 0.08, 3), 0.02 * size, fur)
    for index, at in enumerate(falls):
        if at >= 0:
            place = pair[index % 2][min(int(at / t[1]), len(t) - 1)]
            world.hit(at, rng.uniform(0.3, 0.6), place - [0, 0, _ANKLE_M], kind="step", material=material, size_px=5)
    world.follow, world.extent = middle, rng.uniform(0.4, 0.6) * size
    world.focus.append(np.array([0, 0, 0.35 * size]))
    world.front, world.freedom, world.caption = azimuth + np.pi / 2, 1.0, "an animal trots by"


def _fall_times(rng: np.random.Generator, until_s: float, step_s: float) -> Array:
    """Return the times of footfalls, from one before the clip to one after it."""
    first = rng.uniform(-step_s, 0)
    times = np.arange(first, until_s + 2 * step_s, step_s)
    return times + rng.normal(0, 0.012, len(times)).clip(-0.03, 0.03)


def _feet(
    rng: np.random.Generator, t: Array, falls: Array, stride: float, forward: Array, *, lift: float, spread: float = 0.1
) -> list[Array]:
    """Return the paths of both ankles; fall k is of foot k mod 2, and lies `stride` further than the one before."""
    side = np.array([-forward[1], forward[0], 0.0])
    # Places of the falls: the body is above the middle between two of them.
    middle_s = float(falls.mean())
    step_s = float(np.diff(falls).mean())
    stance = rng.uniform(0.5, 0.62)
    feet = []
    for foot in (0, 1):
        own = falls[foot::2]
        places = stride * ((own - middle_s) / step_s + 0.5)
        index = np.clip(np.searchsorted(own, t, side="right") - 1, -1, len(own) - 1)
        before = np.where(index >= 0, own[np.maximum(index, 0)], own[0] - 2 * step_s)
        after = np.where(index + 1 < len(own), own[np.minimum(index + 1, len(own) - 1)], own[-1] + 2 * step_s)
        u = np.clip(((t - before) / (after - before) - stance) / (1 - stance), 0, 1)
        start = np.where(index >= 0, places[np.maximum(index, 0)], places[0] - 2 * stride)
        # Swings forward and comes down fast: the fall is the end of the way.
        along = start + 2 * stride * ease(u)
        high = lift * np.sin(np.pi * u**1.3)
        feet.append(np.outer(along, forward) + np.outer(high + _ANKLE_M, [0, 0, 1.0]) + side * spread * (1 - 2 * foot))
    return feet


def _add_body(
    world: World,
    person: Person,
    feet: list[Array],
    middle: Array,
    forward: Array,
    falls: Array,
    *,
    bob: float,
    whole: bool,
) -> None:
    """Add shoes, legs, and where `whole` a torso with swinging arms above the path `middle`."""
    rng, t = world.rng, world.t
    up, side = np.array([0, 0, 1.0]), np.array([-forward[1], forward[0], 0.0])
    shoe, size = world.paint(str(rng.choice(["any", "rubber"]))), person.build
    rise = np.zeros_like(t)
    for at in falls:
        # Lowest just after each fall.
        rise -= bob * np.exp(-(((t - at - 0.06) / 0.09) ** 2))
    hips = middle + up * (0.86 * size) + np.outer(rise, up) + wander(rng, t, 0.006, 1)
    turn = frame_quaternion(forward, up)
    for index, foot in enumerate(feet):
        hip = hips + side * (0.09 if index == 0 else -0.09)
        person.leg(foot, hip, forward)
        sole = Part(shape="ellipsoid", size=(0.045, 0.125, 0.045), paint=shoe, at=(0, 0.05, -0.015))
        world.moving([sole], foot, turn)
    if not whole:
        return
    chest = hips + up * 0.48 * size + forward * 0.03
    person.body(chest)
    for index in range(2):
        s = 1.0 if index == 0 else -1.0
        # Arms swing against the legs.
        swing = ((feet[1 - index] - middle) @ forward) * rng.uniform(0.3, 0.6)
        hand = chest + side * 0.26 * s + np.outer(swing, forward) + np.outer(-0.45 + 0.15 * np.abs(swing), up)
        person.hand(hand, "fist", forward=-up + 0.3 * forward, up=side * s)
        person.arm(hand, chest + side * 0.21 * s + up * 0.12, hint=-forward)
