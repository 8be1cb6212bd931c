"""`avlink models`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from avlink.cli import options as given
from avlink.cli.answer import Answer, Block, Grid

app = typer.Typer(help="List the models that ship with AVLink, and show their parts.", no_args_is_help=True)


@app.command("list")
def list_all(as_json: given.AsJson = False) -> Answer:
    """List the models that ship with AVLink."""
    from avlink.app.models import list_models

    models = [dict(model) for model in list_models()]
    rows = [(str(model.get("name", "")), str(model.get("summary", ""))) for model in models]
    return Answer(command="models list", payload={"models": models}, blocks=[Grid(heads=("model", ""), rows=rows)])


@app.command()
def info(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model by name, or the folder of a bundle.")],
    as_json: given.AsJson = False,
) -> Answer:
    """Show what a model is made of, and how many parameters each part has.

    \b
    Examples:
      avlink models info foley_tiny
      avlink models info runs/foley_tiny/bundle
    """  # noqa: D301
    from avlink.app.models import model_info

    found = model_info(name)
    return Answer(command="models info", payload=found, blocks=_blocks(found))


def _blocks(value: Mapping[str, Any], prefix: str = "") -> list[Block]:
    lines: list[Block] = []
    for key, item in value.items():
        if isinstance(item, Mapping):
            lines += _blocks(item, f"{prefix}{key}.")
        else:
            shown = f"{item:,}" if isinstance(item, int) and not isinstance(item, bool) else str(item)
            lines.append(f"{prefix}{key}: {shown}")
    return lines
