"""Generators that are somewhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Generic, TypeVar

import numpy as np

from avlink import (
    AvlinkError,
    FrameSource,
    OnStep,
    PictureRequest,
    SoundRequest,
    SoundSource,
    SpooledPictures,
    SpooledSound,
    fraction_text,
)
from avlink.hooks import Direction
from avlink_remote.backend import NEVER_REACHED, backend_info, fingerprint, forget
from avlink_remote.client import ServerClient
from avlink_remote.options import RemoteOptions
from avlink_remote.payload import Payload, Read
from avlink_remote.protocol import SAMPLE_BYTES, GenerationRequest, JobRequest, ResultPart, unit_bytes
from avlink_remote.remote_job import ModelChanged, RemoteJob

AnyRequest = TypeVar("AnyRequest", SoundRequest, PictureRequest)
Made = TypeVar("Made")

_SAMPLE = np.dtype("<f4")
_FIRST_CONTACT_S = 5.0


class RemoteGenerator(Generic[AnyRequest]):
    """What both directions share: a server that is there, and has the model that the run was planned with."""

    direction: Direction

    def __init__(self, options: RemoteOptions) -> None:
        self._options = options
        planned = fingerprint(options, self.direction)
        self._link = ServerClient(options)
        try:
            info = self._link.info(patience_s=min(_FIRST_CONTACT_S, options.patience_s))
            self._offer = backend_info(info, options, self.direction)
            if self._offer.fingerprint != planned:
                before = "could not be reached" if planned == NEVER_REACHED else "had another model"
                raise ModelChanged(f"the server {options.url} {before} when this run was planned; start it again")
        except AvlinkError:
            forget(options, self.direction)
            raise
        self._errand = RemoteJob(self._link, info.limits, timeout_s=options.timeout_s, compress=options.compress)
        self.sample_rate = self._offer.sample_rate
        self.picture = self._offer.picture.spec
        self._unit = unit_bytes(self.direction, self._offer.picture)

    def _wish(self, requests: Sequence[AnyRequest], counts: Sequence[int], payload: Payload) -> JobRequest:
        asked = [
            GenerationRequest(
                count=count,
                duration_s=fraction_text(Fraction(request.duration_s)),
                prompt=request.prompt.text,
                negative=request.prompt.negative,
                seed=request.seed,
            )
            for request, count in zip(requests, counts, strict=True)
        ]
        return JobRequest(
            direction=self.direction,
            fingerprint=self._offer.fingerprint,
            requests=tuple(asked),
            upload_bytes=payload.size,
            upload_digest=payload.digest(),
        )

    def _run(
        self,
        wish: JobRequest,
        payload: Payload,
        on_step: OnStep | None,
        take: Callable[[Sequence[tuple[ResultPart, Iterator[bytes]]]], Made],
        unit: Callable[[ResultPart], int],
    ) -> Made:
        try:
            return self._errand.run(wish, payload, on_step, take, unit)
        except ModelChanged:
            # The next run asks which model there is.
            forget(self._options, self.direction)
            raise


class RemoteSound(RemoteGenerator[SoundRequest]):
    """A `SoundGenerator`: the server's."""

    direction: Direction = "v2a"

    def generate(self, requests: Sequence[SoundRequest], *, on_step: OnStep | None = None) -> tuple[SoundSource, ...]:
        """One sound a request, sample for sample what the server's generator gives to the same requests."""
        for request in requests:
            found = (request.frames.rate, request.frames.width, request.frames.height)
            if found != (self.picture.rate, self.picture.width, self.picture.height):
                raise ValueError(f"the pictures are {found}, and the server wants {self.picture}")
        if not requests:
            return ()
        payload = Payload([(_frames(one), one.frames.num_frames) for one in requests], self._unit)
        wish = self._wish(requests, [one.frames.num_frames for one in requests], payload)

        def take(parts: Sequence[tuple[ResultPart, Iterator[bytes]]]) -> tuple[SoundSource, ...]:
            return tuple(
                SpooledSound(
                    (np.frombuffer(block, _SAMPLE).reshape(-1, part.channels or 1).T for block in blocks),
                    sample_rate=self.sample_rate,
                    channels=part.channels or 1,
                )
                for part, blocks in parts
            )

        return self._run(wish, payload, on_step, take, lambda part: SAMPLE_BYTES * (part.channels or 1))


class RemotePicture(RemoteGenerator[PictureRequest]):
    """A `PictureGenerator`: the server's."""

    direction: Direction = "a2v"

    def generate(self, requests: Sequence[PictureRequest], *, on_step: OnStep | None = None) -> tuple[FrameSource, ...]:
        """Pictures for each request, pixel for pixel what the server's generator gives to the same requests."""
        for request in requests:
            if request.sound.sample_rate != self.sample_rate or request.sound.channels != 1:
                raise ValueError(f"the sound must be mono at {self.sample_rate} Hz")
        if not requests:
            return ()
        payload = Payload([(_samples(one), one.sound.num_samples) for one in requests], self._unit)
        wish = self._wish(requests, [one.sound.num_samples for one in requests], payload)
        height, width = self.picture.height, self.picture.width

        def take(parts: Sequence[tuple[ResultPart, Iterator[bytes]]]) -> tuple[FrameSource, ...]:
            return tuple(
                SpooledPictures(
                    (np.frombuffer(block, np.uint8).reshape(-1, height, width, 3) for block in blocks),
                    rate=self.picture.rate,
                    height=height,
                    width=width,
                )
                for _, blocks in parts
            )

        return self._run(wish, payload, on_step, take, lambda _: height * width * 3)


def open_sound(options: RemoteOptions) -> RemoteSound:
    """The server's generator of sound. Raises AvlinkError in words when it cannot be used."""
    return RemoteSound(options)


def open_picture(options: RemoteOptions) -> RemotePicture:
    """The server's generator of pictures. Raises AvlinkError in words when it cannot be used."""
    return RemotePicture(options)


def _frames(request: SoundRequest) -> Read:
    return lambda start, stop: np.ascontiguousarray(request.frames.read(start, stop), np.uint8).tobytes()


def _samples(request: PictureRequest) -> Read:
    return lambda start, stop: np.ascontiguousarray(request.sound.read(start, stop)[0], _SAMPLE).tobytes()
