"""Recipes by name or path, of AVLink's own kinds and of those that plugins add."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, overload

from avlink.core.recipe import MoreRecipes, Override, Recipe, SonifyRecipe, builtin_recipes, load_recipe
from avlink.hooks.loader import load_registry
from avlink.hooks.registry import Registry

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)


@overload
def find_recipe(
    name_or_path: str | Path,
    kind: Literal["sonify"],
    overrides: Sequence[str | Override] = (),
    *,
    registry: Registry | None = None,
) -> SonifyRecipe: ...
@overload
def find_recipe(
    name_or_path: str | Path,
    kind: type[AnyRecipe],
    overrides: Sequence[str | Override] = (),
    *,
    registry: Registry | None = None,
) -> AnyRecipe: ...
@overload
def find_recipe(
    name_or_path: str | Path,
    kind: None = None,
    overrides: Sequence[str | Override] = (),
    *,
    registry: Registry | None = None,
) -> Recipe: ...
def find_recipe(
    name_or_path: str | Path,
    kind: str | type[Recipe] | None = None,
    overrides: Sequence[str | Override] = (),
    *,
    registry: Registry | None = None,
) -> Recipe:
    """Return the recipe of that name or path (ends in .toml), checked, with `overrides` such as "run.seed=3".

    `kind` is the name or the model of the kind that it must have; None accepts any. Kinds and named recipes of plugins
    are those of `registry`, or of the installed plugins, which are loaded only if they are needed.

    Raises RecipeError that lists every mistake with the value and its origin.
    """

    def more() -> MoreRecipes:
        found = load_registry() if registry is None else registry
        kinds = {name: kind.model for name, kind in found.recipe_kinds.items()}
        return MoreRecipes(kinds=kinds, named=_of_plugins(found))

    return load_recipe(name_or_path, kind, overrides, more=more)


def named_recipes(registry: Registry) -> dict[str, Traversable]:
    """Return all named recipes with their files; AVLink's own take precedence over those of plugins."""
    return dict(sorted({**_of_plugins(registry), **builtin_recipes()}.items()))


def _of_plugins(registry: Registry) -> dict[str, Traversable]:
    packages = [kind.recipes for kind in registry.recipe_kinds.values() if kind.recipes is not None]
    return {
        item.name.removesuffix(".toml"): item
        for package in packages
        for item in resources.files(package).iterdir()
        if item.name.endswith(".toml")
    }
