"""Bodies that fall and bounce on a surface, or fly between two walls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avlink.foundry import captions
from avlink.foundry.clip import CLIP_S
from avlink.foundry.sampler import MIN_GAP_S, SceneSampler, impact_strength
from avlink.foundry.scene import Body, Contact, Ground, ScenePlan, latest_event
from avlink.foundry.shapes import Array, Shape, box, disc


@dataclass(slots=True)
class BouncePath:
    """The flights of one body as (start, duration, gravity), and the times and speeds of its contacts.

    A flight ends in a contact; a body that is thrown up again starts one without.
    """

    flights: list[tuple[float, float, float]]
    contacts: list[float]
    speeds: list[float]

    def height(self, t: Array) -> Array:
        """Return the height of the lowest point; the body is held at the top of its first flight until it falls."""
        height = np.zeros_like(t)
        for index, (start, duration, gravity) in enumerate(self.flights):
            tau = t - start
            if index == 0:
                tau = np.maximum(tau, duration / 2)
            # A parabola that is 0 at both ends of the flight.
            inside = (tau >= 0) & (tau < duration)
            height = np.where(inside, 0.5 * gravity * tau * (duration - tau), height)
        return np.asarray(height)

    def moving(self, t: Array) -> Array:
        """Return 1 while the body flies, 0 while it is held or lies."""
        # The top of the first flight, until which the body is held.
        first = self.flights[0][0] + self.flights[0][1] / 2
        busy = np.zeros_like(t)
        for start, duration, _ in self.flights:
            busy = np.where((t >= max(start, first)) & (t < start + duration), 1.0, busy)
        return np.asarray(busy)


def bounce_path(sampler: SceneSampler, top_px: float) -> BouncePath:
    """Draw hops that shrink by the coefficient of restitution; the body may be thrown up again after a rest."""
    longest, bounciness = sampler.uniform(0.5, 1.1), sampler.uniform(0.68, 0.93)
    # A hop of duration T reaches g T^2 / 8.
    gravity = 8 * top_px / longest**2
    now = sampler.uniform(0.15, 1.0)
    # A hop of duration T ends at a speed of g T / 2. Of the first one only the fall is shown: until then the body is
    # held.
    flights, contacts, speeds = [(now - longest, longest, gravity)], [now], [gravity * longest / 2]
    shortest = sampler.uniform(0.17, 0.28)
    duration = longest
    while now < CLIP_S:
        # Restitution scales the speed, and with it the duration of the hop.
        duration *= bounciness
        if duration < shortest:
            rest = sampler.uniform(0.3, 1.2)
            if not sampler.chance(0.65):
                break
            # Thrown up again, without a contact: a body that starts to rise is not always audible.
            now += rest
            duration = longest * sampler.uniform(0.7, 1.0)
        flights.append((now, duration, gravity))
        now += duration
        if now < CLIP_S:
            contacts.append(now)
            speeds.append(gravity * duration / 2)
    return BouncePath(flights, contacts, speeds)


def body_on_ground(
    sampler: SceneSampler,
    shape: Shape,
    ground: Ground,
    along: Array,
    low: Array,
    turn: Array,
    surface_of: str,
    squash: Array,
) -> Body:
    """Return a body whose lowest point is `low` pixels above the ground, squashed towards it by `squash` (0 to 1)."""
    # The support puts the outline on the ground, whatever its shape and turn: contacts are seen where they are heard.
    reach = shape.support(-np.pi / 2, turn) * (1 - squash)
    x, y = ground.to_world(along, low + reach)
    return Body(
        shape=shape,
        surface=sampler.surface(surface_of),
        x=x,
        y=y,
        angle=ground.to_world_angle(turn),
        # A ball that keeps its volume is wider by 1 / sqrt(1 - s), about 1 + s / 2.
        stretch_u=1 + 0.5 * squash,
        stretch_v=1 - squash,
    )


def squash_near(sampler: SceneSampler, times: list[float], strength: list[float], amount: float) -> Array:
    """Return by how much a body is flattened at each frame, 0 to 0.5: a bump of 35 ms around each contact."""
    total = np.zeros_like(sampler.t)
    for time, force in zip(times, strength, strict=True):
        total += amount * force * np.exp(-(((sampler.t - time) / 0.035) ** 2))
    return np.minimum(total, 0.5)


def plan_bounce(sampler: SceneSampler) -> ScenePlan:
    """Plan one body, sometimes two, bouncing on a surface or between two walls."""
    if sampler.chance(0.14):
        return plan_between_walls(sampler)
    scene = ScenePlan(kind="bounce", group="bounce")
    floor = sampler.uniform(8.5, 14)
    ground = sampler.ground(floor)
    sampler.add_floor(scene, ground)
    number = 2 if sampler.chance(0.15) else 1
    all_times: list[float] = []
    nouns, materials = [], []
    for index in range(number):
        radius = sampler.radius() if number == 1 else sampler.uniform(3.0, 6.0)
        shape = sampler.shape(radius)
        material = sampler.material()
        # At most as high as the picture leaves room for above the ground.
        path = bounce_path(sampler, sampler.uniform(0.6, 1.0) * max(10.0, floor + 15 - 2 * radius))
        number_of = len(path.contacts)
        middle = (index - (number - 1) / 2) * 26 + sampler.uniform(-4, 4)
        drift = sampler.uniform(-7, 7) if sampler.chance(0.5) else 0.0
        # The body drifts and spins only while it flies.
        travelled = np.cumsum(path.moving(sampler.t)) / 24
        along = middle + drift * (travelled - 2.0)
        strength = [impact_strength(speed) for speed in path.speeds]
        round_body = shape.corner > 0 and shape.half_u == shape.half_v == shape.corner
        spin = sampler.uniform(-4, 4) if sampler.chance(0.6) else 0.0
        squash = squash_near(sampler, path.contacts, strength, 0.3 if round_body and sampler.chance(0.35) else 0.0)
        low = path.height(sampler.t)
        scene.bodies.append(body_on_ground(sampler, shape, ground, along, low, spin * travelled, material, squash))
        if sampler.chance(0.25):
            # Contacts lie between frames.
            contact_along = np.interp(path.contacts, sampler.t, along)
            x, y = ground.to_world(contact_along, np.zeros(number_of))
            sampler.add_particles(scene, path.contacts, x, y, strength, "drop" if material == "water" else "dust")
        for time, force in zip(path.contacts, strength, strict=True):
            scene.contacts.append(Contact(time_s=time, material=material, strength=force, size_px=radius))
        all_times += path.contacts
        nouns.append(shape.noun)
        materials.append(material)
    # The last hop may end after the clip.
    scene.contacts = [contact for contact in scene.contacts if contact.time_s < CLIP_S]
    sampler.check_times(all_times, fewest=2)
    scene.caption = captions.bounce(sampler.rng, materials, nouns)
    return scene


def plan_between_walls(sampler: SceneSampler) -> ScenePlan:
    """Plan a body that flies to and fro between two walls, with a contact at each."""
    scene = ScenePlan(kind="bounce", group="bounce")
    tilt = 0.0 if sampler.chance(0.5) else sampler.uniform(-0.6, 0.6)
    ground = Ground(x=32, y=18 + sampler.uniform(-4, 4), tilt=tilt)
    radius, material = sampler.uniform(3.5, 7.0), sampler.material()
    shape = disc(radius) if sampler.chance(0.6) else sampler.shape(radius)
    half = sampler.uniform(14, 27)
    room = half - float(shape.support(0.0, 0.0))
    gap = sampler.uniform(0.35, 0.9)
    start = sampler.uniform(0.15, 0.7)
    times = [float(time) for time in np.arange(start, CLIP_S, gap)]
    slowing = sampler.chance(0.4)
    if slowing:
        # Each crossing takes 12 % longer than the one before.
        times = [start + gap * sum(1.12**k for k in range(n)) for n in range(12)]
    index, since = latest_event(times, sampler.t)
    ends = np.asarray([-1.0 if k % 2 else 1.0 for k in range(len(times) + 2)])
    gaps = np.asarray([*np.diff(times), times[-1] - times[-2], gap])
    before = np.clip((sampler.t - (times[0] - gap)) / gap, 0, 1)
    frac = np.where(index >= 0, since / gaps[index], before)
    # Before the first contact `latest_event` has no time, so the way in is computed by itself.
    frac = np.clip(np.where(np.isfinite(frac), frac, 0), 0, 1)
    origin = np.where(index >= 0, ends[index], -ends[0])
    along = room * origin * (1 - 2 * frac)
    x, y = ground.to_world(along, np.zeros_like(along))
    for side in (-1, 1):
        wall_x, wall_y = ground.to_world(side * (half + 3.0), 0.0)
        wall = box(3.0, sampler.uniform(8, 40), 0.4)
        scene.fixed.append(
            Body(shape=wall, surface=sampler.plain_surface(), x=float(wall_x), y=float(wall_y), angle=tilt)
        )
    scene.bodies.append(Body(shape=shape, surface=sampler.surface(material), x=x, y=y, angle=tilt))
    times = [time for time in times if time < CLIP_S]
    sampler.check_times(times, fewest=3)
    for k, time in enumerate(times):
        speed = 2 * room / float(gaps[k])
        scene.contacts.append(
            Contact(time_s=time, material=material, strength=impact_strength(speed * 1.5), size_px=radius)
        )
    scene.caption = captions.between_walls(sampler.rng, material, shape.noun)
    return scene


def plan_drop(sampler: SceneSampler) -> ScenePlan:
    """Plan one to three bodies that fall one after the other, with small rebounds."""
    scene = ScenePlan(kind="drop", group="bounce")
    floor = sampler.uniform(8, 14)
    ground = sampler.ground(floor, upright=0.85)
    sampler.add_floor(scene, ground)
    number = int(sampler.rng.integers(1, 4))
    starts = np.sort(sampler.rng.uniform(0.25, CLIP_S - 0.6, number))
    material, times, noun = sampler.material(), [], ""
    materials = []
    for index, first in enumerate(starts):
        if index and sampler.chance(0.4):
            material = sampler.material()
        radius = sampler.uniform(3.5, 9.0 if number == 1 else 6.5)
        shape = sampler.shape(radius)
        # A whole hop of which the second half is the fall from outside of the picture: h = g T^2 / 8.
        gravity = sampler.uniform(150, 420)
        high = floor + 20 + radius
        duration = 2 * np.sqrt(2 * high / gravity)
        flights, now = [(float(first) - duration, duration, gravity)], float(first)
        contacts, speeds = [now], [gravity * duration / 2]
        bounciness = sampler.uniform(0.12, 0.5)
        duration *= bounciness
        while duration > MIN_GAP_S + 0.02 and now + duration < CLIP_S - 0.14:
            flights.append((now, duration, gravity))
            now += duration
            contacts.append(now)
            speeds.append(gravity * duration / 2)
            duration *= bounciness
        path = BouncePath(flights, contacts, speeds)
        strength = [impact_strength(speed) for speed in speeds]
        # Seconds of flight so far, in steps of one frame.
        travelled = np.cumsum(path.moving(sampler.t)) / 24
        along = (index - (number - 1) / 2) * 19 + sampler.uniform(-3, 3) + np.zeros_like(sampler.t)
        spin = 0.0 if sampler.chance(0.5) else sampler.uniform(-3, 3)
        low = path.height(sampler.t)
        body = body_on_ground(sampler, shape, ground, along, low, spin * travelled, material, np.zeros_like(along))
        scene.bodies.append(body)
        if sampler.chance(0.35):
            x, y = ground.to_world(np.full(len(contacts), along[0]), np.zeros(len(contacts)))
            sampler.add_particles(scene, contacts, x, y, strength, "drop" if material == "water" else "dust")
        for time, force in zip(contacts, strength, strict=True):
            scene.contacts.append(Contact(time_s=time, material=material, strength=force, size_px=radius))
        times += contacts
        noun = shape.noun
        materials.append(material)
    sampler.check_times(times)
    scene.caption = captions.drop(sampler.rng, materials, noun)
    return scene
