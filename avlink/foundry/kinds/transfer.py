"""Scene kinds of the transfer split, which no other split shows: pendulum, press, clap and cradle."""

from __future__ import annotations

import numpy as np

from avlink.foundry import captions
from avlink.foundry.clip import CLIP_S
from avlink.foundry.kinds.collide import gap_between
from avlink.foundry.kinds.strike import plan_strokes, plan_swing
from avlink.foundry.sampler import SceneSampler
from avlink.foundry.scene import Body, Contact, Ground, ScenePlan
from avlink.foundry.shapes import box, capsule, disc


def plan_pendulum(sampler: SceneSampler) -> ScenePlan:
    """Plan a bob on a string that swings against a post; its other turning point is silent."""
    scene = ScenePlan(kind="pendulum", group="strike")
    period = sampler.uniform(0.55, 1.2)
    times = [float(time) for time in np.arange(sampler.uniform(0.2, 0.9), CLIP_S - 0.2, period)]
    sampler.check_times(times, fewest=3)
    long, radius, material = sampler.uniform(16, 22), sampler.uniform(3.5, 6.0), sampler.material()
    side = -1.0 if sampler.chance(0.5) else 1.0
    decay = sampler.uniform(0.85, 1.0)
    size = [sampler.uniform(0.7, 1.1) * decay**k for k in range(len(times) + 1)]
    # The swing of a pendulum against a post is the gap to it, closed at each contact; all gaps are on one side.
    swung = gap_between(sampler.t, times, [side * 0.8 * s for s in size], [0.0] * (len(times) + 1), period / 2)
    angle = np.clip(swung, -1.15, 1.15)
    x0, y0 = 32 + sampler.uniform(-5, 5), sampler.uniform(-1, 4)
    # On a circle about the pivot, with the angle from straight down.
    x, y = x0 + long * np.sin(angle), y0 + long * np.cos(angle)
    string = sampler.plain_surface()
    scene.bodies.append(
        Body(shape=capsule(long / 2, 0.6), surface=string, x=(x + x0) / 2, y=(y + y0) / 2, angle=np.pi / 2 - angle)
    )
    post = box(2.2, sampler.uniform(4, 12), 0.4)
    post_x = x0 - side * (radius + post.half_u)
    scene.fixed.append(
        Body(shape=post, surface=sampler.surface(material), x=post_x, y=y0 + long + sampler.uniform(-1, 3))
    )
    scene.bodies.append(Body(shape=disc(radius), surface=sampler.surface(sampler.material()), x=x, y=y, angle=-angle))
    for k, time in enumerate(times):
        strength = float(np.clip(size[k] / period * 0.55, 0.2, 1))
        scene.contacts.append(Contact(time_s=time, material=material, strength=strength, size_px=radius))
    scene.caption = captions.transfer(sampler.rng, "pendulum", material)
    return scene


def plan_press(sampler: SceneSampler) -> ScenePlan:
    """Plan a stamp that comes down on a plate; some strokes stop short."""
    scene = ScenePlan(kind="press", group="strike")
    times, touches = plan_strokes(sampler, low=0.35, high=0.9)
    raised, strength = plan_swing(sampler, times, touches)
    material = sampler.material()
    wide, thick = sampler.uniform(6, 14), sampler.uniform(2, 3.5)
    ground = Ground(x=32 + sampler.uniform(-6, 6), y=sampler.uniform(24, 29))
    plate = box(wide + 3, thick, 0.4)
    x, y = ground.to_world(0.0, -thick)
    scene.bodies.append(Body(shape=plate, surface=sampler.surface(material), x=x, y=y))
    head = box(wide, sampler.uniform(2, 4), 0.5)
    low = raised * sampler.uniform(8, 15)
    x, y = ground.to_world(0 * low, low + head.half_v)
    sx, sy = ground.to_world(0 * low, low + 2 * head.half_v + 14)
    scene.bodies.append(Body(shape=box(2.0, 14, 0.2), surface=sampler.plain_surface(), x=sx, y=sy))
    scene.bodies.append(Body(shape=head, surface=sampler.surface("metal"), x=x, y=y))
    for time, force, touch in zip(times, strength, touches, strict=True):
        if touch:
            scene.contacts.append(
                Contact(time_s=time, material=material, strength=force, size_px=wide * 0.6, tool="metal")
            )
    scene.caption = captions.transfer(sampler.rng, "press", material)
    return scene


def plan_clap(sampler: SceneSampler) -> ScenePlan:
    """Plan two plates on a hinge that clap together."""
    scene = ScenePlan(kind="clap", group="collide")
    times, touches = plan_strokes(sampler, low=0.3, high=0.7)
    raised, strength = plan_swing(sampler, times, touches)
    material = sampler.material()
    half, thick = sampler.uniform(9, 14), sampler.uniform(1.0, 2.2)
    tilt = sampler.uniform(-0.5, 0.5)
    ground = Ground(x=32 - half + sampler.uniform(-3, 3), y=20, tilt=tilt, mirrored=False)
    lid_only = sampler.chance(0.4)
    surface = sampler.surface(material)
    for side in (-1, 1):
        angle = side * raised * sampler.uniform(0.5, 0.9) * (0 if lid_only and side < 0 else 1)
        x, y = ground.to_world(
            half * np.cos(angle) - side * thick * np.sin(angle), half * np.sin(angle) + side * thick * np.cos(angle)
        )
        scene.bodies.append(
            Body(shape=box(half, thick, 0.4), surface=surface, x=x, y=y, angle=ground.to_world_angle(angle))
        )
    for time, force, touch in zip(times, strength, touches, strict=True):
        if touch:
            scene.contacts.append(Contact(time_s=time, material=material, strength=force, size_px=half * 0.6))
    scene.caption = captions.transfer(sampler.rng, "clap", material)
    return scene


def plan_cradle(sampler: SceneSampler) -> ScenePlan:
    """Plan Newton's cradle: the outer balls swing in turn, with a click at every impact."""
    scene = ScenePlan(kind="cradle", group="collide")
    balls = int(sampler.rng.integers(2, 5))
    radius, long, material = sampler.uniform(3.0, 5.0), sampler.uniform(14, 20), sampler.material()
    half_period = sampler.uniform(0.32, 0.6)
    times = [float(time) for time in np.arange(sampler.uniform(0.2, 0.6), CLIP_S - 0.2, half_period)]
    sampler.check_times(times, fewest=3, most=16)
    first, fade = sampler.uniform(0.6, 1.0), sampler.uniform(0.9, 1.0)
    size = [first * fade**k for k in range(len(times) + 1)]
    y0 = sampler.uniform(2, 8)
    surface, string = sampler.surface(material), sampler.plain_surface()
    for k in range(balls):
        x0 = 32 + (2 * k - balls + 1) * radius
        mine = np.zeros_like(sampler.t)
        if k in (0, balls - 1):
            way = -1.0 if k == 0 else 1.0
            # Half a period beyond both ends, so that a ball swings before the first click and after the last.
            bounds = [times[0] - half_period, *times, times[-1] + half_period]
            for j in range(len(bounds) - 1):
                # The outer balls take turns: one swings out and returns while the other one rests.
                if (j % 2 == 0) == (k == 0):
                    tau = np.clip((sampler.t - bounds[j]) / (bounds[j + 1] - bounds[j]), 0, 1)
                    mine += way * size[j] * np.sin(np.pi * tau)
        x, y = x0 + long * np.sin(mine), y0 + long * np.cos(mine)
        scene.bodies.append(
            Body(shape=capsule(long / 2, 0.5), surface=string, x=(x + x0) / 2, y=(y + y0) / 2, angle=np.pi / 2 - mine)
        )
        scene.bodies.append(Body(shape=disc(radius), surface=surface, x=x, y=y, angle=-mine))
    for k, time in enumerate(times):
        strength = float(np.clip(size[k] / half_period * 0.35, 0.25, 1))
        scene.contacts.append(Contact(time_s=time, material=material, strength=strength, size_px=radius))
    scene.caption = captions.transfer(sampler.rng, "cradle", material)
    return scene
