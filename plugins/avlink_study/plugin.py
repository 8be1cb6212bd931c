"""The components of this plugin: `avlink study` and its recipes.

Everything else is in the sibling modules, which are imported when the command is used.
"""

from __future__ import annotations

from avlink import hookimpl
from avlink.hooks import Command, RecipeKind
from avlink_study.recipe import StudyRecipe, check_study


@hookimpl
def avlink_commands() -> list[Command]:
    """Offer `avlink study`."""
    return [
        Command(name="study", summary="Ask people which of two results they prefer.", load="avlink_study.command:app")
    ]


@hookimpl
def avlink_recipe_kinds() -> list[RecipeKind]:
    """Offer recipes of `kind = "study"`."""
    return [RecipeKind(name="study", model=StudyRecipe, recipes="avlink_study", check=check_study)]
