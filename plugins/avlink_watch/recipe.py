"""What a recipe of `kind = "watch"` may say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from avlink import Options, RecipeError, SonifyRecipe, find_recipe, overrides_of
from avlink.hooks import Recipe, Registry, check_components

MOVIES = ("*.mp4", "*.mov", "*.m4v", "*.mkv", "*.webm", "*.avi", "*.mxf", "*.mts", "*.m2ts", "*.ts", "*.flv", "*.3gp")
TIMELINES = ("*.otio", "*.otioz", "*.otiod", "*.edl", "*.xml", "*.fcpxml", "*.aaf")


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Globs = Annotated[tuple[str, ...], BeforeValidator(_as_list), Field(strict=False)]
Names = Annotated[tuple[str, ...], Field(strict=False)]


class Rule(Options):
    """Which recipe for which files. The first rule that fits a file decides; a file that none fits is left alone."""

    glob: Globs
    """Patterns for the path in the watched folder, one or a list. `*.mov` means files in the folder itself,
    `**/*.mov` also those in folders below it; capitals do not matter."""
    recipe: str = "foley"
    """A recipe of `kind = "sonify"`: by name, or a .toml file from where this recipe lies."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Values of that recipe that are other here, such as { run.takes = 2 }."""
    ignore: bool = False
    """Leave these files alone."""

    @field_validator("glob")
    @classmethod
    def _relative(cls, globs: tuple[str, ...]) -> tuple[str, ...]:
        if not globs:
            raise ValueError("must name a pattern, such as *.mov")
        for glob in globs:
            if not glob or glob.startswith(("/", "./")) or "\\" in glob or ".." in glob.split("/"):
                raise ValueError(
                    f"'{glob}' is no pattern for paths in the folder; write it like *.mov or dailies/**/*.mov"
                )
        return globs


class Ready(Options):
    """When a file counts as all there."""

    quiet_s: float = Field(default=5.0, gt=0)
    """Its size, time and inode have stayed the same for so long."""
    patience_s: float = Field(default=60.0, ge=0)
    """One that is quiet but does not read to its end has failed after so long."""
    media_wait_s: float = Field(default=600.0, ge=0)
    """So long a timeline waits for media that it names; then it is done without."""


class Scan(Options):
    """How the folder is looked at."""

    every_s: float = Field(default=5.0, gt=0)
    """All of it, whatever the system tells of changes."""
    hints: bool = True
    """Look at once when the system tells of a change; network folders tell nothing."""


class Retry(Options):
    """What happens when the machine, not the file, is at fault."""

    attempts: int = Field(default=3, ge=1, le=100)
    backoff_s: float = Field(default=30.0, gt=0)
    """The wait before the second attempt; each further one is twice as long, to an hour at most."""


class Worker(Options):
    """The process that does the work."""

    timeout_s: float = Field(default=1800.0, gt=0)
    """It is ended when nothing is heard of it for so long; the file counts as tried once."""
    idle_s: float = Field(default=300.0, ge=0)
    """With nothing to do for so long it is ended, and its memory is free."""
    files: int = Field(default=100, ge=1)
    """After so many files a new one takes its place."""


class WatchRecipe(Recipe):
    """`kind = "watch"`: what `avlink watch` does with a folder."""

    kind: Literal["watch"] = "watch"
    format: Literal[1] = 1
    output: str = Field(default="AVLink", min_length=1)
    """The folder of results: in the watched folder, or a whole path."""
    done: Literal["leave", "move"] = "leave"
    """Whether originals that are done stay where they are, or go to done/."""
    failed: Literal["leave", "move"] = "leave"
    """Whether originals that failed stay where they are, or go to failed/."""
    media_root: Names = ()
    """Folders in which missing media of timelines is searched by name, besides the watched one."""
    ready: Ready = Ready()
    scan: Scan = Scan()
    retry: Retry = Retry()
    worker: Worker = Worker()
    rules: Annotated[tuple[Rule, ...], Field(strict=False)] = (Rule(glob=MOVIES), Rule(glob=TIMELINES))

    @field_validator("rules")
    @classmethod
    def _some(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        if all(rule.ignore for rule in rules):
            raise ValueError("must hold a rule for some files")
        return rules


def sonify_recipe(recipe: WatchRecipe, index: int, registry: Registry | None = None) -> SonifyRecipe:
    """The recipe of rule number `index`, with what the rule sets. Raises RecipeError."""
    rule = recipe.rules[index]
    name = str(recipe.source.path("rules", rule.recipe)) if rule.recipe.endswith(".toml") else rule.recipe
    return find_recipe(name, "sonify", overrides_of(rule.set, f"rules[{index}].set"), registry=registry)


def check_rules(recipe: WatchRecipe, registry: Registry) -> Sequence[str]:
    """A sentence for each rule whose recipe is wrong, or names a component that is not there."""
    mistakes = []
    for index, rule in enumerate(recipe.rules):
        if rule.ignore:
            continue
        try:
            check_components(sonify_recipe(recipe, index, registry), registry)
        except RecipeError as error:
            mistakes.append(f"rules[{index}]: {error}")
    return mistakes
