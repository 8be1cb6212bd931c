"""`avlink evaluate`."""

from __future__ import annotations

from typing import Annotated

import typer

from avlink.cli import options as given
from avlink.cli.answer import Answer
from avlink.cli.console import progress


def evaluate(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe by name, or a .toml file.")] = "evaluate",
    settings: given.Settings = None,
    device: given.DeviceName = given.Device.auto,
    as_json: given.AsJson = False,
) -> Answer:
    """Measure a model: are its sounds in sync, are they of the right material, how far is it from chance."""
    from avlink.app.evaluate import evaluate as run
    from avlink.core.recipe import load_recipe

    loaded = load_recipe(recipe, "evaluate", list(settings or ()))
    with progress() as tell:
        report = run(loaded, device=device.value, listener=tell)
    return Answer(command="evaluate", payload=report.to_json(), blocks=report.lines())
