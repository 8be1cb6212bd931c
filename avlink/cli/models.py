"""`avlink models`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from avlink.cli import options as given
from avlink.cli.console import progress
from avlink.core.answer import Answer, Block, Grid

app = typer.Typer(help="List, show and import models.", no_args_is_help=True)


@app.command("list")
def list_all(as_json: given.JsonOption = False) -> Answer:
    """List the models that come with AVLink."""
    from avlink.admin.models import list_models

    models = [dict(model) for model in list_models()]
    rows = [(str(model.get("name", "")), str(model.get("summary", ""))) for model in models]
    return Answer(command="models list", payload={"models": models}, blocks=[Grid(heads=("model", ""), rows=rows)])


@app.command()
def info(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A model by name, or the folder of a bundle or of a learned spotter.")
    ],
    as_json: given.JsonOption = False,
) -> Answer:
    """Show the components of a model and their parameter counts.

    \b
    Examples:
      avlink models info foley48
      avlink models info runs/foley_tiny/bundle
      avlink models info my_spotter
    """  # noqa: D301
    from avlink.admin.models import model_info

    found = model_info(name)
    return Answer(command="models info", payload=found, blocks=_blocks(found))


@app.command("import")
def import_(
    sources: Annotated[
        list[Path], typer.Argument(metavar="CHECKPOINT...", help="Files of weights, or folders of transformers.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="The bundle to write.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="The bundle's name; default: its folder's.")] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="JSON", help="The vocoder's configuration; default: the JSON beside the checkpoint."),
    ] = None,
    licence: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The licence of the weights, if the recorded one is wrong.")
    ] = None,
    measure: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Sounds to normalise the VAE's latents on, to unit variance."),
    ] = None,
    as_json: given.JsonOption = False,
) -> Answer:
    """Make a bundle of public checkpoints: a 1D-VAE, a vocoder, a T5. Nothing is downloaded or unpickled.

    \b
    Examples:
      avlink models import 1dvae_64ch_16k_64bins.ckpt flan-t5-large -o parts
      avlink train vggsound -s start_from=parts
    """  # noqa: D301
    from avlink.admin.model_import import import_models
    from avlink.core.disk import report_full_disk

    with report_full_disk(output.parent), progress() as tell:
        done = import_models(
            sources, output, name=name, settings=config, licence=licence, measure=measure, listener=tell
        )
    rows = [(note["part"], note["what"], note["licence"], note["file"]) for note in done["parts"]]
    heads = ("part", "what", "licence", "from")
    return Answer(command="models import", payload=done, blocks=[Grid(heads=heads, rows=rows), f"wrote {output}"])


def _blocks(value: Mapping[str, Any], prefix: str = "") -> list[Block]:
    lines: list[Block] = []
    for key, item in value.items():
        if isinstance(item, Mapping):
            lines += _blocks(item, f"{prefix}{key}.")
        else:
            shown = f"{item:,}" if isinstance(item, int) and not isinstance(item, bool) else str(item)
            lines.append(f"{prefix}{key}: {shown}")
    return lines
