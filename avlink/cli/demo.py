"""`avlink demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avlink.cli.console import progress
from avlink.core.answer import Answer


def demo(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write.")] = Path("out/demo"),
) -> Answer:
    """Render a small example project and sonify it.

    Lists the files to open at the end. Needs no media and no network; takes a minute or two on a CPU.
    """
    from avlink.admin.demo import run_demo

    with progress() as tell:
        lines = run_demo(out, listener=tell)
    return Answer(command="demo", payload={"output": str(out)}, blocks=lines)
