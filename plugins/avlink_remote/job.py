"""A job on the server: its request, its upload, and its result.

Uploads and results are temporary files without a name (on Windows: files that are removed when they are closed), so
they are gone with the process, however it ends.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import IO

from avlink_remote.protocol import JobFailure, JobRequest, JobStatus, ResultPart, State

ACTIVE: frozenset[State] = frozenset({"uploading", "queued", "running"})
"""The states in which a job has a place in the queue."""

_DIGEST_BYTES = 20


class WrongOffset(Exception):
    """A chunk does not begin where the upload ends."""


class WrongDigest(Exception):
    """An upload differs from its announced digest."""


class JobDropped(Exception):
    """The files of the job have been removed."""


class JobCancelled(Exception):
    """Raised between two steps of a generator whose job nobody wants any more."""


@dataclass(slots=True, eq=False)
class ServerJob:
    """A job. Only the `JobQueue` changes its state.

    `clients` are the clients that want it, each with the time of its last request. All times are in seconds of one
    monotonic clock.
    """

    request: JobRequest
    id: str
    state: State = "uploading"
    version: int = 0
    steps: int = 0
    of_steps: int = 0
    clients: dict[str, float] = field(default_factory=dict)
    upload: Upload = field(init=False)
    result: Result | None = None
    parts: tuple[ResultPart, ...] | None = None
    failure: JobFailure | None = None
    # An event, since it is set by the thread that serves and read by the one that works.
    stop: threading.Event = field(default_factory=threading.Event)
    ended_at: float = 0.0

    def __post_init__(self) -> None:
        self.upload = Upload(self.request.upload_bytes, self.request.upload_digest)

    @property
    def result_bytes(self) -> int:
        """The size of the result."""
        return sum(part.bytes for part in self.parts or ())

    def status(self, ahead: int) -> JobStatus:
        """Return the status for clients; `ahead` jobs come before this one."""
        return JobStatus(
            id=self.id,
            state=self.state,
            version=self.version,
            received=self.upload.received,
            ahead=ahead,
            steps=self.steps,
            of_steps=self.of_steps,
            failure=self.failure,
            result=self.parts,
        )

    def remove_files(self) -> None:
        """Remove the upload and the result from the disk."""
        self.upload.close()
        if self.result is not None:
            self.result.close()
            self.result = None


class Upload:
    """An upload of `size` bytes that arrives chunk by chunk, in a temporary file."""

    def __init__(self, size: int, digest: str) -> None:
        self.size, self.received = size, 0
        self._digest = digest
        self._hash = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        self._file: IO[bytes] | None = None
        self._closed = False
        self._lock = threading.Lock()

    @property
    def complete(self) -> bool:
        """True once all bytes have arrived."""
        return self.received == self.size

    def add(self, offset: int, chunk: bytes) -> None:
        """Write a chunk that begins at byte `offset`. A chunk that was received before changes nothing.

        Raises WrongOffset for a chunk that does not follow the bytes received so far or exceeds the announced size,
        WrongDigest when the upload is complete and differs from its announced digest (it then starts again at byte 0),
        JobDropped when the job was dropped, and OSError when the disk is full.
        """
        with self._lock:
            # The response to it may have been lost, and the client sent it again.
            if offset + len(chunk) <= self.received:
                return
            if offset != self.received or offset + len(chunk) > self.size:
                raise WrongOffset
            # The file is made with the first chunk, so jobs that never send one cost nothing.
            file = self._open()
            file.seek(offset)
            file.write(chunk)
            self._hash.update(chunk)
            self.received += len(chunk)
            if self.received == self.size:
                # The worker maps the file into memory, which does not see what Python still buffers.
                file.flush()
                self._check()

    def file(self) -> IO[bytes]:
        """Return the file with the whole upload. Raises JobDropped."""
        with self._lock:
            return self._open()

    def close(self) -> None:
        """Remove the upload from the disk."""
        with self._lock:
            self._closed = True
            if self._file is not None:
                self._file.close()

    def _open(self) -> IO[bytes]:
        if self._closed:
            raise JobDropped
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="avlink-upload-")  # noqa: SIM115 (closed with the job)
            weakref.finalize(self, self._file.close)
        return self._file

    def _check(self) -> None:
        if self._hash.hexdigest() != self._digest:
            self._hash = hashlib.blake2b(digest_size=_DIGEST_BYTES)
            self.received = 0
            raise WrongDigest


class Result:
    """The result of a job, in a temporary file."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="avlink-result-")  # noqa: SIM115 (closed with the job)
        weakref.finalize(self, self._file.close)
        self._lock = threading.Lock()

    def add(self, blocks: Iterable[bytes]) -> tuple[int, str]:
        """Append bytes; return their number and their digest. Raises OSError when the disk is full."""
        hasher, size = hashlib.blake2b(digest_size=_DIGEST_BYTES), 0
        for block in blocks:
            self._file.write(block)
            hasher.update(block)
            size += len(block)
        return size, hasher.hexdigest()

    def read(self, start: int, size: int) -> bytes:
        """Return the bytes [start, start + size). Raises JobDropped."""
        with self._lock:
            # The queue may drop the job between a request's check of its state and this read.
            if self._file.closed:
                raise JobDropped
            self._file.seek(start)
            return self._file.read(size)

    def close(self) -> None:
        """Remove the result from the disk."""
        with self._lock:
            self._file.close()
