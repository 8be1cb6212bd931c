"""`avlink train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avlink.cli import options as given
from avlink.cli.answer import Answer
from avlink.cli.console import progress


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe by name, or a .toml file.")],
    output: given.Output = None,
    stages: Annotated[
        str | None, typer.Option("--stages", metavar="A,B", help="Only these stages.", show_default=False)
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on from what OUT holds, or refuse an OUT that holds any.")
    ] = True,
    settings: given.Settings = None,
    as_json: given.AsJson = False,
) -> Answer:
    """Train a model, stage by stage, and write a bundle.

    OUT is a folder for checkpoints, curves, samples and the bundle; runs/RECIPE by default.
    """
    from avlink.app.train import train as run
    from avlink.core.recipe import load_recipe

    loaded = load_recipe(recipe, "train", list(settings or ()))
    out = output or Path("runs") / Path(recipe).stem
    with progress() as tell:
        wrote = run(loaded, out, stages=given.split_names(stages) or (), resume=resume, listener=tell)
    return Answer(command="train", payload={"recipe": recipe, "output": str(wrote)}, blocks=[f"wrote {wrote}"])
