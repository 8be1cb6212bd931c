"""The rules of a recipe, ready to be used: which files are meant, and how each is sonified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from avlink import RecipeError, digest, report
from avlink.hooks import Registry
from avlink_watch.names import matches, reaches_below
from avlink_watch.recipe import WatchRecipe, check_rules, sonify_recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyRule:
    """One rule. `values` are those of its recipe, to be checked again by the worker; None if its files are ignored.

    `digest` names the content of the recipe.
    """

    globs: tuple[str, ...]
    label: str
    values: Mapping[str, Any] | None
    digest: str


class Rules:
    """The rules in order."""

    def __init__(self, recipe: WatchRecipe, registry: Registry) -> None:
        """Load the recipe of every rule. Raises RecipeError that lists all mistakes."""
        mistakes = check_rules(recipe, registry)
        if mistakes:
            raise RecipeError(report(recipe.source, mistakes))
        self._rules = tuple(_ready(recipe, index, registry) for index in range(len(recipe.rules)))
        self.below = reaches_below([glob for rule in self._rules for glob in rule.globs])

    def find(self, path: str) -> ReadyRule | None:
        """The rule for a file, by its path from the watched folder; None if it is none of ours."""
        rule = next((rule for rule in self._rules if matches(path, rule.globs)), None)
        return None if rule is None or rule.values is None else rule

    def wants(self, path: str) -> bool:
        """Whether a file is ours."""
        return self.find(path) is not None


def _ready(recipe: WatchRecipe, index: int, registry: Registry) -> ReadyRule:
    rule = recipe.rules[index]
    if rule.ignore:
        return ReadyRule(globs=rule.glob, label="", values=None, digest="")
    loaded = sonify_recipe(recipe, index, registry)
    return ReadyRule(
        globs=rule.glob,
        label=loaded.source.label,
        values=dict(loaded.source.values),
        digest=digest(loaded.model_dump(mode="json")),
    )
