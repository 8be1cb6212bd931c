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
        bool, typer.Option("--resume/--restart", help="Go on from the checkpoints in OUT, or begin again.")
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
        report = run(loaded, out=out, stages=tuple(given.split_names(stages) or ()), resume=resume, listener=tell)
    payload = report.to_json()
    return Answer(command="train", payload=payload, blocks=[f"wrote {out}"])
