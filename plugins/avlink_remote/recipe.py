"""What a recipe of `kind = "serve"` may say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from avlink import Options, Override, RecipeError, SonifyRecipe, VisualizeRecipe
from avlink.hooks import ReadyBackend, Recipe, Registry, find_recipe, resolve_backend


class ServedBackend(Options):
    """A backend that is served, and its own options."""

    name: str
    options: dict[str, object] = Field(default_factory=dict)
    on: bool = True
    """Whether this direction is served at all."""


class Limits(Options):
    """How much is taken, and for how long. What they allow together must fit on the disk of temporary files."""

    queue: int = Field(default=8, ge=1, le=1000)
    """Jobs that are uploaded, wait or are worked on; more are told to come back later."""
    upload_mb: float = Field(default=1024.0, gt=0)
    """One job's pictures or sounds, in megabytes (of a million bytes)."""
    keep_s: float = Field(default=600.0, ge=0)
    """Results that nobody fetches are dropped after so long,"""
    keep_mb: float = Field(default=2048.0, ge=0)
    """and the oldest before that, when all together are larger."""
    client_s: float = Field(default=30.0, gt=0)
    """A job is dropped when nobody who wants it was heard of for so long."""
    request_s: float = Field(default=30.0, gt=0)
    """A request must have arrived, and its answer left, in so long."""


class ServeRecipe(Recipe):
    """`kind = "serve"`: which backends `avlink serve` offers, and how much it takes."""

    kind: Literal["serve"] = "serve"
    format: Literal[1] = 1
    sound: ServedBackend = ServedBackend(name="fusion-v2a")
    """Sound for pictures: what `remote` uses."""
    picture: ServedBackend = ServedBackend(name="fusion-a2v")
    """Pictures for sound: what `remote-a2v` uses."""
    limits: Limits = Limits()


def served_backends(recipe: Recipe, registry: Registry) -> tuple[ReadyBackend, ...]:
    """The backends that a recipe of kind serve, sonify or visualize names, checked. Raises RecipeError."""
    if isinstance(recipe, SonifyRecipe | VisualizeRecipe):
        return (resolve_backend(recipe, registry),)
    if not isinstance(recipe, ServeRecipe):
        raise RecipeError(
            f'{recipe.source.label}: kind = "{recipe.kind}": only recipes of kind serve, sonify and '
            "visualize name a backend"
        )
    ready = []
    mistakes = check_served(recipe, registry)
    if mistakes:
        raise RecipeError("\n  ".join([f"{recipe.source.label}:", *mistakes]))
    for direction in _on(recipe):
        ready.append(_ready(recipe, direction, registry))
    return tuple(ready)


def check_served(recipe: ServeRecipe, registry: Registry) -> Sequence[str]:
    """A sentence for each mistake in the backends that are named."""
    mistakes = []
    for key in _on(recipe):
        try:
            _ready(recipe, key, registry)
        except RecipeError as error:
            mistakes.append(f"{key}: {error}")
    if not _on(recipe):
        mistakes.append("sound.on, picture.on: both are false, and nothing is left to serve")
    return mistakes


def _on(recipe: ServeRecipe) -> list[str]:
    return [key for key, served in (("sound", recipe.sound), ("picture", recipe.picture)) if served.on]


def _ready(recipe: ServeRecipe, key: str, registry: Registry) -> ReadyBackend:
    served: ServedBackend = getattr(recipe, key)
    values = [
        Override(key="backend.name", value=served.name, label=f"{key}.name"),
        Override(key="backend.options", value=dict(served.options), label=f"{key}.options"),
    ]
    if key == "sound":
        return resolve_backend(find_recipe("foley", "sonify", values, registry=registry), registry)
    return resolve_backend(find_recipe("visualize", VisualizeRecipe, values, registry=registry), registry)
