"""Rubbing, scraping, sawing and pushing: strokes that are heard for as long as they last."""

from __future__ import annotations

import numpy as np

from avlink.foundry.physics.families.struck import pick_material
from avlink.foundry.physics.figure import Person, wrist_of
from avlink.foundry.physics.paths import Array, contact_times, wander
from avlink.foundry.physics.setting import add_table
from avlink.foundry.physics.world import Part, World


def plan_slide(world: World) -> None:
    """Plan strokes over a surface with a hand, a brush, a block, a file or a saw, or a thing that is pushed along."""
    rng, t = world.rng, world.t
    table = add_table(world)
    kind = str(rng.choice(["hand", "brush", "block", "saw", "push"]))
    times = contact_times(rng, world.duration_s, rng.uniform(0.9, 1.8) if kind == "push" else rng.uniform(0.28, 0.9))
    reach = rng.uniform(0.06, 0.2)
    along, lifted, lengths = _strokes(rng, t, times, both=kind == "saw" or rng.random() < 0.5)
    azimuth = np.pi / 2 + rng.normal(0, 0.3) if kind == "saw" else rng.uniform(0, 2 * np.pi)
    way = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    material = pick_material(rng, "wood", "metal", "stone", "cloth") if kind != "hand" else table
    high = 0.0
    if kind in ("saw", "block") and rng.random() < 0.7:
        high = rng.uniform(0.03, 0.12)
        world.fixed(
            "box", (rng.uniform(0.08, 0.2), rng.uniform(0.06, 0.12), high / 2), (0, 0, high / 2), world.paint(material)
        )
    size = rng.uniform(0.025, 0.06)
    tool = np.outer(along * reach, way) + np.outer(lifted * rng.uniform(0.015, 0.06), [0, 0, 1.0]) + [0, 0, high]
    person = Person(world)
    paint = world.paint(str(rng.choice(["any", "wood", "metal"])))
    if kind == "saw":
        world.limb(tool + way * 0.12 + [0, 0, 0.012], tool - way * 0.3 + [0, 0, 0.012], 0.03, paint, shape="box")
        hand = tool + way * 0.15 + [0, 0, 0.02]
    elif kind == "hand":
        hand = tool + [0, 0, 0.022]
    else:
        world.moving([Part(shape="box", size=(size, size * 0.7, size * 0.6), paint=paint)], tool + [0, 0, size * 0.6])
        # Pushed from behind, or held from above.
        hand = tool - way * (size + 0.03) + [0, 0, 0.04] if kind == "push" else tool + [0, 0, size * 1.2 + 0.025]
    hand = hand + wander(rng, t, 0.002, 2)
    person.hand(hand, "flat" if kind in ("hand", "push") else "grip", forward=(0, -1.0, -0.15))
    person.behind([wrist_of(hand, (0, -1.0, 0))], away=rng.uniform(0.45, 0.65), height=high + rng.uniform(0.15, 0.35))
    for at, length in zip(times, lengths, strict=True):
        middle = min(int((at + 0.3 * length) / t[1]), len(t) - 1)
        strength = float(np.clip(reach / 0.2 / max(length, 0.1) * 0.25, 0.1, 0.9))
        world.hit(at, strength, tool[middle], kind="slide", material=material or "wood", duration_s=float(length))
    world.extent, world.caption = rng.uniform(0.14, 0.32), "something rubs over a surface"


def _strokes(rng: np.random.Generator, t: Array, times: Array, *, both: bool) -> tuple[Array, Array, Array]:
    """Return the place along the way (about -1 to 1), how far the tool is lifted (0 to 1), and the strokes' lengths.

    Strokes that start at `times` go to and fro, or all in one direction with a way back through the air.
    """
    along, lifted = np.full_like(t, -1.0), np.zeros_like(t)
    lengths, side = np.zeros(len(times)), 1.0
    ends = np.append(times, t[-1] + 1)
    for index, at in enumerate(times):
        gap = ends[index + 1] - at
        length = min(rng.uniform(0.15, 0.5), (0.85 if both else 0.55) * gap)
        lengths[index] = length
        u = np.clip((t - at) / length, 0, 1)
        # Starts at once: a stroke is heard from its first movement.
        moved = 1 - (1 - u) ** 1.7
        live = t >= at
        along[live] = (-side + 2 * side * moved)[live]
        if both:
            side = -side
            continue
        back = np.clip((t - at - length) / max(0.9 * (gap - length), 0.05), 0, 1)
        along[live] -= (2 * back * back * (3 - 2 * back))[live]
        lifted[live] = np.sin(np.pi * back)[live]
    return along, lifted, lengths
