"""A scene after its physics: all bodies, put where they are at any step."""

from __future__ import annotations

from typing import Any

import numpy as np

from avlink.foundry.physics.simulate import Run
from avlink.foundry.physics.world import World


class StagedScene:
    """Poses the bodies of a compiled scene; `hits` are its contacts."""

    def __init__(self, world: World, run: Run, model: Any, data: Any) -> None:
        self.world, self.model, self.data, self.mujoco = world, model, data, world.mujoco
        self.states, self.hits, self.last_step = run.states, run.hits, len(world.t) - 1
        self._places = np.zeros((len(world.t), model.nmocap, 3))
        self._turns = np.zeros((len(world.t), model.nmocap, 4))
        self._turns[..., 0] = 1
        for name, (at, turn) in world.paths.items():
            index = int(model.body(name).mocapid[0])
            self._places[:, index], self._turns[:, index] = at, turn

    def pose(self, step: int) -> None:
        """Put all bodies that follow paths or physics where they are at a step."""
        if self.states is not None:
            self.data.qpos[:] = self.states[step]
        self.data.mocap_pos[:], self.data.mocap_quat[:] = self._places[step], self._turns[step]
        self.mujoco.mj_kinematics(self.model, self.data)
