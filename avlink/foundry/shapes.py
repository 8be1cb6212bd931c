"""Flat shapes as signed distances: rounded boxes (which include discs and capsules), polygons, rings, half-planes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A shape about its own centre, lengths in pixels.

    `box` has half sizes and a corner radius; `polygon` is regular with `sides` and circumradius `half_u`;
    `ring` has radius `half_u` and half width `corner`; `half` fills everything at v > 0.
    """

    form: Literal["box", "polygon", "ring", "half"]
    half_u: float
    half_v: float
    corner: float = 0.0
    sides: int = 0

    @property
    def noun(self) -> str:
        """The word for it in captions."""
        if self.form == "polygon":
            return "lump"
        if self.corner >= 0.99 * min(self.half_u, self.half_v):
            return "ball" if self.half_u == self.half_v else "rod"
        return "block"

    def support(self, direction: Array | float, angle: Array | float) -> Array:
        """Return the extent from the centre along `direction` of the shape turned by `angle`, both in radians."""
        turn = np.asarray(direction) - np.asarray(angle)
        if self.form == "polygon":
            # The furthest corner along the direction (the support function of a convex hull).
            corners = [np.cos(turn - 2 * np.pi * k / self.sides) for k in range(self.sides)]
            return np.asarray(self.half_u * np.max(np.stack(corners), axis=0))
        # A box without its rounding, grown by the radius of the corners: Minkowski sums add their supports.
        flat_u, flat_v = self.half_u - self.corner, self.half_v - self.corner
        return np.asarray(flat_u * np.abs(np.cos(turn)) + flat_v * np.abs(np.sin(turn)) + self.corner)

    def extent(self, angle: Array) -> tuple[Array, Array]:
        """Return half the width and height of the bounding box of the shape turned by `angle`."""
        if self.form == "half":
            # Beyond any picture, so that it is never culled.
            return np.full_like(angle, 1e3), np.full_like(angle, 1e3)
        if self.form == "polygon":
            return np.full_like(angle, self.half_u), np.full_like(angle, self.half_u)
        wide = self.corner if self.form == "ring" else 0.0
        cos, sin = np.abs(np.cos(angle)), np.abs(np.sin(angle))
        return self.half_u * cos + self.half_v * sin + wide, self.half_u * sin + self.half_v * cos + wide

    def distance(self, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Return the signed distance in pixels, negative inside; `u` and `v` are the shape's own coordinates."""
        if self.form == "half":
            return -v
        if self.form == "ring":
            return (torch.hypot(u, v) - self.half_u).abs() - self.corner
        if self.form == "polygon":
            # The distance of a side from the centre. The maximum over sides is exact inside and next to sides; beyond
            # corners it is a little short, which one pixel of edge does not show.
            apothem = self.half_u * float(np.cos(np.pi / self.sides))
            best: torch.Tensor | None = None
            for k in range(self.sides):
                # The normal of a side lies between two corners, half a step on from corner k.
                facing = 2 * np.pi * (k + 0.5) / self.sides
                side = u * float(np.cos(facing)) + v * float(np.sin(facing))
                best = side if best is None else torch.maximum(best, side)
            assert best is not None
            return best - apothem
        flat_u, flat_v = self.half_u - self.corner, self.half_v - self.corner
        # A disc needs only one root; most bodies are discs.
        if flat_u <= 0 and flat_v <= 0:
            return torch.hypot(u, v) - self.corner
        # The distance of a rounded box (Quilez): beyond a corner the length of both parts, else the larger one.
        outside_u, outside_v = u.abs() - flat_u, v.abs() - flat_v
        outside = torch.hypot(outside_u.clamp(min=0), outside_v.clamp(min=0))
        return outside + torch.maximum(outside_u, outside_v).clamp(max=0) - self.corner


def disc(radius: float) -> Shape:
    """Return a disc of `radius` pixels."""
    return Shape(form="box", half_u=radius, half_v=radius, corner=radius)


def capsule(half_length: float, radius: float) -> Shape:
    """Return a rod with round ends, from -half_length to half_length along u, ends included."""
    return Shape(form="box", half_u=max(half_length, radius), half_v=radius, corner=radius)


def box(half_u: float, half_v: float, corner: float = 0.5) -> Shape:
    """Return a box with rounded corners."""
    return Shape(form="box", half_u=half_u, half_v=half_v, corner=min(corner, half_u, half_v))


def polygon(radius: float, sides: int) -> Shape:
    """Return a regular polygon of circumradius `radius`."""
    return Shape(form="polygon", half_u=radius, half_v=radius, sides=sides)


def ring(radius: float, half_width: float) -> Shape:
    """Return the outline of a circle."""
    return Shape(form="ring", half_u=radius, half_v=radius, corner=half_width)


def half_plane() -> Shape:
    """Return the half-plane v > 0."""
    return Shape(form="half", half_u=1e3, half_v=1e3)
