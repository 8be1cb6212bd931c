"""Kinds of recipes that plugins add: read, inherited, overridden and explained as our own are."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

import avlink
from avlink.core.errors import PluginError, RecipeError
from avlink.core.recipe import SonifyRecipe
from avlink.hooks import (
    Options,
    Recipe,
    RecipeKind,
    Registry,
    check_components,
    find_recipe,
    hookimpl,
    make_registry,
    named_recipes,
)


class Voice(Options):
    pitch_hz: float = 100.0


class ChoirRecipe(Recipe):
    kind: Literal["choir"] = "choir"
    format: Literal[1] = 1
    voices: list[Voice] = Field(default_factory=list)
    song: str = "none"


class MuteRecipe(Recipe):
    kind: Literal["mute"] = "mute"
    format: Literal[1] = 1


def check(recipe: ChoirRecipe, registry: Registry) -> list[str]:
    return (
        [] if recipe.song != "silence" else [f'song = "silence": nobody would hear it; {len(registry.plugins)} plugin']
    )


def registry_of(*kinds: RecipeKind) -> Registry:
    plugin = types.ModuleType("choirs")
    plugin.avlink_recipe_kinds = hookimpl(lambda: list(kinds))  # type: ignore[attr-defined]
    return make_registry(plugin)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    package = tmp_path / "site" / "choir_recipes"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "mass.toml").write_text('# A mass.\nformat = 1\nkind = "choir"\nsong = "mass"\n')
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.delitem(sys.modules, "choir_recipes", raising=False)
    return registry_of(RecipeKind(name="choir", model=ChoirRecipe, recipes="choir_recipes", check=check))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write_recipe(text: str) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(f'format = 1\nkind = "choir"\n{text}')
        return path

    return write_recipe


def test_a_named_recipe_of_a_plugin_is_found_and_is_a_base(registry: Registry, write) -> None:
    assert find_recipe("mass", ChoirRecipe, registry=registry).song == "mass"
    mine = find_recipe(write('extends = "mass"\n[[voices]]\npitch_hz = 220.0\n'), ChoirRecipe, registry=registry)
    assert (mine.song, mine.voices) == ("mass", [Voice(pitch_hz=220.0)])
    assert list(named_recipes(registry)) == sorted(named_recipes(registry))
    assert {"mass", "foley"} <= set(named_recipes(registry))


def test_a_model_is_enough_where_the_plugin_is_not_installed(write) -> None:
    assert find_recipe(write("song='x'\n"), ChoirRecipe, ["song=y"], registry=Registry()).song == "y"


def test_mistakes_are_explained_as_in_ours(registry: Registry, write) -> None:
    path = write('sing = "a"\n[[voices]]\npich_hz = 2.0\n')
    with pytest.raises(RecipeError) as caught:
        find_recipe(path, ChoirRecipe, ["song=3"], registry=registry)
    said = str(caught.value)
    assert "sing: unknown key; did you mean 'song'?" in said
    assert "voices[0].pich_hz: unknown key; did you mean 'voices.pitch_hz'?" in said
    assert "song = 3: must be text (set by -s song=3)" in said


def test_kinds_are_told_apart(registry: Registry, write) -> None:
    assert type(find_recipe(write(""), registry=registry)) is ChoirRecipe
    with pytest.raises(RecipeError, match="is a recipe for `avlink choir`, not for `avlink sonify`"):
        find_recipe(write(""), "sonify", registry=registry)
    with pytest.raises(RecipeError, match="is a recipe for `avlink sonify`, not for `avlink choir`"):
        find_recipe("foley", ChoirRecipe, registry=registry)
    with pytest.raises(RecipeError, match="kind = 'choir' is unknown; known: sonify, visualize, spot, train, evaluate"):
        find_recipe(write(""), registry=Registry())
    with pytest.raises(RecipeError, match="no recipe 'mess'; did you mean 'mass'\\? known: ablate, ablate_gpu"):
        find_recipe("mess", registry=registry)


def test_ours_need_no_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avlink.hooks.recipes.load_registry", lambda: pytest.fail("plugins were loaded"))
    assert isinstance(avlink.find_recipe("foley", "sonify"), SonifyRecipe)


def test_what_the_model_cannot_see_is_checked_by_the_plugin(registry: Registry, write) -> None:
    good = find_recipe(write(""), registry=registry)
    check_components(good, registry)
    with pytest.raises(RecipeError, match=r'mine.toml: song = "silence": nobody would hear it; 1 plugin'):
        check_components(find_recipe(write('song = "silence"\n'), registry=registry), registry)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (RecipeKind(name="sonify", model=ChoirRecipe), "which AVLink has itself"),
        (RecipeKind(name="choir", model=Voice), "is no Recipe"),  # type: ignore[arg-type]
        (RecipeKind(name="choir", model=ChoirRecipe, recipes="no_such_package"), "is no package"),
        (RecipeKind(name="organ", model=ChoirRecipe), 'must say kind: Literal\\["organ"\\] = "organ"'),
    ],
)
def test_a_kind_that_cannot_work_is_refused(kind: RecipeKind, said: str) -> None:
    with pytest.raises(PluginError, match=said):
        registry_of(kind)


def test_a_check_that_fails_is_named(write) -> None:
    registry = registry_of(RecipeKind(name="mute", model=MuteRecipe, check=lambda recipe, registry: 1 / 0))
    with pytest.raises(PluginError, match="the check of recipe kind 'mute' failed: ZeroDivisionError"):
        check_components(MuteRecipe(), registry)
