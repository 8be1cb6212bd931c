"""The options of the executor `ray`."""

from __future__ import annotations

from pydantic import Field

from avlink import Options


class RayOptions(Options):
    """A cluster, and the share of it that a run uses."""

    address: str = ""
    """A running cluster: "host:port", or "auto" for the one on this machine. Left out: one that ends with the run."""
    workers: int = Field(default=2, ge=1, le=10_000)
    """Processes that load the model and work in parallel."""
    cpus: float = Field(default=1.0, ge=0, le=1024)
    """Processors of each worker."""
    gpus: float = Field(default=0.0, ge=0, le=64)
    """GPUs of each worker, or a fraction of one."""
    threads: int | None = Field(default=None, ge=1, le=1024)
    """Threads of each worker. Left out: those of a run on this machine, for their number changes the last bits."""
    start_s: float = Field(default=600.0, gt=0)
    """Seconds to wait until a worker has loaded its model, when none has."""
    lost_s: int = Field(default=60, ge=1, le=3600)
    """Seconds of silence after which a cluster counts as lost."""
