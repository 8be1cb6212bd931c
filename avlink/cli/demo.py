"""`avlink demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avlink.cli.console import progress
from avlink.core.answer import Answer


def demo(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A folder; made if need be.")] = Path("out/demo"),
) -> Answer:
    """Make a small example project and give it its sound.

    At the end it says what to open. Needs no media of yours and no network; takes a minute or two on a CPU.
    """
    from avlink.admin.demo import run_demo

    with progress() as tell:
        lines = run_demo(out, listener=tell)
    return Answer(command="demo", payload={"output": str(out)}, blocks=lines)
