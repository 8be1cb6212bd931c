"""`avlink foundry`: samples of the procedural training data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avlink.cli import options as given
from avlink.core.answer import Answer
from avlink.core.errors import InputError

app = typer.Typer(help="Write samples of the procedural training data.", no_args_is_help=True)


@app.callback()
def foundry() -> None:
    """Write samples of the procedural training data."""


@app.command()
def sample(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write.")],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="The number of clips.")] = 8,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="The seed of the clips.")] = 0,
    split: Annotated[
        str, typer.Option("--split", help="The part of the data: train, test (held out) or transfer (other styles).")
    ] = "train",
    physics: Annotated[
        bool, typer.Option("--physics", help="Rendered 3-D scenes with marked hits (extra foundry3d).")
    ] = False,
    family: Annotated[
        list[str] | None, typer.Option("--family", metavar="NAME", help="With --physics: only this family; repeatable.")
    ] = None,
    as_json: given.JsonOption = False,
) -> Answer:
    """Write training clips as videos with sound, and captions.json with their captions and events.

    With --physics, hits.json has the true hits in their place.
    """
    if family and not physics:
        raise InputError("--family is for clips of the physics foundry; add --physics")
    if physics:
        from avlink.admin.physics_sample import sample_physics

        paths = sample_physics(out, count=count, seed=seed, split=split, families=tuple(family or ()))
    else:
        from avlink.admin.foundry_sample import sample as run

        paths = run(out, count=count, seed=seed, split=split)
    written = [str(path) for path in paths]
    return Answer(command="foundry sample", payload={"output": str(out), "files": written}, blocks=written)
