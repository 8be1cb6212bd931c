"""Flashes of light and explosions: a crack or a boom at the time the light appears."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from avlink.foundry import captions
from avlink.foundry.clip import CLIP_S
from avlink.foundry.sampler import SceneSampler
from avlink.foundry.scene import Body, Contact, ScenePlan, Surface, latest_event
from avlink.foundry.shapes import capsule, disc


def plan_flash(sampler: SceneSampler) -> ScenePlan:
    """Plan one to four flashes, a lamp or a bolt, each with a crack."""
    scene = ScenePlan(kind="flash", group="flash")
    number = int(sampler.rng.integers(1, 5))
    times = sorted(sampler.uniform(0.2, CLIP_S - 0.3) for _ in range(number))
    sampler.check_times(times)
    # Flashes are slower than blows: closer ones would merge into one light.
    if any(b - a < 0.4 for a, b in pairwise(times)):
        times = times[:1]
    strength = [sampler.uniform(0.45, 1.0) for _ in times]
    index, since = latest_event(times, sampler.t)
    force = np.asarray([*strength, 0.0])[index]
    fade = sampler.uniform(0.07, 0.22)
    glow = np.where(index >= 0, force * np.exp(-np.minimum(since, 5) / fade), 0.0)
    # The light appears at full strength with the sound and decays, as lamps and fires do.
    scene.light = glow * sampler.uniform(0.4, 1.2)
    tint = (1.0, sampler.uniform(0.8, 1.0), sampler.uniform(0.55, 1.0))
    light = Surface(texture="flat", low=tint, high=tint, edge_px=sampler.uniform(1.0, 8.0), glow=True)
    # One place more than there are flashes: frames before the first one have the index -1.
    spots = np.stack([sampler.rng.uniform(10, 54, number + 1), sampler.rng.uniform(6, 28, number + 1)])
    if sampler.chance(0.5):
        # Half of the clips flash at one place only.
        spots[:] = spots[:, :1]
    if sampler.chance(0.5):
        size = sampler.uniform(5, 13) * (0.6 + 0.6 * glow)
        scene.bodies.append(
            Body(
                shape=disc(1.0),
                surface=light,
                x=spots[0][index],
                y=spots[1][index],
                stretch_u=size,
                stretch_v=size,
                opacity=glow,
            )
        )
    else:
        x, lean = spots[0][index], sampler.rng.uniform(-0.6, 0.6, (3, number + 1))
        for part in range(3):
            # Three pieces below each other, each leaning by itself: a bolt.
            angle = np.pi / 2 + lean[part][index]
            scene.bodies.append(
                Body(
                    shape=capsule(7.0, 1.1),
                    surface=light,
                    x=x + 2 * part,
                    y=6.0 + 11 * part,
                    angle=angle,
                    opacity=np.minimum(1.3 * glow, 1),
                )
            )
    for time, hard in zip(times, strength, strict=True):
        scene.contacts.append(Contact(time_s=time, material="air", strength=hard, size_px=sampler.uniform(2, 5)))
    scene.caption = captions.flash(sampler.rng, len(times))
    return scene


def plan_explosion(sampler: SceneSampler) -> ScenePlan:
    """Plan one or two explosions: a flash, growing fire, rising smoke, a boom."""
    scene = ScenePlan(kind="explosion", group="flash")
    times = [sampler.uniform(0.25, 3.2)]
    if sampler.chance(0.35):
        times.append(times[0] + sampler.uniform(0.9, 1.6))
    sampler.check_times(times)
    strength = [sampler.uniform(0.6, 1.0) for _ in times]
    index, since = latest_event(times, sampler.t)
    since = np.minimum(since, 6.0)
    force = np.asarray([*strength, 0.0])[index]
    on = (index >= 0).astype(float)
    scene.light = on * force * np.exp(-since / 0.09) * 0.9
    scene.shake = on * force * np.exp(-since / 0.25) * sampler.uniform(0.0, 2.5)
    x = sampler.rng.uniform(16, 48, len(times) + 1)[index]
    y = sampler.rng.uniform(12, 26, len(times) + 1)[index]
    reach = sampler.uniform(8, 15)
    for _ in range(3):
        away, side = sampler.uniform(0, 4), sampler.uniform(0, 2 * np.pi)
        grey = sampler.uniform(0.2, 0.55)
        smoke = Surface(texture="stone", low=(grey * 0.7,) * 3, high=(grey,) * 3, edge_px=5.0, grain_px=4.0)
        # Smoke grows and slows down; fire is at its full size within a tenth of a second.
        size = reach * (0.5 + 0.9 * (1 - np.exp(-since / 0.5))) * force
        fade = on * np.clip(since / 0.15, 0, 1) * np.exp(-since / 1.1) * 0.8
        scene.bodies.append(
            Body(
                shape=disc(1.0),
                surface=smoke,
                x=x + away * np.cos(side),
                y=y - 7 * since + away * np.sin(side),
                stretch_u=size,
                stretch_v=size,
                opacity=fade,
            )
        )
    # From the outside in: dark red, orange, and a bright core that dies first.
    for part, colour in enumerate(((0.85, 0.25, 0.05), (1.0, 0.6, 0.1), (1.0, 0.95, 0.7))):
        fire = Surface(texture="flat", low=colour, high=colour, edge_px=3.0)
        size = reach * (1 - 0.25 * part) * np.minimum(since / 0.12 + 0.35, 1.0) * force
        fade = on * np.exp(-since / (0.35 - 0.09 * part))
        scene.bodies.append(
            Body(shape=disc(1.0), surface=fire, x=x, y=y - 3 * since, stretch_u=size, stretch_v=size, opacity=fade)
        )
    sampler.add_particles(
        scene,
        times,
        # `x` is per frame: of each explosion, the one nearest in time.
        x[[int(np.argmin(abs(sampler.t - time))) for time in times]],
        np.full(len(times), 18.0),
        strength,
        "spark",
    )
    for time, hard in zip(times, strength, strict=True):
        scene.contacts.append(Contact(time_s=time, material="air", strength=hard, size_px=sampler.uniform(6, 9)))
    scene.caption = captions.explosion(sampler.rng, len(times))
    return scene
