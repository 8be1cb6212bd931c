"""One job from asking to fetching, through lost connections and servers that are started again.

Everything that is asked can be asked again: the job's name says what it is, the server says how much of an upload it
has, and a result is fetched range by range. So whatever happens, the next question finds out where things stand.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from avlink import AvlinkError, InputError, OnStep, PluginError
from avlink_remote.client import RequestRefused, ServerClient
from avlink_remote.payload import Payload
from avlink_remote.protocol import JobRequest, JobStatus, ResultPart, ServerLimits

Made = TypeVar("Made")

_WAIT_S = 10.0
_ROUNDS = 8
_COMPRESSION = 1
_LEAST_BYTES, _FIRST_BYTES = 1 << 14, 1 << 18
_QUICK_S, _SLOW_S = 1.0, 5.0


class ModelChanged(AvlinkError):
    """The server has another model than the one that was planned with."""


class _JobLost(Exception):
    """The server does not know the job any more."""


class _ChunkSize:
    """How much one request carries: little at first, more while that is quick, so that slow networks are in time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.size = min(most, _FIRST_BYTES)

    @contextlib.contextmanager
    def watch(self) -> Iterator[None]:
        """While this lasts, as much as `size` is carried."""
        began = time.monotonic()
        yield
        took_s = time.monotonic() - began
        if took_s < _QUICK_S:
            self.size = min(self.size * 2, self._most)
        elif took_s > _SLOW_S:
            self.size = max(self.size // 2, _LEAST_BYTES)


class RemoteJob:
    """A job at a server."""

    def __init__(self, link: ServerClient, limits: ServerLimits, *, timeout_s: float, compress: bool) -> None:
        self._link, self._limits, self._compress = link, limits, compress
        self._up, self._down = _ChunkSize(limits.chunk_bytes), _ChunkSize(limits.chunk_bytes)
        self._wait_s = min(_WAIT_S, timeout_s / 2)

    def run(
        self,
        wish: JobRequest,
        payload: Payload,
        on_step: OnStep | None,
        take: Callable[[Sequence[tuple[ResultPart, Iterator[bytes]]]], Made],
        unit: Callable[[ResultPart], int],
    ) -> Made:
        """What `take` makes of the parts of the result, each with its bytes in blocks of whole `unit`s.

        However it ends, also by Ctrl-C, the server is told that the job is not wanted any more. `take` may be called
        again when the server was started anew.

        Raises AvlinkError and InputError in words, and whatever `on_step` raises.
        """
        try:
            for _ in range(_ROUNDS):
                try:
                    status = self._wait(self._send(self._ask(wish), payload), on_step)
                    return take(self._parts(status, unit))
                except _JobLost:
                    continue
            raise AvlinkError(f"the server {self._link.url} lost the job {_ROUNDS} times; see what it says there")
        except RequestRefused as refused:
            raise self._link.refusal(refused) from None
        finally:
            self._link.leave(wish.id)

    def _ask(self, wish: JobRequest) -> JobStatus:
        if wish.upload_bytes > self._limits.upload_bytes:
            raise InputError(
                f"the server {self._link.url} takes uploads of {self._limits.upload_bytes / 1e6:g} MB at most, and "
                f"this one has {wish.upload_bytes / 1e6:.1f} MB; start it with a larger --max-upload, or generate "
                "less at once with a smaller run.max_batch_s"
            )
        try:
            answer = self._link.call("PUT", f"/v1/jobs/{wish.id}", json=wish.model_dump(mode="json"))
        except RequestRefused as refused:
            if refused.status == 409:
                raise ModelChanged(
                    f"the server {self._link.url} has another model than when this run began; start it again"
                ) from None
            raise
        return self._link.parse(JobStatus, answer)

    def _send(self, status: JobStatus, payload: Payload) -> JobStatus:
        altered = 0
        while status.state == "uploading":
            chunk = payload.read(status.received, self._up.size)
            headers = {"content-type": "application/octet-stream"}
            if self._compress:
                packer = zlib.compressobj(_COMPRESSION, wbits=31)
                chunk = packer.compress(chunk) + packer.flush()
                headers["content-encoding"] = "gzip"
            try:
                with self._up.watch():
                    answer = self._link.call(
                        "PUT",
                        f"/v1/jobs/{status.id}/upload",
                        content=chunk,
                        headers=headers,
                        params={"offset": status.received},
                    )
            except RequestRefused as refused:
                altered += refused.code == "bad_request"
                if refused.status == 404:
                    raise _JobLost from None
                if refused.status != 409 and (refused.code != "bad_request" or altered > 1):
                    raise
                # Somebody else sent it too, or it arrived changed: the server says where to go on.
                status = self._look(status, wait_s=0.0)
                continue
            status = self._link.parse(JobStatus, answer)
        return status

    def _wait(self, status: JobStatus, on_step: OnStep | None) -> JobStatus:
        told = (0, 0)
        while True:
            if on_step is not None and status.of_steps and (status.steps, status.of_steps) != told:
                told = (status.steps, status.of_steps)
                on_step(*told)
            if status.state == "done":
                return status
            if status.state == "cancelled":
                raise _JobLost
            if status.state == "failed":
                failure = status.failure
                message = "it does not say why" if failure is None else failure.message
                if failure is not None and failure.kind == "input":
                    raise InputError(message)
                raise PluginError(f"on the server {self._link.url}: {message}")
            status = self._look(status, wait_s=self._wait_s)

    def _look(self, status: JobStatus, *, wait_s: float) -> JobStatus:
        params = {"version": status.version, "wait_s": wait_s} if wait_s else {}
        with _lost():
            answer = self._link.call("GET", f"/v1/jobs/{status.id}", params=params)
        return self._link.parse(JobStatus, answer)

    def _parts(self, status: JobStatus, unit: Callable[[ResultPart], int]) -> list[tuple[ResultPart, Iterator[bytes]]]:
        parts, start = [], 0
        for part in status.result or ():
            parts.append((part, self._fetch(status.id, part, start, unit(part))))
            start += part.bytes
        return parts

    def _fetch(self, job_id: str, part: ResultPart, start: int, unit: int) -> Iterator[bytes]:
        hasher, done = hashlib.blake2b(digest_size=20), 0
        while done < part.bytes:
            step = max(1, self._down.size // unit) * unit
            block = b"".join(self._range(job_id, start + done, min(step, part.bytes - done)))
            hasher.update(block)
            done += len(block)
            yield block
        if hasher.hexdigest() != part.digest:
            raise AvlinkError(
                f"what the server {self._link.url} sent arrived changed: its digest is not the one that was announced; "
                "run it again, and look at the proxy in between if there is one"
            )

    def _range(self, job_id: str, start: int, size: int) -> Iterator[bytes]:
        """Bytes of the result, in as many answers as it takes."""
        stop, empty = start + size, 0
        while start < stop:
            with _lost(), self._down.watch():
                answer = self._link.call(
                    "GET", f"/v1/jobs/{job_id}/result", headers={"range": f"bytes={start}-{stop - 1}"}
                )
            data = answer.content
            empty += not data
            if len(data) > stop - start or empty > 2 or "html" in answer.headers.get("content-type", ""):
                raise AvlinkError(
                    f"a result of the server {self._link.url} is cut short: {size} bytes were announced, and "
                    f"{len(data)} came; run it again, and look at the proxy in between if there is one"
                )
            start += len(data)
            yield data


@contextlib.contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except RequestRefused as refused:
        if refused.status in {404, 409}:
            raise _JobLost from None
        raise
