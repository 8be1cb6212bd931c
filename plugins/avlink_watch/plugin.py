"""The hook implementations of `avlink_watch`. The command is imported when it is used."""

from __future__ import annotations

from avlink import hookimpl
from avlink.hooks import Command, RecipeKind
from avlink_watch.recipe import WatchRecipe, check_rules


@hookimpl
def avlink_commands() -> list[Command]:
    """Add `avlink watch`."""
    return [
        Command(name="watch", summary="Generate foley for new files in folders.", load="avlink_watch.command:watch")
    ]


@hookimpl
def avlink_recipe_kinds() -> list[RecipeKind]:
    """Add recipes of `kind = "watch"`."""
    return [RecipeKind(name="watch", model=WatchRecipe, recipes="avlink_watch", check=check_rules)]
