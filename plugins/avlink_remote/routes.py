"""The HTTP interface, version 1: routes over the board. FastAPI makes the OpenAPI document of what stands here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Header, Path, Query, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from avlink_remote import protocol
from avlink_remote.auth import refusal
from avlink_remote.bell import ChangeNotifier
from avlink_remote.checks import byte_range, check_job, decode_chunk
from avlink_remote.docs_page import html_page
from avlink_remote.job import JobDropped, ServerJob, WrongDigest, WrongOffset
from avlink_remote.job_queue import JobQueue, QueueClosed, QueueFull, UnknownJob
from avlink_remote.protocol import CLIENT_HEADER, PROTOCOL, ErrorResponse, Health, JobRequest, JobStatus, ServerInfo

BODY_BYTES = 8 << 20
"""The largest body of a request: a chunk, or the description of a job."""

_LONGEST_WAIT_S = 20.0
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
Seen = Annotated[int | None, Query(ge=0, description="The version that is known; without, the answer is immediate.")]
WaitS = Annotated[float, Query(ge=0, le=_LONGEST_WAIT_S, description="So long another version is waited for.")]
Range = Annotated[str | None, Header(description="A single range of bytes, such as bytes=0-4194303.")]
Encoding = Annotated[str | None, Header(alias="content-encoding", description="gzip, or nothing.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppState:
    """What the routes work on. `clock` is monotonic, in seconds."""

    info: ServerInfo
    board: JobQueue
    bell: ChangeNotifier
    clock: Callable[[], float]


def make_app(service: AppState) -> FastAPI:
    """The application, without its `AuthMiddleware`."""
    app = FastAPI(
        title="avlink serve",
        version=str(PROTOCOL),
        summary="Sound for pictures and pictures for sound, generated on this machine.",
        description=(protocol.__doc__ or "").strip(),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
        responses={400: _refusal("What was sent makes no sense."), 422: _refusal("What was sent is not valid.")},
    )
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(RequestValidationError, _invalid)

    @app.get("/health", tags=["health"])
    async def health() -> Health:
        """Whether the server lives. Needs no token, and tells nothing else."""
        return Health()

    app.include_router(_jobs(service))

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> dict[str, Any]:
        return app.openapi()

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        policy = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return Response(html_page(app.openapi()), media_type="text/html", headers=policy)

    return app


def _jobs(service: AppState) -> APIRouter:
    board = service.board
    router = APIRouter(
        prefix="/v1",
        tags=["jobs"],
        dependencies=[Security(HTTPBearer(auto_error=False, description="The token of the server."))],
        responses={401: _refusal("The token is missing or wrong."), 404: _refusal("There is no such job, or no more.")},
    )

    def find(job_id: str, client: str | None) -> ServerJob:
        try:
            return board.find(job_id, client, service.clock())
        except UnknownJob:
            raise HTTPException(404, "there is no such job, or no more: ask for it again") from None

    @router.get("/server")
    async def server() -> ServerInfo:
        """What is served, in which formats, and how much is taken."""
        return service.info

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
    async def ask(job_id: JobId, wish: JobRequest, response: Response, client: Client = "") -> JobStatus:
        """Ask for a job. Asking again is asking once: the answer is the job as it is.

        One whose upload is whole waits for its turn; one that failed before is begun anew.
        """
        check_job(wish, job_id, service.info)
        try:
            status, is_new = board.ask(wish, client, service.clock())
        except QueueFull as full:
            raise HTTPException(429, "all places in the queue are taken", {"retry-after": str(full.retry_s)}) from None
        except QueueClosed:
            raise _closing() from None
        if is_new:
            response.status_code = 201
            if wish.upload_bytes == 0:
                status = board.arrived(find(job_id, client))
        return status

    @router.get("/jobs/{id}", responses={503: _refusal("The server is about to end.")})
    async def look(job_id: JobId, client: Client = "", version: Seen = None, wait_s: WaitS = 0.0) -> JobStatus:
        """How a job is; with `version`, as soon as it is another one, or after `wait_s` seconds."""
        job = find(job_id, client)
        until = service.clock() + wait_s
        while True:
            rung = service.bell.next()
            status = board.status(job)
            left = until - service.clock()
            if board.closing:
                raise _closing()
            if version is None or status.version != version or left <= 0:
                return status
            await service.bell.wait(rung, left)

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
        """Send the chunk of the upload that begins at `offset`. One that is there already changes nothing."""
        job = find(job_id, client)
        body = await request.body()
        try:
            await run_in_threadpool(lambda: job.upload.add(offset, decode_chunk(body, encoding)))
        except WrongOffset:
            raise HTTPException(409, f"the upload goes on at byte {job.upload.received}") from None
        except WrongDigest:
            raise HTTPException(400, "the upload is not what was announced: send it again") from None
        except JobDropped:
            raise HTTPException(404, "there is no such job any more: ask for it again") from None
        except OSError as error:
            raise HTTPException(507, f"the server cannot keep the upload: {error.strerror or error}") from error
        return board.arrived(job)

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
    async def result(
        job_id: JobId, client: Client = "", span: Annotated[str | None, Header(alias="range")] = None
    ) -> Response:
        """The bytes of the answers, one after the other; a chunk at most, however much is asked for."""
        job = find(job_id, client)
        if job.state != "done" or job.result is None:
            raise HTTPException(409, f"the job is not done, but {job.state}")
        size = job.result_bytes
        start, stop = byte_range(span, size)
        try:
            data = await run_in_threadpool(job.result.read, start, stop - start)
        except JobDropped:
            raise HTTPException(404, "there is no such job any more: ask for it again") from None
        headers = {"accept-ranges": "bytes"}
        if len(data) < size:
            headers["content-range"] = f"bytes {start}-{start + len(data) - 1}/{size}"
        return Response(data, 206 if len(data) < size else 200, headers=headers, media_type="application/octet-stream")

    @router.delete("/jobs/{id}", status_code=204)
    async def leave(job_id: JobId, client: Client = "") -> Response:
        """Say that the job is not wanted any more. When nobody else wants it, it stops at its next step."""
        board.leave(find(job_id, client), client, service.clock())
        return Response(status_code=204)

    return router


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
    return Response(refusal(error, code), error.status_code, headers=error.headers, media_type="application/json")


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    mistakes = "; ".join(
        f"{'.'.join(map(str, mistake['loc']))}: {mistake['msg']}" for mistake in list(error.errors())[:3]
    )
    return Response(refusal(HTTPException(422, mistakes)), 422, media_type="application/json")
