"""The order in which clips are learned from: every clip once an epoch, the same on any number of ranks.

Clips form one endless row, epoch after epoch, each a permutation of its own. Which clip stands where is a function of
seed and place alone, so a run that goes on needs to know nothing but its place, also in the middle of an epoch.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import torch


class ClipOrder:
    """Clips 0 to `count` - 1 in the order of `seed`."""

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed = count, seed
        # A batch can lie across the border of two epochs.
        self._permutation = lru_cache(maxsize=2)(self._shuffled)

    def _shuffled(self, epoch: int) -> list[int]:
        digest = hashlib.blake2b(f"epoch/{self.seed}/{epoch}".encode(), digest_size=7).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest, "little"))
        order: list[int] = torch.randperm(self.count, generator=generator).tolist()
        return order

    def take(self, place: int, number: int) -> list[int]:
        """The clips at places [place, place + number) of the row."""
        taken: list[int] = []
        while len(taken) < number:
            epoch, index = divmod(place + len(taken), self.count)
            taken += self._permutation(epoch)[index : index + number - len(taken)]
        return taken

    def state(self, place: int) -> dict[str, int]:
        """Where a run stands, to be kept with its checkpoint."""
        epoch, index = divmod(place, self.count)
        return {"epoch": epoch, "index": index, "seed": self.seed}

    def place(self, state: dict[str, int]) -> int:
        """The place of such a state; a store that has shrunk since then begins its next epoch."""
        return state["epoch"] * self.count + min(state["index"], self.count)


def rank_slice(batch: list[int], rank: int, ranks: int) -> list[int]:
    """The slice of a global batch that belongs to one rank; `ranks` divides its length."""
    size = len(batch) // ranks
    return batch[rank * size : (rank + 1) * size]
