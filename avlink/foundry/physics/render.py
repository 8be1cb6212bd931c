"""Pictures of a scene: exposures rendered by MuJoCo without a screen, averaged to frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avlink.foundry.physics.backend import open_renderer
from avlink.foundry.physics.camera import CameraPath
from avlink.foundry.physics.film import Film
from avlink.foundry.physics.staged import StagedScene
from avlink.foundry.physics.world import STEP_S

CAMERA = "camera"
_MAX_SHAPES = 600
_DEPTH_EVERY = 4
"""Frames per look at depth, which changes slowly compared with how soft its mask is."""


class Studio:
    """Renders one compiled scene."""

    def __init__(self, scene: StagedScene, *, size: tuple[int, int], film: Film) -> None:
        self.scene, self.film = scene, film
        mujoco, model = scene.mujoco, scene.model
        self.width, self.height = size
        open_renderer(*size).make_current()
        self.context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self.context)
        self.shapes = mujoco.MjvScene(model, maxgeom=_MAX_SHAPES)
        self.shapes.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = film.shadows
        self.shapes.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        self.view = mujoco.MjrRect(0, 0, *size)
        self.camera = mujoco.MjvCamera()
        self.camera.type, self.camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, model.camera(CAMERA).id
        self.options = mujoco.MjvOption()
        self.place = int(model.body(CAMERA).mocapid[0])
        self.lights = model.light_diffuse.copy(), model.light_ambient.copy(), model.vis.headlight.diffuse.copy()
        self.ambient = model.vis.headlight.ambient.copy()
        self.pixels = np.empty((self.height, self.width, 3), np.uint8)
        self.depths = np.empty((self.height, self.width), np.float32)

    def close(self) -> None:
        """Free what the scene takes in the GL library."""
        self.context.free()

    def render(self, path: CameraPath, frames: Sequence[int]) -> NDArray[np.uint8]:
        """Return pictures (len(frames), height, width, 3) of frames of the source's rate, numbered from 0."""
        film, mujoco = self.film, self.scene.mujoco
        out = np.empty((len(frames), self.height, self.width, 3), np.uint8)
        rate = float(film.source_fps)
        for row, frame in enumerate(frames):
            total: NDArray[np.uint16] | None = None
            for exposure in range(film.exposures):
                now = (frame + film.shutter * exposure / film.exposures) / rate
                # Exposures are shifted by parts of a pixel against each other, which smooths edges.
                self.set(path, now, shift=(exposure - (film.exposures - 1) / 2) / film.exposures)
                mujoco.mjr_render(self.view, self.shapes, self.context)
                mujoco.mjr_readPixels(self.pixels, None, self.view, self.context)
                total = self.pixels.astype(np.uint16) if total is None else total + self.pixels
            assert total is not None
            out[row] = (total // film.exposures)[::-1]
        return out

    def distances(self, path: CameraPath, frames: Sequence[int]) -> NDArray[np.float32]:
        """Return distances in metres, (looks, height, width), of every fourth of `frames`."""
        mujoco, model = self.scene.mujoco, self.scene.model
        extent, vis = model.stat.extent, model.vis.map
        near, far = vis.znear * extent, vis.zfar * extent
        looks = []
        for frame in frames[::_DEPTH_EVERY]:
            self.set(path, frame / float(self.film.source_fps))
            mujoco.mjr_render(self.view, self.shapes, self.context)
            mujoco.mjr_readPixels(None, self.depths, self.view, self.context)
            looks.append(near / (1 - self.depths[::-1] * (1 - near / far)))
        return np.stack(looks).astype(np.float32)

    def set(self, path: CameraPath, now_s: float, *, shift: float = 0.0) -> None:
        """Put bodies, camera and lights where they are at a time; the view is turned by `shift` pixels."""
        scene = self.scene
        step = min(round(now_s / STEP_S), scene.last_step)
        model, data, mujoco = scene.model, scene.data, scene.mujoco
        scene.pose(step)
        axes = path.axes[step]
        pixel = 2 * np.tan(np.radians(path.fov[step]) / 2) / self.height * shift
        back = axes[2] + pixel * (axes[0] + 0.5 * axes[1])
        data.mocap_pos[self.place] = path.eye[step]
        turn = np.zeros(4)
        mujoco.mju_mat2Quat(turn, np.ascontiguousarray(np.stack([axes[0], axes[1], back]).T).ravel())
        data.mocap_quat[self.place] = turn
        model.cam_fovy[0] = path.fov[step]
        if scene.world.brightness is not None:
            level = scene.world.brightness[step]
            model.light_diffuse[:] = np.minimum(self.lights[0] * level, 1)
            model.light_ambient[:] = np.minimum(self.lights[1] * level, 1)
            model.vis.headlight.diffuse[:] = np.minimum(self.lights[2] * level, 1)
            model.vis.headlight.ambient[:] = np.minimum(self.ambient * level, 1)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_camlight(model, data)
        mujoco.mjv_updateScene(
            model, data, self.options, None, self.camera, mujoco.mjtCatBit.mjCAT_ALL.value, self.shapes
        )


def out_of_focus(distances: NDArray[np.float32], focus_m: float, count: int) -> NDArray[np.float32]:
    """Return how far each pixel is out of focus, 0 to 1, for `count` frames, from distances of every fourth."""
    off = np.abs(1 / np.maximum(distances, 0.02) - 1 / focus_m) * focus_m
    share = np.clip((off - 0.12) / 0.3, 0, 1).astype(np.float32)
    return np.asarray(np.repeat(share, _DEPTH_EVERY, axis=0)[:count])
