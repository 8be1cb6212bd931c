"""One process among those that train together, and what they do as one. A single process is a group of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from avlink.core.errors import PeerFailed

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """Rank `index` of `count`, which computes on `device`.

    The groups are None in a process of its own. Both are gloo on the CPU: `waiting` has a time-out of days, for what
    one rank does while the others wait; `saving` belongs to checkpoints, which may be written from a thread.
    """

    index: int = 0
    count: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    wait_group: Any = None
    save_group: Any = None

    @property
    def first(self) -> bool:
        """Whether this is the rank that prepares, logs and writes for all."""
        return self.index == 0

    @property
    def grouped(self) -> bool:
        """Whether there is a process group, be it of one."""
        return self.wait_group is not None

    def on_first(self, work: Callable[[], Result]) -> Result:
        """What `work` returns on the first rank, on all of them; the others wait and do nothing.

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
        """What `work` returns on each rank; the first one is through before the others begin, for what it writes."""
        mine: list[Result] = []

        def first() -> None:
            mine.append(work())

        self.on_first(first)
        return mine[0] if mine else work()

    def mean(self, values: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """Means over all ranks of numbers that each has under the same names."""
        if not values:
            return {}
        row = torch.stack([value.detach().float().to(self.device) for value in values.values()])
        if self.count > 1:
            dist.all_reduce(row)
            row /= self.count
        return dict(zip(values, row.tolist(), strict=True))
