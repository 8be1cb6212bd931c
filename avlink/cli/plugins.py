"""`avlink plugins`."""

from __future__ import annotations

import typer

from avlink.cli import options as given
from avlink.cli.answer import Answer, Block, Grid
from avlink.cli.tree import clash_text, owner_of

app = typer.Typer(help="List plugins, and what they offer.", no_args_is_help=True)


@app.callback()
def plugins() -> None:
    """List plugins, and what they offer."""


@app.command("list")
def list_all(context: typer.Context, as_json: given.AsJson = False) -> Answer:
    """List plugins with what each offers, and those that could not be loaded."""
    from avlink.hooks import load_registry

    registry = load_registry()
    rows = [
        (
            info.name,
            f"{info.distribution} {info.version}".strip(),
            ", ".join([*info.components, *(f"avlink {name}" for name in info.commands)]),
        )
        for info in registry.plugins
    ]
    blocks: list[Block] = [Grid(heads=("plugin", "comes with", "offers"), rows=rows)]
    blocks += [f"plugin '{failure.plugin}' could not be used: {failure.reason}" for failure in registry.failures]
    blocks += [clash_text(name, owners) for name, owners in registry.clashes.items()]
    own = getattr(context.find_root().command, "commands", {})
    blocks += [
        f"command '{name}' of plugin '{owner_of(name, registry)}' is not used: AVLink has one itself"
        for name in registry.commands
        if name in own
    ]
    payload = {
        "plugins": [
            {
                "name": info.name,
                "distribution": info.distribution,
                "version": info.version,
                "components": list(info.components),
                "commands": list(info.commands),
            }
            for info in registry.plugins
        ],
        "failures": [{"plugin": failure.plugin, "reason": failure.reason} for failure in registry.failures],
        "backends": {name: backend.direction for name, backend in registry.backends.items()},
        "processors": list(registry.processors),
        "formats": {name: found.suffix for name, found in registry.formats.items()},
        "recipe_kinds": list(registry.recipe_kinds),
        "commands": {name: command.summary for name, command in registry.commands.items()},
    }
    return Answer(command="plugins list", payload=payload, blocks=blocks)
