"""The search for sounds that sound alike: by the cosine of their embeddings, the nearest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from avlink.core.errors import LibraryError
from avlink.library.embed import Vector, as_float32
from avlink.library.embedding_matrix import EmbeddingMatrix, load_matrix
from avlink.library.embeddings import EmbeddingExtractor, read_embedding
from avlink.library.index import LibraryIndex
from avlink.library.search import SoundCondition, WantedSounds, sounds_with_words
from avlink.library.values import Sound

_FEW = 4096
"""Sounds that are looked up one by one; of more, the nearest are looked through until enough are wanted."""

_FIRST_LOOK = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class AlikeSound:
    """A sound of a search by likeness. `similarity` is the cosine of the embeddings, -1 to 1; 1 for the same sound."""

    sound: Sound
    similarity: float


def embedding_of(index: LibraryIndex, extractor: EmbeddingExtractor, digest: str) -> Vector | None:
    """Return the embedding of a content that a sound of the index has; None if it has none."""
    found = read_embedding(index, extractor, digest)
    return None if found is None else np.frombuffer(found, "<f2")


def find_alike(
    index: LibraryIndex,
    extractor: EmbeddingExtractor,
    vector: Vector,
    query: str = "",
    wanted: WantedSounds | None = None,
    *,
    limit: int = 20,
) -> tuple[AlikeSound, ...]:
    """Return at most `limit` sounds with embeddings like `vector`, the most alike first.

    Only sounds that are `wanted` and have all words of `query` are compared; some of the words they may have through
    their category. Sounds without an embedding are left out.

    Raises LibraryError as `search_sounds` does, and for a vector of another length.
    """
    condition = sounds_with_words(index, query, wanted or WantedSounds())
    matrix = load_matrix(index, extractor)
    if not len(matrix.ids):
        return ()
    if len(vector) != matrix.vectors.shape[1]:
        raise LibraryError(
            f"the extractor '{extractor.name}' gives {len(vector)} numbers, and the embeddings of the library have "
            f"{matrix.vectors.shape[1]}; make them anew by `avlink library update --embed {extractor.name}`"
        )
    found = _AlikeSearch(index, extractor, matrix, as_float32(vector), condition).nearest(limit)
    sounds = index.sounds_by_id(list(found))
    # Rounding leaves the same sound some millionths beside 1.
    return tuple(
        AlikeSound(sound=sounds[number], similarity=min(1.0, max(-1.0, similarity)))
        for number, similarity in found.items()
        if number in sounds
    )


@dataclass(frozen=True, slots=True)
class _AlikeSearch:
    index: LibraryIndex
    extractor: EmbeddingExtractor
    matrix: EmbeddingMatrix
    vector: Float32[np.ndarray, " dim"]
    condition: SoundCondition

    def nearest(self, limit: int) -> Mapping[int, float]:
        """Return the numbers of the nearest sounds with their similarities, in order."""
        few = self._few()
        if few is not None:
            return dict(self._ordered(few)[:limit])
        similarities = self.matrix.vectors @ self.vector
        order = np.argsort(-similarities, kind="stable")
        found: list[tuple[int, float]] = []
        first, last = 0, _FIRST_LOOK
        while first < len(order) and len(found) < limit:
            found += self._ordered(self._usable(self.matrix.ids[order[first:last]]), similarities)
            # Larger and larger parts: mostly the first one is enough.
            first, last = last, 4 * last
        return dict(found[:limit])

    def _few(self) -> list[tuple[int, int]] | None:
        """Return all sounds that are wanted, with the numbers of their embeddings; None if they are many."""
        ids = self.condition.with_words
        if ids is None and self.condition.where != "1":
            rows = self.index.connection.execute(
                f"SELECT s.id FROM sounds s WHERE {self.condition.where} LIMIT ?", (*self.condition.values, _FEW + 1)
            )
            ids = tuple(number for (number,) in rows)
        if ids is None or len(ids) > _FEW:
            return None
        return self.index.connection.execute(
            # A CROSS JOIN is looked up in this order; others SQLite may turn round, and read all rows of one.
            "SELECT s.id, e.id FROM sounds s CROSS JOIN embeddings e ON e.digest = s.digest AND e.extractor = ? "
            f"WHERE s.id IN ({', '.join(map(str, ids))}) AND s.fault = '' AND {self.condition.where}",
            (self.extractor.id, *self.condition.values),
        ).fetchall()

    def _usable(self, embeddings: Int64[np.ndarray, " rows"]) -> list[tuple[int, int]]:
        """Return the wanted sounds that have these embeddings, with the numbers of these."""
        pairs = self.index.connection.execute(
            "SELECT s.id, e.id FROM embeddings e "
            "CROSS JOIN sounds s INDEXED BY sounds_by_digest ON s.digest = e.digest "
            f"WHERE e.id IN ({', '.join(map(str, embeddings.tolist()))}) AND s.fault = '' AND {self.condition.where}",
            self.condition.values,
        ).fetchall()
        if self.condition.with_words is None:
            return pairs
        having = set(self.condition.with_words).intersection(number for number, _ in pairs)
        return [pair for pair in pairs if pair[0] in having]

    def _ordered(
        self, pairs: list[tuple[int, int]], similarities: Float32[np.ndarray, " rows"] | None = None
    ) -> list[tuple[int, float]]:
        """Return sounds with their similarities, the nearest first; those whose embedding is newer are left out."""
        if not pairs:
            return []
        numbers, embeddings = np.array(pairs, np.int64).T
        rows = np.minimum(np.searchsorted(self.matrix.ids, embeddings), len(self.matrix.ids) - 1)
        known = self.matrix.ids[rows] == embeddings
        numbers, rows = numbers[known], rows[known]
        alike = self.matrix.vectors[rows] @ self.vector if similarities is None else similarities[rows]
        order = np.lexsort((numbers, -alike))
        return list(zip(numbers[order].tolist(), alike[order].tolist(), strict=True))
