"""What this process and the one that talks to Ray say to each other, over a pipe that nobody else has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from avlink import AvlinkError, PictureSpec, PluginError, Prompt, errors
from avlink_ray.blocks import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What every worker loads: a backend by name, its options as JSON, and how both are known to be the same there."""

    backend: str
    options: str
    fingerprint: str
    version: str
    device: str
    folder: str
    threads: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Connect, and let `workers` processes load the model."""

    work: Work
    address: str
    folder: str
    workers: int
    cpus: float
    gpus: float
    start_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a loaded generator is."""

    sample_rate: int
    picture: PictureSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A `SoundRequest` or `PictureRequest`, without its pictures or its sound, which have the shape `given`."""

    id: int
    given: Shape
    duration_s: Any
    prompt: Prompt
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate:
    """Answer all of these; whatever else is under way is dropped."""

    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """The driver wants what is given with a request."""

    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A stretch of what is given with a request, or of its answer."""

    id: int
    data: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A worker is this far with a request."""

    id: int
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A request is answered; its `Block`s come next."""

    id: int
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Something went wrong, by the name of its error and in words; `id` is None where no request is at fault."""

    kind: str
    text: str
    id: int | None = None

    def error(self) -> Exception:
        """The error, to be raised here."""
        found = getattr(errors, self.kind, None)
        if isinstance(found, type) and issubclass(found, AvlinkError):
            return found(self.text)
        return MemoryError(self.text) if self.kind == "MemoryError" else PluginError(f"{self.kind}: {self.text}")


def failure_of(error: BaseException, id: int | None = None) -> Failure:
    """What a worker tells of an error."""
    kind = type(error).__name__
    if isinstance(error, MemoryError) or kind == "OutOfMemoryError":
        kind = "MemoryError"
    return Failure(kind=kind, text=" ".join(str(error).split()), id=id)
