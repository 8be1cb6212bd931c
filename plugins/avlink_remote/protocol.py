"""The protocol, version 1: the JSON objects that client and server exchange.

A job is one call of a generator: one or more requests whose pictures (or sounds) are uploaded one after the other, as
the generator would read them, and whose sounds (or pictures) come back in the same order. Pictures are RGB bytes,
sound is little-endian float32 with the samples of one moment together. A job's id is the digest of what it asks for,
so that submitting it twice is submitting it once.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from avlink import Hit, PictureSpec, digest, fraction_text
from avlink.hooks import Direction, ReadyBackend

PROTOCOL = 1
"""Raised when an older side would misunderstand a newer one."""

CLIENT_HEADER = "avlink-client"
"""Names the client, by a word that it makes up. A job is dropped once all clients that submitted it are gone."""

SAMPLE_BYTES = 4
_MAX_REQUESTS = 4096
_MAX_PROMPT_LENGTH = 20_000
_MAX_HITS = 100_000

# Times are exact fractions as text: a float in JSON would round them, and rounding may cost a sample.
FractionText = Annotated[str, Field(pattern=r"^[0-9]{1,18}/[1-9][0-9]{0,17}$", examples=["5/2"])]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
State = Literal["uploading", "queued", "running", "done", "failed", "cancelled"]


class ProtocolObject(BaseModel):
    """Base of all objects: unknown fields are refused."""

    # A side that ignored a field it does not know would answer another request than the one that was sent.
    model_config = ConfigDict(extra="forbid", frozen=True)


class Health(ProtocolObject):
    """The answer that needs no token."""

    status: Literal["ok"] = "ok"


class PictureFormat(ProtocolObject):
    """The pictures that the generator reads or makes: frames per second, and size in pixels."""

    rate: FractionText
    width: int
    height: int

    @property
    def spec(self) -> PictureSpec:
        """The format as a `PictureSpec`."""
        return PictureSpec(rate=Fraction(self.rate), width=self.width, height=self.height)


class BackendInfo(ProtocolObject):
    """The backend of one direction. `fingerprint` changes when the same request would be answered differently."""

    backend: str
    fingerprint: str
    sample_rate: int
    picture: PictureFormat


class ServerLimits(ProtocolObject):
    """Bytes of one upload and of one chunk of it, and the number of jobs that wait or are worked on, at most."""

    upload_bytes: int
    chunk_bytes: int
    queue: int


class ServerInfo(ProtocolObject):
    """The served backends: sound for pictures (v2a), pictures for sound (a2v), or both."""

    protocol: int
    version: str
    v2a: BackendInfo | None
    a2v: BackendInfo | None
    limits: ServerLimits

    def backend_for(self, direction: Direction) -> BackendInfo | None:
        """Return the backend of a direction, or None if it is not served."""
        return self.v2a if direction == "v2a" else self.a2v


class WireHit(ProtocolObject):
    """A hit that a sound is asked for. Fields that change no sound are not sent."""

    time_s: FractionText
    duration_s: FractionText = "0/1"
    strength: float = Field(ge=0, le=1)
    kind: str = Field(max_length=_MAX_PROMPT_LENGTH)
    words: str = Field(default="", max_length=_MAX_PROMPT_LENGTH)

    @classmethod
    def of(cls, hit: Hit) -> WireHit:
        """Return a hit as it is sent."""
        return cls(
            time_s=fraction_text(hit.time_s),
            duration_s=fraction_text(hit.duration_s),
            strength=hit.strength,
            kind=hit.kind,
            words=hit.words,
        )

    @property
    def hit(self) -> Hit:
        """The hit."""
        return Hit(
            time_s=Fraction(self.time_s),
            duration_s=Fraction(self.duration_s),
            strength=self.strength,
            kind=self.kind,
            words=self.words,
        )


WireHits = Annotated[tuple[WireHit, ...], Field(max_length=_MAX_HITS)]


class GenerationRequest(ProtocolObject):
    """One request of a job: the next `count` pictures or samples of the upload belong to it.

    Fields that may be None are those of a `SoundRequest`.
    """

    count: int = Field(ge=0)
    duration_s: FractionText
    prompt: str = Field(default="", max_length=_MAX_PROMPT_LENGTH)
    negative: str = Field(default="", max_length=_MAX_PROMPT_LENGTH)
    seed: int = Field(ge=0, lt=2**63)
    hits: WireHits | None = None
    base_hits: WireHits | None = None
    known_s: tuple[FractionText, FractionText] | None = None
    is_ambience: bool | None = None
    material: str | None = Field(default=None, max_length=_MAX_PROMPT_LENGTH)
    item: str | None = Field(default=None, max_length=_MAX_PROMPT_LENGTH)

    @model_serializer(mode="wrap")
    def _without_none(self, values: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Servers that know no hits take requests without them, under the ids that these always had.
        return {name: value for name, value in values(self).items() if value is not None}

    def conditions(self) -> dict[str, Any]:
        """Return the other fields of a `SoundRequest`."""
        known = self.known_s
        return {
            "hits": None if self.hits is None else tuple(one.hit for one in self.hits),
            "base_hits": None if self.base_hits is None else tuple(one.hit for one in self.base_hits),
            "known_s": None if known is None else (Fraction(known[0]), Fraction(known[1])),
            "is_ambience": bool(self.is_ambience),
            "material": self.material or "",
            "item": self.item or "",
        }


class JobRequest(ProtocolObject):
    """A job. `fingerprint` is that of the model that the client planned with: any other model is refused."""

    direction: Direction
    fingerprint: str = Field(max_length=200)
    requests: tuple[GenerationRequest, ...] = Field(min_length=1, max_length=_MAX_REQUESTS)
    upload_bytes: int = Field(ge=0)
    upload_digest: Digest
    """BLAKE2b of 20 bytes over the whole upload."""

    @property
    def id(self) -> str:
        """The job's id."""
        # All fields count, with their defaults: both sides have to come to the same id.
        value: dict[str, Any] = self.model_dump(mode="json")
        return digest(["avlink_remote", PROTOCOL, value])


class ResultPart(ProtocolObject):
    """The answer to one request: bytes and their digest, and `count` samples of `channels`, or `count` pictures."""

    bytes: int
    digest: Digest
    count: int
    channels: int | None = None


class JobFailure(ProtocolObject):
    """The reason of a failed job, in words. `kind` is "input" when the request is at fault."""

    kind: Literal["input", "failed"]
    message: str


class JobStatus(ProtocolObject):
    """A job's state. `version` counts its changes; `ahead` jobs come before it; `steps` of `of_steps` are done."""

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
    """The reason why a request was refused, in words. `code` is for programs."""

    code: str
    message: str


class ErrorResponse(ProtocolObject):
    """The body of every response with a status of 400 and above."""

    error: ErrorDetail


def model_fingerprint(backend: ReadyBackend) -> str:
    """Return the fingerprint of a served backend: it covers the backend's name and its own fingerprint."""
    return digest([backend.name, backend.fingerprint()])


def picture_format(spec: PictureSpec) -> PictureFormat:
    """Return a `PictureSpec` as an object of the protocol."""
    return PictureFormat(rate=fraction_text(spec.rate), width=spec.width, height=spec.height)


def unit_bytes(direction: Direction, picture: PictureFormat) -> int:
    """Return the size of one unit of an upload: bytes of a picture, or of a sample of mono sound."""
    return picture.width * picture.height * 3 if direction == "v2a" else SAMPLE_BYTES


def direction_text(direction: Direction) -> str:
    """Return a direction in words, for messages."""
    return "sound for pictures" if direction == "v2a" else "pictures for sound"
