"""Generators whose work is done by a server, and the executor `remote` that makes them for any backend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, Generic, TypeVar

import numpy as np

import avlink
from avlink import (
    ExecutorError,
    FrameSource,
    OnStep,
    PictureRequest,
    SoundRequest,
    SoundSource,
    SpooledPictures,
    SpooledSound,
    fraction_text,
)
from avlink.hooks import Direction, ReadyBackend
from avlink_remote.client import FIRST_CONTACT_S, ServerClient, ServerUnreachable
from avlink_remote.plugin import RemoteOptions
from avlink_remote.protocol import (
    SAMPLE_BYTES,
    BackendInfo,
    GenerationRequest,
    JobRequest,
    ResultPart,
    ServerInfo,
    WireHit,
    direction_text,
    model_fingerprint,
    unit_bytes,
)
from avlink_remote.remote_job import ModelChanged, Payload, ReadUnits, RemoteJob

AnyRequest = TypeVar("AnyRequest", SoundRequest, PictureRequest)

_SAMPLE = np.dtype("<f4")


class RemoteGenerator(Generic[AnyRequest]):
    """Base of both directions. `served` is the backend that the server of `client` has for this direction."""

    direction: Direction

    def __init__(self, client: ServerClient, info: ServerInfo, served: BackendInfo, options: RemoteOptions) -> None:
        self._job = RemoteJob(client, info.limits, timeout_s=options.timeout_s, compress=options.compress)
        self._fingerprint = served.fingerprint
        self._unit = unit_bytes(self.direction, served.picture)
        self.sample_rate = served.sample_rate
        self.picture = served.picture.spec

    def _job_request(self, requests: Sequence[AnyRequest], counts: Sequence[int], payload: Payload) -> JobRequest:
        items = [
            GenerationRequest(
                count=count,
                duration_s=fraction_text(Fraction(request.duration_s)),
                prompt=request.prompt.text,
                negative=request.prompt.negative,
                seed=request.seed,
                **conditions_of(request),
            )
            for request, count in zip(requests, counts, strict=True)
        ]
        return JobRequest(
            direction=self.direction,
            fingerprint=self._fingerprint,
            requests=tuple(items),
            upload_bytes=payload.size,
            upload_digest=payload.digest(),
        )


class RemoteSound(RemoteGenerator[SoundRequest]):
    """A `SoundGenerator` on a server."""

    direction: Direction = "v2a"

    def generate(self, requests: Sequence[SoundRequest], *, on_step: OnStep | None = None) -> tuple[SoundSource, ...]:
        """Return one sound for each request, sample for sample as the backend gives it to the same batch."""
        for request in requests:
            found = (request.frames.rate, request.frames.width, request.frames.height)
            if found != (self.picture.rate, self.picture.width, self.picture.height):
                raise ValueError(f"the pictures are {found}, and the server wants {self.picture}")
        if not requests:
            return ()
        counts = [request.frames.num_frames for request in requests]
        payload = Payload(
            [(_frame_reader(one), count) for one, count in zip(requests, counts, strict=True)], self._unit
        )

        def collect(parts: Sequence[tuple[ResultPart, Iterator[bytes]]]) -> tuple[SoundSource, ...]:
            return tuple(
                SpooledSound(
                    # The protocol has the samples of one moment together; sound in memory has one row for each channel.
                    (np.frombuffer(block, _SAMPLE).reshape(-1, part.channels or 1).T for block in blocks),
                    sample_rate=self.sample_rate,
                    channels=part.channels or 1,
                )
                for part, blocks in parts
            )

        job_request = self._job_request(requests, counts, payload)
        return self._job.run(job_request, payload, on_step, collect, lambda part: SAMPLE_BYTES * (part.channels or 1))


class RemotePicture(RemoteGenerator[PictureRequest]):
    """A `PictureGenerator` on a server."""

    direction: Direction = "a2v"

    def generate(self, requests: Sequence[PictureRequest], *, on_step: OnStep | None = None) -> tuple[FrameSource, ...]:
        """Return pictures for each request, pixel for pixel as the backend gives them to the same batch."""
        for request in requests:
            if request.sound.sample_rate != self.sample_rate or request.sound.channels != 1:
                raise ValueError(f"the sound must be mono at {self.sample_rate} Hz")
        if not requests:
            return ()
        counts = [request.sound.num_samples for request in requests]
        payload = Payload([(_sample_reader(one), one.sound.num_samples) for one in requests], self._unit)
        height, width = self.picture.height, self.picture.width

        def collect(parts: Sequence[tuple[ResultPart, Iterator[bytes]]]) -> tuple[FrameSource, ...]:
            return tuple(
                SpooledPictures(
                    (np.frombuffer(block, np.uint8).reshape(-1, height, width, 3) for block in blocks),
                    rate=self.picture.rate,
                    height=height,
                    width=width,
                )
                for _, blocks in parts
            )

        job_request = self._job_request(requests, counts, payload)
        return self._job.run(job_request, payload, on_step, collect, lambda _: height * width * 3)


def make_generator(
    client: ServerClient, info: ServerInfo, served: BackendInfo, options: RemoteOptions, direction: Direction
) -> RemoteSound | RemotePicture:
    """Return the generator of one direction of a server."""
    if direction == "v2a":
        return RemoteSound(client, info, served, options)
    return RemotePicture(client, info, served, options)


class ExecutedGenerator:
    """A generator whose errors say whether a clip or the executor is at fault.

    A lost server, or one that has another model by now, is an ExecutorError: it ends the run, as no other clip would
    fare better.
    """

    def __init__(self, generator: RemoteSound | RemotePicture) -> None:
        self._generator: Any = generator
        self.sample_rate, self.picture = generator.sample_rate, generator.picture

    def generate(self, requests: Sequence[Any], *, on_step: OnStep | None = None) -> tuple[Any, ...]:
        """Return one answer for each request. Raises ExecutorError when the server is gone or has another model."""
        try:
            return self._generator.generate(requests, on_step=on_step)
        except (ServerUnreachable, ModelChanged) as error:
            raise ExecutorError(str(error)) from error


def load_on_server(backend: ReadyBackend, options: RemoteOptions, device: str) -> ExecutedGenerator:
    """Return a generator of `backend` whose work is done by the server at `options.url`.

    The server loaded its model when it was started, on a device of its choice and not on `device`. Its answers are bit
    for bit those of this machine only with the same model, so anything else is refused: the run's cache keys name the
    model of here.

    Raises InputError without a token or with a wrong one, ExecutorError when the server cannot be reached or has no
    such model.
    """
    client = ServerClient(options)
    try:
        info = client.info(patience_s=min(FIRST_CONTACT_S, options.patience_s))
        served = _matching(info, backend, options.url)
    except ServerUnreachable as error:
        client.close()
        raise ExecutorError(str(error)) from error
    except BaseException:
        client.close()
        raise
    return ExecutedGenerator(make_generator(client, info, served, options, backend.backend.direction))


def _matching(info: ServerInfo, backend: ReadyBackend, url: str) -> BackendInfo:
    """Return what the server has for the direction of `backend`, if that is the same model of the same version."""
    direction = backend.backend.direction
    served, table = info.backend_for(direction), "sound" if direction == "v2a" else "picture"
    start = f"start one with avlink serve -s {table}.name={backend.name}"
    if served is None:
        raise ExecutorError(f"the server {url} makes no {direction_text(direction)}; {start}")
    if served.backend != backend.name:
        raise ExecutorError(f"the server {url} has the backend '{served.backend}', not '{backend.name}'; {start}")
    # Fingerprints cover the weights and the plugin, but not the code of AVLink itself.
    if info.version != avlink.__version__:
        raise ExecutorError(
            f"the server {url} runs AVLink {info.version} and this machine {avlink.__version__}, which may make "
            "another result; install the same version on both"
        )
    if served.fingerprint != model_fingerprint(backend):
        raise ExecutorError(
            f"the server {url} has another '{backend.name}' than this machine: its weights, the version of its plugin "
            f"or its options are not the same; start it with the same ones (-s {table}.options...)"
        )
    return served


def _frame_reader(request: SoundRequest) -> ReadUnits:
    # Readers, not bytes: an upload may be larger than memory.
    return lambda start, stop: np.ascontiguousarray(request.frames.read(start, stop), np.uint8).tobytes()


def _sample_reader(request: PictureRequest) -> ReadUnits:
    return lambda start, stop: np.ascontiguousarray(request.sound.read(start, stop)[0], _SAMPLE).tobytes()


def conditions_of(request: object) -> dict[str, Any]:
    """Return what a request for sound says of hits and of its kind, as it is sent; nothing for pictures."""
    if not isinstance(request, SoundRequest):
        return {}
    hits, base_hits = (
        None if found is None else tuple(WireHit.of(hit) for hit in found)
        for found in (request.hits, request.base_hits)
    )
    known = request.known_s
    return {
        "hits": hits,
        "base_hits": base_hits,
        "known_s": None if known is None else (fraction_text(known[0]), fraction_text(known[1])),
        "is_ambience": request.is_ambience or None,
        "material": request.material or None,
        "item": request.item or None,
    }
