"""The sound of a physics clip: the foundry's modal synthesis of its contacts, and noise for what rubs and flows."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from avlink.foundry.clip import CLIP_S, SAMPLE_RATE
from avlink.foundry.physics.clip import VERSION, PhysicsClip, PhysicsEvent
from avlink.foundry.scene import Contact, ContinuousSound, ScenePlan
from avlink.foundry.sound import render_sound

MAX_S = CLIP_S
"""The longest sound that the foundry makes, in seconds."""

_STREAM = 7
_SOFT = "cloth"
"""The material of hands and of everything that none of the foundry's materials fits."""
_GRID_HZ = 200.0
_FADE_S = 0.03


def clip_sound(clip: PhysicsClip) -> NDArray[np.float32]:
    """Return the sound of a clip at 16 kHz, float32 (samples,) in [-1, 1], as long as its pictures.

    A function of the clip's seed and events. Raises ValueError for clips longer than 5.16 s.
    """
    duration_s = len(clip.frames) / clip.fps
    samples = round(duration_s * SAMPLE_RATE)
    if samples > round(MAX_S * SAMPLE_RATE) + SAMPLE_RATE // 24:
        raise ValueError(f"the foundry makes sound of at most {MAX_S:.2f} s, not of {duration_s:.2f} s")
    rng = np.random.default_rng([VERSION, _STREAM, clip.split == "train", clip.seed])
    t = np.arange(0, MAX_S, 1 / _GRID_HZ)
    lasting = [event for event in clip.events if event.duration_s > 0]
    scene = ScenePlan(
        kind=clip.family,
        group="physics",
        contacts=[_contact(event, rng) for event in clip.events if event.duration_s == 0],
        continuous=[_continuous(event, t) for event in lasting],
    )
    return np.asarray(render_sound(scene, t, rng, torch.device("cpu")).numpy()[:samples])


def _contact(event: PhysicsEvent, rng: np.random.Generator) -> Contact:
    return Contact(
        time_s=event.time_s,
        material=event.material or _SOFT,
        strength=event.strength,
        size_px=event.size_px,
        strike_point=float(rng.uniform(0.1, 0.5)),
    )


def _continuous(event: PhysicsEvent, t: NDArray[np.float64]) -> ContinuousSound:
    """Return a rumble for what rubs and a patter for what flows, which starts at once."""
    since, left = t - event.time_s, event.time_s + event.duration_s - t
    shape = np.clip(since / 0.005, 0, 1) * np.clip(left / _FADE_S, 0, 1)
    return ContinuousSound(
        kind="rain" if event.kind == "splash" else "roll",
        level=shape * event.strength,
        speed=np.full_like(t, 0.3 + 0.5 * event.strength),
        material=event.material or _SOFT,
    )
