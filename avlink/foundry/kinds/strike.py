"""Tools that swing and strike: hammers and sticks in any orientation, also with strokes that stop short."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avlink.foundry import captions
from avlink.foundry.clip import CLIP_S
from avlink.foundry.sampler import SceneSampler
from avlink.foundry.scene import Body, Contact, Ground, ScenePlan, latest_event
from avlink.foundry.shapes import Array, Shape, box, capsule, disc


def raised_fraction(
    t: Array,
    times: Sequence[float],
    down_s: Sequence[float],
    up_s: Sequence[float],
    amount: Sequence[float],
    reach: Sequence[float],
) -> Array:
    """Return how far a tool is raised (1: fully, 0: in contact) for strokes at `times`.

    A stroke swings down within `down_s` from `amount` to 1 - `reach` of that at its time (0 at a true contact), and
    goes back up within `up_s`.
    """
    raised = np.full_like(t, 0.0)
    # Between strokes, the tool rises to an amount between those of both.
    level = np.interp(t, [*times], [*amount]) if len(times) else np.ones_like(t)
    dip = np.zeros_like(t)
    for time, down, up, far in zip(times, down_s, up_s, reach, strict=True):
        before = np.clip(1 - (time - t) / down, 0, 1) * (t <= time)
        after = np.clip(1 - (t - time) / up, 0, 1) * (t > time)
        # Fast into the contact, where a square law has its greatest speed, and slower away from it.
        here = np.where(t <= time, before**2, after**1.6)
        # The nearer stroke decides where two overlap: a sum would go below contact.
        dip = np.maximum(dip, far * here)
    raised = level * (1 - dip)
    return np.asarray(raised)


def plan_strokes(sampler: SceneSampler, *, low: float, high: float) -> tuple[list[float], list[bool]]:
    """Draw the times of strokes, and for each True if it makes contact or False if it is a feint.

    Feints are silent: a model must see the contact, not only the stroke.
    """
    times = sampler.contact_times(low=low, high=high)
    feint = sampler.uniform(0.1, 0.4) if sampler.chance(0.5) else 0.0
    touches = [not sampler.chance(feint) for _ in times]
    sampler.check_times([time for time, touch in zip(times, touches, strict=True) if touch], fewest=2)
    return times, touches


def plan_swing(sampler: SceneSampler, times: list[float], touches: list[bool]) -> tuple[Array, list[float]]:
    """Draw the raised fraction over time, and the strength of each stroke (0 for feints)."""
    # A second of room before the first stroke and after the clip.
    gaps = [b - a for a, b in zip([-1.0, *times], [*times, CLIP_S + 1], strict=False)]
    quick = sampler.uniform(0.35, 0.75)
    # Down and up must fit into the gaps between strokes.
    down = [min(sampler.uniform(0.1, 0.26), quick * gap) for gap in gaps[:-1]]
    up = [min(sampler.uniform(0.15, 0.5), (1 - quick) * gap) for gap in gaps[1:]]
    amount = [sampler.uniform(0.45, 1.0) for _ in times]
    reach = [1.0 if touch else sampler.uniform(0.35, 0.72) for touch in touches]
    raised = raised_fraction(sampler.t, times, down, up, amount, reach)
    strength = [
        # Faster and longer strokes are louder.
        float(np.clip(0.12 * size / length * (1.2 if touch else 0), 0.08, 1.0)) if touch else 0.0
        for size, length, touch in zip(amount, down, touches, strict=True)
    ]
    return raised, strength


def recoil(sampler: SceneSampler, times: Sequence[float], strength: Sequence[float], amount: float) -> Array:
    """Return a small damped oscillation of a struck object, in pixels."""
    index, since = latest_event(times, sampler.t)
    force = np.asarray([*strength, 0.0])[index]
    # Infinity before the first contact: 0 times a cosine of it would be no number.
    since = np.minimum(since, 10.0)
    # 8 Hz, gone after a few tenths of a second.
    return np.asarray(amount * force * np.exp(-since / 0.09) * np.cos(since * 50) * (index >= 0))


def object_shape(sampler: SceneSampler, radius: float) -> tuple[Shape, float]:
    """Draw the struck body and its turn; the tool strikes its highest point along the direction of contact."""
    shape = sampler.shape(radius)
    # A corner or the middle of a side on top: in between the highest point would lie aside.
    if shape.form == "polygon":
        return shape, np.pi / 2 - (np.pi / shape.sides if sampler.chance(0.5) else 0.0)
    return shape, 0.0


def add_tool_and_object(
    sampler: SceneSampler, scene: ScenePlan, ground: Ground, times: list[float], touches: list[bool], *, stick: bool
) -> str:
    """Add one tool and one object with their contacts to a scene; returns the object's material."""
    raised, strength = plan_swing(sampler, times, touches)
    contact = [(time, force) for time, force, touch in zip(times, strength, touches, strict=True) if touch]
    moments, forces = [time for time, _ in contact], [force for _, force in contact]
    material = sampler.material()
    tool_material = (
        sampler.material("wood", "metal", "wood", "rubber") if not stick else sampler.material("wood", "metal")
    )
    radius = sampler.radius()
    shape, turn = object_shape(sampler, radius)
    reach = float(shape.support(np.pi / 2, turn))
    give = recoil(sampler, moments, forces, sampler.uniform(0.6, 1.8) if sampler.chance(0.5) else 0.0)
    x, y = ground.to_world(0.0, -reach - give)
    scene.bodies.append(
        Body(shape=shape, surface=sampler.surface(material), x=x, y=y, angle=ground.to_world_angle(turn))
    )
    length, arc = sampler.uniform(13, 25), sampler.uniform(0.5, 1.15)
    where = sampler.uniform(-0.4, 0.4) * min(shape.half_u, 4) if shape.corner < 2 and shape.form == "box" else 0.0
    thick = sampler.uniform(0.7, 1.3)
    handle = sampler.plain_surface() if sampler.chance(0.6) else sampler.surface(tool_material)
    pushed = sampler.chance(0.2)
    if stick:
        head_high = sampler.uniform(1.0, 2.2)
        head: Shape = disc(head_high)
    else:
        head_high = sampler.uniform(2.2, 4.2)
        head = box(sampler.uniform(1.6, 3.2), head_high, 0.4)
    # In contact, the tool's axis lies head_high above the object.
    if pushed:
        height = head_high + raised * sampler.uniform(8, 15)
        angle = np.zeros_like(raised)
        pivot_s = np.zeros_like(raised) + where
        hx, hy = ground.to_world(pivot_s, height)
        mx, my = ground.to_world(pivot_s, height + length / 2)
        rod_angle = ground.to_world_angle(np.full_like(raised, np.pi / 2))
    else:
        angle = arc * raised
        # The head turns about the hand, which is `length` away from it at contact.
        hx, hy = ground.to_world(where - length + length * np.cos(angle), head_high + length * np.sin(angle))
        mx, my = ground.to_world(
            where - length + 0.5 * length * np.cos(angle), head_high + 0.5 * length * np.sin(angle)
        )
        rod_angle = ground.to_world_angle(angle)
    scene.bodies.append(Body(shape=capsule(length / 2, thick), surface=handle, x=mx, y=my, angle=rod_angle))
    scene.bodies.append(
        Body(shape=head, surface=sampler.surface(tool_material), x=hx, y=hy, angle=ground.to_world_angle(angle))
    )
    if sampler.chance(0.35):
        px, py = ground.to_world(where, 0.0)
        kind = "drop" if material == "water" else "spark" if material in ("metal", "stone") else "dust"
        sampler.add_particles(scene, moments, np.full(len(moments), px), np.full(len(moments), py), forces, kind)
    strike_point = sampler.uniform(0.1, 0.45)
    for time, force in contact:
        scene.contacts.append(
            Contact(
                time_s=time,
                material=material,
                strength=force,
                size_px=radius,
                strike_point=strike_point,
                tool=tool_material,
            )
        )
    scene.caption = captions.strike(sampler.rng, material, tool_material, "stick" if stick else "hammer")
    return material


def plan_strike(sampler: SceneSampler, *, stick: bool) -> ScenePlan:
    """Plan a hammer or a stick that strikes an object; sometimes two tools take turns on two objects."""
    scene = ScenePlan(kind="stick" if stick else "hammer", group="strike")
    times, touches = plan_strokes(sampler, low=0.2 if stick else 0.3, high=0.55 if stick else 0.85)
    pair = sampler.chance(0.15)
    if pair:
        hand = [int(sampler.rng.integers(2)) for _ in times]
        # One tool got all strokes: there is nothing for the other to do.
        if len(set(hand)) < 2:
            pair = False
    if not pair:
        turned = not sampler.narrow and sampler.chance(0.5)
        tilt = sampler.uniform(-np.pi, np.pi) if turned else sampler.uniform(-0.2, 0.2)
        mirrored = sampler.chance(0.5)
        side = 6.0 * (-1 if mirrored else 1)
        ground = Ground(
            x=32 + side * np.cos(tilt) + sampler.uniform(-6, 6),
            y=18 + side * np.sin(tilt) * 0.5 + 3 * np.cos(tilt) + sampler.uniform(-2, 2),
            tilt=tilt,
            mirrored=mirrored,
        )
        if sampler.chance(0.4) and not turned:
            sampler.add_floor(scene, Ground(x=32, y=sampler.uniform(27, 33)))
        add_tool_and_object(sampler, scene, ground, times, touches, stick=stick)
        return scene
    materials = []
    for side_index in range(2):
        ground = Ground(
            x=32 + (-12 if side_index == 0 else 12) + sampler.uniform(-3, 3),
            y=21 + sampler.uniform(-3, 3),
            mirrored=side_index == 1,
        )
        mine = [k for k, owner in enumerate(hand) if owner == side_index]
        picked = [times[k] for k in mine], [touches[k] for k in mine]
        materials.append(add_tool_and_object(sampler, scene, ground, *picked, stick=stick))
    scene.caption = captions.pair(sampler.rng, materials, "sticks" if stick else "hammers")
    return scene


def plan_hammer(sampler: SceneSampler) -> ScenePlan:
    """Plan a hammer that strikes an object."""
    return plan_strike(sampler, stick=False)


def plan_stick(sampler: SceneSampler) -> ScenePlan:
    """Plan a stick that strikes an object."""
    return plan_strike(sampler, stick=True)
