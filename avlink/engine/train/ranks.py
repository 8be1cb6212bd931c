"""One process of a distributed training, and collective operations among them. A single process is a group of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from avlink.core.errors import PeerFailed

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """Rank `index` of `count`, which computes on `device`.

    Both process groups are gloo on the CPU, and None without torch.distributed. `wait_group` has a time-out of days,
    for work of one rank that the others wait for. `save_group` is for checkpoints only: they may be written from a
    thread, and collectives of two threads in one group would mix.
    """

    index: int = 0
    count: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    wait_group: Any = None
    save_group: Any = None

    @property
    def first(self) -> bool:
        """True on the rank that prepares, logs and writes for all."""
        return self.index == 0

    @property
    def grouped(self) -> bool:
        """True if there is a process group, even of one process."""
        return self.wait_group is not None

    def on_first(self, work: Callable[[], Result]) -> Result:
        """Call `work` on the first rank and return its result on all of them; the others wait.

        Raises what it raised there, and PeerFailed on the others.
        """
        if not self.grouped:
            return work()
        said: list[Any] = [None]
        error: BaseException | None = None
        if self.first:
            try:
                said = [(0, work())]
            except (Exception, KeyboardInterrupt) as caught:
                # The others are told, or they would wait until the time-out.
                error = caught
                said = [(getattr(caught, "exit_code", 1), None)]
        # Pickled, but only from process to process of one run.
        dist.broadcast_object_list(said, src=0, group=self.wait_group)
        if error is not None:
            raise error
        failed, result = said[0]
        if failed:
            raise PeerFailed(failed)
        return result

    def first_then_others(self, work: Callable[[], Result]) -> Result:
        """Call `work` on every rank, on the others only after the first one is done: they read what it wrote."""
        mine: list[Result] = []

        def first() -> None:
            mine.append(work())

        self.on_first(first)
        return mine[0] if mine else work()

    def mean(self, values: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """Average scalars over all ranks; every rank passes the same names in the same order."""
        if not values:
            return {}
        # One all-reduce of a vector instead of one per name: at this size latency is all that counts.
        row = torch.stack([value.detach().float().to(self.device) for value in values.values()])
        if self.count > 1:
            dist.all_reduce(row)
            row /= self.count
        return dict(zip(values, row.tolist(), strict=True))


_SHARING: ContextVar[Ranks | None] = ContextVar("sharing", default=None)


@contextmanager
def sharing(ranks: Ranks) -> Iterator[None]:
    """Divide the calls of `share_out` inside among the ranks; all of them must enter, and call alike."""
    token = _SHARING.set(ranks)
    try:
        yield
    finally:
        _SHARING.reset(token)


def share_out(count: int, work: Callable[[int], Result]) -> list[Result]:
    """Return [work(0), ..., work(count - 1)], on every rank of the surrounding `sharing`, which divide the calls.

    Raises what `work` raised on this rank, and PeerFailed where it raised on another one. Under FSDP the others may
    wait for its shards meanwhile, until the time-out of their group.
    """
    ranks = _SHARING.get()
    if ranks is None or ranks.count == 1:
        return [work(index) for index in range(count)]
    mine: list[Result] = []
    error: Exception | None = None
    try:
        # Each rank calls equally often, the last ones some number twice: FSDP gathers its shards on all ranks at once.
        for turn in range(-(-count // ranks.count)):
            mine.append(work(min(ranks.index + turn * ranks.count, count - 1)))
    except Exception as caught:
        error = caught
    gathered: list[Any] = [None] * ranks.count
    dist.all_gather_object(gathered, None if error is not None else mine, group=ranks.wait_group)
    if error is not None:
        raise error
    if None in gathered:
        raise PeerFailed(1)
    return [gathered[index % ranks.count][index // ranks.count] for index in range(count)]
