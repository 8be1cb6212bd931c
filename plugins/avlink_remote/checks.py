"""What is looked at before a job, a chunk or a range is taken. Each raises HTTPException in words."""

from __future__ import annotations

import re
import zlib
from fractions import Fraction

from starlette.exceptions import HTTPException

from avlink_remote.protocol import JobRequest, ServerInfo, unit_bytes

CHUNK_BYTES = 4 << 20
"""What one request carries of an upload or a result at most."""

_LONGER_S = 10
"""Pictures may be asked for so much longer than the sound is: a retimed end, a held frame."""


def check_job(wish: JobRequest, job_id: str, info: ServerInfo) -> None:
    """Raise HTTPException for a job that cannot be done here, or that is not what its name says."""
    if wish.id != job_id:
        raise HTTPException(422, f"the name of this job is {wish.id}: the digest of what it asks for")
    offer = info.offer(wish.direction)
    if offer is None:
        made = "sound for pictures" if wish.direction == "v2a" else "pictures for sound"
        raise HTTPException(422, f"this server makes no {made}")
    if offer.fingerprint != wish.fingerprint:
        raise HTTPException(409, "another model is served than was asked for")
    if wish.upload_bytes > info.limits.upload_bytes:
        raise HTTPException(413, f"an upload may have {info.limits.upload_bytes} bytes at most")
    if wish.upload_bytes != sum(asked.count for asked in wish.requests) * unit_bytes(wish.direction, offer.picture):
        raise HTTPException(422, "the requests do not add up to the bytes of the upload")
    rate = Fraction(offer.picture.rate) if wish.direction == "v2a" else Fraction(offer.sample_rate)
    for asked in wish.requests:
        # Otherwise a few bytes could ask for a year of sound.
        longest_s = asked.count / rate + (1 / rate if wish.direction == "v2a" else _LONGER_S)
        if not 0 < Fraction(asked.duration_s) <= longest_s or (asked.count == 0 and wish.direction == "v2a"):
            raise HTTPException(422, f"{asked.duration_s} s do not fit {asked.count} pictures or samples")


def decode_chunk(body: bytes, encoding: str | None) -> bytes:
    """The chunk, unpacked to no more than a chunk may be."""
    if encoding in {None, "", "identity"}:
        if len(body) > CHUNK_BYTES:
            raise HTTPException(413, f"a chunk may have {CHUNK_BYTES} bytes at most")
        return body
    if encoding != "gzip":
        raise HTTPException(400, "a chunk is sent as it is, or as gzip")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        data = unpacker.decompress(body, CHUNK_BYTES + 1)
    except zlib.error:
        raise HTTPException(400, "the chunk is no gzip") from None
    if len(data) > CHUNK_BYTES:
        raise HTTPException(413, f"a chunk may have {CHUNK_BYTES} bytes at most")
    if not unpacker.eof:
        raise HTTPException(400, "the chunk is cut short")
    return data


def byte_range(header: str | None, size: int) -> tuple[int, int]:
    """The range that is answered, [start, stop): as asked (RFC 9110, 14.2), a chunk at most."""
    if header is None:
        return 0, min(size, CHUNK_BYTES)
    match = re.fullmatch(r"bytes=([0-9]{1,18})-([0-9]{0,18})", header)
    if match is None or int(match[1]) >= size or (match[2] and int(match[2]) < int(match[1])):
        raise HTTPException(416, "there is no such range", {"content-range": f"bytes */{size}"})
    start = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    return start, min(last + 1, size, start + CHUNK_BYTES)
