"""Bodies that fall and bounce: under gravity onto a surface, against walls, or free between two walls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avlink.foundry import captions
from avlink.foundry.clip import CLIP_S
from avlink.foundry.scene import Array, Body, Ground, Hit, Scene, latest
from avlink.foundry.shapes import Shape, box, disc
from avlink.foundry.stage import MIN_GAP_S, Stage, heard


@dataclass(slots=True)
class Hops:
    """Flights of one body: (start, duration, gravity) each; a contact where one ends, none where one is thrown."""

    flights: list[tuple[float, float, float]]
    contacts: list[float]
    speeds: list[float]

    def height(self, t: Array) -> Array:
        """Height of the lowest point; before the first flight's top the body is held there."""
        height = np.zeros_like(t)
        for index, (start, duration, gravity) in enumerate(self.flights):
            tau = t - start
            if index == 0:
                tau = np.maximum(tau, duration / 2)
            inside = (tau >= 0) & (tau < duration)
            height = np.where(inside, 0.5 * gravity * tau * (duration - tau), height)
        return np.asarray(height)

    def moving(self, t: Array) -> Array:
        """1 while the body flies, 0 while it is held or lies."""
        first = self.flights[0][0] + self.flights[0][1] / 2
        busy = np.zeros_like(t)
        for start, duration, _ in self.flights:
            busy = np.where((t >= max(start, first)) & (t < start + duration), 1.0, busy)
        return np.asarray(busy)


def hops(stage: Stage, top_px: float) -> Hops:
    """A bouncing schedule: hops that shrink by the restitution; it may be thrown up again after a rest."""
    longest, bounciness = stage.uniform(0.5, 1.1), stage.uniform(0.68, 0.93)
    gravity = 8 * top_px / longest**2
    now = stage.uniform(0.15, 1.0)
    flights, contacts, speeds = [(now - longest, longest, gravity)], [now], [gravity * longest / 2]
    shortest = stage.uniform(0.17, 0.28)
    duration = longest
    while now < CLIP_S:
        duration *= bounciness
        if duration < shortest:
            rest = stage.uniform(0.3, 1.2)
            if not stage.chance(0.65):
                break
            # Thrown up again: it rises with no contact, so a body that turns upwards is not always heard.
            now += rest
            duration = longest * stage.uniform(0.7, 1.0)
        flights.append((now, duration, gravity))
        now += duration
        if now < CLIP_S:
            contacts.append(now)
            speeds.append(gravity * duration / 2)
    return Hops(flights, contacts, speeds)


def body_on(
    stage: Stage, shape: Shape, ground: Ground, along: Array, low: Array, turn: Array, surface_of: str, squash: Array
) -> Body:
    """A body whose lowest point is `low` pixels over the ground, squashed towards it by `squash` (0 to 1)."""
    reach = shape.support(-np.pi / 2, turn) * (1 - squash)
    x, y = ground.place(along, low + reach)
    return Body(
        shape=shape,
        surface=stage.surface(surface_of),
        x=x,
        y=y,
        angle=ground.turn(turn),
        stretch_u=1 + 0.5 * squash,
        stretch_v=1 - squash,
    )


def squashed(stage: Stage, times: list[float], strength: list[float], amount: float) -> Array:
    """How flat a body is pressed around its contacts."""
    total = np.zeros_like(stage.t)
    for time, force in zip(times, strength, strict=True):
        total += amount * force * np.exp(-(((stage.t - time) / 0.035) ** 2))
    return np.minimum(total, 0.5)


def plan_bounce(stage: Stage) -> Scene:
    """One body, sometimes two, bouncing on a surface; now and then free between two walls."""
    if stage.chance(0.14):
        return plan_between_walls(stage)
    scene = Scene(kind="bounce", group="bounce")
    floor = stage.uniform(8.5, 14)
    ground = stage.ground(floor)
    stage.floor(scene, ground)
    number = 2 if stage.chance(0.15) else 1
    all_times: list[float] = []
    nouns, materials = [], []
    for index in range(number):
        radius = stage.radius() if number == 1 else stage.uniform(3.0, 6.0)
        shape = stage.shape(radius)
        material = stage.material()
        path = hops(stage, stage.uniform(0.6, 1.0) * max(10.0, floor + 15 - 2 * radius))
        number_of = len(path.contacts)
        middle = (index - (number - 1) / 2) * 26 + stage.uniform(-4, 4)
        drift = stage.uniform(-7, 7) if stage.chance(0.5) else 0.0
        travelled = np.cumsum(path.moving(stage.t)) / 24
        along = middle + drift * (travelled - 2.0)
        strength = [heard(speed) for speed in path.speeds]
        round_body = shape.corner > 0 and shape.half_u == shape.half_v == shape.corner
        spin = stage.uniform(-4, 4) if stage.chance(0.6) else 0.0
        squash = squashed(stage, path.contacts, strength, 0.3 if round_body and stage.chance(0.35) else 0.0)
        low = path.height(stage.t)
        scene.bodies.append(body_on(stage, shape, ground, along, low, spin * travelled, material, squash))
        if stage.chance(0.25):
            contact_along = np.interp(path.contacts, stage.t, along)
            x, y = ground.place(contact_along, np.zeros(number_of))
            stage.puffs(scene, path.contacts, x, y, strength, "drop" if material == "water" else "dust")
        for time, force in zip(path.contacts, strength, strict=True):
            scene.hits.append(Hit(time_s=time, material=material, strength=force, size_px=radius))
        all_times += path.contacts
        nouns.append(shape.noun)
        materials.append(material)
    scene.hits = [hit for hit in scene.hits if hit.time_s < CLIP_S]
    stage.check(all_times, fewest=2)
    scene.caption = captions.bounce(stage.rng, materials, nouns)
    return scene


def plan_between_walls(stage: Stage) -> Scene:
    """A body that flies to and fro between two walls and is heard at each."""
    scene = Scene(kind="bounce", group="bounce")
    tilt = 0.0 if stage.chance(0.5) else stage.uniform(-0.6, 0.6)
    ground = Ground(x=32, y=18 + stage.uniform(-4, 4), tilt=tilt)
    radius, material = stage.uniform(3.5, 7.0), stage.material()
    shape = disc(radius) if stage.chance(0.6) else stage.shape(radius)
    half = stage.uniform(14, 27)
    room = half - float(shape.support(0.0, 0.0))
    gap = stage.uniform(0.35, 0.9)
    start = stage.uniform(0.15, 0.7)
    times = [float(time) for time in np.arange(start, CLIP_S, gap)]
    slowing = stage.chance(0.4)
    if slowing:
        times = [start + gap * sum(1.12**k for k in range(n)) for n in range(12)]
    index, since = latest(times, stage.t)
    ends = np.asarray([-1.0 if k % 2 else 1.0 for k in range(len(times) + 2)])
    gaps = np.asarray([*np.diff(times), times[-1] - times[-2], gap])
    before = np.clip((stage.t - (times[0] - gap)) / gap, 0, 1)
    frac = np.where(index >= 0, since / gaps[index], before)
    frac = np.clip(np.where(np.isfinite(frac), frac, 0), 0, 1)
    origin = np.where(index >= 0, ends[index], -ends[0])
    along = room * origin * (1 - 2 * frac)
    x, y = ground.place(along, np.zeros_like(along))
    for side in (-1, 1):
        wall_x, wall_y = ground.place(side * (half + 3.0), 0.0)
        wall = box(3.0, stage.uniform(8, 40), 0.4)
        scene.fixed.append(Body(shape=wall, surface=stage.flat(), x=float(wall_x), y=float(wall_y), angle=tilt))
    scene.bodies.append(Body(shape=shape, surface=stage.surface(material), x=x, y=y, angle=tilt))
    times = [time for time in times if time < CLIP_S]
    stage.check(times, fewest=3)
    for k, time in enumerate(times):
        speed = 2 * room / float(gaps[k])
        scene.hits.append(Hit(time_s=time, material=material, strength=heard(speed * 1.5), size_px=radius))
    scene.caption = captions.between_walls(stage.rng, material, shape.noun)
    return scene


def plan_drop(stage: Stage) -> Scene:
    """One to three bodies fall one after the other, with small rebounds."""
    scene = Scene(kind="drop", group="bounce")
    floor = stage.uniform(8, 14)
    ground = stage.ground(floor, upright=0.85)
    stage.floor(scene, ground)
    number = int(stage.rng.integers(1, 4))
    starts = np.sort(stage.rng.uniform(0.25, CLIP_S - 0.6, number))
    material, times, noun = stage.material(), [], ""
    materials = []
    for index, first in enumerate(starts):
        if index and stage.chance(0.4):
            material = stage.material()
        radius = stage.uniform(3.5, 9.0 if number == 1 else 6.5)
        shape = stage.shape(radius)
        gravity = stage.uniform(150, 420)
        high = floor + 20 + radius
        duration = 2 * np.sqrt(2 * high / gravity)
        flights, now = [(float(first) - duration, duration, gravity)], float(first)
        contacts, speeds = [now], [gravity * duration / 2]
        bounciness = stage.uniform(0.12, 0.5)
        duration *= bounciness
        while duration > MIN_GAP_S + 0.02 and now + duration < CLIP_S - 0.14:
            flights.append((now, duration, gravity))
            now += duration
            contacts.append(now)
            speeds.append(gravity * duration / 2)
            duration *= bounciness
        path = Hops(flights, contacts, speeds)
        strength = [heard(speed) for speed in speeds]
        travelled = np.cumsum(path.moving(stage.t)) / 24
        along = (index - (number - 1) / 2) * 19 + stage.uniform(-3, 3) + np.zeros_like(stage.t)
        spin = 0.0 if stage.chance(0.5) else stage.uniform(-3, 3)
        low = path.height(stage.t)
        body = body_on(stage, shape, ground, along, low, spin * travelled, material, np.zeros_like(along))
        scene.bodies.append(body)
        if stage.chance(0.35):
            x, y = ground.place(np.full(len(contacts), along[0]), np.zeros(len(contacts)))
            stage.puffs(scene, contacts, x, y, strength, "drop" if material == "water" else "dust")
        for time, force in zip(contacts, strength, strict=True):
            scene.hits.append(Hit(time_s=time, material=material, strength=force, size_px=radius))
        times += contacts
        noun = shape.noun
        materials.append(material)
    stage.check(times)
    scene.caption = captions.drop(stage.rng, materials, noun)
    return scene
