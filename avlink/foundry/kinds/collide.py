"""Two bodies that collide, or one and a wall, with approaches that turn around before contact."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from avlink.foundry import captions
from avlink.foundry.sampler import SceneSampler
from avlink.foundry.scene import Body, Contact, Ground, ScenePlan
from avlink.foundry.shapes import Array, box


def gap_between(t: Array, times: list[float], widths: list[float], near: list[float], lead: float) -> Array:
    """Return the gap between two bodies, 0 at each of `times`.

    Between two contacts with `near` > 0 they approach once more and turn around: a near miss, which is silent.
    """
    gap = np.zeros_like(t)
    bounds = [times[0] - lead, *times, times[-1] + lead]
    for k in range(len(bounds) - 1):
        start, end = bounds[k], bounds[k + 1]
        tau = np.clip((t - start) / (end - start), 0, 1)
        inside = (t >= start) & (t < end)
        # A parabola: 1 halfway between the contacts.
        arch = 4 * tau * (1 - tau)
        if near[k]:
            # A dip of the arch in its middle, to a gap that stays open.
            arch = arch * (1 - near[k] * np.exp(-(((tau - 0.5) / 0.13) ** 2))) * 1.2
        if k == 0:
            # The first approach comes from a distance at constant speed; after the last contact they part likewise.
            arch = 1.6 * (1 - tau)
        elif k == len(bounds) - 2:
            arch = 1.6 * tau
        gap = np.where(inside, widths[k] * arch, gap)
    gap = np.where(t < bounds[0], 1.6 * widths[0], gap)
    return np.asarray(np.where(t >= bounds[-1], 1.6 * widths[-1], gap))


def plan_collide(sampler: SceneSampler) -> ScenePlan:
    """Plan two bodies that knock together, anywhere in the picture and along any line."""
    scene = ScenePlan(kind="collide", group="collide")
    tilt = sampler.uniform(-0.2, 0.2) if sampler.narrow or sampler.chance(0.5) else sampler.uniform(-np.pi, np.pi)
    times = sampler.contact_times(low=0.3, high=0.8)
    sampler.check_times(times, fewest=1, most=9)
    wall = sampler.chance(0.3)
    radius_a = sampler.uniform(3.5, 8.0)
    radius_b = sampler.uniform(3.5, 8.0)
    shape_a = sampler.shape(radius_a)
    shape_b = box(2.5, sampler.uniform(8, 30), 0.5) if wall else sampler.shape(radius_b)
    # The picture is wider than high: a steep line has less room.
    steep = abs(np.sin(tilt))
    widest = (26 if wall else 30) * (1 - 0.45 * steep) - radius_a
    lead = sampler.uniform(0.35, 0.8)
    gaps = [lead, *(b - a for a, b in pairwise(times)), lead]
    near = [
        0.0,
        *(sampler.uniform(0.45, 0.75) if gap > 0.9 and sampler.chance(0.4) else 0.0 for gap in gaps[1:-1]),
        0.0,
    ]
    # Longer gaps lead further apart, at about the same speed.
    widths = [min(widest, sampler.uniform(22, 60) * max(gap, 0.25)) for gap in gaps]
    gap = gap_between(sampler.t, times, widths, near, lead)
    # The part of the gap that the first body covers; the other one covers the rest, and a wall none.
    share = 1.0 if wall or sampler.chance(0.25) else sampler.uniform(0.35, 0.65)
    middle = -8.0 if share == 1.0 and not wall else 0.0
    drift = sampler.uniform(-2.5, 2.5) * (sampler.t - 2.5) * (not wall)
    ground = Ground(
        x=32 + sampler.uniform(-4, 4), y=18 + sampler.uniform(-3, 3), tilt=tilt, mirrored=sampler.chance(0.5)
    )
    if wall:
        middle = -14.0 * (1 - 0.4 * steep)
    if sampler.chance(0.35) and abs(tilt) < 0.25:
        deep = max(shape_a.half_v, shape_b.half_v)
        x, y = ground.to_world(0.0, -deep)
        sampler.add_floor(scene, Ground(x=float(x), y=float(y), tilt=tilt))
    material_a = material_b = sampler.material()
    if sampler.chance(0.35):
        # Of two unlike bodies the larger one sounds: a rule that a model can learn from the picture.
        material_b = sampler.material()
        if radius_b > radius_a and not wall:
            radius_a, radius_b, shape_a, shape_b = radius_b, radius_a, shape_b, shape_a
    reach_a = float(shape_a.support(np.pi, 0.0))
    reach_b = float(shape_b.support(0.0, 0.0))
    ax, ay = ground.to_world(middle + drift + reach_a + share * gap, 0.0 * gap)
    bx, by = ground.to_world(middle + drift - reach_b - (1 - share) * gap, 0.0 * gap)
    # to_world_angle(0) may include half a turn (mirrored), under which the directions of `support` stay true.
    scene.bodies.append(
        Body(
            shape=shape_b,
            surface=sampler.plain_surface() if wall else sampler.surface(material_b),
            x=bx,
            y=by,
            angle=ground.to_world_angle(0.0),
        )
    )
    scene.bodies.append(
        Body(shape=shape_a, surface=sampler.surface(material_a), x=ax, y=ay, angle=ground.to_world_angle(0.0))
    )
    strength = []
    for k, time in enumerate(times):
        # Speed at the contact: the arch 4 tau (1 - tau) has a slope of 4 at its ends, the first approach of 1.6.
        slope_in = widths[k] * (4 if k else 1.6) / gaps[k]
        force = float(np.clip(slope_in / 150, 0.15, 1.0))
        strength.append(force)
        contact = Contact(time_s=time, material=material_a, strength=force, size_px=radius_a, tool=material_b)
        scene.contacts.append(contact)
    if sampler.chance(0.3):
        at = np.interp(times, sampler.t, middle + drift + np.zeros_like(sampler.t))
        px, py = ground.to_world(at, np.zeros(len(times)))
        sampler.add_particles(scene, times, px, py, strength, "spark" if material_a == "metal" else "dust")
    scene.caption = captions.collide(sampler.rng, material_a, material_b, shape_a.noun, shape_b.noun, wall=wall)
    return scene
