"""`avlink ablate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avlink.cli import options as given
from avlink.cli.console import progress
from avlink.core.answer import Answer


def ablate(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe by name, or a .toml file.")] = "ablate",
    output: given.Output = None,
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="A,B", help="Run only these variants. [default: all]", show_default=False),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", metavar="N", min=1, help="Train N variants in parallel, each in a process.")
    ] = 1,
    settings: given.SettingsOption = None,
    device: given.DeviceOption = given.Device.auto,
    as_json: given.JsonOption = False,
) -> Answer:
    """Train variants of a model, and compare them.

    All variants train with equal compute on the same backbones and clips, and are measured on held-out clips.

    OUT is a folder for the shared backbones, one training per variant, table.txt, table.json, table.png and sweep.png
    (default: runs/RECIPE). The same command resumes a run that was stopped. The default recipe trains the paper's
    tables 1 to 3 and figure 3 at a small size, in some two hours on two cores.

    \b
    Examples:
      avlink ablate --only fusion,no_reinjection
      avlink ablate -s clips=32 -s compute=steps
    """  # noqa: D301
    from avlink.ablation.ablate import ablate as run
    from avlink.core.recipe import load_recipe

    loaded = load_recipe(recipe, "ablate", list(settings or ()))
    out = output or Path("runs") / Path(recipe).stem
    with progress() as tell:
        names = given.split_names(only) or ()
        report = run(loaded, out, only=names, device=device.value, jobs=jobs, listener=tell)
    return Answer(command="ablate", payload={"output": str(out), **report.to_json()}, blocks=report.lines())
