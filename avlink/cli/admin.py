"""`avlink doctor` and `avlink demo`: a first look at an installation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avlink.cli import options as given
from avlink.cli.console import progress
from avlink.core.answer import BROKEN, DONE, Answer, Grid


def doctor(as_json: given.JsonOption = False) -> Answer:
    """Check the installation of AVLink on this machine.

    Checks Python, torch, codecs, timeline formats, plugins and the cache. The exit code is 0 if all checks pass, 1 if
    there is a problem. AVLink has its own FFmpeg libraries: an installed ffmpeg is neither needed nor used.
    """
    from avlink.admin.doctor import examine

    findings = examine()
    rows = [(finding.name, "ok" if finding.good else "PROBLEM", finding.text) for finding in findings]
    payload = {"findings": [{"name": item.name, "ok": item.good, "text": item.text} for item in findings]}
    healthy = all(finding.good for finding in findings)
    return Answer(
        command="doctor",
        payload={"ok": healthy, **payload},
        blocks=[Grid(heads=("what", "", "found"), rows=rows)],
        exit_code=DONE if healthy else BROKEN,
    )


def demo(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write.")] = Path("out/demo"),
    library: Annotated[
        bool, typer.Option("--library", help="Use a small library of sounds, which is made and added to the index.")
    ] = False,
) -> Answer:
    """Render a small example project and sonify it.

    Lists the files to open at the end. Needs no media and no network; takes a minute or two on a CPU.
    """
    from avlink.admin.demo import run_demo

    with progress() as tell:
        lines = run_demo(out, listener=tell, library=library)
    return Answer(command="demo", payload={"output": str(out)}, blocks=lines)
