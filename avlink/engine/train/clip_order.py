"""The order in which clips are trained on: every clip once an epoch, the same for any number of ranks.

Clips form one endless sequence, epoch after epoch, each a permutation of its own. The clip at a position is a function
of seed and position alone, so a resumed run needs nothing but its position, also in the middle of an epoch.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import torch


class ClipOrder:
    """The endless sequence of clips 0 to `count` - 1 under `seed`."""

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed = count, seed
        # A batch can lie across the border of two epochs.
        self._permutation = lru_cache(maxsize=2)(self._shuffled)

    def _shuffled(self, epoch: int) -> list[int]:
        # Hashed, so that epoch e + 1 under one seed is not epoch e under the next one.
        digest = hashlib.blake2b(f"epoch/{self.seed}/{epoch}".encode(), digest_size=7).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest, "little"))
        order: list[int] = torch.randperm(self.count, generator=generator).tolist()
        return order

    def take(self, position: int, number: int) -> list[int]:
        """Return the clips at positions [position, position + number)."""
        taken: list[int] = []
        while len(taken) < number:
            epoch, index = divmod(position + len(taken), self.count)
            taken += self._permutation(epoch)[index : index + number - len(taken)]
        return taken

    def state(self, position: int) -> dict[str, int]:
        """Return a position as epoch and index, to be written into a checkpoint."""
        epoch, index = divmod(position, self.count)
        return {"epoch": epoch, "index": index, "seed": self.seed}

    def position(self, state: dict[str, int]) -> int:
        """Return the position of a `state`; if there are fewer clips now, the next epoch begins early."""
        return state["epoch"] * self.count + min(state["index"], self.count)


def rank_slice(batch: list[int], rank: int, ranks: int) -> list[int]:
    """Return the part of a global batch that belongs to one rank; `ranks` divides its length."""
    size = len(batch) // ranks
    return batch[rank * size : (rank + 1) * size]
