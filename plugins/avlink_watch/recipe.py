"""Recipes of `kind = "watch"`, and their rules: which sonify recipe is used for which file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from avlink import Options, RecipeError, SonifyRecipe, describe_mistakes, digest, find_recipe, overrides_of
from avlink.hooks import Recipe, Registry, check_components

MOVIES = ("*.mp4", "*.mov", "*.m4v", "*.mkv", "*.webm", "*.avi", "*.mxf", "*.mts", "*.m2ts", "*.ts", "*.flv", "*.3gp")
TIMELINES = ("*.otio", "*.otioz", "*.otiod", "*.edl", "*.xml", "*.fcpxml", "*.aaf")


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Globs = Annotated[tuple[str, ...], BeforeValidator(_as_list), Field(strict=False)]
Names = Annotated[tuple[str, ...], Field(strict=False)]


class Rule(Options):
    """The recipe for some files. The first rule that matches a file decides; a file that none matches is ignored."""

    glob: Globs
    """One pattern or a list, for the path in the watched folder. `*.mov` matches files in the folder itself,
    `**/*.mov` also those in folders below it; case does not matter."""
    recipe: str = "foley"
    """A recipe of `kind = "sonify"`: by name, or a .toml file relative to this recipe."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Values of that recipe to override, such as { run.takes = 2 }."""
    ignore: bool = False
    """Ignore these files."""

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


class ReadyOptions(Options):
    """Conditions under which a file counts as complete."""

    quiet_s: float = Field(default=5.0, gt=0)
    """Its size, modification time and inode have to stay the same for this long."""
    patience_s: float = Field(default=60.0, ge=0)
    """A file that is stable but cannot be read to its end fails after this long."""
    media_wait_s: float = Field(default=600.0, ge=0)
    """A timeline waits this long for media that it names; then it is processed without."""


class ScanOptions(Options):
    """The schedule of scans."""

    every_s: float = Field(default=5.0, gt=0)
    """The interval between two full scans, whatever change notifications arrive."""
    hints: bool = True
    """Also scan at once when the system notifies of a change; network folders send no notifications."""


class RetryOptions(Options):
    """Retries after a failure that is the machine's fault rather than the file's."""

    attempts: int = Field(default=3, ge=1, le=100)
    backoff_s: float = Field(default=30.0, gt=0)
    """The wait before the second attempt; it doubles with each further one, up to an hour."""


class WorkerOptions(Options):
    """The process that decodes and generates."""

    timeout_s: float = Field(default=1800.0, gt=0)
    """It is killed when it reports nothing for this long; that counts as one attempt for the file."""
    idle_s: float = Field(default=300.0, ge=0)
    """With nothing to do for this long it is ended, which frees its memory."""
    files: int = Field(default=100, ge=1)
    """After this many files a new process replaces it."""


class WatchRecipe(Recipe):
    """`kind = "watch"`: the settings of `avlink watch` for a folder."""

    kind: Literal["watch"] = "watch"
    format: Literal[1] = 1
    output: str = Field(default="AVLink", min_length=1)
    """The folder of results: relative to the watched folder, or absolute."""
    done: Literal["leave", "move"] = "leave"
    """Leave finished originals in place, or move them to done/."""
    failed: Literal["leave", "move"] = "leave"
    """Leave failed originals in place, or move them to failed/."""
    media_root: Names = ()
    """Folders in which missing media of timelines is searched by name, besides the watched one."""
    ready: ReadyOptions = ReadyOptions()
    scan: ScanOptions = ScanOptions()
    retry: RetryOptions = RetryOptions()
    worker: WorkerOptions = WorkerOptions()
    rules: Annotated[tuple[Rule, ...], Field(strict=False)] = (Rule(glob=MOVIES), Rule(glob=TIMELINES))

    @field_validator("rules")
    @classmethod
    def _some(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        if all(rule.ignore for rule in rules):
            raise ValueError("must hold a rule for some files")
        return rules


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedRule:
    """A rule with its recipe loaded. `values` are the recipe's, None if the files are ignored.

    They are plain values because they travel to the worker as JSON, which checks them again. `digest` identifies the
    content of the recipe.
    """

    globs: tuple[str, ...]
    label: str
    values: Mapping[str, Any] | None
    digest: str


class Rules:
    """The resolved rules of a recipe, in order. `recursive`: some of them reach into folders below the watched one."""

    def __init__(self, recipe: WatchRecipe, registry: Registry) -> None:
        """Load the recipe of every rule. Raises RecipeError that lists all mistakes."""
        mistakes = check_rules(recipe, registry)
        if mistakes:
            raise RecipeError(describe_mistakes(recipe.source, mistakes))
        self._rules = tuple(_resolve(recipe, index, registry) for index in range(len(recipe.rules)))
        self.recursive = is_recursive([glob for rule in self._rules for glob in rule.globs])

    def find(self, path: str) -> ResolvedRule | None:
        """Return the rule for a file, by its path from the watched folder; None if the file is ignored."""
        rule = next((rule for rule in self._rules if matches(path, rule.globs)), None)
        return None if rule is None or rule.values is None else rule

    def includes(self, path: str) -> bool:
        """Return True if a rule gives this file a recipe."""
        return self.find(path) is not None


def _resolve(recipe: WatchRecipe, index: int, registry: Registry) -> ResolvedRule:
    rule = recipe.rules[index]
    if rule.ignore:
        return ResolvedRule(globs=rule.glob, label="", values=None, digest="")
    loaded = _sonify_recipe(recipe, index, registry)
    return ResolvedRule(
        globs=rule.glob,
        label=loaded.source.label,
        values=dict(loaded.source.values),
        digest=digest(loaded.model_dump(mode="json")),
    )


def _sonify_recipe(recipe: WatchRecipe, index: int, registry: Registry) -> SonifyRecipe:
    """Return the recipe of rule number `index` with the rule's overrides. Raises RecipeError."""
    rule = recipe.rules[index]
    name = str(recipe.source.path("rules", rule.recipe)) if rule.recipe.endswith(".toml") else rule.recipe
    return find_recipe(name, "sonify", overrides_of(rule.set, f"rules[{index}].set"), registry=registry)


def check_rules(recipe: WatchRecipe, registry: Registry) -> Sequence[str]:
    """Return a sentence for each rule whose recipe is invalid or names a component that does not exist."""
    mistakes = []
    for index, rule in enumerate(recipe.rules):
        if rule.ignore:
            continue
        try:
            check_components(_sonify_recipe(recipe, index, registry), registry)
        except RecipeError as error:
            mistakes.append(f"rules[{index}]: {error}")
    return mistakes


def matches(path: str, globs: Sequence[str]) -> bool:
    """Return True if a path with forward slashes matches one of the patterns."""
    return any(_compile_glob(glob).fullmatch(path) is not None for glob in globs)


def is_recursive(globs: Sequence[str]) -> bool:
    """Return True if one of the patterns can match something in a folder below."""
    return any("/" in glob or "**" in glob for glob in globs)


# `*` of fnmatch also crosses slashes, and `glob.translate`, which does not, exists only from Python 3.13 on.
@cache
def _compile_glob(glob: str) -> re.Pattern[str]:
    form, at = "", 0
    while at < len(glob):
        if glob.startswith("**/", at):
            form, at = f"{form}(?:[^/]+/)*", at + 3
        elif glob.startswith("**", at):
            form, at = f"{form}.*", at + 2
        elif glob[at] == "*":
            form, at = f"{form}[^/]*", at + 1
        elif glob[at] == "?":
            form, at = f"{form}[^/]", at + 1
        elif glob[at] == "[" and (end := glob.find("]", at + 2)) > 0:
            inside = glob[at + 1 : end].replace("\\", "\\\\")
            form, at = f"{form}[{'^' + inside[1:] if inside[0] in '!^' else inside}]", end + 1
        else:
            form, at = form + re.escape(glob[at]), at + 1
    return re.compile(form, re.IGNORECASE | re.DOTALL)
