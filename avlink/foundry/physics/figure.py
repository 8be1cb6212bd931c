"""People out of simple shapes: hands, arms and legs of two bones, bodies."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from avlink.foundry.physics.paths import Array, frame_quaternion, joint_between, quaternion, wander
from avlink.foundry.physics.world import Part, World

HandPose = Literal["fist", "flat", "grip", "point"]
_BACKWARDS = quaternion([1, 0, 0], -np.pi / 2)


class Person:
    """One person's colours; adds hands, arms and bodies to a world."""

    def __init__(self, world: World) -> None:
        self.world, self.rng = world, world.rng
        self.skin, self.cloth = world.paint("skin"), world.paint("cloth" if self.rng.random() < 0.5 else "any")
        self.sleeved = self.rng.random() < 0.6
        self.build = self.rng.uniform(0.85, 1.15)

    def hand(
        self,
        at: ArrayLike,
        pose: HandPose,
        *,
        forward: ArrayLike = (0.0, -1.0, 0.0),
        up: ArrayLike = (0.0, 0.0, 1.0),
        side: int = 1,
    ) -> None:
        """Add a hand whose palm centre is at `at` (times, 3), fingers towards `forward`, its back towards `up`.

        `side` is 1 for a right hand, -1 for a left one.
        """
        skin, s = self.skin, self.build
        parts = [Part(shape="ellipsoid", size=(0.042 * s, 0.05 * s, 0.018 * s), paint=skin)]
        thumb = (-0.045 * s * side, 0.01 * s, -0.012 * s)
        parts.append(Part(shape="capsule", size=(0.011 * s, 0.028 * s), paint=skin, at=thumb, turn=_BACKWARDS))
        for finger in range(4):
            x = (0.022 * finger - 0.033) * s
            length = (0.034, 0.04, 0.037, 0.03)[finger] * s
            if pose == "flat" or (pose == "point" and finger == 1):
                at_finger, turn = (x, 0.045 * s + length, 0.0), _BACKWARDS
            else:
                # Curled under the palm.
                at_finger, turn = (x, 0.045 * s, -0.022 * s), quaternion([1, 0, 0], 0.5)
                length *= 0.55
            parts.append(Part(shape="capsule", size=(0.0095 * s, length), paint=skin, at=at_finger, turn=turn))
        self.world.moving(parts, at, frame_quaternion(forward, up))

    def arm(
        self, hand: Array, shoulder: ArrayLike, *, hint: ArrayLike = (1.0, 0.0, -0.4), radius: float = 0.042
    ) -> None:
        """Add upper and lower arm from a shoulder to a wrist, the elbow towards `hint`."""
        start = np.broadcast_to(np.asarray(shoulder, dtype=np.float64), hand.shape)
        bone = max(0.28 * self.build, float(np.linalg.norm(hand - start, axis=1).max()) * 0.515)
        elbow = joint_between(start, hand, hint, bone)
        self.world.limb(start, elbow, radius * 1.15 * self.build, self.cloth)
        self.world.limb(elbow, hand, radius * 0.85 * self.build, self.cloth if self.sleeved else self.skin)

    def leg(self, foot: Array, hip: Array, forward: ArrayLike, *, radius: float = 0.065) -> None:
        """Add thigh and shank from a hip to an ankle, the knee forward."""
        bone = float(np.linalg.norm(foot - hip, axis=1).max()) * 0.505
        knee = joint_between(hip, foot, forward, bone)
        self.world.limb(hip, knee, radius * 1.15 * self.build, self.cloth)
        self.world.limb(knee, foot, radius * 0.8 * self.build, self.cloth)

    def body(self, chest: ArrayLike, *, head: bool = True) -> Array:
        """Add a torso about the path of its chest, with a head; return the path."""
        world, rng, s = self.world, self.rng, self.build
        path = np.broadcast_to(np.asarray(chest, dtype=np.float64), (len(world.t), 3))
        world.moving(
            [
                Part(shape="ellipsoid", size=(0.2 * s, 0.12 * s, 0.26 * s), paint=self.cloth, at=(0, 0, -0.06)),
                Part(shape="ellipsoid", size=(0.15 * s, 0.11 * s, 0.2 * s), paint=self.cloth, at=(0, 0, -0.34)),
                Part(shape="capsule", size=(0.05 * s, 0.05), paint=self.skin, at=(0, 0, 0.22 * s)),
            ],
            path,
            person=True,
        )
        if head:
            nod = wander(rng, world.t, 0.012, 0.8)
            hair = world.paint("any")
            world.moving(
                [
                    Part(shape="ellipsoid", size=(0.08 * s, 0.095 * s, 0.12 * s), paint=self.skin),
                    Part(shape="ellipsoid", size=(0.086 * s, 0.1 * s, 0.09 * s), paint=hair, at=(0, 0.02, 0.05 * s)),
                ],
                path + nod + np.array([0, -0.02, 0.4 * s]),
                person=True,
            )
        return path

    def behind(self, hands: list[Array], *, away: float, height: float = 0.25) -> None:
        """Add a person who sits or stands behind a place, (0, `away`, 0), with arms to these wrists."""
        world, rng = self.world, self.rng
        lean = sum(hand - hand.mean(axis=0) for hand in hands) / max(len(hands), 1)
        chest = np.array([rng.normal(0, 0.05), away, height]) + wander(rng, world.t, 0.012, 0.6) + 0.12 * lean
        if rng.random() < 0.75:
            self.body(chest, head=rng.random() < 0.8)
        for index, hand in enumerate(hands):
            side = 1.0 if (len(hands) == 1 and hand[0, 0] >= 0) or index % 2 == 0 else -1.0
            shoulder = chest + np.array([0.2 * side * self.build, -0.02, 0.12])
            self.arm(hand, shoulder, hint=(side, 0.3, -0.6))


def wrist_of(hand: Array, forward: ArrayLike) -> Array:
    """Return the wrist of a hand, 6 cm behind the palm's centre."""
    return np.asarray(hand - 0.06 * np.asarray(forward, dtype=np.float64))
