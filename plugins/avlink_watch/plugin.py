"""The hook implementations of `avlink_watch`. The command is imported when it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from avlink import hookimpl
from avlink.hooks import Command, RecipeKind
from avlink_watch.recipe import WatchRecipe, check_rules


def load_command() -> Callable[..., Any]:
    """Return the function behind `avlink watch`."""
    from avlink_watch.command import watch

    return watch


@hookimpl
def avlink_commands() -> list[Command]:
    """Add `avlink watch`."""
    return [Command(name="watch", summary="Generate foley for new files in folders.", load=load_command)]


@hookimpl
def avlink_recipe_kinds() -> list[RecipeKind]:
    """Add recipes of `kind = "watch"`."""
    return [RecipeKind(name="watch", model=WatchRecipe, recipes="avlink_watch", check=check_rules)]
