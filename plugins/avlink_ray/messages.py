"""Messages between the generator and the driver process, over a pipe of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import avlink
from avlink import AvlinkError, PictureSpec, PluginError, Prompt
from avlink_ray.blocks import BlockLayout


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSpec:
    """The backend that every worker loads, with its options as JSON and the fingerprint that it must have there."""

    backend: str
    options: str
    fingerprint: str
    version: str
    device: str
    folder: str
    threads: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Connect to the cluster and start `workers` processes that load the model."""

    backend: BackendSpec
    address: str
    folder: str
    workers: int
    cpus: float
    gpus: float
    start_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorInfo:
    """The properties of the loaded generator."""

    sample_rate: int
    picture: PictureSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A `SoundRequest` or `PictureRequest` without its input, the pictures or sound of the given layout."""

    id: int
    layout: BlockLayout
    duration_s: Any
    prompt: Prompt
    seed: int
    conditions: Mapping[str, Any] = field(default_factory=dict)
    """The other fields of a `SoundRequest`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate:
    """Answer these requests and cancel all others that are under way."""

    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendInput:
    """Send the input of a request to the driver."""

    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of the input or of the result of a request."""

    id: int
    data: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress:
    """A worker has done `done` of `total` steps of a request."""

    id: int
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A request is answered; the `Block`s of its result follow."""

    id: int
    layout: BlockLayout


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReport:
    """An error: the name of its class and its text; `id` is that of the request that failed, None for the whole run."""

    kind: str
    text: str
    id: int | None = None

    def error(self) -> Exception:
        """Return the exception to raise in this process."""
        found = getattr(avlink, self.kind, None)
        if isinstance(found, type) and issubclass(found, AvlinkError):
            return found(self.text)
        return MemoryError(self.text) if self.kind == "MemoryError" else PluginError(f"{self.kind}: {self.text}")


def report_of(error: BaseException, id: int | None = None) -> ErrorReport:
    """Return the message for an exception in a worker."""
    kind = type(error).__name__
    if isinstance(error, MemoryError) or kind == "OutOfMemoryError":
        kind = "MemoryError"
    return ErrorReport(kind=kind, text=" ".join(str(error).split()), id=id)
