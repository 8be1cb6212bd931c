"""Seven materials: the colours of each, and its sound when struck.

Ratios of partials follow free bars (wood), plates and bells (metal), and wine glasses (glass) in Fletcher and Rossing,
The Physics of Musical Instruments. Decays and noise were set by ear, so that the seven are easily told apart.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Modal sound of a material: partials above a fundamental, `low_hz` for large bodies, and a noise transient."""

    low_hz: float
    high_hz: float
    ratios: tuple[float, ...]
    decay_s: tuple[float, float]
    damping: float
    noise_hz: tuple[float, float]
    noise_s: float
    noise_level: float
    attack_s: float
    glide: float = 0.0
    bubbles: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A material's name and adjective, its usual colours as (dark, light) pairs, and its voice."""

    name: str
    adjective: str
    colours: tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...]
    voice: Voice


MATERIALS: dict[str, Material] = {
    material.name: material
    for material in (
        Material(
            name="wood",
            adjective="wooden",
            colours=(((0.36, 0.20, 0.09), (0.76, 0.52, 0.28)), ((0.48, 0.30, 0.14), (0.88, 0.68, 0.42))),
            voice=Voice(
                low_hz=170,
                high_hz=780,
                ratios=(1, 2.756, 5.404, 8.933, 13.34),
                decay_s=(0.05, 0.11),
                damping=0.7,
                noise_hz=(300, 2600),
                noise_s=0.006,
                noise_level=0.5,
                attack_s=0.0008,
            ),
        ),
        Material(
            name="metal",
            adjective="metal",
            colours=(((0.28, 0.31, 0.36), (0.97, 0.98, 1.0)), ((0.42, 0.32, 0.12), (1.0, 0.93, 0.66))),
            voice=Voice(
                low_hz=380,
                high_hz=1300,
                ratios=(1, 1.506, 1.991, 2.44, 3.0, 4.09, 5.41, 6.79),
                decay_s=(0.45, 1.1),
                damping=0.45,
                noise_hz=(2500, 7500),
                noise_s=0.004,
                noise_level=0.6,
                attack_s=0.0003,
            ),
        ),
        Material(
            name="glass",
            adjective="glass",
            colours=(((0.42, 0.66, 0.70), (0.92, 1.0, 1.0)), ((0.40, 0.68, 0.50), (0.90, 1.0, 0.93))),
            voice=Voice(
                low_hz=1500,
                high_hz=3100,
                ratios=(1, 1.32, 1.87, 2.32, 3.1, 4.25),
                decay_s=(0.10, 0.24),
                damping=0.35,
                noise_hz=(4500, 7900),
                noise_s=0.005,
                noise_level=0.8,
                attack_s=0.0002,
            ),
        ),
        Material(
            name="stone",
            adjective="stone",
            colours=(((0.30, 0.29, 0.28), (0.72, 0.71, 0.69)), ((0.42, 0.36, 0.30), (0.80, 0.74, 0.66))),
            voice=Voice(
                low_hz=620,
                high_hz=1500,
                ratios=(1, 1.41, 1.73, 2.31, 2.9, 3.8),
                decay_s=(0.012, 0.024),
                damping=0.3,
                noise_hz=(900, 4200),
                noise_s=0.016,
                noise_level=1.2,
                attack_s=0.0005,
            ),
        ),
        Material(
            name="rubber",
            adjective="rubber",
            colours=(((0.07, 0.07, 0.08), (0.16, 0.16, 0.17)), ((0.22, 0.05, 0.05), (0.34, 0.09, 0.08))),
            voice=Voice(
                low_hz=62,
                high_hz=125,
                ratios=(1, 1.72, 2.6),
                decay_s=(0.06, 0.10),
                damping=0.5,
                noise_hz=(40, 420),
                noise_s=0.022,
                noise_level=0.5,
                attack_s=0.002,
                glide=0.35,
            ),
        ),
        Material(
            name="water",
            adjective="water",
            colours=(((0.08, 0.25, 0.62), (0.45, 0.75, 0.98)), ((0.05, 0.36, 0.55), (0.50, 0.88, 0.95))),
            voice=Voice(
                low_hz=420,
                high_hz=900,
                ratios=(1,),
                decay_s=(0.02, 0.03),
                damping=0.0,
                noise_hz=(700, 6500),
                noise_s=0.09,
                noise_level=2.2,
                attack_s=0.003,
                bubbles=4,
            ),
        ),
        Material(
            name="cloth",
            adjective="cloth",
            colours=(((0.62, 0.14, 0.16), (0.92, 0.44, 0.40)), ((0.16, 0.40, 0.24), (0.48, 0.76, 0.50))),
            voice=Voice(
                low_hz=110,
                high_hz=170,
                ratios=(1,),
                decay_s=(0.018, 0.028),
                damping=0.0,
                noise_hz=(180, 1500),
                noise_s=0.035,
                noise_level=3.0,
                attack_s=0.004,
            ),
        ),
    )
}
