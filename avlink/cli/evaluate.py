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
    """Measure how well a model's sounds fit their pictures.

    Are they in time and of the right material, and how far is that from chance? By default the model that ships is
    measured on 128 generated clips of each kind that it never saw, which takes long on a CPU; fewer clips take less.

    \b
    Examples:
      avlink evaluate -s clips=16
      avlink evaluate -s bundle=runs/foley_tiny/bundle
      avlink evaluate -s clips=16 -s media_dir=/footage/with_sound
    """  # noqa: D301
    from avlink.app.evaluate import evaluate as run
    from avlink.core.recipe import load_recipe

    loaded = load_recipe(recipe, "evaluate", list(settings or ()))
    with progress() as tell:
        report = run(loaded, device=device.value, listener=tell)
    return Answer(command="evaluate", payload=report.to_json(), blocks=report.lines())
