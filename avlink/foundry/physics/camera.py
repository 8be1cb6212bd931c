"""Cameras: one that stands, is held in a hand, pans, zooms, circles or follows, and sees the contacts of its scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avlink.foundry.physics.paths import Array, ease, unit, wander
from avlink.foundry.physics.staged import StagedScene
from avlink.foundry.physics.world import FIXED, PERSON, STEP_S, PlannedHit

_CANDIDATES = 7
_GOOD = 0.9
"""Share of the contacts that a camera sees, above which no other is tried."""
_MARGIN = 0.04
"""A contact nearer to the border of the picture than this counts as out of it."""
_MINOR = 0.35
"""Contacts weaker than this share of the strongest need not be in the picture."""
_BELOW_M = -2.0
"""Depth below the table, in radii of the scene, under which contacts need not be in the picture."""
_LIFTED_M = 0.02
_COVER_M = 0.05
"""Something fixed that is this much nearer to the camera than a contact hides it."""
_CUT_CLEAR_S = 0.1
"""Times of cuts are at least this far from a contact."""
_MODES = {"still": 0.36, "hand": 0.28, "pan": 0.1, "zoom": 0.08, "circle": 0.06, "rough": 0.06, "follow": 0.06}


@dataclass(frozen=True, slots=True)
class CameraPath:
    """Position (steps, 3), axes (steps, 3, 3) with rows right, up and back, and vertical field of view (degrees)."""

    eye: Array
    axes: Array
    fov: Array
    aspect: float

    def project(self, place: Array, step: int) -> tuple[float, float]:
        """Return where a point of the world is in the picture at a step: from left and from top, each 0 to 1 inside."""
        right, up, back = self.axes[step] @ (place - self.eye[step])
        if back > -1e-3:
            return -1.0, -1.0
        half = np.tan(np.radians(self.fov[step]) / 2)
        return float(0.5 + right / -back / half / self.aspect / 2), float(0.5 - up / -back / half / 2)


def sees(path: CameraPath, hit: PlannedHit) -> bool:
    """Return True if a contact lies within the picture."""
    step = min(round(hit.time_s / STEP_S), len(path.eye) - 1)
    return all(_MARGIN <= value <= 1 - _MARGIN for value in path.project(hit.place, step))


def plan_camera(scene: StagedScene, rng: np.random.Generator, *, aspect: float) -> tuple[CameraPath, list[PlannedHit]]:
    """Return the best of some random cameras, and the contacts that are visible in it."""
    best: tuple[CameraPath, list[PlannedHit]] | None = None
    for attempt in range(_CANDIDATES):
        path = _shot(scene, rng, aspect, wide=1 + 0.12 * attempt)
        if rng.random() < 0.14:
            path = _with_cut(scene, rng, path, _shot(scene, rng, aspect, wide=1 + 0.12 * attempt))
        seen = [hit for hit in scene.hits if sees(path, hit) and not _is_hidden(scene, path, hit)]
        if best is None or len(seen) > len(best[1]):
            best = path, seen
        if len(seen) >= _GOOD * len(scene.hits):
            break
    assert best is not None
    return best


def _shot(scene: StagedScene, rng: np.random.Generator, aspect: float, *, wide: float) -> CameraPath:
    world = scene.world
    t = world.t
    mode = str(rng.choice(list(_MODES), p=list(_MODES.values())))
    follow = world.follow if world.follow is not None and (mode == "follow" or rng.random() < 0.6) else None
    centre, radius = _framed(scene, follow)
    fov = np.full(len(t), rng.uniform(20, 58))
    # Log-uniform about the distance at which everything important just fits into the height of the picture.
    distance = radius / np.sin(np.radians(fov[0] / 2)) * np.exp(rng.uniform(np.log(0.6), np.log(1.15))) * wide
    azimuth = np.full(len(t), world.front + rng.normal(0, world.freedom))
    height = np.radians(rng.choice([rng.uniform(3, 25), rng.uniform(15, 45), rng.uniform(40, 75)], p=[0.4, 0.45, 0.15]))
    u = ease((t - rng.uniform(-0.5, 1.5)) / rng.uniform(1.0, 4.0)) - 0.5
    target = np.broadcast_to(centre, (len(t), 3)) + rng.normal(0, 0.1, 3) * radius * [1, 1, 0.5]
    if follow is not None:
        # A person behind a camera follows late.
        target = target + follow[np.maximum(np.arange(len(t)) - int(rng.uniform(0, 0.15) / STEP_S), 0)]
    amount = {"still": 0.0, "hand": rng.uniform(0.004, 0.02), "rough": rng.uniform(0.02, 0.06)}.get(mode, 0.003)
    if mode == "pan":
        target = target + np.outer(u, unit(rng.normal(0, 1, 3) * [1, 1, 0.3])) * radius * rng.uniform(0.3, 0.9)
    elif mode == "zoom":
        fov = np.clip(fov * np.exp(u * rng.choice([-1, 1]) * rng.uniform(0.2, 0.5)), 12, 80)
    elif mode == "circle":
        azimuth = azimuth + u * rng.choice([-1, 1]) * rng.uniform(0.3, 1.0)
    direction = np.stack(
        [np.cos(height) * np.cos(azimuth), np.cos(height) * np.sin(azimuth), np.full(len(t), np.sin(height))], axis=1
    )
    eye = target + distance * direction
    if mode == "pan":
        eye = eye - (target - target[0])
    eye = eye + wander(rng, t, amount * distance * 0.3, 1.0)
    eye[:, 2] = np.maximum(eye[:, 2], 0.03 + 0.1 * radius)
    shake = wander(rng, t, amount, rng.uniform(0.7, 2)) + wander(rng, t, amount * 0.2, 7)
    roll = wander(rng, t, amount, 0.7, 1)[:, 0] + rng.normal(0, 0.03)
    return _aimed(eye, target + shake * distance, roll, fov, aspect)


def _framed(scene: StagedScene, follow: Array | None) -> tuple[Array, float]:
    """Return the centre and radius of what should be in the picture, relative to `follow` where it is given."""
    world = scene.world
    points = [place - (0 if follow is None else follow[0]) for place in world.focus]
    # What bounces off the table and lands far away must not make everything else small.
    loudest = max((hit.strength for hit in scene.hits), default=0.0)
    for hit in scene.hits:
        if hit.strength < _MINOR * loudest or hit.place[2] < _BELOW_M * world.extent:
            continue
        step = min(round(hit.time_s / STEP_S), scene.last_step)
        points.append(hit.place - (0 if follow is None else follow[step]))
    if not points:
        return np.zeros(3), world.extent
    cloud = np.stack(points)
    low, high = cloud.min(axis=0), cloud.max(axis=0)
    centre = (low + high) / 2
    # What strikes comes from above its contacts.
    centre[2] += 0.35 * world.extent
    return centre, float(np.linalg.norm(cloud - centre, axis=1).max() * 0.7 + world.extent)


def _aimed(eye: Array, target: Array, roll: Array, fov: Array, aspect: float) -> CameraPath:
    back = unit(eye - target)
    top = np.stack([np.sin(roll), np.zeros_like(roll), np.cos(roll)], axis=1)
    right = unit(np.cross(top, back))
    return CameraPath(eye, np.stack([right, np.cross(back, right), back], axis=1), fov, aspect)


def _with_cut(scene: StagedScene, rng: np.random.Generator, first: CameraPath, second: CameraPath) -> CameraPath:
    """Return a cut from one camera to another, away from contacts; the first camera where there is no room for it."""
    world = scene.world
    for _ in range(8):
        at = rng.uniform(0.6, max(0.7, world.duration_s - 0.6))
        if all(abs(hit.time_s - at) > _CUT_CLEAR_S for hit in scene.hits):
            step = round(at / STEP_S)
            parts = ((first.eye, second.eye), (first.axes, second.axes), (first.fov, second.fov))
            eye, axes, fov = (np.concatenate([a[:step], b[step:]]) for a, b in parts)
            return CameraPath(eye, axes, fov, first.aspect)
    return first


def _is_hidden(scene: StagedScene, path: CameraPath, hit: PlannedHit) -> bool:
    """Return True if something fixed, or a person's body, stands between camera and contact.

    What strikes may cover its own contact: the blow is seen all the same.
    """
    step = min(round(hit.time_s / STEP_S), scene.last_step)
    scene.pose(step)
    eye = path.eye[step]
    towards = hit.place + [0, 0, _LIFTED_M] - eye
    length = float(np.linalg.norm(towards))
    groups = np.zeros(6, np.uint8)
    groups[[FIXED, PERSON]] = 1
    struck = np.zeros(1, np.int32)
    free = scene.mujoco.mj_ray(scene.model, scene.data, eye, towards / length, groups, True, -1, struck)
    return bool(0 <= free < length - _COVER_M - 0.03 * length)
