"""Tensors of any length in constant memory: rows in a temporary file, and updates of a solver over windows of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from avlink.core.spool import SpoolFile
from avlink.engine.flow.solver import Update
from avlink.engine.windows import ramp

# 1,213 pictures of the paper's size, over three minutes at 6 fps.
_IN_MEMORY_BYTES = 1 << 25
_FLOAT_BYTES = 4

Span = tuple[int, int]


class SpooledTensor:
    """A float32 tensor whose first axis may be long: in a temporary file, or in memory while it is short."""

    def __init__(self, blocks: Iterable[Tensor], *, shape: tuple[int, ...]) -> None:
        """Write `blocks` one after the other; each row has the shape `shape`.

        Raises OutputError if the temporary file cannot be written.
        """
        self.shape = shape
        self._row_bytes = math.prod(shape) * _FLOAT_BYTES
        self._file = SpoolFile("a model's latents", in_memory_bytes=_IN_MEMORY_BYTES)
        self.num_rows = 0
        for block in blocks:
            self.write(self.num_rows, block)

    def read(self, start: int, stop: int) -> Float[Tensor, "rows ..."]:
        """Return a copy of rows [start, stop)."""
        # Into a bytearray, not bytes: torch warns of tensors on memory that cannot be written to.
        data = bytearray(self._file.read(start * self._row_bytes, (stop - start) * self._row_bytes))
        return torch.from_numpy(np.frombuffer(data, np.float32).reshape(-1, *self.shape))

    def write(self, start: int, block: Float[Tensor, "rows ..."]) -> None:
        """Replace rows from `start` on, or append rows at the end.

        Raises OutputError if the temporary file cannot be written.
        """
        self._file.write(start * self._row_bytes, block.contiguous().float().cpu().numpy().tobytes())
        self.num_rows = max(self.num_rows, start + block.shape[0])


def update_rows(
    rows: SpooledTensor,
    memory: SpooledTensor,
    spans: Sequence[Span],
    velocity: Callable[[Float[Tensor, "windows length ..."], list[int]], Float[Tensor, "windows length ..."]],
    update: Update,
    *,
    at_once: int,
    device: torch.device,
) -> None:
    """Move all rows by one update of a solver, in place; velocities of overlapping windows are blended.

    `memory` holds what the solver remembers of each row, and is replaced; nothing is read from it before it is written.

    `spans` are the windows as (start, stop), in order, each starting before the previous one ends. `velocity` is called
    with at most `at_once` windows of equal length, and their indices.
    """
    # The velocities of a step must all be taken at its start. They are: a row is written once no window to come reads
    # it.
    blended = _Blend(spans, rows.shape, device)
    for part in _parts(spans, at_once):
        stacked = torch.stack([rows.read(*spans[index]) for index in part]).to(device)
        for index, piece in zip(part, velocity(stacked, part), strict=True):
            blended.add(index, piece)
        # Windows to come neither read nor change rows before their start, so these are written already.
        stop = spans[part[-1] + 1][0] if part[-1] + 1 < len(spans) else rows.num_rows
        start, moved = blended.take(stop)
        kept = memory.read(start, stop).to(device) if update.of_memory else None
        row, keep = update.apply(rows.read(start, stop).to(device), moved, kept)
        rows.write(start, row)
        if keep is not None:
            memory.write(start, keep)


def _parts(spans: Sequence[Span], at_once: int) -> Iterator[list[int]]:
    """Yield neighbours of equal length, at most `at_once` together."""
    part: list[int] = []
    for index, (start, stop) in enumerate(spans):
        if part and (len(part) == at_once or stop - start != spans[part[0]][1] - spans[part[0]][0]):
            yield part
            part = []
        part.append(index)
    if part:
        yield part


class _Blend:
    """The sums of `avlink.engine.windows.blend`, for pieces that arrive one by one and results that are taken early."""

    def __init__(self, spans: Sequence[Span], shape: tuple[int, ...], device: torch.device) -> None:
        self._spans, self._shape, self._device = spans, shape, device
        self._start = 0
        self._sum = torch.zeros((0, *shape), device=device)
        self._weight = torch.zeros(0, device=device)

    def add(self, index: int, piece: Tensor) -> None:
        start, stop = self._spans[index]
        share = ramp(self._spans, index).to(self._device)
        # The sums hold rows from `_start` to the end of the furthest window so far: those of one part and an overlap,
        # never the clip.
        missing = stop - self._start - self._sum.shape[0]
        if missing > 0:
            more = torch.zeros((missing, *self._shape), dtype=piece.dtype, device=self._device)
            self._sum = torch.cat((self._sum.to(piece.dtype), more))
            self._weight = torch.cat((self._weight, torch.zeros(missing, device=self._device)))
        own = slice(start - self._start, stop - self._start)
        self._sum[own] += (piece * share.reshape(-1, *[1] * len(self._shape))).to(piece.dtype)
        self._weight[own] += share

    def take(self, stop: int) -> tuple[int, Tensor]:
        """Return the rows up to `stop` that were not taken yet, and the index of the first."""
        start, count = self._start, stop - self._start
        # As in `blend`: of overlapping ramps the sum need not be 1.
        weight = self._weight[:count].clamp(min=1e-6).reshape(-1, *[1] * len(self._shape))
        blended = self._sum[:count] / weight
        # Clones: slices would keep the taken rows in memory.
        self._start, self._sum, self._weight = stop, self._sum[count:].clone(), self._weight[count:].clone()
        return start, blended
