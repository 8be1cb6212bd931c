"""The physics of a planned scene: the state at every step, and contacts with their times and impulses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from avlink.foundry.physics.paths import Array
from avlink.foundry.physics.world import STEP_S, FreeBody, PlannedHit, World

MERGE_S = 0.06
"""Hits nearer than this are one: neither eye nor ear tells them apart."""

_GRAVITY = 9.81
_QUIET_S = 0.06
"""Contacts before this are bodies that settle where they were put."""
_APART_S = 0.02
"""A pair that parted for less than this has not parted: it rattles."""
_IMPULSE_S = 0.03
"""Time after its start over which the impulse of a contact is summed."""
_FAINTEST = 0.25
"""Change of speed in metres per second below which a contact is not heard."""
_MEDIUM = 3.0
"""Change of speed at which the strength is one half."""
_HIDDEN = np.array([0.0, 0.0, -60.0])


class Unstable(Exception):
    """The physics of a scene blew up: it must be planned anew."""


@dataclass(slots=True)
class _Touch:
    """A contact that is being summed up."""

    begun: int
    pair: tuple[int, int]
    place: Array
    impulse: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """The result: `states` (steps, numbers) of all free bodies, None without any, and the hits, ascending."""

    states: Array | None
    hits: tuple[PlannedHit, ...]


def impact_strength(speed: float, mass: float) -> float:
    """Return the strength (0 to 1) of an impulse that changes the speed of `mass` kilograms by `speed` m/s.

    It grows with both; of two things that fall alike, one a thousand times heavier is three times as strong.
    """
    weighted = speed * (mass / 0.1) ** 0.15
    return float(np.clip(weighted / (weighted + _MEDIUM), 0.02, 1.0))


def merge_hits(hits: Sequence[PlannedHit]) -> tuple[PlannedHit, ...]:
    """Return hits in order of time; of those within `MERGE_S` of the first the strongest, at the time of the first."""
    merged: list[PlannedHit] = []
    first_s = -1.0
    for hit in sorted(hits, key=lambda hit: hit.time_s):
        if merged and hit.time_s - first_s < MERGE_S:
            if hit.strength > merged[-1].strength:
                merged[-1] = replace(hit, time_s=first_s)
            continue
        first_s = hit.time_s
        merged.append(hit)
    return tuple(merged)


def simulate(world: World, model: Any, data: Any) -> Run:
    """Run the physics of a compiled world; nothing is stepped where all bodies follow paths. Raises Unstable."""
    if not world.free:
        return Run(None, merge_hits(world.hits))
    return _Simulation(world, model, data).run()


class _Simulation:
    def __init__(self, world: World, model: Any, data: Any) -> None:
        self.world, self.model, self.data, self.mujoco = world, model, data, world.mujoco
        self.bodies: dict[int, FreeBody] = {model.body(free.name).id: free for free in world.free}
        self.joints = {
            free.name: (int(model.jnt_qposadr[joint]), int(model.jnt_dofadr[joint]))
            for free in world.free
            for joint in (int(model.body_jntadr[model.body(free.name).id]),)
        }
        self.mocap = [(int(model.body(name).mocapid[0]), path) for name, path in world.paths.items()]
        self.held = [free for free in world.free if not (free.resting and free.release_s <= 0)]
        self.open: dict[tuple[int, int], _Touch] = {}
        self.last: dict[tuple[int, int], int] = {}
        self.found: list[PlannedHit] = list(world.hits)

    def run(self) -> Run:
        world, data = self.world, self.data
        steps = len(world.t)
        states = np.empty((steps, self.model.nq))
        pushes = sorted(world.pushes, key=lambda push: push[0])
        for step in range(steps):
            if world.solid_paths:
                for index, (at, turn) in self.mocap:
                    data.mocap_pos[index], data.mocap_quat[index] = at[step], turn[step]
            self.hold(step)
            while pushes and pushes[0][0] <= step * STEP_S:
                self.push(*pushes.pop(0)[1:])
            states[step] = data.qpos
            self.mujoco.mj_step(self.model, data)
            if data.ncon or self.open:
                self.watch(step)
        if any(warning.number for warning in data.warning):
            raise Unstable
        for touch in list(self.open.values()):
            self.finish(touch)
        return Run(states, merge_hits([hit for hit in self.found if hit.time_s < world.duration_s]))

    def hold(self, step: int) -> None:
        """Keep bodies on their paths, or out of sight, until their release."""
        now = step * STEP_S
        for free in list(self.held):
            at, speed = self.joints[free.name]
            data = self.data
            if now >= free.release_s:
                self.held.remove(free)
                if free.carried is not None:
                    earlier = free.carried[max(step - 5, 0)]
                    data.qpos[at : at + 3] = free.carried[step]
                    data.qvel[speed : speed + 3] = (free.carried[step] - earlier) / (5 * STEP_S) + free.kick
                else:
                    data.qpos[at : at + 3] = free.start
                    data.qvel[speed : speed + 3] = free.kick
                data.qvel[speed + 3 : speed + 6] = free.spin
                continue
            resting = free.start if free.resting else _HIDDEN + np.array([at, 0, 0])
            data.qpos[at : at + 3] = resting if free.carried is None else free.carried[step]
            data.qvel[speed : speed + 6] = 0

    def push(self, names: tuple[str, ...], place: Array, strength: float) -> None:
        """Throw loose things about a struck place up and away from it."""
        rng, data = self.world.rng, self.data
        for name in names:
            at, speed = self.joints[name]
            away = data.qpos[at : at + 3] - place
            near = np.exp(-np.linalg.norm(away[:2]) / 0.1)
            away[2] = abs(away[2]) + 0.1
            data.qvel[speed : speed + 3] += (
                strength * near * (away / np.linalg.norm(away) + [0, 0, rng.uniform(0.3, 1)])
            )
            data.qvel[speed + 3 : speed + 6] += rng.normal(0, 6 * near * strength, 3)

    def watch(self, step: int) -> None:
        """Sum the impulses of this step, and begin and end contacts."""
        data = self.data
        contact = data.contact
        rows = contact.efc_address
        if len(rows):
            pairs = self.model.geom_bodyid[contact.geom]
            forces = np.where(rows >= 0, data.efc_force[np.maximum(rows, 0)] if data.nefc else 0.0, 0.0)
            for index, (first, second) in enumerate(pairs.tolist()):
                pair = (min(first, second), max(first, second))
                touch = self.open.get(pair)
                if (
                    touch is None
                    and (step - self.last.get(pair, -1000)) * STEP_S > _APART_S
                    and self.counts(pair, step)
                ):
                    touch = self.open[pair] = _Touch(step, pair, contact.pos[index].copy())
                if touch is not None:
                    touch.impulse += float(forces[index]) * STEP_S
                self.last[pair] = step
        for touch in list(self.open.values()):
            over = (step - touch.begun) * STEP_S
            if over >= _IMPULSE_S or self.last[touch.pair] < step:
                self.finish(touch, over)

    def counts(self, pair: tuple[int, int], step: int) -> bool:
        """Return True if this pair can be heard: one of them is loud, and none is still held."""
        now = step * STEP_S
        free = [self.bodies[body] for body in pair if body in self.bodies]
        return now > _QUIET_S and any(body.loud for body in free) and all(now >= body.release_s for body in free)

    def finish(self, touch: _Touch, over: float = _IMPULSE_S) -> None:
        """End a contact, and keep it where it is strong enough to be heard."""
        del self.open[touch.pair]
        body = min((self.bodies[b] for b in touch.pair if b in self.bodies), key=lambda body: body.mass)
        # What a lying body weighs is no blow.
        speed = touch.impulse / body.mass - _GRAVITY * over
        if speed < _FAINTEST:
            return
        self.found.append(
            PlannedHit(
                time_s=touch.begun * STEP_S,
                strength=impact_strength(speed, body.mass),
                place=touch.place,
                kind=body.kind,
                material=body.material,
                size_px=body.size_px,
            )
        )
