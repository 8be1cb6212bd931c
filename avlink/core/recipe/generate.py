"""Recipes of the kind generate: sound, pictures, or both from prompts, without a timeline."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from avlink.core.recipe.schema import Recipe, Seed
from avlink.core.sampling import PICTURES, TEXT, SolverName


class GenerateRecipe(Recipe):
    """`kind = "generate"`: the model, what it makes, and the settings of its sampler."""

    kind: Literal["generate"] = "generate"
    format: Literal[1] = 1
    bundle: str = "builtin"
    """A shipped bundle by name, or a bundle's folder."""
    makes: Literal["audio", "video", "both"] = "audio"
    """Sound or pictures by one backbone alone, or both. Models with one shared fusion make both at once, others first
    the pictures, then their sound."""
    seconds: float | None = Field(default=None, ge=0.05, le=3600)
    """Length; by default that of the windows that the model was trained on."""
    negative: str = ""
    """Sounds or pictures to avoid."""
    seed: Seed = 0
    """Seed of the first take; each further take has the next one."""
    takes: int = Field(default=1, ge=1, le=99)
    """Results of each prompt."""
    steps: int = Field(default=TEXT.steps, ge=1, le=1000)
    """Steps of the solver; the paper takes 64."""
    solver: SolverName = TEXT.solver
    shift: float = Field(default=TEXT.shift, ge=0.01, le=100)
    """Shift of the steps of sound towards noise (Esser et al. 2024); 1 is none."""
    guidance: float = Field(default=TEXT.guidance, ge=0, le=50)
    """Classifier-free guidance; 1 is none, the paper takes 5."""
    guidance_rescale: float = Field(default=TEXT.guidance_rescale, ge=0, le=1)
    """Share by which guided sound is brought back to its level without guidance (Lin et al. 2024)."""
    picture_shift: float = Field(default=PICTURES.shift, ge=0.01, le=100)
    """The same for pictures."""
    upscale: int = Field(default=8, ge=1, le=64)
    """Whole factor by which pictures are enlarged."""
