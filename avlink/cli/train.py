"""`avlink train`."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from avlink.cli import options as given
from avlink.cli.console import progress
from avlink.core.answer import Answer
from avlink.core.events import ignore


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe by name, or a .toml file.")],
    output: given.Output = None,
    stages: Annotated[
        str | None,
        typer.Option(
            "--stages", metavar="A,B", help="Train only these stages of the recipe. [default: all]", show_default=False
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Resume the training in OUT, or fail if there is one.")
    ] = True,
    settings: given.SettingsOption = None,
    as_json: given.JsonOption = False,
) -> Answer:
    """Train a model, stage by stage, and write a bundle.

    OUT is a folder for checkpoints, curves, samples and the bundle, OUT/bundle (default: runs/RECIPE). The same command
    resumes a training that was stopped. On several devices start it with torchrun and set parallel.mode to ddp or fsdp
    (docs/training.md).

    \b
    Examples:
      avlink train foley_tiny
      torchrun --nproc_per_node=8 -m avlink train paper/fusion_v2a -s parallel.mode=fsdp
      avlink sonify cut.otio -s backend.options.model=runs/foley_tiny/bundle
    """  # noqa: D301
    from avlink.core.errors import PeerFailed
    from avlink.core.recipe import load_recipe
    from avlink.training.ranks import report_once, reports_errors
    from avlink.training.train import train as run

    out = output or Path("runs") / Path(recipe).stem
    try:
        with report_once():
            loaded = load_recipe(recipe, "train", list(settings or ()))
        with progress() if reports_errors() else nullcontext(ignore) as tell:
            wrote = run(loaded, out, stages=given.split_names(stages) or (), resume=resume, listener=tell)
    except PeerFailed as error:
        # Of processes that torchrun started together, one says what is wrong; it ends all of them as soon as one ends.
        time.sleep(1.0)
        raise typer.Exit(error.exit_code) from None
    if not reports_errors():
        raise typer.Exit(0)
    return Answer(command="train", payload={"recipe": recipe, "output": str(wrote)}, blocks=[f"wrote {wrote}"])
