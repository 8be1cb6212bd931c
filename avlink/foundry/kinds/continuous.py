"""Scenes with a continuous sound: rolling, machines, rain and wind."""

from __future__ import annotations

import numpy as np

from avlink.foundry import captions
from avlink.foundry.clip import CLIP_S
from avlink.foundry.sampler import SceneSampler, impact_strength
from avlink.foundry.scene import Body, Contact, ContinuousSound, Ground, ScenePlan, Streaks, Surface
from avlink.foundry.shapes import Array, box, capsule, disc, polygon, ring


def smooth_level(sampler: SceneSampler, knots: int, low: float, high: float) -> Array:
    """Draw a level that changes smoothly between `low` and `high` over the clip."""
    at = np.linspace(0, CLIP_S, knots)
    levels = sampler.rng.uniform(low, high, knots)
    frac = np.interp(sampler.t, at, np.arange(knots))
    left = np.minimum(frac.astype(int), knots - 2)
    # Cosine interpolation: a level with corners would sound like switches.
    ease = 0.5 - 0.5 * np.cos(np.pi * (frac - left))
    return np.asarray(levels[left] * (1 - ease) + levels[left + 1] * ease)


def plan_roll(sampler: SceneSampler) -> ScenePlan:
    """Plan a body that rolls along a surface and stops at a wall with a knock, or comes to rest."""
    scene = ScenePlan(kind="roll", group="continuous")
    ground = sampler.ground(sampler.uniform(8, 13), upright=0.9)
    sampler.add_floor(scene, ground, shown=sampler.chance(0.7))
    radius, material = sampler.uniform(4.0, 8.0), sampler.material("wood", "metal", "glass", "stone", "rubber")
    shape = disc(radius) if sampler.chance(0.7) else polygon(radius, int(sampler.rng.integers(6, 9)))
    start, stop = sampler.uniform(0.0, 1.0), sampler.uniform(2.0, 4.7)
    total = sampler.uniform(30, 44)
    # Integrated in steps of 2.6 ms: at frame times the knock would be off by up to a frame.
    fine = np.linspace(0, CLIP_S, 2000)
    speed = np.where(
        (fine > start) & (fine < stop), 0.6 + 0.4 * np.sin(fine * sampler.uniform(0.5, 2) + sampler.uniform(0, 6)), 0.0
    )
    knock = sampler.chance(0.65)
    if not knock:
        speed = speed * np.clip((stop - fine) / 1.2, 0, 1)
    speed *= np.clip((fine - start) / 0.9, 0, 1)
    path = np.cumsum(speed) * CLIP_S / 2000
    # Scaled to a total that fits into the picture, whatever the speed was.
    path, speed = path / path[-1] * total, speed / path[-1] * total
    along_fine = -total / 2 + path
    # Shortly before the stop, where the speed is cut to 0.
    last_speed = float(speed[np.searchsorted(fine, stop) - 3])
    if knock:
        end = float(along_fine[-1])
        high = radius * sampler.uniform(1.5, 3)
        x, y = ground.to_world(end + radius + 2.0, high / 2)
        scene.fixed.append(
            Body(
                shape=box(2.0, high / 2, 0.3),
                surface=sampler.plain_surface(),
                x=float(x),
                y=float(y),
                angle=ground.tilt,
            )
        )
        # A rebound with a quarter of the speed, which dies away.
        back = np.where(fine > stop, 0.25 * last_speed * 0.3 * (1 - np.exp(-(fine - stop) / 0.3)), 0.0)
        along_fine = along_fine - back
        scene.contacts.append(
            Contact(time_s=stop, material=material, strength=impact_strength(2.5 * last_speed), size_px=radius)
        )
    along = np.interp(sampler.t, fine, along_fine)
    # Rolling without slipping.
    turn = -along / radius
    reach = radius if shape.form == "box" else shape.support(-np.pi / 2, turn)
    x, y = ground.to_world(along, reach)
    scene.bodies.append(
        Body(shape=shape, surface=sampler.surface(material), x=x, y=y, angle=ground.to_world_angle(turn))
    )
    pace = np.interp(sampler.t, fine, speed) / 25
    spoke = sampler.plain_surface()
    for side in (0.0, np.pi / 2):
        if sampler.chance(0.6):
            scene.bodies.append(
                Body(
                    shape=capsule(radius * 0.7, 0.7), surface=spoke, x=x, y=y, angle=ground.to_world_angle(turn + side)
                )
            )
    level = np.clip(pace, 0, 1)
    scene.continuous.append(ContinuousSound(kind="roll", level=level, speed=np.clip(pace, 0, 1), material=material))
    scene.caption = captions.roll(sampler.rng, material, knock=knock)
    return scene


def plan_machine(sampler: SceneSampler) -> ScenePlan:
    """Plan a wheel that hums with its speed; its pin knocks against a post once per revolution."""
    scene = ScenePlan(kind="machine", group="continuous")
    x0, y0, radius = 32 + sampler.uniform(-10, 10), 18 + sampler.uniform(-3, 3), sampler.uniform(7.5, 12)
    material = sampler.material("metal", "wood", "metal", "stone")
    fine = np.linspace(0, CLIP_S, 2000)
    knots = 5
    top = sampler.uniform(0.6, 1.6)
    # Revolutions per second, between knots.
    rate = np.interp(fine, np.linspace(0, CLIP_S, knots), sampler.rng.uniform(0.25, 1.0, knots)) * top
    if sampler.chance(0.4):
        stop = sampler.uniform(2.5, 4.5)
        rate = rate * np.clip((stop - fine) / 0.6, 0, 1)
    if sampler.chance(0.4):
        rate = rate * np.clip((fine - sampler.uniform(0, 1.2)) / 1.0, 0, 1)
    turns = np.cumsum(rate) * CLIP_S / 2000 + sampler.uniform(0, 1)
    way = -1.0 if sampler.chance(0.5) else 1.0
    knocks = sampler.chance(0.75)
    post = sampler.uniform(0, 2 * np.pi)
    pin = 1.5
    if knocks:
        # A knock whenever the number of whole revolutions grows; the time is interpolated between fine steps.
        whole = np.floor(turns)
        at = np.nonzero(np.diff(whole) > 0)[0]
        times = [float(np.interp(whole[k + 1], turns[k : k + 2], fine[k : k + 2])) for k in at]
        # A pin that hardly moves makes no sound.
        times = [time for time in times if float(np.interp(time, fine, rate)) > 0.12]
        times = [time for time in times if 0.12 < time < CLIP_S - 0.14]
        if times:
            sampler.check_times(times)
        for time in times:
            strength = float(np.clip(np.interp(time, fine, rate) / 1.5, 0.25, 1.0))
            scene.contacts.append(Contact(time_s=time, material=material, strength=strength, size_px=radius * 0.6))
    turn = way * 2 * np.pi * np.interp(sampler.t, fine, turns)
    wheel = sampler.surface(material)
    rim = sampler.chance(0.5)
    scene.bodies.append(
        Body(shape=ring(radius - 1, 1.2) if rim else disc(radius), surface=wheel, x=x0, y=y0, angle=turn)
    )
    for k in range(int(sampler.rng.integers(2, 4))):
        spoke = wheel if rim else sampler.plain_surface()
        scene.bodies.append(
            Body(shape=capsule(radius * 0.85, 0.8), surface=spoke, x=x0, y=y0, angle=turn + np.pi * k / 3)
        )
    if knocks:
        reach = radius + 1.0
        scene.bodies.append(
            Body(
                shape=disc(pin),
                surface=sampler.plain_surface(),
                x=x0 + reach * np.cos(turn + post),
                y=y0 + reach * np.sin(turn + post),
            )
        )
        # The surface of the post is a pin's radius ahead of the pin's centre at the knock.
        ahead = post + way * (pin + 1.2) / reach
        since = _time_since([contact.time_s for contact in scene.contacts], sampler.t)
        bend = way * 0.5 * np.exp(-np.minimum(since, 9) / 0.08)
        far = reach + 3.0
        scene.bodies.append(
            Body(
                shape=capsule(4.0, 1.0),
                surface=sampler.plain_surface(),
                x=x0 + far * np.cos(ahead),
                y=y0 + far * np.sin(ahead),
                angle=ahead + bend,
            )
        )
    pace = np.interp(sampler.t, fine, rate) / 1.6
    scene.continuous.append(
        ContinuousSound(kind="hum", level=np.clip(pace * 1.4, 0, 1), speed=np.clip(pace, 0, 1), material=material)
    )
    scene.caption = captions.machine(sampler.rng, material, knocks=bool(scene.contacts))
    return scene


def _time_since(times: list[float], t: Array) -> Array:
    past = [np.where(t >= time, t - time, np.inf) for time in times]
    return np.min(np.stack(past), axis=0) if past else np.full_like(t, np.inf)


def plan_rain(sampler: SceneSampler) -> ScenePlan:
    """Plan rain whose density is visible and audible."""
    scene = ScenePlan(kind="rain", group="continuous")
    density = np.clip(smooth_level(sampler, int(sampler.rng.integers(2, 5)), -0.15, 1.0), 0, 1)
    still = np.zeros_like(sampler.t)
    level = 0.9 if sampler.dark_back else 0.2
    scene.streaks = Streaks(
        density=density,
        velocity_x=still + sampler.uniform(-20, 20),
        velocity_y=still + sampler.uniform(70, 140),
        length_px=sampler.uniform(2.0, 5.0),
        colour=(level, level, min(1.0, level + 0.08)),
        opacity=sampler.uniform(0.5, 0.9),
    )
    ground = Ground(x=32, y=sampler.uniform(26, 34))
    sampler.add_floor(scene, ground)
    scene.continuous.append(ContinuousSound(kind="rain", level=density, speed=density))
    scene.caption = captions.weather(sampler.rng, "rain", density)
    return scene


def plan_wind(sampler: SceneSampler) -> ScenePlan:
    """Plan wind: drifting flakes, and grass that leans with its strength."""
    scene = ScenePlan(kind="wind", group="continuous")
    force = np.clip(smooth_level(sampler, int(sampler.rng.integers(3, 7)), -0.1, 1.0), 0, 1)
    way = -1.0 if sampler.chance(0.5) else 1.0
    leaf = sampler.colour()
    scene.streaks = Streaks(
        density=0.15 + 0.5 * force,
        velocity_x=way * (4 + 70 * force),
        velocity_y=8 + 4 * force,
        length_px=1.2,
        colour=leaf,
        opacity=sampler.uniform(0.6, 1.0),
    )
    ground = Ground(x=32, y=sampler.uniform(28, 34))
    sampler.add_floor(scene, ground, shown=True)
    blades = int(sampler.rng.integers(3, 7))
    green = Surface(texture="flat", low=leaf, high=leaf)
    for k in range(blades):
        long, x = sampler.uniform(4, 9), 64 * (k + 0.5) / blades + sampler.uniform(-3, 3)
        # Leans with the wind, and trembles more in stronger wind.
        lean = way * (0.15 + 0.9 * force) + 0.15 * force * np.sin(
            sampler.t * sampler.uniform(9, 16) + sampler.uniform(0, 6)
        )
        scene.bodies.append(
            Body(
                shape=capsule(long, sampler.uniform(0.7, 1.4)),
                surface=green,
                x=x + long * np.sin(lean),
                y=ground.y - long * np.cos(lean),
                angle=lean - np.pi / 2,
            )
        )
    scene.continuous.append(ContinuousSound(kind="wind", level=force, speed=force))
    scene.caption = captions.weather(sampler.rng, "wind", force)
    return scene
