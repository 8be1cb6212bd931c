"""The content of recipes of `kind = "study"`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from avlink import Options
from avlink.hooks import Recipe, Registry
from avlink_study.questions import Task


class Method(Options):
    """A folder with the results of one method. Raters never see its name."""

    name: str = Field(min_length=1, max_length=80)
    folder: str = Field(min_length=1)


class StudyRecipe(Recipe):
    """`kind = "study"`: the methods, clips and raters of `avlink study`."""

    kind: Literal["study"] = "study"
    format: Literal[1] = 1
    task: Task = "v2a"
    """The generated half: sound for pictures, pictures for sound, or both. It chooses the questions."""
    methods: Annotated[tuple[Method, ...], Field(strict=False)] = ()
    """The compared methods, unless the command line names folders. Files of one name, suffixes aside, are partners."""
    pictures: str | None = None
    """A folder of movies: the methods' folders then hold sounds alone, each put to the movie of its name."""
    sounds: str | None = None
    """A folder of sounds: the methods' folders then hold movies whose own sound, if any, is replaced by it."""
    compare: Literal["first", "all"] = "first"
    """The first method against each of the others, or each against each."""
    samples: Annotated[int, Field(ge=1)] | Literal["all"] = 50
    """The number of clips of each pair of methods, drawn from those that there are."""
    raters: int = Field(default=5, ge=1)
    """The number of different people who answer each pair of clips, at most."""
    no_preference: bool = False
    """Offer "no preference" as an answer. The paper's raters had to choose."""
    lease_s: float = Field(default=1800.0, gt=0)
    """The time for which a pair that somebody looks at is kept from others."""
    seed: int = Field(default=1, ge=0, lt=2**63)
    """The seed of the drawn clips, the order of the pairs, and the sides."""


def check_study(recipe: StudyRecipe, registry: Registry) -> Sequence[str]:
    """Return a sentence for each mistake that the fields alone do not show."""
    mistakes = []
    names = [method.name for method in recipe.methods]
    if len(names) == 1:
        mistakes.append("methods: one alone cannot be compared; name two at least")
    mistakes += [
        f"methods: '{name}' is there twice; each method needs a name of its own"
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    if recipe.pictures is not None and recipe.sounds is not None:
        mistakes.append("pictures, sounds: only one of them can be given: the other half comes from the methods")
    return mistakes
