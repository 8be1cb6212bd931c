"""The content of recipes of `kind = "serve"`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from avlink import Options, Override, RecipeError, SonifyRecipe, VisualizeRecipe
from avlink.hooks import ReadyBackend, Recipe, Registry, find_recipe, resolve_backend


class ServedBackend(Options):
    """A backend and its options."""

    name: str
    options: dict[str, object] = Field(default_factory=dict)
    on: bool = True
    """False leaves this direction out."""


class Limits(Options):
    """Limits of size and time. `queue` uploads and `keep_mb` of results must fit on the disk of temporary files."""

    queue: int = Field(default=8, ge=1, le=1000)
    """Jobs that are uploaded, wait or are worked on, at most; clients of more jobs are told to try again later."""
    upload_mb: float = Field(default=1024.0, gt=0)
    """The size of one job's pictures or sounds, in megabytes (of a million bytes)."""
    keep_s: float = Field(default=600.0, ge=0)
    """A result is dropped after this time."""
    keep_mb: float = Field(default=2048.0, ge=0)
    """The oldest results are dropped before that when all together are larger."""
    client_s: float = Field(default=30.0, gt=0)
    """A job is dropped when all clients that want it have been silent for this time."""
    request_s: float = Field(default=30.0, gt=0)
    """The time in which a request must have arrived, and in which its response must have been read."""


class ServeRecipe(Recipe):
    """`kind = "serve"`: the backends of `avlink serve`, and its limits."""

    kind: Literal["serve"] = "serve"
    format: Literal[1] = 1
    sound: ServedBackend = ServedBackend(name="fusion-v2a")
    """The backend for sound."""
    picture: ServedBackend = ServedBackend(name="fusion-a2v")
    """The backend for pictures."""
    limits: Limits = Limits()


def served_backends(recipe: Recipe, registry: Registry) -> tuple[ReadyBackend, ...]:
    """Return the backends that a recipe of kind serve, sonify or visualize names. Raises RecipeError."""
    if isinstance(recipe, SonifyRecipe | VisualizeRecipe):
        return (resolve_backend(recipe, registry),)
    if not isinstance(recipe, ServeRecipe):
        raise RecipeError(
            f'{recipe.source.label}: kind = "{recipe.kind}": only recipes of kind serve, sonify and '
            "visualize name a backend"
        )
    mistakes = check_served(recipe, registry)
    if mistakes:
        raise RecipeError("\n  ".join([f"{recipe.source.label}:", *mistakes]))
    return tuple(_ready(recipe, key, registry) for key in _on(recipe))


def check_served(recipe: ServeRecipe, registry: Registry) -> Sequence[str]:
    """Return a sentence for each mistake in the named backends."""
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
    # By way of the recipe that a run would use, so that options are checked, and explained, as they are there.
    if key == "sound":
        return resolve_backend(find_recipe("foley", "sonify", values, registry=registry), registry)
    return resolve_backend(find_recipe("visualize", VisualizeRecipe, values, registry=registry), registry)
