"""`avlink plugins`."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avlink.cli import options as given
from avlink.core.answer import Answer, Block, Grid

if TYPE_CHECKING:
    from avlink.core.entry_points import Origin
    from avlink.hooks import PluginFailure, PluginInfo, Registry

Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also show the traceback of each failure.")]


class Kind(str, Enum):
    """Kinds of components of a new plugin."""

    processor = "processor"
    backend = "backend"
    command = "command"
    timeline_format = "format"


app = typer.Typer(help="List plugins and their components; create a plugin.", invoke_without_command=True)


@app.callback()
def plugins(context: typer.Context, verbose: Verbose = False, as_json: given.JsonOption = False) -> Answer | None:
    """List plugins and their components; create a plugin."""
    if context.invoked_subcommand is not None:
        return None
    return list_all(context, verbose=verbose)


@app.command("list")
def list_all(context: typer.Context, verbose: Verbose = False, as_json: given.JsonOption = False) -> Answer:
    """List plugins with their files and components, and the errors of those that failed."""
    from avlink.hooks import load_registry

    registry = load_registry()
    # As `--debug` does everywhere, which stands before the command.
    debug = context.find_root().params.get("debug") or os.environ.get("AVLINK_DEBUG", "0") not in {"", "0"}
    blocks: list[Block] = [_table(registry)]
    for failure in registry.failures:
        blocks.append(_failure_text(failure))
        if (verbose or debug) and failure.traceback:
            blocks.append(failure.traceback)
    blocks += [str(clash) for clash in registry.clashes]
    blocks += [_heavy_text(info) for info in registry.plugins if info.heavy]
    own = getattr(context.find_root().command, "commands", {})
    blocks += [
        f"command '{name}' of plugin '{registry.owner('command', name)}' is not used: AVLink has one itself"
        for name in registry.commands
        if name in own
    ]
    return Answer(command="plugins list", payload=_payload(registry), blocks=blocks)


@app.command()
def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name that recipes use, such as slap_back.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="The folder to create. [default: avlink-NAME]", show_default=False
        ),
    ] = None,
    kind: Annotated[
        list[Kind] | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="Its components: processor, backend, command or format; repeatable. [default: processor and backend]",
            show_default=False,
        ),
    ] = None,
    as_json: given.JsonOption = False,
) -> Answer:
    """Create a plugin: a small project that works, with tests. Existing files are never changed."""
    from avlink.admin.new_plugin import DEFAULT_KINDS, new_plugin
    from avlink.hooks import load_registry

    made = new_plugin(
        name,
        output,
        kinds=[chosen.value for chosen in kind] if kind else DEFAULT_KINDS,
        registry=load_registry(),
        commands=getattr(context.find_root().command, "commands", {}),
    )
    files = [path.as_posix() for path in made.files]
    blocks: list[Block] = [
        *(str(made.folder / path) for path in made.files),
        "",
        f'try it     cd {made.folder} && python -m pip install -e ".[test]" && python -m pytest',
        "then       avlink plugins",
        "licence    yours to choose: README.md says where it goes",
    ]
    payload = {"name": made.name, "folder": str(made.folder), "files": files}
    return Answer(command="plugins new", payload=payload, blocks=blocks)


def _table(registry: Registry) -> Grid:
    rows = []
    for info in registry.plugins:
        offers = [*info.components, *(f"avlink {name}" for name in info.commands)]
        offers += [*(f"--{name}" for name in info.command_options), *(hook for hook in info.hooks)]
        rows.append((info.name, info.origin.package, ", ".join(offers) or "nothing", _place(info.origin)))
    return Grid(heads=("plugin", "comes with", "offers", "lies in"), rows=rows)


def _place(origin: Origin) -> str:
    """Return the file of the plugin's module, or the best substitute."""
    return str(origin.file or next(iter(origin.places), origin.module))


def _failure_text(failure: PluginFailure) -> str:
    origin = failure.origin
    where = f"; it comes with {origin.package}, {_place(origin)}" if origin.package else ""
    return f"plugin '{failure.plugin}' could not be used: {failure.reason}{where}"


def _heavy_text(info: PluginInfo) -> str:
    return (
        f"plugin '{info.name}' imports {' and '.join(info.heavy)} as soon as it is loaded, and every command waits for "
        "that; import it where it is used"
    )


def _payload(registry: Registry) -> dict[str, Any]:
    return {
        "plugins": [
            {
                "name": info.name,
                **_origin_json(info.origin),
                "components": list(info.components),
                "commands": list(info.commands),
                "command_options": list(info.command_options),
                "hooks": list(info.hooks),
                "heavy": list(info.heavy),
            }
            for info in registry.plugins
        ],
        "failures": [
            {
                "plugin": failure.plugin,
                **_origin_json(failure.origin),
                "reason": failure.reason,
                "traceback": failure.traceback or None,
            }
            for failure in registry.failures
        ],
        "clashes": [
            {"kind": clash.kind, "name": clash.name, "plugins": list(clash.plugins), "kept": clash.kept}
            for clash in registry.clashes
        ],
        "backends": {name: backend.direction for name, backend in registry.backends.items()},
        "processors": list(registry.processors),
        "formats": {name: found.suffix for name, found in registry.formats.items()},
        "recipe_kinds": list(registry.recipe_kinds),
        "commands": {name: command.summary for name, command in registry.commands.items()},
    }


def _origin_json(origin: Origin) -> dict[str, str | None]:
    return {
        "distribution": origin.distribution,
        "version": origin.version,
        "module": origin.module,
        "file": None if origin.file is None else str(origin.file),
    }
