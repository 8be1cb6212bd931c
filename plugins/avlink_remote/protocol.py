"""What goes over the wire, version 1: the JSON objects of both sides, and how large things are cut.

A job is one call of a generator: one or more requests whose pictures (or sounds) are uploaded one after the other, as
the generator would read them, and whose sounds (or pictures) come back in the same order. Pictures are RGB bytes,
sound is little-endian float32 with the samples of one moment together. The name of a job is the digest of what it asks
for, so asking twice is asking once.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from avlink import PictureSpec, digest, fraction_text
from avlink.hooks import Direction

PROTOCOL = 1
"""Raised when an older side would misunderstand a newer one."""

CLIENT_HEADER = "avlink-client"
"""Who asks, a name that a client makes up: a job is dropped once all that asked for it are gone."""

SAMPLE_BYTES = 4
_MAX_REQUESTS = 4096
_MAX_WORDS = 20_000

FractionText = Annotated[str, Field(pattern=r"^[0-9]{1,18}/[1-9][0-9]{0,17}$", examples=["5/2"])]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
State = Literal["uploading", "queued", "running", "done", "failed", "cancelled"]


class ProtocolObject(BaseModel):
    """Base of all objects: what is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Health(ProtocolObject):
    """All that is told without the token."""

    status: Literal["ok"] = "ok"


class PictureFormat(ProtocolObject):
    """The pictures that the generator reads or makes: frames per second, and size in pixels."""

    rate: FractionText
    width: int
    height: int

    @property
    def spec(self) -> PictureSpec:
        """The same as a value."""
        return PictureSpec(rate=Fraction(self.rate), width=self.width, height=self.height)


class BackendInfo(ProtocolObject):
    """One direction that is served. `fingerprint` changes when the same request would be answered differently."""

    backend: str
    fingerprint: str
    sample_rate: int
    picture: PictureFormat


class ServerLimits(ProtocolObject):
    """How much the server takes: bytes of one upload and of one chunk of it, and jobs that wait or are worked on."""

    upload_bytes: int
    chunk_bytes: int
    queue: int


class ServerInfo(ProtocolObject):
    """What is served: sound for pictures (v2a), pictures for sound (a2v), or both."""

    protocol: int
    version: str
    v2a: BackendInfo | None
    a2v: BackendInfo | None
    limits: ServerLimits

    def offer(self, direction: Direction) -> BackendInfo | None:
        """What is served in a direction."""
        return self.v2a if direction == "v2a" else self.a2v


class GenerationRequest(ProtocolObject):
    """One request: `count` pictures or samples of the upload are its own."""

    count: int = Field(ge=0)
    duration_s: FractionText
    prompt: str = Field(default="", max_length=_MAX_WORDS)
    negative: str = Field(default="", max_length=_MAX_WORDS)
    seed: int = Field(ge=0, lt=2**63)


class JobRequest(ProtocolObject):
    """A job. `fingerprint` is the one that was planned with: another model's answer would be the wrong one."""

    direction: Direction
    fingerprint: str = Field(max_length=200)
    requests: tuple[GenerationRequest, ...] = Field(min_length=1, max_length=_MAX_REQUESTS)
    upload_bytes: int = Field(ge=0)
    upload_digest: Digest
    """BLAKE2b of 20 bytes over the whole upload."""

    @property
    def id(self) -> str:
        """The job's name."""
        value: dict[str, Any] = self.model_dump(mode="json")
        return digest(["avlink_remote", PROTOCOL, value])


class ResultPart(ProtocolObject):
    """The answer to one request: bytes and their digest, and `count` samples of `channels`, or `count` pictures."""

    bytes: int
    digest: Digest
    count: int
    channels: int | None = None


class JobFailure(ProtocolObject):
    """What went wrong, in words. `kind` is "input" when the request is at fault."""

    kind: Literal["input", "failed"]
    message: str


class JobStatus(ProtocolObject):
    """How a job is. `version` counts its changes; `ahead` are the jobs before it; `steps` of `of_steps` are done."""

    id: Digest
    state: State
    version: int
    received: int
    ahead: int = 0
    steps: int = 0
    of_steps: int = 0
    failure: JobFailure | None = None
    result: tuple[ResultPart, ...] | None = None


class ErrorDetail(ProtocolObject):
    """Why a request was refused, in words. `code` is for programs."""

    code: str
    message: str


class ErrorResponse(ProtocolObject):
    """The body of every answer of 400 and above."""

    error: ErrorDetail


def format_of(spec: PictureSpec) -> PictureFormat:
    """A specification of pictures for the wire."""
    return PictureFormat(rate=fraction_text(spec.rate), width=spec.width, height=spec.height)


def unit_bytes(direction: Direction, picture: PictureFormat) -> int:
    """Bytes of one picture, or of one sample of mono sound: what an upload is made of."""
    return picture.width * picture.height * 3 if direction == "v2a" else SAMPLE_BYTES
