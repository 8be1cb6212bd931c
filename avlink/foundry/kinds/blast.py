"""Flashes of light and explosions: a crack or a boom at the moment the light appears."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from avlink.foundry import captions
from avlink.foundry.clip import CLIP_S
from avlink.foundry.scene import Body, Hit, Scene, Surface, latest
from avlink.foundry.shapes import capsule, disc
from avlink.foundry.stage import Stage


def plan_flash(stage: Stage) -> Scene:
    """One to four flashes: a lamp, a bolt, or the whole picture, with a crack each."""
    scene = Scene(kind="flash", group="flash")
    number = int(stage.rng.integers(1, 5))
    times = sorted(stage.uniform(0.2, CLIP_S - 0.3) for _ in range(number))
    stage.check(times)
    if any(b - a < 0.4 for a, b in pairwise(times)):
        times = times[:1]
    strength = [stage.uniform(0.45, 1.0) for _ in times]
    index, since = latest(times, stage.t)
    force = np.asarray([*strength, 0.0])[index]
    fade = stage.uniform(0.07, 0.22)
    glow = np.where(index >= 0, force * np.exp(-np.minimum(since, 5) / fade), 0.0)
    scene.light = glow * stage.uniform(0.4, 1.2)
    tint = (1.0, stage.uniform(0.8, 1.0), stage.uniform(0.55, 1.0))
    light = Surface(texture="flat", low=tint, high=tint, edge_px=stage.uniform(1.0, 8.0), glow=True)
    spots = np.stack([stage.rng.uniform(10, 54, number + 1), stage.rng.uniform(6, 28, number + 1)])
    if stage.chance(0.5):
        spots[:] = spots[:, :1]
    if stage.chance(0.5):
        size = stage.uniform(5, 13) * (0.6 + 0.6 * glow)
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
        x, lean = spots[0][index], stage.rng.uniform(-0.6, 0.6, (3, number + 1))
        for part in range(3):
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
        scene.hits.append(Hit(time_s=time, material="air", strength=hard, size_px=stage.uniform(2, 5)))
    scene.caption = captions.flash(stage.rng, len(times))
    return scene


def plan_explosion(stage: Stage) -> Scene:
    """One or two explosions: flash, growing fire, smoke that rises, a boom."""
    scene = Scene(kind="explosion", group="flash")
    times = [stage.uniform(0.25, 3.2)]
    if stage.chance(0.35):
        times.append(times[0] + stage.uniform(0.9, 1.6))
    stage.check(times)
    strength = [stage.uniform(0.6, 1.0) for _ in times]
    index, since = latest(times, stage.t)
    since = np.minimum(since, 6.0)
    force = np.asarray([*strength, 0.0])[index]
    on = (index >= 0).astype(float)
    scene.light = on * force * np.exp(-since / 0.09) * 0.9
    scene.jolt = on * force * np.exp(-since / 0.25) * stage.uniform(0.0, 2.5)
    x = stage.rng.uniform(16, 48, len(times) + 1)[index]
    y = stage.rng.uniform(12, 26, len(times) + 1)[index]
    reach = stage.uniform(8, 15)
    for _ in range(3):
        away, side = stage.uniform(0, 4), stage.uniform(0, 2 * np.pi)
        grey = stage.uniform(0.2, 0.55)
        smoke = Surface(texture="stone", low=(grey * 0.7,) * 3, high=(grey,) * 3, edge_px=5.0, grain_px=4.0)
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
    for part, colour in enumerate(((0.85, 0.25, 0.05), (1.0, 0.6, 0.1), (1.0, 0.95, 0.7))):
        fire = Surface(texture="flat", low=colour, high=colour, edge_px=3.0)
        size = reach * (1 - 0.25 * part) * np.minimum(since / 0.12 + 0.35, 1.0) * force
        fade = on * np.exp(-since / (0.35 - 0.09 * part))
        scene.bodies.append(
            Body(shape=disc(1.0), surface=fire, x=x, y=y - 3 * since, stretch_u=size, stretch_v=size, opacity=fade)
        )
    stage.puffs(
        scene,
        times,
        x[[int(np.argmin(abs(stage.t - time))) for time in times]],
        np.full(len(times), 18.0),
        strength,
        "spark",
    )
    for time, hard in zip(times, strength, strict=True):
        scene.hits.append(Hit(time_s=time, material="air", strength=hard, size_px=stage.uniform(6, 9)))
    scene.caption = captions.explosion(stage.rng, len(times))
    return scene
