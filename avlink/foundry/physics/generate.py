"""Clips of the physics foundry from seeds: a scene, its physics, a camera, a film. Nothing but the seed decides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avlink.core.errors import InputError
from avlink.foundry.physics.camera import CameraPath, plan_camera
from avlink.foundry.physics.clip import VERSION, ClipFormat, PhysicsClip, PhysicsEvent, Split
from avlink.foundry.physics.families import FAMILIES, SILENT
from avlink.foundry.physics.film import Film, compress, defocus, grade, plan_film, source_frames
from avlink.foundry.physics.render import CAMERA, Studio, out_of_focus
from avlink.foundry.physics.setting import add_surroundings
from avlink.foundry.physics.simulate import Unstable, simulate
from avlink.foundry.physics.staged import StagedScene
from avlink.foundry.physics.world import STEP_S, PlannedHit, World

_STREAMS = {"train": 1, "held_out": 2}
_RENDERED_WIDTH = 128
"""Smaller pictures are rendered at a multiple of their size that is at least this wide, and averaged."""

_ATTEMPTS = 40
"""Scenes that are drawn for one clip, until its physics is stable and a contact is seen."""


def make_clip(
    seed: int, *, split: Split = "train", families: Sequence[str] = (), shape: ClipFormat | None = None
) -> PhysicsClip:
    """Make the clip of a seed, bit for bit the same on one machine and renderer.

    `families` are the names that may be drawn, all by default. "train" and "held_out" are one distribution under
    disjoint streams. Raises InputError for an unknown family, and where MuJoCo or a renderer is missing.
    """
    shape = shape or ClipFormat()
    # A stream per purpose: another look of a scene leaves its contacts as they were.
    streams = np.random.SeedSequence([VERSION, _STREAMS[split], seed]).spawn(5)
    choosing, planning, aiming, filming, developing = (np.random.default_rng(stream) for stream in streams)
    family = choose_family(choosing, families)
    larger = max(1, -(-_RENDERED_WIDTH // shape.width))
    size = shape.width * larger, shape.height * larger
    for _ in range(_ATTEMPTS):
        try:
            scene = make_scene(planning, family, float(shape.duration_s), size)
        except Unstable:
            continue
        camera, seen = plan_camera(scene, aiming, aspect=shape.width / shape.height)
        if seen or family in SILENT:
            break
    else:
        raise RuntimeError(f"no scene of family {family} for seed {seed} within {_ATTEMPTS} attempts")
    film = plan_film(filming, shape.fps)
    return PhysicsClip(
        seed=seed,
        split=split,
        family=family,
        caption=scene.world.caption,
        frames=_shrunk(_shoot(scene, camera, film, shape, seen, developing, size), larger),
        fps=shape.fps,
        events=tuple(_event(hit, camera) for hit in seen),
    )


def choose_family(rng: np.random.Generator, families: Sequence[str] = ()) -> str:
    """Draw a family by its weight. Raises InputError for a name that is none."""
    for name in families:
        if name not in FAMILIES:
            raise InputError(f"the physics foundry has no family '{name}'; it has {', '.join(FAMILIES)}")
    names = list(families or FAMILIES)
    weights = np.asarray([FAMILIES[name][1] for name in names])
    return names[int(rng.choice(len(names), p=weights / weights.sum()))]


def make_scene(
    rng: np.random.Generator, family: str, duration_s: float, size: tuple[int, int] = (160, 90)
) -> StagedScene:
    """Plan a scene of a family and run its physics; `hits` of the result are all of its contacts.

    `size` are width and height in pixels of what is rendered.
    """
    world = World(rng, duration_s)
    FAMILIES[family][0](world)
    add_surroundings(world)
    mount = world.spec.worldbody.add_body(name=CAMERA, mocap=True)
    mount.add_camera(name=CAMERA)
    vis = world.spec.visual
    # Spheres of few triangles: at this size nobody sees it, and a software renderer does.
    vis.quality.shadowsize, vis.quality.offsamples = 256, 0
    vis.quality.numslices, vis.quality.numstacks, vis.quality.numquads = 14, 8, 2
    vis.map.znear, vis.map.zfar = 0.01, 40.0
    world.spec.stat.extent, world.spec.stat.center = 1.0, np.zeros(3)
    vis.global_.offwidth, vis.global_.offheight = size
    model = world.spec.compile()
    data = world.mujoco.MjData(model)
    return StagedScene(world, simulate(world, model, data), model, data)


def _shoot(
    scene: StagedScene,
    camera: CameraPath,
    film: Film,
    shape: ClipFormat,
    seen: Sequence[PlannedHit],
    rng: np.random.Generator,
    size: tuple[int, int],
) -> NDArray[np.uint8]:
    """Render, develop, convert and compress the pictures of a clip."""
    first, second, share = source_frames(film, shape.fps, shape.num_frames)
    needed = np.unique(np.concatenate([first, second[share > 0]]))
    studio = Studio(scene, size=size, film=film)
    try:
        frames = studio.render(camera, needed.tolist())
        if film.depth_of_field:
            looks = studio.distances(camera, needed.tolist())
            focus_m = _focus_distance(camera, seen, scene)
            frames = defocus(frames, out_of_focus(looks, focus_m, len(frames)), film.depth_of_field)
    finally:
        studio.close()
    frames = grade(frames, film, rng)
    rows = np.searchsorted(needed, first)
    shown = frames[rows]
    mixed = np.flatnonzero(share > 0)
    if len(mixed):
        other = frames[np.searchsorted(needed, second[mixed])].astype(np.float32)
        weight = share[mixed, None, None, None].astype(np.float32)
        shown[mixed] = (shown[mixed] * (1 - weight) + other * weight).astype(np.uint8)
    return compress(shown, film, shape.fps)


def _shrunk(frames: NDArray[np.uint8], times: int) -> NDArray[np.uint8]:
    """Return frames with each block of `times` by `times` pixels averaged into one."""
    if times == 1:
        return frames
    count, height, width = frames.shape[:3]
    blocks = frames.reshape(count, height // times, times, width // times, times, 3)
    return np.asarray(blocks.mean(axis=(2, 4)).round().astype(np.uint8))


def _focus_distance(camera: CameraPath, seen: Sequence[PlannedHit], scene: StagedScene) -> float:
    """Return the distance of the first contact, else of the middle of the scene."""
    if seen:
        step = min(round(seen[0].time_s / STEP_S), scene.last_step)
        return float(np.linalg.norm(seen[0].place - camera.eye[step]))
    middle = np.mean(scene.world.focus, axis=0) if scene.world.focus else np.zeros(3)
    return float(np.linalg.norm(middle - camera.eye[0]))


def _event(hit: PlannedHit, camera: CameraPath) -> PhysicsEvent:
    x, y = camera.project(hit.place, min(round(hit.time_s / STEP_S), len(camera.eye) - 1))
    return PhysicsEvent(
        time_s=hit.time_s,
        strength=hit.strength,
        kind=hit.kind,
        material=hit.material,
        place=(float(np.clip(x, 0, 1)), float(np.clip(y, 0, 1))),
        duration_s=hit.duration_s,
        size_px=hit.size_px,
    )
