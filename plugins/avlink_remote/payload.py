"""The upload of a job: all that its requests hold, one after the other, read a stretch at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

Read = Callable[[int, int], bytes]
"""Bytes of the pictures (or samples) [start, stop) of a request."""

_BLOCK_BYTES = 1 << 22


class Payload:
    """`sources` are a reader and a count for each request; `unit` is the bytes of one picture or sample."""

    def __init__(self, sources: Sequence[tuple[Read, int]], unit: int) -> None:
        self._sources, self._unit = sources, unit
        self.size = sum(count for _, count in sources) * unit

    def read(self, start: int, size: int) -> bytes:
        """The bytes [start, start + size), fewer at the end."""
        stop, pieces, begin = min(start + size, self.size), [], 0
        for read, count in self._sources:
            first, last = max(start - begin, 0), min(stop - begin, count * self._unit)
            if first < last:
                # Pictures are read whole, and cut where the stretch begins and ends.
                from_unit, to_unit = first // self._unit, -(-last // self._unit)
                data = read(from_unit, to_unit)
                skip = first - from_unit * self._unit
                pieces.append(data[skip : skip + last - first])
            begin += count * self._unit
        return b"".join(pieces)

    def digest(self) -> str:
        """The name of all of it; see `JobRequest.upload_digest`."""
        hasher = hashlib.blake2b(digest_size=20)
        for block in self._blocks():
            hasher.update(block)
        return hasher.hexdigest()

    def _blocks(self) -> Iterator[bytes]:
        for start in range(0, self.size, _BLOCK_BYTES):
            yield self.read(start, _BLOCK_BYTES)
