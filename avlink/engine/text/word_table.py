"""Vectors of words, and of the letters within them: what a small encoder of bytes would take long to tell apart."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Sequence
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor, nn

_NGRAMS = (3, 4, 5)
_WORD = re.compile(rb"[^\s.,;:!?()\"_/-]+")


class WordTable(nn.Module):
    """A table of `rows` vectors of `dim` values; a word is the sum of its own row and those of its n-grams.

    As fastText (Bojanowski et al. 2017): rows are found by hashing, so that there is no vocabulary, and words with one
    stem are near each other.
    """

    def __init__(self, rows: int, dim: int) -> None:
        super().__init__()
        self.rows = rows
        self.embedding = nn.Embedding(rows, dim)

    def forward(self, prompts: Sequence[bytes], length: int) -> Float[Tensor, "batch length dim"]:
        """Return for each byte of each prompt the vector of its word; zeros between words and after the end."""
        weight = self.embedding.weight
        # Number 0 is no word.
        numbers = torch.zeros(len(prompts), length, dtype=torch.long)
        known: dict[bytes, int] = {}
        for row, prompt in zip(numbers, prompts, strict=True):
            for found in _WORD.finditer(prompt):
                row[found.start() : found.end()] = known.setdefault(found.group(), len(known) + 1)
        vectors = [weight.new_zeros(weight.shape[1])]
        for word in known:
            rows = torch.tensor(_rows(word, self.rows), device=weight.device)
            # The root keeps the size of a sum of independent vectors.
            vectors.append(self.embedding(rows).sum(0) / math.sqrt(len(rows)))
        return torch.stack(vectors)[numbers.to(weight.device)]


@lru_cache(maxsize=4096)
def _rows(word: bytes, rows: int) -> tuple[int, ...]:
    """Return the rows of a word: of the whole, and of every n-gram of the word between two marks."""
    marked = b"<" + word + b">"
    parts = [marked[k : k + n] for n in _NGRAMS for k in range(len(marked) - n + 1)]
    # CRC-32 is the same on every machine, unlike Python's own hash.
    return tuple(zlib.crc32(part) % rows for part in dict.fromkeys([marked, *parts]))
