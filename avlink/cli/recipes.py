"""`avlink recipes`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from avlink.cli import options as given
from avlink.core.answer import Answer, Grid

app = typer.Typer(help="List, show and check recipes: the settings of a run.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe by name, or a .toml file.")]


@app.command("list")
def list_all(as_json: given.JsonOption = False) -> Answer:
    """List the recipes that come with AVLink and its plugins."""
    from avlink.hooks import find_recipe, load_registry, named_recipes

    registry = load_registry()
    found = [
        {
            "name": name,
            "kind": find_recipe(name, registry=registry).kind,
            "about": _first_comment(file.read_text(encoding="utf-8")),
        }
        for name, file in named_recipes(registry).items()
    ]
    rows = [(item["name"], item["kind"], item["about"]) for item in found]
    grid = Grid(heads=("recipe", "kind", "about"), rows=rows)
    return Answer(command="recipes list", payload={"recipes": found}, blocks=[grid])


@app.command()
def show(
    recipe: Name,
    settings: given.SettingsOption = None,
    origins: Annotated[bool, typer.Option("--origins", help="Show the file or option that set each value.")] = False,
    as_json: given.JsonOption = False,
) -> Answer:
    """Show every value of a recipe, including defaults.

    Other commands take each of these keys with -s. A recipe of your own is a .toml file:

    \b
      format = 1
      kind = "sonify"
      extends = "foley"
      [run]
      takes = 3
    """  # noqa: D301
    from avlink.core.recipe import flatten
    from avlink.core.recipe.schema import ALL_VALUES
    from avlink.hooks import find_recipe

    loaded = find_recipe(recipe, None, list(settings or ()))
    values = loaded.model_dump(mode="json", context=ALL_VALUES)
    rows = []
    for key, item in flatten(values):
        value = json.dumps(item, ensure_ascii=False)
        origin = loaded.source.origin(key) if origins else None
        rows.append((key, value, origin or "default") if origins else (key, value))
    heads = ("key", "value", "set by") if origins else ("key", "value")
    payload: dict[str, Any] = {"recipe": recipe, "values": values}
    if origins:
        payload["origins"] = {key: loaded.source.origin(key) or "default" for key, _ in flatten(values)}
    return Answer(command="recipes show", payload=payload, blocks=[Grid(heads=heads, rows=rows)])


@app.command()
def check(recipe: Name, settings: given.SettingsOption = None, as_json: given.JsonOption = False) -> Answer:
    """Check a recipe and the options of the components in it."""
    from avlink.hooks import check_components, find_recipe, load_registry

    registry = load_registry()
    loaded = find_recipe(recipe, None, list(settings or ()), registry=registry)
    check_components(loaded, registry)
    said = f"{loaded.source.label} is a good recipe for `avlink {loaded.kind}`"
    return Answer(command="recipes check", payload={"recipe": recipe, "kind": loaded.kind}, blocks=[said])


def _first_comment(text: str) -> str:
    first = text.partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""
