"""What materials look like close up: a field between the dark (0) and the light (1) colour of a surface."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch

from avlink.foundry.scene import Surface


@dataclass(frozen=True, slots=True)
class Place:
    """Where a texture is evaluated: own `u`, `v`, screen `x`, `y`, signed distance, seconds; they broadcast."""

    u: torch.Tensor
    v: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor
    distance: torch.Tensor
    t: torch.Tensor


@lru_cache(maxsize=4)
def speckle(device: str) -> torch.Tensor:
    """A fixed table of 64 x 64 random levels, the grain of stone."""
    generator = torch.Generator().manual_seed(20)
    return torch.rand(64 * 64, generator=generator).to(device)


def tone(surface: Surface, at: Place) -> torch.Tensor:
    """The level of `surface` at every pixel, 0 (its dark colour) to 1 (its light one)."""
    grain, phase = surface.grain_px, surface.phase
    if surface.texture == "wood":
        wave = at.v * (2 * math.pi / grain) + 1.4 * torch.sin(at.u * (0.9 / grain) + phase)
        return 0.5 + 0.5 * torch.sin(wave)
    if surface.texture == "metal":
        # A band that stays with the light while the body moves under it, and a darker rim.
        band = torch.sin((at.x * 0.8 + at.y * 1.1) * (2.2 / (grain + 4)) + 2.0 * at.t + phase)
        return (0.25 + 0.75 * band.clamp(min=0).square() + 0.12 * at.distance.clamp(-1.5, 0)).clamp(0, 1)
    if surface.texture == "glass":
        return (1.0 - (at.distance + 1.0).abs() * 0.8).clamp(0.15, 1)
    if surface.texture == "stone":
        cell = 6.0 / grain / 2.4
        column = (at.u * cell + 512 + phase * 9).to(torch.int32) & 63
        row = (at.v * cell + 512 + phase * 5).to(torch.int32) & 63
        return speckle(str(at.u.device))[row * 64 + column]
    if surface.texture == "water":
        ripple = torch.sin(at.v * (5.0 / grain) + torch.sin(at.u * (3.0 / grain) + 5 * at.t + phase) - 7 * at.t)
        return 0.45 + 0.45 * ripple
    if surface.texture == "cloth":
        check = torch.sin(at.u * (6.3 / grain)) * torch.sin(at.v * (6.3 / grain))
        return (0.5 + 4 * check).clamp(0, 1)
    if surface.texture == "rubber":
        return (0.3 - 0.06 * at.distance).clamp(0, 1)
    return torch.full_like(at.distance, 0.5)
