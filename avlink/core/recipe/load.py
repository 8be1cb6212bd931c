"""Loading recipes: files by name or path, merged with their bases and overrides, then validated.

Precedence rises from bases, left to right, over the file to overrides. Tables merge key by key; lists and single values
replace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, overload

from pydantic import ValidationError

from avlink.core.documents import parse_toml
from avlink.core.errors import RecipeError
from avlink.core.input_files import read_bytes
from avlink.core.limits import RECIPE_BYTES
from avlink.core.recipe.explain import describe_mistakes, explain, suggest
from avlink.core.recipe.generate import GenerateRecipe
from avlink.core.recipe.kinds import KINDS, AblateRecipe, EvaluateRecipe, TrainRecipe
from avlink.core.recipe.overrides import Override, apply_overrides, parse_override
from avlink.core.recipe.schema import FORMAT, Recipe, RecipeSource, SonifyRecipe, VisualizeRecipe
from avlink.core.recipe.spot import SpotRecipe

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoreRecipes:
    """Recipes of plugins: `kinds` of recipes by name, and the files of `named` recipes."""

    kinds: Mapping[str, type[Recipe]] = field(default_factory=dict)
    named: Mapping[str, Traversable] = field(default_factory=dict)


More: TypeAlias = Callable[[], MoreRecipes]


@dataclass(frozen=True, slots=True)
class _Layer:
    """One recipe file: `label` for messages, its `tree`, and the `folder` that its paths are relative to."""

    label: str
    tree: dict[str, Any]
    folder: Path | None


@overload
def load_recipe(
    name_or_path: str | Path, kind: Literal["sonify"], overrides: Sequence[str | Override] = ()
) -> SonifyRecipe: ...
@overload
def load_recipe(
    name_or_path: str | Path, kind: Literal["visualize"], overrides: Sequence[str | Override] = ()
) -> VisualizeRecipe: ...
@overload
def load_recipe(
    name_or_path: str | Path, kind: Literal["spot"], overrides: Sequence[str | Override] = ()
) -> SpotRecipe: ...
@overload
def load_recipe(
    name_or_path: str | Path, kind: Literal["generate"], overrides: Sequence[str | Override] = ()
) -> GenerateRecipe: ...
@overload
def load_recipe(
    name_or_path: str | Path, kind: Literal["train"], overrides: Sequence[str | Override] = ()
) -> TrainRecipe: ...
@overload
def load_recipe(
    name_or_path: str | Path, kind: Literal["evaluate"], overrides: Sequence[str | Override] = ()
) -> EvaluateRecipe: ...
@overload
def load_recipe(
    name_or_path: str | Path, kind: Literal["ablate"], overrides: Sequence[str | Override] = ()
) -> AblateRecipe: ...
@overload
def load_recipe(
    name_or_path: str | Path, kind: type[AnyRecipe], overrides: Sequence[str | Override] = (), *, more: More = ...
) -> AnyRecipe: ...
@overload
def load_recipe(
    name_or_path: str | Path, kind: str | None = None, overrides: Sequence[str | Override] = (), *, more: More = ...
) -> Recipe: ...
def load_recipe(
    name_or_path: str | Path,
    kind: str | type[Recipe] | None = None,
    overrides: Sequence[str | Override] = (),
    *,
    more: More = MoreRecipes,
) -> Recipe:
    """The recipe of that name (a built-in one) or path (ends in .toml), with `overrides` applied, checked.

    `kind` is what the recipe must be for, by its name or its model; None takes any. Overrides are `key=value` texts
    or `Override`s. `more` is asked once for a name or kind that is not one of ours. The options of components are not
    checked here: see `avlink.hooks.resolve`.

    Raises RecipeError that lists every mistake with the value and the layer that set it.
    """
    more = cache(more)
    layers = _read_layers(str(name_or_path), folder=None, chain=(), more=more)
    last = layers[-1]
    tree: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        _merge(tree, origins, layer.tree, layer.label, prefix="")
    parsed = [parse_override(item) if isinstance(item, str) else item for item in overrides]
    tree, origins = apply_overrides(tree, origins, parsed)
    folders = {layer.label: layer.folder for layer in layers if layer.folder is not None}
    source = RecipeSource(label=last.label, origins=origins, values=tree, folders=folders)
    return _check(_model_of(source, kind, more), source)


def check_values(model: type[AnyRecipe], values: dict[str, Any], label: str = "the recipe") -> AnyRecipe:
    """Return a recipe from a tree of values instead of a file. Raises RecipeError."""
    origins: dict[str, str] = {}
    _merge({}, origins, values, label, prefix="")
    return _check(model, RecipeSource(label=label, origins=origins, values=values))


def builtin_recipes() -> dict[str, Traversable]:
    """Return the recipes that ship with AVLink, by name; those in a folder are named `folder/name`."""

    def found(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
        for item in folder.iterdir():
            if item.name.endswith(".toml"):
                yield prefix + item.name.removesuffix(".toml"), item
            elif item.is_dir() and not item.name.startswith("_"):
                yield from found(item, f"{prefix}{item.name}/")

    return dict(sorted(found(resources.files("avlink.recipes"), "")))


def _check(model: type[AnyRecipe], source: RecipeSource) -> AnyRecipe:
    try:
        recipe = model.model_validate(source.values)
    except ValidationError as error:
        raise RecipeError(describe_mistakes(source, explain(error, model, source))) from None
    recipe._source = source
    return recipe


def _model_of(source: RecipeSource, kind: str | type[Recipe] | None, more: More) -> type[Recipe]:
    found = source.values.get("kind")
    model = kind if isinstance(kind, type) else None
    wanted = kind if model is None else model.model_fields["kind"].default
    known = {**KINDS} if model is None else {**KINDS, str(wanted): model}
    if found is None or found not in known:
        known |= more().kinds
    if found is None:
        raise RecipeError(f"{source.label}: kind is missing; it is one of {', '.join(known)}")
    if found not in known:
        raise RecipeError(f"{source.label}: kind = {found!r} is unknown; {suggest(str(found), list(known))}")
    if wanted is not None and found != wanted:
        raise RecipeError(f"{source.label} is a recipe for `avlink {found}`, not for `avlink {wanted}`")
    return known[found]


def _read_layers(name: str, *, folder: Path | None, chain: tuple[str, ...], more: More) -> list[_Layer]:
    """Return the files that make up a recipe, bases first. `chain` holds the files in progress, to find cycles."""
    layer = _read(name, folder=folder, more=more)
    if layer.label in chain:
        raise RecipeError(f"recipes extend each other in a circle: {' > '.join([*chain, layer.label])}")
    bases = layer.tree.pop("extends", [])
    bases = [bases] if isinstance(bases, str) else bases
    if not isinstance(bases, list) or not all(isinstance(base, str) for base in bases):
        raise RecipeError(f"{layer.label}: extends must be the name of a recipe, or a list of names")
    layers = []
    for base in bases:
        layers += _read_layers(base, folder=layer.folder, chain=(*chain, layer.label), more=more)
    return [*layers, layer]


def _read(name: str, *, folder: Path | None, more: More) -> _Layer:
    if name.endswith(".toml"):
        path = Path(name).expanduser()
        path = folder / path if folder is not None else path
        label, at, content = str(path), path.parent, _file_content(path)
    else:
        known = builtin_recipes()
        if name not in known:
            known |= more().named
        if name not in known:
            raise RecipeError(
                f"there is no recipe '{name}'; {suggest(name, list(known))}; a recipe of your own ends in .toml"
            )
        label, at, content = f"recipe {name}", None, known[name].read_bytes()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{label} is not TOML: {error}") from error
    tree = parse_toml(text, label, RecipeError)
    found = tree.get("format")
    if found is None:
        raise RecipeError(f"{label}: format is missing; write format = {FORMAT}")
    if found != FORMAT or isinstance(found, bool):
        raise RecipeError(f"{label}: format = {found!r} is not known; this version of AVLink reads format = {FORMAT}")
    return _Layer(label, tree, at)


def _file_content(path: Path) -> bytes:
    return read_bytes(path, RECIPE_BYTES, RecipeError)


def _merge(tree: dict[str, Any], origins: dict[str, str], new: dict[str, Any], label: str, prefix: str) -> None:
    for name, value in new.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict):
            if not isinstance(tree.get(name), dict):
                tree[name] = {}
                origins.pop(key, None)
            if not value:
                origins.setdefault(key, label)
            _merge(tree[name], origins, value, label, prefix=f"{key}.")
        else:
            for known in [known for known in origins if known.startswith(f"{key}.")]:
                del origins[known]
            tree[name] = value
            origins[key] = label
