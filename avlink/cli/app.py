"""The command tree: commands of one word, and groups."""

from __future__ import annotations

from typing import Annotated

import typer

import avlink
from avlink.cli import (
    admin,
    cache,
    data,
    edit,
    foundry,
    generate,
    library,
    models,
    plugins,
    project,
    recipes,
    spot,
    stems,
    training,
)
from avlink.cli.tree import CommandTree

GROUPS = {
    "models": models.app,
    "recipes": recipes.app,
    "plugins": plugins.app,
    "cache": cache.app,
    "stems": stems.app,
    "foundry": foundry.app,
    "library": library.app,
    "data": data.app,
}
"""Groups of commands, such as `avlink cache info`."""

_EPILOG = (
    "For a first look: avlink demo. "
    "Exit codes: 0 done, 1 a bug or the machine, 2 your input, 3 some clips failed, 130 interrupted."
)


def build_app() -> typer.Typer:
    """Return a new command tree. Commands return an `Answer` or yield `Line`s; `avlink.cli.main` prints them."""
    app = typer.Typer(
        cls=CommandTree,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        epilog=_EPILOG,
        help=_start.__doc__,
    )
    app.callback()(_start)
    for command in (
        edit.sonify,
        spot.spot,
        project.takes,
        edit.visualize,
        generate.generate,
        project.export,
        project.import_cues,
        training.train,
        training.evaluate,
        training.ablate,
        admin.doctor,
        admin.demo,
    ):
        app.command()(command)
    for name, group in GROUPS.items():
        app.add_typer(group, name=name)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"avlink {avlink.__version__}")
        raise typer.Exit


def _start(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """AVLink generates foley for every clip of an edit."""
