"""Prompts that are obeyed: sounds for twenty prompts on pictures of the foundry, as YAMNet names them.

The pictures show none of these things, so that only the words can tell. A sound obeys its prompt if one of YAMNet's
first five names for it is among those of the prompt. Chance is the share of the other prompts' sounds that would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray

from avlink.core.sampling import SOUND
from avlink.evaluation.model import BundleModel
from avlink.foundry import FRAME_RATE, make_clips
from benchmarks.ear import Ear
from benchmarks.figure import Figure, Wanted

_DRUMS = ("Drum", "Drum kit", "Percussion", "Drum roll")
_SHOTS = ("Gunshot, gunfire", "Explosion", "Machine gun", "Fusillade", "Artillery fire", "Burst, pop")
_STEPS = ("Walk, footsteps", "Run")
_CLINKS = ("Glass", "Chink, clink", "Dishes, pots, and pans", "Cutlery, silverware", "Ding")
_TAPS = ("Knock", "Tap", "Tick", "Wood", "Thump, thud")
PROMPTS: Mapping[str, tuple[str, ...]] = {
    "dog barking": ("Dog", "Bark", "Bow-wow", "Yip", "Domestic animals, pets", "Growling", "Howl"),
    "sheep": ("Sheep", "Bleat", "Goat", "Livestock, farm animals, working animals"),
    "horse hooves": ("Clip-clop", "Horse"),
    "gun shot": (*_SHOTS, "Cap gun"),
    "explosion": (*_SHOTS, "Boom", "Thunder"),
    "snare drum": (*_DRUMS, "Snare drum", "Rimshot"),
    "cymbal crash": (*_DRUMS, "Cymbal", "Hi-hat"),
    "bell": ("Bell", "Ding", "Church bell", "Bicycle bell", "Chime", "Ding-dong", "Tubular bells", "Doorbell"),
    "train horn": ("Train", "Train horn", "Train whistle", "Rail transport", "Vehicle horn, car horn, honking"),
    "engine running": ("Engine", "Vehicle", "Motor vehicle (road)", "Car", "Idling", "Truck"),
    "door slam": ("Door", "Slam", "Thump, thud", "Cupboard open or close", "Sliding door"),
    "footsteps on wood": _STEPS,
    "water splash": ("Water", "Splash, splatter", "Liquid", "Pour", "Drip", "Stream", "Slosh"),
    "glass breaking": ("Glass", "Shatter", "Breaking", "Chink, clink"),
    "glass bottle hit": _CLINKS,
    "metal impact": (*_CLINKS, "Clang", "Bell", "Coin (dropping)", "Cowbell", "Hammer", "Tools"),
    "wood knock": (*_TAPS, "Chop", "Door", "Wood block"),
    "hand clap": ("Clapping", "Hands", "Applause", "Finger snapping", "Slap, smack"),
    "finger snap": ("Finger snapping", "Hands", "Clapping"),
    "typing on a keyboard": ("Typing", "Computer keyboard", "Typewriter", "Clicking"),
}
"""YAMNet's names for each prompt."""

_PICTURES = 2
_FIRST_SEED = 1_000_500
_FIRST_NAMES = 5


def measure(wanted: Wanted) -> list[Figure]:
    """Return the share of sounds that obey their prompt; none where YAMNet is missing."""
    torch.set_num_threads(1)
    try:
        ear = Ear()
    except (FileNotFoundError, ImportError):
        return []
    model = BundleModel(wanted.model, device="cpu", sound=replace(SOUND, steps=1) if wanted.quick else None)
    prompts = dict(list(PROMPTS.items())[:2]) if wanted.quick else PROMPTS
    heard = {prompt: _names(ear, model, prompt, row) for row, prompt in enumerate(prompts)}
    title = f"prompts to {wanted.model}"
    figures = [
        Figure(name=f"{title}, '{prompt}'", value=_share(heard[prompt], prompts[prompt]), unit="share")
        for prompt in prompts
    ]
    chance = [_share(heard[other], prompts[one]) for one in prompts for other in prompts if other != one]
    figures.append(
        Figure(
            name=f"{title}, obeyed",
            value=float(np.mean([figure.value for figure in figures])),
            unit="share",
            baseline=float(np.mean(chance)),
            baseline_name="other prompts",
        )
    )
    return figures


def _names(ear: Ear, model: BundleModel, prompt: str, row: int) -> list[set[str]]:
    """Return the first names of the sounds of a prompt, one set for each of its pictures."""
    seeds = [_FIRST_SEED + _PICTURES * row + number for number in range(_PICTURES)]
    frames: NDArray[np.uint8] = make_clips(seeds, split="held_out").frames.numpy()
    duration_s = Fraction(frames.shape[1]) / FRAME_RATE
    sounds = model.generate(frames, [prompt] * _PICTURES, seeds, duration_s=duration_s)
    return [ear.first(ear.scores(sound, model.sample_rate), _FIRST_NAMES) for sound in sounds]


def _share(heard: list[set[str]], names: tuple[str, ...]) -> float:
    return float(np.mean([bool(found & set(names)) for found in heard]))
