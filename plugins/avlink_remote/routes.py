"""The HTTP interface, version 1: routes over the job queue. FastAPI makes the OpenAPI document from them."""

from __future__ import annotations

import asyncio
import contextlib
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Header, Path, Query, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from avlink_remote import protocol
from avlink_remote.auth import error_body
from avlink_remote.docs_page import html_page
from avlink_remote.job import JobDropped, ServerJob, WrongDigest, WrongOffset
from avlink_remote.job_queue import JobQueue, QueueClosed, QueueFull, UnknownJob
from avlink_remote.protocol import (
    CLIENT_HEADER,
    PROTOCOL,
    ErrorResponse,
    Health,
    JobRequest,
    JobStatus,
    ServerInfo,
    direction_text,
    unit_bytes,
)

BODY_BYTES = 8 << 20
"""The largest body of a request: a chunk, or the description of a job."""

CHUNK_BYTES = 4 << 20
"""The most that one request carries of an upload or a result."""

_MAX_WAIT_S = 20.0
_LONGER_S = 10
"""Pictures may be so much longer than the sound that they are made for: a retimed end, a held frame."""
_LONGEST_ITEM_S = 600
"""The longest sound that is made without pictures: that of an item which its backend has chosen."""

JobId = Annotated[str, Path(alias="id", pattern=r"^[0-9a-f]{40}$", description="The digest of what is asked for.")]
Client = Annotated[
    str,
    Header(
        alias=CLIENT_HEADER,
        max_length=64,
        description="A name that the client makes up. A job is dropped when all that asked for it are silent or left.",
    ),
]
Offset = Annotated[int, Query(ge=0, description="Where the chunk begins in the upload, in bytes.")]
KnownVersion = Annotated[
    int | None, Query(ge=0, description="The version that is known; without, the answer is immediate.")
]
WaitS = Annotated[float, Query(ge=0, le=_MAX_WAIT_S, description="So long another version is waited for.")]
Range = Annotated[str | None, Header(alias="range")]
Encoding = Annotated[str | None, Header(alias="content-encoding", description="gzip, or nothing.")]


class ChangeNotifier:
    """Wakes the coroutines of one event loop that wait for a change; any thread may notify them."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event: asyncio.Event | None = None

    def notify(self) -> None:
        """Wake all that wait now."""
        loop = self._loop
        if loop is not None:
            # A closed loop has no waiting coroutines.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._set)

    def next_change(self) -> asyncio.Event:
        """Return the event that the next change sets.

        Get it before you look at the state, or a change between the two is missed.
        """
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        if self._event is None:
            self._event = asyncio.Event()
        return self._event

    def _set(self) -> None:
        event, self._event = self._event, None
        if event is not None:
            event.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class AppState:
    """The objects that the routes use. `clock` is monotonic, in seconds."""

    info: ServerInfo
    jobs: JobQueue
    notifier: ChangeNotifier
    clock: Callable[[], float]


def make_app(state: AppState) -> FastAPI:
    """Return the application, without its `AuthMiddleware`."""
    app = FastAPI(
        title="avlink serve",
        version=str(PROTOCOL),
        summary="Sound for pictures and pictures for sound, generated on this machine.",
        description=(protocol.__doc__ or "").strip(),
        # Both pages are routes of ours: FastAPI's own page loads its scripts from another host.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
        responses={400: _refusal("What was sent makes no sense."), 422: _refusal("What was sent is not valid.")},
    )
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_invalid)

    @app.get("/health", tags=["health"])
    async def health() -> Health:
        """Answer as long as the server lives. Needs no token, and tells nothing else."""
        return Health()

    app.include_router(_job_routes(state))

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> dict[str, Any]:
        return app.openapi()

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        # The address may hold the token: no other site learns of it, and no cache keeps the page.
        headers = {
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
            "referrer-policy": "no-referrer",
            "cache-control": "no-store",
        }
        page = html_page(app.openapi(), query=request.scope["query_string"].decode("latin-1"))
        return Response(page, media_type="text/html", headers=headers)

    return app


def _job_routes(state: AppState) -> APIRouter:
    jobs = state.jobs
    router = APIRouter(
        prefix="/v1",
        tags=["jobs"],
        # Only for the OpenAPI document: the middleware has checked the token before.
        dependencies=[Security(HTTPBearer(auto_error=False, description="The token of the server."))],
        responses={401: _refusal("The token is missing or wrong."), 404: _refusal("There is no such job, or no more.")},
    )

    def find(job_id: str, client: str | None) -> ServerJob:
        try:
            return jobs.find(job_id, client, state.clock())
        except UnknownJob:
            raise HTTPException(404, "there is no such job, or no more: ask for it again") from None

    @router.get("/server")
    async def server() -> ServerInfo:
        """Return what is served, in which formats, and the limits."""
        return state.info

    @router.put(
        "/jobs/{id}",
        responses={
            201: {"model": JobStatus, "description": "The job is new."},
            409: _refusal("Another model is served than was asked for."),
            413: _refusal("The upload would be too large."),
            429: _refusal("All places are taken; Retry-After says when to come back."),
            503: _refusal("The server is about to end."),
        },
    )
    async def submit(job_id: JobId, job_request: JobRequest, response: Response, client: Client = "") -> JobStatus:
        """Submit a job. Submitting it again returns the job as it is.

        A job with a complete upload waits for its turn; one that failed before starts again.
        """
        check_job(job_request, job_id, state.info)
        try:
            status, is_new = jobs.submit(job_request, client, state.clock())
        except QueueFull as full:
            raise HTTPException(429, "all places in the queue are taken", {"retry-after": str(full.retry_s)}) from None
        except QueueClosed:
            raise _closing() from None
        if is_new:
            response.status_code = 201
            if job_request.upload_bytes == 0:
                # No chunk will come that could complete the upload.
                status = jobs.update_upload(find(job_id, client))
        return status

    @router.get("/jobs/{id}", responses={503: _refusal("The server is about to end.")})
    async def get_status(
        job_id: JobId, client: Client = "", version: KnownVersion = None, wait_s: WaitS = 0.0
    ) -> JobStatus:
        """Return a job's status; with `version`, once it is another one or after `wait_s` seconds."""
        job = find(job_id, client)
        until = state.clock() + wait_s
        while True:
            # Before the status is read, so that no change is missed.
            changed = state.notifier.next_change()
            status = jobs.status(job)
            left_s = until - state.clock()
            # Also for a client that waits: it is told at once, so that the shutdown need not wait for it.
            if jobs.closed:
                raise _closing()
            if version is None or status.version != version or left_s <= 0:
                return status
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(changed.wait(), left_s)

    @router.put(
        "/jobs/{id}/upload",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
        responses={
            409: _refusal("The chunk does not begin where the upload ends, which is `received` of the job."),
            413: _refusal("The chunk is too large."),
            507: _refusal("There is no space left on the server."),
        },
    )
    async def upload(
        job_id: JobId, offset: Offset, request: Request, client: Client = "", encoding: Encoding = None
    ) -> JobStatus:
        """Send the chunk of the upload that begins at `offset`. A chunk that is there already changes nothing."""
        job = find(job_id, client)
        body = await request.body()
        try:
            # In a thread: decompressing, hashing and writing 4 MiB would hold up all other requests.
            await run_in_threadpool(lambda: job.upload.add(offset, decode_chunk(body, encoding)))
        except WrongOffset:
            raise HTTPException(409, f"the upload goes on at byte {job.upload.received}") from None
        except WrongDigest:
            raise HTTPException(400, "the upload is not what was announced: send it again") from None
        except JobDropped:
            raise HTTPException(404, "there is no such job any more: ask for it again") from None
        except OSError as error:
            raise HTTPException(507, f"the server cannot keep the upload: {error.strerror or error}") from error
        return jobs.update_upload(job)

    @router.get(
        "/jobs/{id}/result",
        response_class=Response,
        responses={
            200: {"content": {"application/octet-stream": {}}, "description": "All of it, if it is one chunk."},
            206: {"content": {"application/octet-stream": {}}, "description": "The range, or the start of it."},
            409: _refusal("The job is not done."),
            416: _refusal("There is no such range."),
        },
    )
    async def get_result(job_id: JobId, client: Client = "", range_header: Range = None) -> Response:
        """Return the bytes of the answers, one after the other; one chunk at most, however much is asked for."""
        job = find(job_id, client)
        if job.state != "done" or job.result is None:
            raise HTTPException(409, f"the job is not done, but {job.state}")
        size = job.result_bytes
        start, stop = byte_range(range_header, size)
        try:
            data = await run_in_threadpool(job.result.read, start, stop - start)
        except JobDropped:
            raise HTTPException(404, "there is no such job any more: ask for it again") from None
        headers = {"accept-ranges": "bytes"}
        if len(data) < size:
            headers["content-range"] = f"bytes {start}-{start + len(data) - 1}/{size}"
        return Response(data, 206 if len(data) < size else 200, headers=headers, media_type="application/octet-stream")

    @router.delete("/jobs/{id}", status_code=204)
    async def release(job_id: JobId, client: Client = "") -> Response:
        """Tell that the client no longer wants the job. When no other client does, it stops at its next step."""
        jobs.release(find(job_id, client), client, state.clock())
        return Response(status_code=204)

    return router


def check_job(request: JobRequest, job_id: str, info: ServerInfo) -> None:
    """Raise HTTPException for a job that cannot be done here, or whose id is not its digest."""
    if request.id != job_id:
        raise HTTPException(422, f"the name of this job is {request.id}: the digest of what it asks for")
    served = info.backend_for(request.direction)
    if served is None:
        raise HTTPException(422, f"this server makes no {direction_text(request.direction)}")
    if served.fingerprint != request.fingerprint:
        raise HTTPException(409, "another model is served than was asked for")
    if request.upload_bytes > info.limits.upload_bytes:
        raise HTTPException(413, f"an upload may have {info.limits.upload_bytes} bytes at most")
    num_units = sum(item.count for item in request.requests)
    if request.upload_bytes != num_units * unit_bytes(request.direction, served.picture):
        raise HTTPException(422, "the requests do not add up to the bytes of the upload")
    rate = Fraction(served.picture.rate) if request.direction == "v2a" else Fraction(served.sample_rate)
    for item in request.requests:
        # Otherwise a few bytes could ask for a year of sound.
        longest_s = item.count / rate + (1 / rate if request.direction == "v2a" else _LONGER_S)
        # The sound of an item needs no pictures.
        longest_s = max(longest_s, Fraction(_LONGEST_ITEM_S)) if item.item else longest_s
        lacks_pictures = item.count == 0 and request.direction == "v2a" and not item.item
        if not 0 < Fraction(item.duration_s) <= longest_s or lacks_pictures:
            raise HTTPException(422, f"{item.duration_s} s do not fit {item.count} pictures or samples")


def decode_chunk(body: bytes, encoding: str | None) -> bytes:
    """Return a chunk without its compression. Raises HTTPException for one that is too large or no gzip."""
    if encoding in {None, "", "identity"}:
        if len(body) > CHUNK_BYTES:
            raise HTTPException(413, f"a chunk may have {CHUNK_BYTES} bytes at most")
        return body
    if encoding != "gzip":
        raise HTTPException(400, "a chunk is sent as it is, or as gzip")
    decompressor = zlib.decompressobj(wbits=31)
    try:
        # `gzip.decompress` has no limit: a few kilobytes could become gigabytes.
        data = decompressor.decompress(body, CHUNK_BYTES + 1)
    except zlib.error:
        raise HTTPException(400, "the chunk is no gzip") from None
    if len(data) > CHUNK_BYTES:
        raise HTTPException(413, f"a chunk may have {CHUNK_BYTES} bytes at most")
    if not decompressor.eof:
        raise HTTPException(400, "the chunk is cut short")
    return data


def byte_range(header: str | None, size: int) -> tuple[int, int]:
    """Return the range [start, stop) to answer with: that of the Range header (RFC 9110, 14.2), one chunk at most.

    Starlette's FileResponse is no help here: it wants a file with a name, and sends whatever is asked for at once.
    """
    if header is None:
        return 0, min(size, CHUNK_BYTES)
    match = re.fullmatch(r"bytes=([0-9]{1,18})-([0-9]{0,18})", header)
    if match is None or int(match[1]) >= size or (match[2] and int(match[2]) < int(match[1])):
        raise HTTPException(416, "there is no such range", {"content-range": f"bytes */{size}"})
    start = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    return start, min(last + 1, size, start + CHUNK_BYTES)


def _closing() -> HTTPException:
    return HTTPException(503, "the server is about to end", {"retry-after": "2"})


def _refusal(description: str) -> dict[str, Any]:
    return {"model": ErrorResponse, "description": description}


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = None
    if error.status_code == 404 and error.detail == "Not Found":
        code = "unknown_path"
        error = HTTPException(404, f"there is no such path; this server speaks version {PROTOCOL} of its protocol")
    return Response(error_body(error, code), error.status_code, headers=error.headers, media_type="application/json")


async def _refuse_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # Pydantic repeats the whole input in its errors; place and message are enough.
    mistakes = "; ".join(
        f"{'.'.join(map(str, mistake['loc']))}: {mistake['msg']}" for mistake in list(error.errors())[:3]
    )
    return Response(error_body(HTTPException(422, mistakes)), 422, media_type="application/json")
