"""A job on a server, from its submission to its result, through lost connections and restarts of the server.

Every step can be repeated: the job's id says what it is, the server says how much of an upload it has, and a result is
fetched range by range. Whatever happens, the next request finds out where things stand.
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
from avlink_remote.protocol import JobRequest, JobStatus, ResultPart, ServerLimits

Made = TypeVar("Made")
ReadUnits = Callable[[int, int], bytes]
"""Reads the bytes of the pictures (or samples) [start, stop) of a request."""

_POLL_S = 10.0
# Each loss generates anew; a server that ends this often at the same job is probably ended by it.
_MAX_LOSSES = 8
# The fastest level: on a fast network a higher one would take more time than it saves.
_COMPRESSION = 1
_MIN_CHUNK_BYTES, _FIRST_CHUNK_BYTES = 1 << 14, 1 << 18
_FAST_S, _SLOW_S = 1.0, 5.0
_HASH_BYTES = 1 << 22


class ModelChanged(AvlinkError):
    """The server has another model than the one that the run was planned with."""


class _JobLost(Exception):
    """The server no longer knows the job."""


class Payload:
    """The upload of a job: the pictures or samples of all its requests, read piece by piece.

    `sources` are a reader and a count of units for each request; `unit` is the size of a picture or sample in bytes.
    """

    def __init__(self, sources: Sequence[tuple[ReadUnits, int]], unit: int) -> None:
        self._sources, self._unit = sources, unit
        self.size = sum(count for _, count in sources) * unit

    def read(self, start: int, size: int) -> bytes:
        """Return the bytes [start, start + size), fewer at the end."""
        stop, pieces, offset = min(start + size, self.size), [], 0
        for read, count in self._sources:
            first, last = max(start - offset, 0), min(stop - offset, count * self._unit)
            if first < last:
                # Sources give whole units only: read those that overlap, and cut what is not asked for.
                first_unit, end_unit = first // self._unit, -(-last // self._unit)
                data = read(first_unit, end_unit)
                skip = first - first_unit * self._unit
                pieces.append(data[skip : skip + last - first])
            offset += count * self._unit
        return b"".join(pieces)

    def digest(self) -> str:
        """Return the digest of the whole upload; see `JobRequest.upload_digest`."""
        hasher = hashlib.blake2b(digest_size=20)
        for start in range(0, self.size, _HASH_BYTES):
            hasher.update(self.read(start, _HASH_BYTES))
        return hasher.hexdigest()


class _ChunkSize:
    """The bytes of one request: few at first, more while that is fast, so that slow networks meet the timeout."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self.size = min(maximum, _FIRST_CHUNK_BYTES)

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        """Adapt `size` to the time that the transfer within takes."""
        began = time.monotonic()
        yield
        took_s = time.monotonic() - began
        if took_s < _FAST_S:
            self.size = min(self.size * 2, self._maximum)
        elif took_s > _SLOW_S:
            self.size = max(self.size // 2, _MIN_CHUNK_BYTES)


class RemoteJob:
    """Runs jobs on the server of a client, one at a time."""

    def __init__(self, client: ServerClient, limits: ServerLimits, *, timeout_s: float, compress: bool) -> None:
        self._client, self._limits, self._compress = client, limits, compress
        self._up, self._down = _ChunkSize(limits.chunk_bytes), _ChunkSize(limits.chunk_bytes)
        # Well before the client's own timeout, or each long poll would count as a lost request.
        self._poll_s = min(_POLL_S, timeout_s / 2)

    def run(
        self,
        request: JobRequest,
        payload: Payload,
        on_step: OnStep | None,
        collect: Callable[[Sequence[tuple[ResultPart, Iterator[bytes]]]], Made],
        unit: Callable[[ResultPart], int],
    ) -> Made:
        """Return `collect(parts)`: the parts of the result, each with its bytes in blocks of whole `unit`s.

        However this ends, by Ctrl-C too, the server is told that the job is no longer wanted. `collect` is called
        again when the server was restarted meanwhile.

        Raises AvlinkError, InputError, and whatever `on_step` raises.
        """
        try:
            for _ in range(_MAX_LOSSES):
                try:
                    status = self._wait(self._upload(self._submit(request), payload), on_step)
                    # Within the loop, since the server may be restarted while its result is fetched.
                    return collect(self._parts(status, unit))
                except _JobLost:
                    continue
            raise AvlinkError(f"the server {self._client.url} lost the job {_MAX_LOSSES} times; see what it says there")
        except RequestRefused as refused:
            raise self._client.refusal(refused) from None
        finally:
            # After success too, so that the server need not keep the result until it expires.
            self._client.release(request.id)

    def _submit(self, request: JobRequest) -> JobStatus:
        # The server would refuse it as well, but in words that name none of the options that help.
        if request.upload_bytes > self._limits.upload_bytes:
            raise InputError(
                f"the server {self._client.url} takes uploads of {self._limits.upload_bytes / 1e6:g} MB at most, and "
                f"this one has {request.upload_bytes / 1e6:.1f} MB; start it with a larger --max-upload, or generate "
                "less at once with a smaller run.max_batch_s"
            )
        try:
            answer = self._client.call("PUT", f"/v1/jobs/{request.id}", json=request.model_dump(mode="json"))
        except RequestRefused as refused:
            if refused.status == 409:
                raise ModelChanged(
                    f"the server {self._client.url} has another model than when this run began; start it again"
                ) from None
            raise
        return self._client.parse(JobStatus, answer)

    def _upload(self, status: JobStatus, payload: Payload) -> JobStatus:
        corrupted = 0
        while status.state == "uploading":
            chunk = payload.read(status.received, self._up.size)
            headers = {"content-type": "application/octet-stream"}
            if self._compress:
                # wbits 31 is a gzip stream, which HTTP names; zlib's own format would be "deflate".
                compressor = zlib.compressobj(_COMPRESSION, wbits=31)
                chunk = compressor.compress(chunk) + compressor.flush()
                headers["content-encoding"] = "gzip"
            try:
                with self._up.measured():
                    answer = self._client.call(
                        "PUT",
                        f"/v1/jobs/{status.id}/upload",
                        content=chunk,
                        headers=headers,
                        params={"offset": status.received},
                    )
            except RequestRefused as refused:
                corrupted += refused.code == "bad_request"
                if refused.status == 404:
                    raise _JobLost from None
                if refused.status != 409 and (refused.code != "bad_request" or corrupted > 1):
                    raise
                # Another client uploads the same job, or the data was corrupted: the server says where to go on.
                status = self._poll(status, wait_s=0.0)
                continue
            status = self._client.parse(JobStatus, answer)
        return status

    def _wait(self, status: JobStatus, on_step: OnStep | None) -> JobStatus:
        reported = (0, 0)
        while True:
            if on_step is not None and status.of_steps and (status.steps, status.of_steps) != reported:
                reported = (status.steps, status.of_steps)
                on_step(*reported)
            if status.state == "done":
                return status
            # Not by us: the server heard nothing of this client for too long, or another client with this job left.
            if status.state == "cancelled":
                raise _JobLost
            if status.state == "failed":
                failure = status.failure
                message = "it does not say why" if failure is None else failure.message
                if failure is not None and failure.kind == "input":
                    raise InputError(message)
                raise PluginError(f"on the server {self._client.url}: {message}")
            status = self._poll(status, wait_s=self._poll_s)

    def _poll(self, status: JobStatus, *, wait_s: float) -> JobStatus:
        params = {"version": status.version, "wait_s": wait_s} if wait_s else {}
        with _detect_loss():
            answer = self._client.call("GET", f"/v1/jobs/{status.id}", params=params)
        return self._client.parse(JobStatus, answer)

    def _parts(self, status: JobStatus, unit: Callable[[ResultPart], int]) -> list[tuple[ResultPart, Iterator[bytes]]]:
        parts, start = [], 0
        for part in status.result or ():
            parts.append((part, self._fetch(status.id, part, start, unit(part))))
            start += part.bytes
        return parts

    def _fetch(self, job_id: str, part: ResultPart, start: int, unit: int) -> Iterator[bytes]:
        # The blocks go into a temporary file before the digest is known; if it is wrong, the file is never used.
        hasher, done = hashlib.blake2b(digest_size=20), 0
        while done < part.bytes:
            size = max(1, self._down.size // unit) * unit
            block = b"".join(self._range(job_id, start + done, min(size, part.bytes - done)))
            hasher.update(block)
            done += len(block)
            yield block
        if hasher.hexdigest() != part.digest:
            raise AvlinkError(
                f"what the server {self._client.url} sent arrived changed: its digest is not the one that was "
                "announced; run it again, and look at the proxy in between if there is one"
            )

    def _range(self, job_id: str, start: int, size: int) -> Iterator[bytes]:
        """Yield the bytes [start, start + size) of the result, in as many responses as it takes."""
        # The server sends one chunk at most, so one range may need several requests.
        stop, empty = start + size, 0
        while start < stop:
            with _detect_loss(), self._down.measured():
                answer = self._client.call(
                    "GET", f"/v1/jobs/{job_id}/result", headers={"range": f"bytes={start}-{stop - 1}"}
                )
            data = answer.content
            empty += not data
            # A proxy may answer with a page of its own and status 200, which must not count as samples.
            if len(data) > stop - start or empty > 2 or "html" in answer.headers.get("content-type", ""):
                raise AvlinkError(
                    f"a result of the server {self._client.url} is cut short: {size} bytes were announced, and "
                    f"{len(data)} came; run it again, and look at the proxy in between if there is one"
                )
            start += len(data)
            yield data


@contextlib.contextmanager
def _detect_loss() -> Iterator[None]:
    """Raise _JobLost for the refusals of a server that was restarted, or has dropped the job."""
    try:
        yield
    except RequestRefused as refused:
        # 404: the server does not know the job any more. 409: it knows it, but the result is not there (yet).
        if refused.status in {404, 409}:
            raise _JobLost from None
        raise
