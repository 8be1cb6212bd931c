"""Procedural textures: wood, metal, stone, cloth, skin, tiles and others, as small square images."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avlink.foundry.materials import MATERIALS

SIDE = 64
_SKIN = ((226, 181, 150), (205, 150, 112), (150, 98, 66), (92, 60, 42), (240, 200, 175))
_PLAIN = ("noise", "stripes", "checks", "tiles", "plain", "speckles")


def noise(rng: np.random.Generator, side: int = SIDE, *, octaves: int = 4, stretch: float = 1.0) -> NDArray[np.float32]:
    """Return smooth random values in [0, 1], (side, side); `stretch` above 1 makes streaks along the rows."""
    total = np.zeros((side, side), np.float32)
    for octave in range(octaves):
        count = 2 ** (octave + 1)
        tall = int(np.clip(count * stretch, 2, side))
        wide = int(np.clip(count / max(stretch, 1.0), 2, side))
        patch = Image.fromarray(rng.standard_normal((tall, wide)).astype(np.float32))
        total += 0.7**octave * np.asarray(patch.resize((side, side), Image.Resampling.BICUBIC))
    total -= total.min()
    return np.asarray(total / max(float(total.max()), 1e-6))


def texture(rng: np.random.Generator, look: str, side: int = SIDE) -> NDArray[np.uint8]:
    """Return an image (side, side, 3) of a look: a material of the foundry, "skin", or "any"."""
    if look == "skin":
        base = np.asarray(_SKIN[rng.integers(len(_SKIN))], np.float32) * rng.uniform(0.8, 1.1)
        image = base * (0.9 + 0.18 * noise(rng, side, octaves=4)[..., None])
        return image.clip(0, 255).astype(np.uint8)
    low, high = _colours(rng, look)
    mask = _mask(rng, look, side)
    image = low + (high - low) * mask[..., None] + rng.normal(0, rng.uniform(0, 7), (side, side, 1))
    return np.asarray(image.clip(0, 255).astype(np.uint8))


def _colours(rng: np.random.Generator, look: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    material = MATERIALS.get(look)
    if material is not None and rng.random() < (0.2 if look == "cloth" else 0.6):
        dark, light = material.colours[int(rng.integers(len(material.colours)))]
        shift = rng.normal(0, 14, 3) + rng.normal(0, 14)
        return np.asarray(dark) * 255 + shift, np.asarray(light) * 255 + shift
    first = _colour(rng)
    # Most things have one hue, in light and dark.
    if rng.random() < 0.75:
        return first, np.clip(first * rng.uniform(0.5, 1.5) + rng.normal(0, 10, 3), 5, 250)
    return first, _colour(rng)


def _colour(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a colour: few things are vivid, most are greyish or brownish."""
    vivid = rng.random() < 0.5
    saturation = rng.beta(1.2, 2.2) * (0.8 if vivid else 0.5)
    hue = rng.uniform(0, 1) if vivid else rng.normal(0.09, 0.04) % 1.0
    value = rng.uniform(25, 240)
    return np.asarray(colorsys.hsv_to_rgb(hue, saturation, value))


def _mask(rng: np.random.Generator, look: str, side: int) -> NDArray[np.float32]:
    """Return the share of the second colour at each pixel."""
    if look == "wood":
        rings = noise(rng, side, octaves=3, stretch=6.0)
        return np.asarray((0.5 + 0.5 * np.sin(rings * rng.uniform(10, 40))) * 0.6 + 0.4 * rings, np.float32)
    if look == "metal":
        return noise(rng, side, octaves=4, stretch=float(rng.choice([1.0, 8.0]))) * 0.5 + 0.4
    if look in ("stone", "rubber", "water"):
        return noise(rng, side, octaves=5)
    if look == "cloth" and rng.random() < 0.5:
        return noise(rng, side, octaves=4) * 0.7
    rows, columns = np.indices((side, side))
    kind = str(rng.choice(_PLAIN))
    size = int(rng.integers(4, 24))
    if kind == "stripes":
        return (0.3 * noise(rng, side) + 0.7 * ((rows // size) % 2)).astype(np.float32)
    if kind == "checks":
        return ((rows // size + columns // size) % 2).astype(np.float32)
    if kind == "tiles":
        joint = (rows % size == 0) | ((columns + (rows // size % 2) * size // 2) % size == 0)
        return np.where(joint, 0.0, 0.55 + 0.45 * noise(rng, side)).astype(np.float32)
    if kind == "speckles":
        return (0.6 * noise(rng, side, octaves=5) + 0.4 * (rng.random((side, side)) < 0.2)).astype(np.float32)
    return noise(rng, side, octaves=2 if kind == "plain" else 5) * (0.3 if kind == "plain" else 1.0)
