"""The tables of a training recipe: how long each stage learns, from what. Knows no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from avlink.core.architecture import Architecture, Positive
from avlink.core.datasets import DataTable, FoundryData

__all__ = ["STAGES", "Conditioning", "DataTable", "FoundryData", "StageName", "StageTable"]

STAGES = ("vae", "vocoder", "appearance", "motion", "audio", "video", "fusion_v2a", "fusion_a2v")
"""In the order in which they run: codec, motion stem (its look at single frames first), backbones, fusions."""

StageName = Literal["vae", "vocoder", "appearance", "motion", "audio", "video", "fusion_v2a", "fusion_a2v"]


class StageTable(Architecture):
    """How one stage learns."""

    steps: Positive
    batch: Positive
    lr: float = Field(default=1e-3, gt=0)
    """AdamW's learning rate at its peak."""
    muon_lr: float | None = Field(default=None, gt=0)
    """Muon's, for the weight matrices; left out, AdamW takes them too."""
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_steps: int = Field(default=30, ge=0)
    decay: float = Field(default=0.4, ge=0, le=1)
    """The last part of the run, over which the learning rate falls to zero."""
    ema: float = Field(default=0.998, ge=0, lt=1)
    validate_every: int = Field(default=0, ge=0)
    """Steps between judgements on held-out clips; 0 is only at the end."""
    checkpoint_every: Positive = 100


class Conditioning(Architecture):
    """Flow times at which the conditioning modality stands (section 4.4)."""

    t_video: float = Field(default=0.96, gt=0, le=1)
    """For V2A."""
    t_audio: float = Field(default=0.8, gt=0, le=1)
    """For A2V."""
