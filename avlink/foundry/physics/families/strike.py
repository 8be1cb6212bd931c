"""Tools that strike: sticks, hammers, mallets, axes and knives in a hand, on things on a table or floor."""

from __future__ import annotations

import numpy as np

from avlink.foundry.physics.families.struck import add_crumbs, add_leaves, add_target
from avlink.foundry.physics.figure import Person, wrist_of
from avlink.foundry.physics.paths import Array, contact_times, frame_quaternion, moved_between, stroke, wander
from avlink.foundry.physics.setting import add_table
from avlink.foundry.physics.world import Part, World

_TOOLS = ("stick", "stick", "hammer", "mallet", "axe", "knife", "pan", "spoon")
_LENGTH = {"stick": (0.2, 0.42), "hammer": (0.2, 0.34), "mallet": (0.22, 0.36), "axe": (0.35, 0.6)}


def plan_strike(world: World) -> None:
    """Plan one or two hands that strike with a tool, at one place or at several."""
    rng = world.rng
    table = add_table(world)
    gap = float(np.exp(rng.uniform(np.log(0.2), np.log(1.3))))
    hands = 2 if rng.random() < 0.25 else 1
    times = [contact_times(rng, world.duration_s, gap * hands) for _ in range(hands)]
    strokes = [stroke(rng, world.t, own) for own in times]
    all_times, all_strengths = np.concatenate(times), np.concatenate([strengths for _, strengths in strokes])
    target = add_target(world, all_times, all_strengths, table)
    tool = str(rng.choice(_TOOLS))
    person, wrists = Person(world), []
    for index, (own, (near, strengths)) in enumerate(zip(times, strokes, strict=True)):
        side = (index - (hands - 1) / 2) * 0.16
        spots = np.broadcast_to(target.top + [side, 0, 0], (len(own), 3)).copy()
        if rng.random() < 0.5:
            spots[:, :2] += rng.uniform(-0.07, 0.07, (len(own), 2))
        wrists.append(_add_tool(world, person, tool, near, own, spots))
        for at, strength, spot in zip(own, strengths, spots, strict=True):
            world.hit(at, strength, spot, material=target.material, size_px=target.size_px)
    person.behind(wrists, away=rng.uniform(0.5, 0.75), height=target.top[2] + rng.uniform(0.15, 0.4))
    if rng.random() < 0.45:
        add_crumbs(world, target.top, all_times, all_strengths)
    if rng.random() < 0.2:
        add_leaves(world, target.top, all_times, all_strengths)
    world.extent = rng.uniform(0.14, 0.38)
    world.caption = f"{'an' if tool[0] in 'aeiou' else 'a'} {tool} strikes {target.material or 'something'}"


def _add_tool(world: World, person: Person, tool: str, near: Array, times: Array, spots: Array) -> Array:
    """Add a tool whose end is at `spots` at the contacts, with its hand; return the path of the wrist."""
    rng, t = world.rng, world.t
    length = rng.uniform(*_LENGTH.get(tool, (0.18, 0.28)))
    contact = moved_between(t, times, spots)
    away = (1 - near)[:, None]
    # The grip lies towards the person, above the struck place; the tool turns about it.
    back = np.array([rng.normal(0, 0.25), 1.0, 0.0])
    back /= np.linalg.norm(back)
    tilt, swing = rng.uniform(0.05, 0.45), rng.uniform(0.3, 1.3)
    chop = tool == "knife"
    if chop:
        tilt, swing = rng.uniform(0.0, 0.15), rng.uniform(0.1, 0.4)
    lift = rng.uniform(0.04, 0.2) * min(1.0, 2 * float(np.diff(times).min(initial=1.0)))
    angle = tilt - swing * away[:, 0]
    lever = length * (np.cos(angle)[:, None] * back + np.sin(angle)[:, None] * np.array([0, 0, 1.0]))
    rest = length * (np.cos(tilt) * back + np.sin(tilt) * np.array([0, 0, 1.0]))
    hand = contact + rest + away * np.array([0, 0, lift]) + away * wander(rng, t, 0.008, 2)
    hand[:, 2] = np.maximum(hand[:, 2], 0.02)
    tip = hand - lever
    forward = -lever / length
    person.hand(
        hand, "grip", forward=np.cross(forward, [0, 0, 1.0]), up=np.cross(np.cross(forward, [0, 0, 1.0]), forward)
    )
    _add_shape(world, tool, hand, tip, forward)
    return wrist_of(hand, -back)


def _add_shape(world: World, tool: str, hand: Array, tip: Array, forward: Array) -> None:
    rng = world.rng
    handle, head = (
        world.paint(str(rng.choice(["wood", "any", "metal"]))),
        world.paint(str(rng.choice(["metal", "any"]))),
    )
    if tool == "knife":
        world.limb(hand, tip, rng.uniform(0.015, 0.035), head, shape="box")
        return
    world.limb(hand - 0.04 * forward, tip, rng.uniform(0.006, 0.016), handle)
    turn = frame_quaternion(forward, [0, 0, 1.0])
    size = rng.uniform(0.018, 0.045)
    parts = {
        "hammer": Part(shape="box", size=(size * 0.6, size * 0.7, size * 1.7), paint=head),
        "mallet": Part(shape="ellipsoid", size=(size, size, size), paint=head),
        "axe": Part(shape="box", size=(0.008, size * 1.3, size * 1.8), paint=head),
        "pan": Part(shape="cylinder", size=(size * 2.4, 0.01), paint=head),
        "spoon": Part(shape="ellipsoid", size=(size * 0.8, size * 1.2, 0.008), paint=head),
    }
    if tool in parts:
        # Its lower side is where the tip strikes.
        thick = parts[tool].size[-1] if tool != "pan" else 0.01
        world.moving([parts[tool]], tip + [0, 0, thick * 0.6], turn)
