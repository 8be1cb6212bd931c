"""The place `ray`: what a recipe may say of it. Ray itself is only ever imported by a process of its own."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from pydantic import Field

from avlink import InputError, Options, hookimpl
from avlink.hooks import Executor, ReadyBackend

if TYPE_CHECKING:
    from avlink import PictureGenerator, SoundGenerator


class RayOptions(Options):
    """Which cluster, and how much of it."""

    address: str = ""
    """A running cluster: "host:port", or "auto" for the one on this machine; left out: one that lives with the run."""
    workers: int = Field(default=2, ge=1, le=10_000)
    """How many processes load the model and work side by side."""
    cpus: float = Field(default=1.0, ge=0, le=1024)
    """Processors that each is given."""
    gpus: float = Field(default=0.0, ge=0, le=64)
    """And graphics cards, or parts of one."""
    threads: int | None = Field(default=None, ge=1, le=1024)
    """Threads of each; left out: as many as a run on this machine has, for their number changes the last bits."""
    start_s: float = Field(default=600.0, gt=0)
    """How long to wait for a worker when there is none, with its model loaded."""
    lost_s: int = Field(default=60, ge=1, le=3600)
    """How long a cluster may be silent before it counts as gone."""


def load(backend: ReadyBackend, options: RayOptions, device: str) -> SoundGenerator | PictureGenerator:
    """A generator whose work is done by the cluster. Raises InputError without Ray, ExecutorError without a cluster."""
    if find_spec("ray") is None:
        raise InputError("backend.on = \"ray\" needs Ray, which is not installed here; pip install 'avlink[ray]'")
    from avlink_ray.generator import RayGenerator

    return RayGenerator(backend, options, device)


@hookimpl
def avlink_executors() -> list[Executor]:
    """Offer `ray`."""
    return [Executor(name="ray", options=RayOptions, load=load)]
