"""Hands without tools: clapping, slapping, knocking, tapping with fingers, and typing."""

from __future__ import annotations

import numpy as np

from avlink.foundry.physics.families.struck import add_crumbs, add_target, pick_material
from avlink.foundry.physics.figure import Person, wrist_of
from avlink.foundry.physics.paths import contact_times, moved_between, stroke, unit, wander
from avlink.foundry.physics.setting import add_ground, add_table
from avlink.foundry.physics.world import Part, World


def plan_clap(world: World) -> None:
    """Plan two hands that clap, before a body or alone."""
    rng, t = world.rng, world.t
    add_ground(world, -0.8)
    person = Person(world)
    gap = rng.uniform(0.18, 0.9)
    times = contact_times(rng, world.duration_s, gap)
    near, strengths = stroke(rng, t, times)
    centre = np.array([0, 0, rng.uniform(0.1, 0.3)]) + wander(rng, t, 0.015, 1)
    axis = unit(np.array([1.0, rng.normal(0, 0.25), rng.normal(0, 0.45)]))
    reach, still = min(rng.uniform(0.06, 0.22), 0.4 * gap), rng.random() < 0.25
    forward = unit(np.array([0, -1.0, rng.uniform(0.1, 1.2)]))
    wrists = []
    for side in (1, -1):
        moves = 0.1 if still and side == -1 else 1.0
        palm = centre + side * axis * (0.016 + reach * moves * (1 - near))[:, None]
        person.hand(palm, "flat", forward=forward, up=side * axis, side=side)
        wrists.append(wrist_of(palm, forward))
    person.behind(wrists, away=rng.uniform(0.38, 0.5), height=centre[0, 2] + rng.uniform(0.0, 0.15))
    for at, strength in zip(times, strengths, strict=True):
        world.hit(at, strength, centre, material="", size_px=4)
    world.extent, world.caption = rng.uniform(0.16, 0.4), "hands clap"


def plan_slap(world: World) -> None:
    """Plan a palm or fist that strikes a table, a drum or another thing."""
    rng, t = world.rng, world.t
    table, person = add_table(world), Person(world)
    hands = 2 if rng.random() < 0.35 else 1
    gap = float(np.exp(rng.uniform(np.log(0.2), np.log(1.1))))
    times = [contact_times(rng, world.duration_s, gap * hands) for _ in range(hands)]
    strokes = [stroke(rng, t, own) for own in times]
    every, force = np.concatenate(times), np.concatenate([strengths for _, strengths in strokes])
    target = add_target(world, every, force, table)
    pose, wrists = ("flat" if rng.random() < 0.6 else "fist"), []
    for index, (own, (near, strengths)) in enumerate(zip(times, strokes, strict=True)):
        side = index * 2 - (hands - 1)
        spots = np.broadcast_to(target.top + [0.07 * side, 0, 0], (len(own), 3)).copy()
        spots[:, :2] += rng.uniform(-0.03, 0.03, (len(own), 2))
        lift = np.array([0.0, rng.uniform(-0.3, 0.3), 1.0]) * rng.uniform(0.06, 0.25) * min(1.0, 1.5 * gap)
        palm = moved_between(t, own, spots) + [0, 0, 0.02 if pose == "flat" else 0.035] + (1 - near)[:, None] * lift
        forward = unit(np.stack([0 * t, -np.ones_like(t), 0.5 * (1 - near)], axis=1))
        person.hand(palm, "flat" if pose == "flat" else "fist", forward=forward, side=-side or 1)
        wrists.append(wrist_of(palm, forward))
        for at, strength, spot in zip(own, strengths, spots, strict=True):
            world.hit(at, strength, spot, material=target.material, size_px=target.size_px)
    person.behind(wrists, away=rng.uniform(0.42, 0.6), height=target.top[2] + rng.uniform(0.15, 0.35))
    if rng.random() < 0.35:
        add_crumbs(world, target.top, every, force)
    world.extent, world.caption = rng.uniform(0.14, 0.35), "a hand slaps something"


def plan_knock(world: World) -> None:
    """Plan knuckles that knock on a door or a wall."""
    rng, t = world.rng, world.t
    add_ground(world, -1.1)
    material = pick_material(rng, "wood", "wood", "metal", "glass", "")
    wide = rng.uniform(0.35, 0.6)
    world.fixed("box", (wide, 0.02, 1.1), (0, 0.02, 0), world.paint(material or "any"))
    for x in (-wide - 0.05, wide + 0.05):
        world.fixed("box", (0.05, 0.04, 1.15), (x, 0.02, 0), world.paint("any"))
    world.fixed("sphere", (0.035,), (0.8 * wide, -0.04, -0.1), world.paint("metal"))
    person = Person(world)
    # Knocks come in short rows.
    times = contact_times(rng, world.duration_s, rng.uniform(0.14, 0.35), pauses=0.25)
    near, strengths = stroke(rng, t, times, fakes=0.15)
    spot = np.array([rng.uniform(-0.5, 0.5) * wide, 0.0, rng.uniform(0.0, 0.35)])
    hand = spot + [0, -0.045, 0] + (1 - near)[:, None] * [0, -rng.uniform(0.05, 0.14), rng.uniform(-0.05, 0.05)]
    hand = hand + (1 - near)[:, None] * wander(rng, t, 0.006, 2)
    forward = np.array([0.0, 0.8, 0.6])
    person.hand(hand, "fist", forward=forward, up=np.array([0.0, -0.6, 0.8]))
    shoulder = spot + np.array(
        [rng.choice([-1, 1]) * rng.uniform(0.3, 0.5), -rng.uniform(0.35, 0.5), rng.uniform(-0.1, 0.2)]
    )
    person.arm(hand, shoulder + wander(rng, t, 0.01, 0.6), hint=(0, -0.5, -1))
    if rng.random() < 0.5:
        person.body(shoulder + np.array([0.0, -0.12, -0.1]) + wander(rng, t, 0.01, 0.5))
    for at, strength in zip(times, strengths, strict=True):
        world.hit(at, strength, spot, material=material, size_px=9)
    world.extent, world.freedom, world.caption = rng.uniform(0.16, 0.5), 0.7, "knocking on a door"


def plan_fingers(world: World) -> None:
    """Plan fingers that tap on a table, or type on a keyboard; some hands only hover."""
    rng, t = world.rng, world.t
    table, typing = add_table(world), rng.random() < 0.6
    rate = rng.uniform(2.5, 8) if typing else rng.uniform(1.2, 5)
    times = contact_times(rng, world.duration_s, 1 / rate, jitter=0.4, pauses=0.1)
    top = _add_keys(world) if typing else 0.0
    person, sides = Person(world), ((-1, 1) if typing or rng.random() < 0.4 else (1,))
    fingers = [(side, finger) for side in sides for finger in range(1, 5)]
    if not typing:
        fingers = fingers[: int(rng.integers(1, 5))]
    who = rng.integers(0, len(fingers), len(times))
    palms = {side: wander(rng, t, 0.006, 1.5) + [0.09 * side, 0.1, 0.05 + top] for side in sides}
    press_s, lift = rng.uniform(0.05, 0.11), rng.uniform(0.015, 0.05)
    for index, (side, finger) in enumerate(fingers):
        own = times[who == index]
        near = np.zeros_like(t)
        for at in own:
            u = t - at
            near = np.maximum(
                near, np.where(u < 0, np.clip(1 + u / press_s, 0, 1) ** 1.5, np.clip(1 - (u - 0.02) / press_s, 0, 1))
            )
        x = 0.024 * (finger - 2.5) * side
        palm = palms[side]
        tip = palm + [x, -0.085, 0]
        tip[:, 2] = top + 0.009 + lift * (1 - near)
        person.world.limb(palm + [x * 0.8, -0.03, 0.012], tip, 0.009, person.skin)
        for at in own:
            step = min(int(at / t[1]), len(t) - 1)
            world.hit(at, rng.uniform(0.25, 0.7), tip[step], material="" if typing else table, size_px=3.5)
    wrists = []
    for side in sides:
        world.moving([Part(shape="ellipsoid", size=(0.045, 0.045, 0.018), paint=person.skin)], palms[side])
        wrists.append(palms[side] + [0, 0.05, 0])
    person.behind(wrists, away=rng.uniform(0.45, 0.6), height=rng.uniform(0.2, 0.35))
    world.extent, world.caption = rng.uniform(0.1, 0.2), "fingers typing" if typing else "fingers tapping"


def _add_keys(world: World) -> float:
    """Add a keyboard, sometimes with a screen; return the height of its keys."""
    rng = world.rng
    case, keys = world.paint("any"), world.paint("any")
    world.fixed("box", (0.2, 0.075, 0.008), (0, 0.01, 0.008), case)
    for row in range(4):
        world.fixed("box", (0.185, 0.011, 0.005), (0, -0.035 + 0.03 * row, 0.018), keys, solid=False)
    if rng.random() < 0.5:
        world.fixed("box", (0.24, 0.01, 0.15), (0, -0.16, 0.17), world.paint("any"), solid=False)
        world.front = np.pi / 2
        world.freedom = 1.4
    return 0.023
