"""Recipes: the settings of a run as TOML, with inheritance, overrides, and messages that name every mistake.

The tables of all kinds of recipes belong here, and how recipes are read, merged and checked.
Options of components are declared by the components; reading what a recipe points to belongs to its package.
"""

from avlink.core.recipe.explain import describe_mistakes, explain, suggest
from avlink.core.recipe.generate import GenerateRecipe
from avlink.core.recipe.kinds import KINDS, AblateRecipe, EvaluateRecipe, TrainRecipe
from avlink.core.recipe.load import MoreRecipes, builtin_recipes, check_values, load_recipe
from avlink.core.recipe.overrides import Override, flatten, overrides_of, parse_override
from avlink.core.recipe.schema import (
    ComponentChoice,
    PromptTable,
    Recipe,
    RecipeSource,
    RunRecipe,
    SonifyRecipe,
    VisualizeRecipe,
)
from avlink.core.recipe.spot import SpotRecipe

__all__ = [
    "KINDS",
    "AblateRecipe",
    "ComponentChoice",
    "EvaluateRecipe",
    "GenerateRecipe",
    "MoreRecipes",
    "Override",
    "PromptTable",
    "Recipe",
    "RecipeSource",
    "RunRecipe",
    "SonifyRecipe",
    "SpotRecipe",
    "TrainRecipe",
    "VisualizeRecipe",
    "builtin_recipes",
    "check_values",
    "describe_mistakes",
    "explain",
    "flatten",
    "load_recipe",
    "overrides_of",
    "parse_override",
    "suggest",
]
