"""Things that roll and collide: billiard balls, skittles, marbles on a slope that fall off its end."""

from __future__ import annotations

import numpy as np

from avlink.foundry.physics.families.struck import pick_material, size_px
from avlink.foundry.physics.paths import quaternion, unit
from avlink.foundry.physics.setting import add_ground
from avlink.foundry.physics.world import World


def plan_billiards(world: World) -> None:
    """Plan balls that roll on a table with cushions and run into each other."""
    rng = world.rng
    add_ground(world, -0.78)
    wide, deep = rng.uniform(0.45, 0.75), rng.uniform(0.3, 0.5)
    world.fixed("box", (wide, deep, 0.03), (0, 0, -0.03), world.paint(str(rng.choice(["cloth", "any", "wood"]))))
    frame = world.paint("wood")
    for x, y, a, b in ((wide, 0, 0.03, deep), (-wide, 0, 0.03, deep), (0, deep, wide, 0.03), (0, -deep, wide, 0.03)):
        world.fixed("box", (a, b, 0.045), (x, y, 0.02), frame)
    radius = rng.uniform(0.025, 0.055)
    spots: list[np.ndarray] = []
    for _ in range(200):
        spot = rng.uniform([-wide + 0.1, -deep + 0.1], [wide - 0.1, deep - 0.1])
        if all(np.linalg.norm(spot - other) > 2.4 * radius for other in spots):
            spots.append(spot)
        if len(spots) == 8:
            break
    count = int(rng.integers(2, len(spots) + 1))
    material = pick_material(rng, "stone", "glass", "wood", "metal")
    for index, spot in enumerate(spots[:count]):
        goes = index < max(1, count // 3)
        aim = unit(spots[(index + 1) % count] - spot) * rng.uniform(0.6, 2.4)
        world.loose(
            "sphere",
            (radius,),
            (*spot, radius + 0.0005),
            world.paint(material),
            mass=0.17,
            bounce=0.85,
            friction=0.3,
            release_s=rng.uniform(0.1, world.duration_s * 0.6) if goes else 0.0,
            kick=(*aim, 0) if goes else (0, 0, 0),
            resting=True,
            material=material,
            size_px=size_px(radius),
            kind="hit",
        )
    world.extent, world.caption = rng.uniform(0.15, 0.3), "balls roll and collide"


def plan_skittles(world: World) -> None:
    """Plan a ball that rolls into skittles, cans or blocks."""
    rng = world.rng
    add_ground(world)
    size = float(rng.choice([0.4, 1.0]))
    material = pick_material(rng, "wood", "metal", "", "glass")
    shape = str(rng.choice(["cylinder", "box", "capsule"]))
    high, wide = rng.uniform(0.08, 0.17) * size, rng.uniform(0.03, 0.05) * size
    for row in range(int(rng.integers(1, 4))):
        for column in range(row + 1):
            at = (
                0.5 * size + 0.16 * row * size,
                (column - row / 2) * 0.17 * size,
                high + (wide if shape == "capsule" else 0),
            )
            sizes = (wide, wide, high) if shape == "box" else (wide, high)
            world.loose(
                shape,
                sizes,
                at,
                world.paint(material or "any"),
                mass=0.4 * size**3,
                bounce=0.3,
                resting=True,
                material=material,
                size_px=size_px(wide),
            )
    for index in range(int(rng.integers(1, 3))):
        radius = rng.uniform(0.06, 0.11) * size
        speed = rng.uniform(1.2, 3.0) * size
        world.loose(
            "sphere",
            (radius,),
            (-0.5 * size, rng.normal(0, 0.06) * size, radius + 0.001),
            world.paint("any"),
            mass=2.0 * size**3,
            bounce=0.4,
            release_s=rng.uniform(0.1, 0.8) if index == 0 else rng.uniform(1.5, 2.5),
            kick=(speed, rng.normal(0, 0.05), 0),
            spin=(0, speed / radius, 0),
            resting=index == 0,
            material=material,
            size_px=size_px(radius),
            kind="hit",
        )
    world.focus.append(np.array([0.2 * size, 0, 0.05]))
    world.extent, world.caption = 0.35 * size, "a ball rolls into skittles"


def plan_slope(world: World) -> None:
    """Plan balls or cans that roll down a slope, drop off its end, and roll on."""
    rng = world.rng
    add_ground(world)
    angle, high, long = rng.uniform(0.12, 0.35), rng.uniform(0.1, 0.35), rng.uniform(0.2, 0.4)
    turn = quaternion([0, 1, 0], angle)
    centre = np.array([-long * np.cos(angle), 0, high + long * np.sin(angle)])
    world.fixed("box", (long, 0.2, 0.012), centre, world.paint(str(rng.choice(["wood", "any"]))), turn=turn)
    world.fixed(
        "box", (0.015, 0.18, (high + 0.05) / 2), (-long, 0, (high + 0.05) / 2), world.paint("wood"), solid=False
    )
    material = pick_material(rng)
    shape = "sphere" if rng.random() < 0.6 else "cylinder"
    for index in range(int(rng.integers(1, 5))):
        radius = rng.uniform(0.028, 0.06)
        along = rng.uniform(0.55, 0.9)
        at = centre + [
            -along * long * np.cos(angle),
            rng.uniform(-0.12, 0.12),
            along * long * np.sin(angle) + 0.02 + radius,
        ]
        world.loose(
            shape,
            (radius,) if shape == "sphere" else (radius, radius * 0.8),
            at,
            world.paint(material or "any"),
            mass=0.15,
            bounce=rng.uniform(0.3, 0.75),
            release_s=rng.uniform(0.05, 0.5) if index == 0 else rng.uniform(0.2, world.duration_s - 1.2),
            turn=quaternion([1, 0, 0], np.pi / 2) if shape == "cylinder" else (1, 0, 0, 0),
            resting=index == 0,
            material=material,
            size_px=size_px(radius),
        )
    if rng.random() < 0.5:
        world.fixed("box", (0.02, 0.3, 0.08), (rng.uniform(0.25, 0.5), 0, 0.08), world.paint("any"))
    world.focus.append(np.array([-0.6 * long, 0, high]))
    world.extent, world.caption = rng.uniform(0.12, 0.25), "something rolls down a slope and drops"
