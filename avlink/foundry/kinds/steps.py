"""Walking legs, in place or across the picture, with a contact at each footfall."""

from __future__ import annotations

import numpy as np

from avlink.foundry import captions
from avlink.foundry.clip import CLIP_S
from avlink.foundry.sampler import SceneSampler
from avlink.foundry.scene import Body, Contact, ScenePlan
from avlink.foundry.shapes import Array, box, capsule, disc


def footfalls(sampler: SceneSampler) -> list[float]:
    """Draw the times at which the feet land in turn, with an even stride and sometimes a pause."""
    stride = sampler.uniform(0.3, 0.75)
    now = sampler.uniform(0.15, 0.8)
    pause_after = int(sampler.rng.integers(2, 6)) if sampler.chance(0.35) else 99
    times: list[float] = []
    end = CLIP_S - 0.15 if sampler.chance(0.7) else sampler.uniform(2.5, 4.5)
    while now < end:
        times.append(now)
        now += stride * sampler.uniform(0.94, 1.06) + (sampler.uniform(0.5, 1.2) if len(times) == pause_after else 0)
    return times


def foot_path(
    t: Array, falls: list[float], stride: float, length: float, high: float, drift: float
) -> tuple[Array, Array]:
    """Return the position (along, height) of one foot relative to the hips; it lands at `falls` and swings in between.

    On the ground it moves from `length` in front of the hips to `length` behind them.
    """
    along, height = np.zeros_like(t), np.zeros_like(t)
    # Imagined footfalls beyond both ends: the foot is on its way when the clip starts, and stays down after its last
    # one.
    points = [falls[0] - 2 * stride, *falls, falls[-1] + 4 * stride]
    for k in range(len(points) - 1):
        land, following = points[k], points[k + 1]
        # After a pause a foot still swings for a normal step: it stands still until then.
        swing_s = min(0.9 * stride, 0.6 * (following - land))
        leave = following - swing_s
        inside = (t >= land) & (t < following)
        phase = np.clip((t - leave) / swing_s, 0, 1)
        back = length - 2 * length * np.clip((t - land) / max(leave - land, 1e-3), 0, 1)
        forward = -length + 2 * length * phase
        along = np.where(inside, np.where(t < leave, back, forward), along)
        # The foot comes down with speed instead of slowing down above the ground: that is what makes it audible.
        arc = high * 2.6 * phase * (1 - phase) * (0.6 + 0.8 * phase) * 1.6
        height = np.where(inside, np.where(t < leave, 0.0, arc), height)
    after = t >= falls[-1] + stride * 1.2
    return np.asarray(along), np.asarray(np.where(after, 0.0, height))


def plan_steps(sampler: SceneSampler) -> ScenePlan:
    """Plan a walker's legs, or only the shoes, on a ground whose material sounds."""
    scene = ScenePlan(kind="steps", group="step")
    ground = sampler.ground(sampler.uniform(9, 14), upright=1.0)
    material = sampler.material("wood", "stone", "metal", "water", "cloth", "rubber", "glass", "wood", "stone")
    sampler.add_floor(scene, ground, material, shown=sampler.chance(0.85))
    times = footfalls(sampler)
    sampler.check_times(times, fewest=3)
    # The median, which a pause does not change.
    stride = float(np.median(np.diff(times)))
    close = sampler.chance(0.3)
    leg = sampler.uniform(13, 22) if not close else sampler.uniform(24, 32)
    length = leg * sampler.uniform(0.14, 0.24)
    high = sampler.uniform(3.0, 6.5)
    across = sampler.uniform(-4, 4) if sampler.chance(0.5) else 0.0
    hips = across * (sampler.t - 2.5)
    thick = sampler.uniform(0.9, 2.2) if not close else sampler.uniform(2.0, 3.6)
    shoe = box(sampler.uniform(2.0, 3.6) + (1.5 if close else 0), sampler.uniform(0.9, 1.7), 0.7)
    trousers, shoes = sampler.plain_surface(), sampler.plain_surface()
    strength = [sampler.uniform(0.35, 0.9) for _ in times]
    bob = np.zeros_like(sampler.t)
    for foot in (0, 1):
        # The feet land in turn.
        falls = times[foot::2]
        along, height = foot_path(sampler.t, falls, stride, length, high, across)
        heel = hips + along
        ankle = height + 2 * shoe.half_v
        hip_h = leg + shoe.half_v + bob
        # Two bones of equal length; of the two solutions for the knee, the one in front.
        dx, dy = hips - heel, hip_h - ankle
        span = np.hypot(dx, dy)
        # Slightly more than half of the leg, so that a standing leg is not quite straight.
        bone = leg * 0.53
        # The height of the triangle of both bones; 0 where the foot is out of reach, so that the leg is straight.
        bend = np.sqrt(np.maximum(bone**2 - (span / 2) ** 2, 0))
        knee_s = (heel + hips) / 2 + bend * dy / span
        knee_h = (ankle + hip_h) / 2 - bend * dx / span
        for (s0, h0), (s1, h1) in (((heel, ankle), (knee_s, knee_h)), ((knee_s, knee_h), (hips, hip_h))):
            x, y = ground.to_world((s0 + s1) / 2, (h0 + h1) / 2)
            angle = ground.to_world_angle(np.arctan2(h1 - h0, s1 - s0))
            scene.bodies.append(
                Body(shape=capsule(bone / 2 + thick * 0.7, thick), surface=trousers, x=x, y=y, angle=angle)
            )
        x, y = ground.to_world(heel + 1.2, height + shoe.half_v)
        tip = 0.35 * np.clip(height / high, 0, 1)
        scene.bodies.append(Body(shape=shoe, surface=shoes, x=x, y=y, angle=ground.to_world_angle(tip)))
        if sampler.chance(0.3) or material == "water":
            at_s = np.interp(falls, sampler.t, heel)
            px, py = ground.to_world(at_s, np.zeros(len(falls)))
            sampler.add_particles(scene, falls, px, py, strength[foot::2], "drop" if material == "water" else "dust")
    if not close:
        x, y = ground.to_world(hips, leg + 6.0)
        scene.bodies.append(
            Body(
                shape=capsule(6.5, thick * 1.9),
                surface=sampler.plain_surface(),
                x=x,
                y=y,
                angle=ground.to_world_angle(np.pi / 2),
            )
        )
        x, y = ground.to_world(hips, leg + 15.0)
        scene.bodies.append(Body(shape=disc(thick * 1.8), surface=sampler.plain_surface(), x=x, y=y))
    size = sampler.uniform(4.5, 8.5)
    for time, force in zip(times, strength, strict=True):
        scene.contacts.append(Contact(time_s=time, material=material, strength=force, size_px=size, tool="rubber"))
    scene.caption = captions.steps(sampler.rng, material)
    return scene
