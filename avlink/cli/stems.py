"""`avlink stems`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from avlink.cli import options as given
from avlink.core.answer import Answer, Block, Grid
from avlink.core.errors import InputError

app = typer.Typer(help="Manage the stems of projects.", no_args_is_help=True)


@app.callback()
def stems() -> None:
    """Manage the stems of projects."""


@app.command()
def prune(
    projects: Annotated[
        list[Path],
        typer.Argument(metavar="PROJECT...", help="Every project whose stems stay.", show_default=False),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Remove without a question.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the stems, remove nothing.")] = False,
    as_json: given.JsonOption = False,
) -> Answer:
    """Remove stems and pictures that none of the named projects uses.

    Stems are named after their content and never written over, so old ones stay until they are pruned. They are listed,
    and removed after a question. Stems that were changed in another program, that this machine has no receipt of, or
    that another project in the folder uses, stay.

    \b
    Example:
      avlink stems prune cut.foley.otio approved.otio
    """  # noqa: D301
    from avlink.admin.cache import size_text
    from avlink.edit.prune_stems import find_unused, remove_unused

    found = find_unused(projects)
    rows = [(one.path.name, size_text(one.size_bytes), one.kept and f"stays: {one.kept}") for one in found.unused]
    blocks: list[Block] = [Grid(heads=("stem", "size", ""), rows=rows)] if rows else []
    count = len(found.removable)
    size = size_text(sum(one.size_bytes for one in found.removable))
    removed: tuple[Path, ...] = ()
    if count and not dry_run:
        if not yes and (as_json or not sys.stdin.isatty()):
            raise InputError(f"{count} stems ({size}) would be removed, and there is no terminal to ask; give --yes")
        if not yes:
            for one in found.removable:
                typer.echo(str(one.path), err=True)
        if yes or typer.confirm(f"Remove {count} stems ({size})?", err=True):
            removed = remove_unused(found)
    said = f"would remove {count}, {size}" if dry_run else f"removed {len(removed)} of {count} unused stems"
    payload = {**found.to_json(), "dry_run": dry_run, "removed": [str(path) for path in removed]}
    return Answer(command="stems prune", payload=payload, blocks=[*blocks, f"{said}; {found.used} are used"])
