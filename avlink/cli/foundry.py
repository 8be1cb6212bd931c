"""`avlink foundry`: the data that AVLink makes for itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avlink.cli import options as given
from avlink.core.answer import Answer

app = typer.Typer(help="Look at the training data that AVLink makes for itself.", no_args_is_help=True)


@app.callback()
def foundry() -> None:
    """Look at the training data that AVLink makes for itself."""


@app.command()
def sample(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A folder; made if need be.")],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many clips.")] = 8,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Another seed, other clips.")] = 0,
    split: Annotated[
        str, typer.Option("--split", help="Which part of the data: train, test (held out) or transfer (other styles).")
    ] = "train",
    as_json: given.JsonOption = False,
) -> Answer:
    """Write a few training clips as videos with sound, to look at, and captions.json with what happens in them."""
    from avlink.admin.foundry_sample import sample as run

    paths = run(out, count=count, seed=seed, split=split)
    written = [str(path) for path in paths]
    return Answer(command="foundry sample", payload={"output": str(out), "files": written}, blocks=written)
