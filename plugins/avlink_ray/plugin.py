"""The executor `ray` and the option `--ray`. Ray itself is imported by a process of its own only."""

from __future__ import annotations

from avlink import hookimpl
from avlink.hooks import CommandOption, Executor
from avlink_ray.options import RayOptions


def on_cluster(address: str) -> dict[str, str]:
    """Return the value of `backend.on` for a cluster; "local" is one that ends with the run."""
    return {"use": "ray"} if address == "local" else {"use": "ray", "address": address}


@hookimpl
def avlink_executors() -> list[Executor]:
    """Offer `ray`."""
    return [Executor(name="ray", options=RayOptions, load="avlink_ray.generator:load")]


@hookimpl
def avlink_command_options() -> list[CommandOption]:
    """Offer `--ray ADDRESS`."""
    return [
        CommandOption(
            name="ray",
            commands=("sonify", "visualize"),
            sets="backend.on",
            convert=on_cluster,
            metavar="ADDRESS",
            help="Generate on a Ray cluster: host:port, auto for the one on this machine, local for one of this run.",
            default="on this machine",
        )
    ]
