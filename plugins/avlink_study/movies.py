"""Sending a movie to a browser, whole or a range of it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

_BLOCK_BYTES = 1 << 18
_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/mp4", ".webm": "video/webm"}
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def send_movie(path: Path, wanted: str | None) -> Response:
    """The answer to a request with that Range header: 206 for one range (RFC 9110, section 14), else the whole file.

    Browsers ask so: Safari plays nothing of a server that cannot answer, others cannot go back to the start. What is no
    range of bytes, or several, may be ignored and is. Raises HTTPException 404 for a file that is not there, 416 for a
    range beyond its end.
    """
    try:
        size = path.stat().st_size
    except OSError:
        raise HTTPException(404, "this clip is not there any more") from None
    span = parse_range(wanted, size)
    start, stop = (0, size) if span is None else span
    headers = {
        "accept-ranges": "bytes",
        "content-length": str(stop - start),
        # A place is never given to another clip, so what was loaded once can be played again.
        "cache-control": "private, max-age=3600",
    }
    if span is not None:
        headers["content-range"] = f"bytes {start}-{stop - 1}/{size}"
    return StreamingResponse(
        _blocks(path, start, stop),
        200 if span is None else 206,
        headers=headers,
        media_type=_TYPES.get(path.suffix.lower(), "application/octet-stream"),
    )


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The bytes [start, stop) that a Range header names; None for all of them. Raises HTTPException 416."""
    match = None if header is None else _RANGE.fullmatch(header.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if match[1]:
        start, stop = int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
        if match[2] and int(match[2]) < int(match[1]):
            return None
    else:
        start, stop = max(0, size - int(match[2])), size
    if start >= stop:
        raise HTTPException(416, "there is no such range", {"content-range": f"bytes */{size}"})
    return start, stop


async def _blocks(path: Path, start: int, stop: int) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while start < stop:
            block = await run_in_threadpool(file.read, min(_BLOCK_BYTES, stop - start))
            if not block:
                return
            start += len(block)
            yield block
