"""Recipes: what a run shall do, as TOML with inheritance, overrides and messages that help."""

from avlink.core.recipe.explain import describe_mistakes, explain, suggest
from avlink.core.recipe.learning import KINDS, AblateRecipe, EvaluateRecipe, TrainRecipe
from avlink.core.recipe.load import MoreRecipes, builtin_recipes, check_values, load_recipe
from avlink.core.recipe.overrides import Override, flat, overrides_of, parse_override
from avlink.core.recipe.schema import PromptTable, Recipe, SonifyRecipe, Source, Step, VisualizeRecipe

__all__ = [
    "KINDS",
    "AblateRecipe",
    "EvaluateRecipe",
    "MoreRecipes",
    "Override",
    "PromptTable",
    "Recipe",
    "SonifyRecipe",
    "Source",
    "Step",
    "TrainRecipe",
    "VisualizeRecipe",
    "builtin_recipes",
    "check_values",
    "describe_mistakes",
    "explain",
    "flat",
    "load_recipe",
    "overrides_of",
    "parse_override",
    "suggest",
]
