"""Things that fall, are thrown or bounce by themselves: tiny, handy and large ones, with contacts from the physics."""

from __future__ import annotations

import numpy as np

from avlink.foundry.physics.families.struck import pick_material, size_px
from avlink.foundry.physics.figure import Person
from avlink.foundry.physics.paths import Array, ease, unit, wander
from avlink.foundry.physics.setting import add_ground, add_table
from avlink.foundry.physics.world import World

_SHAPES = ("sphere", "sphere", "box", "cylinder", "capsule", "ellipsoid")
_BOUNCE = {"wood": 0.45, "metal": 0.5, "glass": 0.5, "stone": 0.35, "rubber": 0.8, "cloth": 0.1, "": 0.4}
_DENSITY = {
    "wood": 600.0,
    "metal": 5000.0,
    "glass": 2500.0,
    "stone": 2500.0,
    "rubber": 900.0,
    "cloth": 150.0,
    "": 500.0,
}


def plan_drop(world: World) -> None:
    """Plan one to four things that are dropped or fall from above, some out of a hand."""
    rng = world.rng
    add_table(world)
    scale = float(rng.choice([0.35, 1.0, 1.0]))
    for index in range(int(rng.integers(1, 5))):
        release = rng.uniform(0.1, 0.9) if index == 0 else rng.uniform(0.1, world.duration_s - 0.8)
        at = np.append(rng.uniform(-0.14, 0.14, 2) * scale, rng.uniform(0.12, 0.5) * scale)
        size = rng.uniform(0.03, 0.085) * scale
        carried = _carry(world, at, release, size) if rng.random() < 0.6 else None
        kick = np.append(rng.normal(0, 0.4, 2), rng.normal(0, 0.5)) if rng.random() < 0.35 else np.zeros(3)
        if carried is None:
            at[2] += 0.3
        _add_thing(world, at, size, release_s=release, kick=kick * scale, carried=carried)
    world.focus.append(np.array([0, 0, 0.12 * scale]))
    world.extent, world.caption = rng.uniform(0.14, 0.26) * scale, "things drop on a table"


def plan_tiny(world: World) -> None:
    """Plan many small things that fall one after the other: coins, peas, marbles, screws."""
    rng = world.rng
    add_table(world)
    material, shape = pick_material(rng), str(rng.choice(["sphere", "cylinder", "box", "ellipsoid"]))
    start, gap = rng.uniform(0.1, 0.5), rng.uniform(0.12, 0.7)
    centre = rng.normal(0, 0.04, 2)
    for index in range(int(min(12, (world.duration_s - start - 0.4) / gap + 1))):
        at = np.append(centre + rng.normal(0, 0.02, 2), rng.uniform(0.08, 0.3))
        _add_thing(
            world,
            at,
            rng.uniform(0.008, 0.02),
            shape=shape,
            material=material,
            release_s=start + gap * index * rng.uniform(0.9, 1.1),
            kick=np.append(rng.normal(0, 0.15, 2), 0.0),
        )
    world.focus.append(np.array([centre[0], centre[1], 0.03]))
    world.extent, world.caption = rng.uniform(0.05, 0.1), "small things fall one after the other"


def plan_large(world: World) -> None:
    """Plan crates, barrels and blocks that fall, tip or are thrown to the ground; metres, not centimetres."""
    rng = world.rng
    add_ground(world)
    for index in range(int(rng.integers(1, 4))):
        release = rng.uniform(0.05, 0.8) if index == 0 else rng.uniform(0.1, world.duration_s - 1.0)
        size = rng.uniform(0.2, 0.5)
        at = np.append(rng.uniform(-0.5, 0.5, 2), rng.uniform(0.7, 1.6))
        _add_thing(world, at, size, shape=str(rng.choice(["box", "box", "cylinder", "sphere"])), release_s=release)
    if rng.random() < 0.4:
        _add_tower(world)
    world.focus.append(np.array([0, 0, 0.5]))
    world.extent, world.caption = rng.uniform(0.6, 1.0), "heavy things fall to the ground"


def plan_bounce(world: World) -> None:
    """Plan one or two balls that bounce on a floor, or off a wall, again and again."""
    rng = world.rng
    add_ground(world)
    radius = float(np.exp(rng.uniform(np.log(0.015), np.log(0.14))))
    for _ in range(1 if rng.random() < 0.75 else 2):
        high = rng.uniform(3, 9) * radius + 0.06
        _add_thing(
            world,
            np.append(rng.uniform(-3, 3, 2) * radius, high),
            radius,
            shape="sphere",
            material=pick_material(rng, "rubber", "rubber", "", "glass", "wood"),
            bounce=rng.uniform(0.65, 0.92),
            release_s=rng.uniform(0.05, 0.8),
            kick=np.append(rng.normal(0, 0.25, 2), 0.0),
        )
    if rng.random() < 0.3:
        world.fixed("box", (6 * radius, 0.03, 8 * radius), (0, 8 * radius, 8 * radius), world.paint("any"))
    world.focus.append(np.array([0, 0, 3 * radius]))
    world.extent, world.caption = (0.04 + 2.2 * radius) * rng.uniform(0.8, 1.4), "a ball bounces"


def plan_throw(world: World) -> None:
    """Plan things that are thrown through the picture against a wall, a box or a pile, and fall down."""
    rng = world.rng
    add_ground(world)
    wall = rng.uniform(0.35, 0.6)
    world.fixed("box", (0.04, 0.9, 0.7), (wall, 0, 0.65), world.paint(str(rng.choice(["any", "wood", "stone"]))))
    for index in range(int(rng.integers(1, 4))):
        release = rng.uniform(0.1, 0.7) if index == 0 else rng.uniform(0.2, world.duration_s - 0.8)
        speed = rng.uniform(2.0, 5.0)
        at = np.array([-rng.uniform(0.5, 0.9), rng.normal(0, 0.15), rng.uniform(0.3, 0.7)])
        kick = np.array([speed, rng.normal(0, 0.2), 9.81 * 0.5 * (wall - at[0]) / speed + rng.normal(0, 0.3)])
        _add_thing(world, at, rng.uniform(0.06, 0.14), release_s=release, kick=kick)
    if rng.random() < 0.4:
        _add_tower(world, at=(wall - 0.25, 0.0), size=rng.uniform(0.04, 0.08))
    world.focus += [np.array([wall, 0, 0.5]), np.array([0, 0, 0.05])]
    world.extent, world.caption = rng.uniform(0.15, 0.35), "something is thrown against a wall"


def _add_thing(
    world: World,
    at: Array,
    size: float,
    *,
    release_s: float,
    shape: str | None = None,
    material: str | None = None,
    bounce: float | None = None,
    kick: Array | None = None,
    carried: Array | None = None,
) -> None:
    rng = world.rng
    shape = shape or str(rng.choice(_SHAPES))
    material = pick_material(rng) if material is None else material
    sizes = {
        "sphere": (size,),
        "box": (size, size * rng.uniform(0.4, 1), size * rng.uniform(0.25, 1)),
        "cylinder": (size, size * rng.uniform(0.15, 1.2)),
        "capsule": (size * 0.5, size * 0.8),
        "ellipsoid": (size, size * rng.uniform(0.5, 1), size * rng.uniform(0.4, 1)),
    }[shape]
    volume = 4.0 * float(np.prod([*sizes, *[size] * (3 - len(sizes))]))
    world.loose(
        shape,
        sizes,
        at,
        world.paint(material or "any"),
        mass=max(volume * _DENSITY[material], 1e-4),
        bounce=float(np.clip(_BOUNCE[material] + rng.normal(0, 0.08), 0.05, 0.92)) if bounce is None else bounce,
        release_s=release_s,
        kick=np.zeros(3) if kick is None else kick,
        spin=rng.normal(0, 5, 3),
        turn=unit(rng.normal(0, 1, 4)),
        carried=carried,
        material=material,
        size_px=size_px(size),
    )


def _carry(world: World, at: Array, release_s: float, size: float) -> Array:
    """Add a hand that brings something to `at`, opens there, and goes away; return the path of the thing."""
    rng, t = world.rng, world.t
    person = Person(world)
    rest = at + [rng.normal(0, 0.25), 0.3, rng.uniform(0.05, 0.25)]
    come = ease((t - release_s + rng.uniform(0.35, 0.9)) / 0.32)
    leave = ease((t - release_s - rng.uniform(0.04, 0.3)) / rng.uniform(0.3, 0.6))
    path = rest + (at - rest) * (come - leave)[:, None] + wander(rng, t, 0.004, 2)
    hand = path + [0, 0, size + 0.022]
    person.hand(hand, "flat" if size > 0.04 else "grip", forward=(0.2, -1.0, -0.3))
    person.arm(hand + [0, 0.05, 0.02], np.array([at[0] * 0.6, 0.6, at[2] + 0.25]), hint=(1, 0.2, -0.5))
    return path


def _add_tower(world: World, *, at: tuple[float, float] | None = None, size: float | None = None) -> None:
    """Add a pile that stands until something hits it."""
    rng = world.rng
    x, y = at or tuple(rng.uniform(-0.4, 0.4, 2))
    half = size or rng.uniform(0.1, 0.22)
    material = pick_material(rng, "wood", "stone", "", "metal")
    for level in range(int(rng.integers(2, 5))):
        world.loose(
            "box",
            (half, half, half),
            (x + rng.normal(0, 0.05) * half, y, half * (2 * level + 1)),
            world.paint(material or "any"),
            mass=max(0.05, 8 * half**3 * _DENSITY[material]),
            bounce=0.2,
            resting=True,
            material=material,
            size_px=size_px(half),
        )
