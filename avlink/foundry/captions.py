"""Short captions in varied words, which always name the sounding material."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avlink.foundry.materials import MATERIALS

Rng = np.random.Generator


def pick(rng: Rng, *lines: str) -> str:
    """Draw one of `lines`."""
    return lines[int(rng.integers(len(lines)))]


def noun_phrase(material: str, noun: str) -> str:
    """Return a body in words, such as "a wooden ball"."""
    if material == "water":
        return "a blob of water"
    adjective = MATERIALS[material].adjective
    return f"a {adjective} {noun}"


def bounce(rng: Rng, materials: Sequence[str], nouns: Sequence[str]) -> str:
    """Describe bodies that bounce."""
    first = noun_phrase(materials[0], nouns[0])
    if len(materials) > 1:
        return f"{first} and {noun_phrase(materials[1], nouns[1])} " + pick(
            rng, "bounce", "bounce on the floor", "are bouncing"
        )
    return pick(
        rng,
        f"{first} bounces on the floor",
        f"{first} bouncing",
        f"{first} is bouncing up and down",
        f"{first} falls and bounces",
        f"bouncing {MATERIALS[materials[0]].adjective} {nouns[0]}",
    )


def between_walls(rng: Rng, material: str, noun: str) -> str:
    """Describe a body between two walls."""
    return f"{noun_phrase(material, noun)} " + pick(
        rng, "bounces between two walls", "flies from wall to wall", "hits the walls"
    )


def drop(rng: Rng, materials: Sequence[str], noun: str) -> str:
    """Describe bodies that fall."""
    names = list(dict.fromkeys(materials))
    if len(names) > 1:
        return " and ".join(names) + pick(rng, " pieces fall down", " things drop on the floor", " objects fall")
    first = noun_phrase(names[0], noun)
    if len(materials) > 1:
        return pick(rng, f"{names[0]} pieces fall one by one", f"several pieces of {names[0]} drop")
    return pick(rng, f"{first} falls", f"{first} drops on the floor", f"{first} hits the ground")


def strike(rng: Rng, material: str, tool: str, noun: str) -> str:
    """Describe a tool that strikes an object."""
    adjective = MATERIALS[tool].adjective
    return pick(
        rng,
        f"{adjective} {noun} hits {material}",
        f"a {noun} strikes {material}",
        f"someone hits {material} with a {noun}",
        f"a {adjective} {noun} on {material}",
        f"knocking on {material} with a {noun}",
    )


def pair(rng: Rng, materials: Sequence[str], noun: str) -> str:
    """Describe two tools that strike two objects."""
    return pick(rng, f"two {noun} hit ", f"drumming with {noun} on ", f"{noun} on ") + " and ".join(
        dict.fromkeys(materials)
    )


def steps(rng: Rng, material: str) -> str:
    """Describe a walker."""
    return (
        pick(rng, "footsteps on ", "someone walks on ", "walking on ", "steps on ", "a person walking over ") + material
    )


def collide(rng: Rng, first: str, second: str, noun: str, other: str, *, wall: bool) -> str:
    """Describe two bodies that collide."""
    if wall:
        return f"{noun_phrase(first, noun)} " + pick(rng, "hits a wall", "runs against a wall", "knocks on the wall")
    if first == second:
        return pick(
            rng, f"two pieces of {first} collide", f"{first} knocks against {first}", f"{first} objects bump together"
        )
    return (
        f"{noun_phrase(first, noun)} "
        + pick(rng, "hits ", "collides with ", "bumps into ")
        + noun_phrase(second, other)
    )


def flash(rng: Rng, number: int) -> str:
    """Describe flashes."""
    if number == 1:
        return pick(rng, "a flash with a crack", "a bright flash and a bang", "lightning strikes")
    return pick(rng, "flashes with loud cracks", "bright flashes and bangs", "lightning and thunder cracks")


def explosion(rng: Rng, number: int) -> str:
    """Describe explosions."""
    if number == 1:
        return pick(rng, "an explosion", "a loud explosion with fire", "something explodes", "a big boom and smoke")
    return pick(rng, "two explosions", "explosions with fire and smoke", "things explode")


def roll(rng: Rng, material: str, *, knock: bool) -> str:
    """Describe a rolling body."""
    first = noun_phrase(material, "ball")
    if knock:
        return pick(rng, f"{first} rolls and hits a wall", f"{first} rolls against a stop")
    return pick(rng, f"{first} rolls over the floor", f"{first} rolling")


def machine(rng: Rng, material: str, *, knocks: bool) -> str:
    """Describe a turning wheel."""
    adjective = MATERIALS[material].adjective
    if knocks:
        return pick(rng, f"a {adjective} wheel turns and clunks", f"a {adjective} machine humming and knocking")
    return pick(rng, f"a {adjective} wheel hums", f"a humming {adjective} machine")


def weather(rng: Rng, what: str, level: np.ndarray) -> str:
    """Describe rain or wind that rises, falls or stays."""
    rise = float(level[-30:].mean() - level[:30].mean())
    if rise > 0.3:
        return pick(rng, f"{what} gets heavier", f"{what} getting stronger")
    if rise < -0.3:
        return pick(rng, f"{what} gets weaker", f"{what} dies down")
    return (
        pick(rng, f"{'heavy' if what == 'rain' else 'strong'} {what}", f"the sound of {what}", what)
        if level.mean() > 0.5
        else pick(rng, f"light {what}", f"soft {what}", what)
    )


def transfer(rng: Rng, kind: str, material: str) -> str:
    """Describe a kind of the transfer split."""
    lines = {
        "pendulum": (f"a pendulum hits a {material} post", f"something swings against {material}"),
        "press": (f"a press stamps on {material}", f"a stamp comes down on a {material} plate"),
        "clap": (f"two {material} plates clap together", f"a {material} lid closes"),
        "cradle": (f"swinging {material} balls click", f"a cradle of {material} balls"),
    }
    return pick(rng, *lines[kind])
