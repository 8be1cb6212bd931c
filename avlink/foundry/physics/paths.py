"""Paths over time: wandering, strokes that end in a contact, rotations, and arms and legs of two bones."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

Array = NDArray[np.float64]
UP = np.array([0.0, 0.0, 1.0])
_SHORTEST_GAP_S = 0.11


def wander(rng: np.random.Generator, t: Array, size: float, hz: float, channels: int = 3) -> Array:
    """Return a slow random path of about `size` around 0, (times, channels), that turns some `hz` times a second."""
    knots = max(4, int((t[-1] - t[0]) * hz) + 4)
    spline = CubicSpline(np.linspace(t[0], t[-1], knots), rng.standard_normal((knots, channels)))
    return np.asarray(size * spline(t))


def ease(u: Array) -> Array:
    """Return 0 below 0, 1 above 1, and a smooth way between."""
    u = np.clip(u, 0, 1)
    return np.asarray(u * u * (3 - 2 * u))


def contact_times(
    rng: np.random.Generator, until_s: float, gap_s: float, *, jitter: float = 0.25, pauses: float = 0.08
) -> Array:
    """Return ascending times with gaps of about `gap_s`, steady or not, sometimes with a pause; at least one."""
    now = rng.uniform(0.15, 0.2 + min(gap_s, 1.2))
    spread = 0.05 if rng.random() < 0.5 else jitter
    times = []
    while now < until_s - 0.05:
        times.append(now)
        gap = gap_s * (1 + spread * rng.standard_normal())
        if rng.random() < pauses:
            gap += rng.uniform(0.3, 1.5)
        now += max(gap, _SHORTEST_GAP_S)
    return np.asarray(times or [until_s / 2])


def stroke(
    rng: np.random.Generator, t: Array, times: Array, *, fakes: float = 0.35, sharpness: float | None = None
) -> tuple[Array, Array]:
    """Return how near a striking thing is, (times,) with 1 in contact and 0 farthest away, and the strengths.

    It accelerates into each contact, stops there, and goes back. The farther it comes from, the stronger it is. In long
    pauses it sometimes turns before it touches.
    """
    reach = rng.uniform(0.35, 1.0, len(times)) ** 0.7
    power = sharpness or rng.uniform(1.4, 3.0)
    down_s, hold_s, back_s = rng.uniform(0.07, 0.28), float(rng.choice([0.0, 0.02, 0.1])), rng.uniform(0.12, 0.45)
    rebounds = rng.random() < 0.5
    near = np.zeros_like(t)
    level = 1 - reach[0]
    ends = np.append(times, t[-1] + 1.0)
    first = t < times[0]
    near[first] = level
    for index, at in enumerate(times):
        before = times[index - 1] if index else at - 2.0
        down = min(down_s, 0.45 * (at - before))
        falling = (t >= at - down) & (t < at)
        near[falling] = 1 - reach[index] * (1 - ((t[falling] - at + down) / down) ** power)
        gap = ends[index + 1] - at
        following = reach[index + 1] if index + 1 < len(times) else rng.uniform(0.3, 0.9)
        room = gap - min(down_s, 0.45 * gap)
        hold = min(hold_s, 0.3 * room)
        back = min(back_s, room - hold)
        rest = (t >= at) & (t < at + room)
        u = np.clip((t[rest] - at - hold) / max(back, 1e-3), 0, 1)
        near[rest] = 1 - following * (1 - (1 - u) ** 2 if rebounds else ease(u))
        free = room - hold - back
        if free > 0.45 and rng.random() < fakes:
            middle, width = at + hold + back + rng.uniform(0.35, 0.65) * free, rng.uniform(0.15, 0.3) * free
            bump = following * rng.uniform(0.3, 0.7) * np.exp(-(((t - middle) / (width / 2)) ** 2))
            near[rest] = near[rest] + bump[rest]
    return np.clip(near, 0, 1), 0.15 + 0.85 * reach


def ringing(t: Array, times: Array, strengths: Array, *, hz: float, decay: float) -> Array:
    """Return damped swings of unit amplitude that each contact starts, (times,)."""
    total = np.zeros_like(t)
    for at, strength in zip(times, strengths, strict=True):
        since = t - at
        live = since > 0
        total[live] += strength * np.exp(-decay * since[live]) * np.sin(2 * np.pi * hz * since[live])
    return total


def moved_between(t: Array, times: Array, spots: Array) -> Array:
    """Return a path (times, 3) that is at `spots[k]` at `times[k]` and moves smoothly in between."""
    index = np.searchsorted(times, t, side="right")
    last = np.clip(index - 1, 0, len(times) - 1)
    following = np.clip(index, 0, len(times) - 1)
    start = np.where(index > 0, times[last], times[0] - 1.0)
    u = ease((t - start) / np.maximum(times[following] - start, 0.05))
    return np.asarray(spots[last] + (spots[following] - spots[last]) * u[:, None])


def unit(vectors: ArrayLike) -> Array:
    """Return vectors of length 1."""
    values = np.asarray(vectors, dtype=np.float64)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=-1, keepdims=True), 1e-9))


def quaternion(axis: ArrayLike, angle: Array | float) -> Array:
    """Return rotations by `angle` radians around an axis, (times, 4) or (4,)."""
    half = np.asarray(angle, dtype=np.float64)[..., None] / 2
    return np.concatenate([np.cos(half), np.sin(half) * unit(axis)], axis=-1)


def frame_quaternion(forward: ArrayLike, up: ArrayLike) -> Array:
    """Return rotations (times, 4) that turn y to `forward` and z near `up`, both (times, 3) or (3,)."""
    y = unit(np.atleast_2d(forward))
    x = unit(np.cross(y, np.atleast_2d(up)))
    z = np.cross(x, y)
    x, y, z = np.broadcast_arrays(x, y, z)
    return np.roll(Rotation.from_matrix(np.stack([x, y, z], axis=-1)).as_quat(), 1, axis=-1)


def along_quaternion(direction: ArrayLike) -> Array:
    """Return rotations (times, 4) that turn z to `direction`, (times, 3)."""
    d = unit(direction)
    # The rotation around z x d; half-angle formulas need no trigonometry.
    w = np.sqrt(np.maximum((1 + d[:, 2]) / 2, 1e-12))
    return unit(np.stack([w, -d[:, 1] / (2 * w), d[:, 0] / (2 * w), np.zeros_like(w)], axis=-1))


def joint_between(start: Array, end: Array, hint: ArrayLike, bone: float) -> Array:
    """Return the joint (times, 3) of two bones of length `bone` from `start` to `end`, bent towards `hint`."""
    d = end - start
    length = np.linalg.norm(d, axis=1, keepdims=True)
    side = unit(np.cross(d, np.cross(np.broadcast_to(np.asarray(hint, dtype=np.float64), d.shape), d)))
    height = np.sqrt(np.maximum(bone**2 - (length / 2) ** 2, 1e-6))
    return np.asarray(start + d / 2 + side * height)
