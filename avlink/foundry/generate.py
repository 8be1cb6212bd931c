"""Clips from seeds. Every clip has random streams of its own, so other clips of a batch never change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from avlink.foundry.clip import (
    CLIP_FRAMES,
    FRAME_RATE,
    HEIGHT,
    SAMPLE_RATE,
    WIDTH,
    ClipBatch,
    ClipInfo,
    Event,
    Split,
    clip_samples,
)
from avlink.foundry.contacts import change_contacts
from avlink.foundry.kinds import TRAINED_KINDS, TRANSFER_KINDS
from avlink.foundry.look import Look, add_clutter, plan_look
from avlink.foundry.recordings import RecordedHits
from avlink.foundry.render import render_frames
from avlink.foundry.sampler import InvalidPlan, SceneSampler
from avlink.foundry.scene import Body, ScenePlan, Surface
from avlink.foundry.sound import ChangeContact, continuous_level, render_sound

LATE_FRAMES = 2
"""Most frames between a still and its event: the struck body is visible just before and after as well."""

_STREAMS = {"train": 1, "held_out": 2, "transfer": 3}
_ATTEMPTS = 200
"""Plans that are drawn for one clip before it is given up as impossible."""


def plan(
    seed: int, split: Split, *, edited: float = 0.0
) -> tuple[ScenePlan, Look, ClipInfo, tuple[np.random.Generator, np.random.Generator]]:
    """Plan one clip; returns its scene, look, ground truth, and the random streams of pictures and sound.

    With probability `edited` its contacts, which only the sound reads, are changed against the picture.
    """
    # A stream per purpose: a change of how something is drawn leaves plans, and so event times, as they were.
    streams = np.random.SeedSequence([_STREAMS[split], seed]).spawn(6)
    looks, kinds, scenes, drawing, sounding, editing = (
        np.random.Generator(np.random.PCG64(stream)) for stream in streams
    )
    look = plan_look(looks, transfer=split == "transfer")
    table = TRANSFER_KINDS if split == "transfer" else TRAINED_KINDS
    # Weights need not add up to 1.
    weights = np.asarray([weight for _, weight in table.values()])
    kind = list(table)[int(kinds.choice(len(table), p=weights / weights.sum()))]
    recoloured = bool(kinds.random() < 0.5)
    sampler = SceneSampler(
        rng=scenes,
        t=look.t,
        narrow=look.narrow,
        recoloured=recoloured,
        dark_back=look.dark_back,
        back_level=sum(look.back[0]) / 3,
    )
    # Rejection: rules on contact times are easier to check than to draw by. Kind and look stay, so that hard ones are
    # not rarer.
    for _ in range(_ATTEMPTS):
        try:
            scene = table[kind][0](sampler)
        except InvalidPlan:
            continue
        break
    else:
        raise RuntimeError(f"no playable plan of kind {kind} for seed {seed} within {_ATTEMPTS} attempts")
    # After the scene, whose plan then does not depend on it.
    add_clutter(look, sampler)
    if look.style in ("outline", "mosaic"):
        restyle(scene, look, sampler)
    is_edited = bool(editing.random() < edited)
    if is_edited:
        scene.contacts = change_contacts(scene.contacts, editing)
    contacts = sorted(scene.contacts, key=lambda contact: contact.time_s)
    named = [contact.material for contact in contacts if contact.material != "air"]
    named += [sound.material for sound in scene.continuous if sound.material is not None]
    info = ClipInfo(
        seed=seed,
        split=split,
        kind=scene.kind,
        group=scene.group,
        style=look.style,
        narrow=look.narrow,
        materials=tuple(dict.fromkeys(named)),
        recoloured=recoloured,
        caption=scene.caption,
        events=tuple(
            Event(time_s=contact.time_s, material=contact.material, strength=contact.strength) for contact in contacts
        ),
        envelope=continuous_level(scene),
        edited=is_edited,
    )
    return scene, look, info, (drawing, sounding)


def restyle(scene: ScenePlan, look: Look, sampler: SceneSampler) -> None:
    """Give all bodies one flat colour: as lines only (outline) or as silhouettes (mosaic)."""
    colour = sampler.colour()
    ink = Surface(texture="flat", low=colour, high=colour)

    def inked(body: Body) -> Body:
        return Body(
            shape=body.shape,
            surface=ink,
            x=body.x,
            y=body.y,
            angle=body.angle,
            stretch_u=body.stretch_u,
            stretch_v=body.stretch_v,
            opacity=body.opacity,
        )

    scene.bodies = [inked(body) for body in scene.bodies]
    scene.fixed = [inked(body) for body in scene.fixed]
    look.silent = [inked(body) for body in look.silent]


@torch.no_grad()
def make_clips(
    seeds: Sequence[int],
    *,
    split: Split,
    device: str | torch.device = "cpu",
    edited: float = 0.0,
    rate: int = SAMPLE_RATE,
    recordings: RecordedHits | None = None,
    named: float = 0.0,
) -> ClipBatch:
    """Make one clip per seed, bit for bit the same on a device, whatever else is in the batch.

    "train" and "held_out" are one distribution under disjoint streams; "transfer" has scene kinds and visual styles of
    its own. Of the share `edited` of the clips, the contacts in the sound are not those in the picture; all else is the
    same as without. `rate` is that of the sound, and of `recordings`, whose hits contacts then sound as. Of the share
    `named` of the clips, contacts sound as an object of `recordings` that the caption names, and not as the material in
    the picture. Raises ValueError for an unknown split, or for recordings of another rate.
    """
    if split not in _STREAMS:
        raise ValueError(f"unknown split {split!r}; the foundry makes {', '.join(_STREAMS)}")
    if recordings is not None and recordings.rate != rate:
        raise ValueError(f"recordings at {recordings.rate} Hz do not fit sound at {rate} Hz")
    where = torch.device(device)
    frames = torch.empty((len(seeds), CLIP_FRAMES, HEIGHT, WIDTH, 3), dtype=torch.uint8, device=where)
    sound = torch.empty((len(seeds), clip_samples(rate)), device=where)
    clips = []
    for row, seed in enumerate(seeds):
        scene, look, info, (drawing, sounding) = plan(int(seed), split, edited=edited)
        frames[row] = render_frames(scene, look, drawing, where)
        info, change = _changed(info, scene, recordings, named)
        sound[row] = render_sound(scene, look.t, sounding, where, rate, change)
        clips.append(info)
    return ClipBatch(frames=frames, sound=sound, clips=tuple(clips))


@torch.no_grad()
def make_sound(
    seed: int, *, split: Split, rate: int = SAMPLE_RATE, recordings: RecordedHits | None = None, named: float = 0.0
) -> tuple[torch.Tensor, ClipInfo]:
    """Return the sound (samples,) of the clip of a seed, as `make_clips` makes it, and its ground truth: no picture."""
    scene, look, info, (_, sounding) = plan(seed, split)
    info, change = _changed(info, scene, recordings, named)
    return render_sound(scene, look.t, sounding, torch.device("cpu"), rate, change), info


def _changed(
    info: ClipInfo, scene: ScenePlan, recordings: RecordedHits | None, named: float
) -> tuple[ClipInfo, ChangeContact | None]:
    """Return the ground truth of a clip, and the change of its contacts to recordings."""
    if recordings is None:
        return info, None
    # Only contacts are replaced: in scenes that go on sounding, the caption would name half of what is heard.
    share = named if scene.contacts and not scene.continuous else 0.0
    # A stream of its own, behind those of `plan`: a clip is planned and drawn as it is without recordings.
    stream = np.random.SeedSequence([_STREAMS[info.split], info.seed]).spawn(7)[6]
    rng = np.random.Generator(np.random.PCG64(stream))
    hits = recordings.choose(rng, named=share)
    if hits.caption:
        info = replace(info, caption=hits.caption, named=True)
    return info, lambda contact, first, modal: hits.add(contact, first, modal, rng)


@torch.no_grad()
def make_stills(
    seeds: Sequence[int], *, split: Split, device: str | torch.device = "cpu"
) -> tuple[torch.Tensor, tuple[str, ...]]:
    """Make one frame per clip near one of its events; returns uint8 (stills, 36, 64, 3) and the struck materials.

    Clips without events give no still, and neither do flashes and explosions ("air"), where nothing is struck. Twenty
    times as fast as whole clips.
    """
    where = torch.device(device)
    frames, names = [], []
    for seed in seeds:
        scene, look, info, (drawing, sounding) = plan(int(seed), split)
        events = [event for event in info.events if event.material != "air"]
        if not events:
            continue
        # From the stream of the sound, which a still does not need: its picture is a frame of the clip's.
        event = events[int(sounding.integers(len(events)))]
        late = int(sounding.integers(-LATE_FRAMES, LATE_FRAMES + 1))
        # The frame that is shown at the event, and up to `LATE_FRAMES` before or after it.
        number = min(max(0, int(event.time_s * FRAME_RATE) + late), CLIP_FRAMES - 1)
        frames.append(render_frames(scene, look, drawing, where, np.array([number])))
        names.append(event.material)
    empty = torch.empty((0, HEIGHT, WIDTH, 3), dtype=torch.uint8, device=where)
    return torch.cat([empty, *frames]), tuple(names)
