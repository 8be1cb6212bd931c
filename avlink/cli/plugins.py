"""`avlink plugins`."""

from __future__ import annotations

import typer

from avlink.cli import options as given
from avlink.cli.answer import Answer, Block, Grid

app = typer.Typer(help="List plugins, and what they offer.", no_args_is_help=True)


@app.callback()
def plugins() -> None:
    """List plugins, and what they offer."""


@app.command("list")
def list_all(as_json: given.AsJson = False) -> Answer:
    """List plugins with what each offers, and those that could not be loaded."""
    from avlink.hooks import load_registry

    registry = load_registry()
    rows = [
        (info.name, f"{info.distribution} {info.version}".strip(), ", ".join(info.components))
        for info in registry.plugins
    ]
    blocks: list[Block] = [Grid(heads=("plugin", "comes with", "offers"), rows=rows)]
    blocks += [f"plugin '{failure.plugin}' could not be used: {failure.reason}" for failure in registry.failures]
    payload = {
        "plugins": [
            {
                "name": info.name,
                "distribution": info.distribution,
                "version": info.version,
                "components": list(info.components),
            }
            for info in registry.plugins
        ],
        "failures": [{"plugin": failure.plugin, "reason": failure.reason} for failure in registry.failures],
        "backends": {name: backend.direction for name, backend in registry.backends.items()},
        "processors": list(registry.processors),
        "formats": {name: found.suffix for name, found in registry.formats.items()},
    }
    return Answer(command="plugins list", payload=payload, blocks=blocks)
