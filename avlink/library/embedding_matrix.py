"""All embeddings of an extractor as one matrix, in a file that is mapped into memory: reading rows takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64

from avlink.core.paths import atomic_write
from avlink.library.embed import as_float32
from avlink.library.embeddings import EmbeddingExtractor, any_embedding, matrix_folder, remove_matrix
from avlink.library.index import LibraryIndex

_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class EmbeddingMatrix:
    """Embeddings of norm 1, and the numbers of their rows in the index, which rise."""

    ids: Int64[np.ndarray, " rows"]
    vectors: Float32[np.ndarray, "rows dim"]


def load_matrix(index: LibraryIndex, extractor: EmbeddingExtractor) -> EmbeddingMatrix:
    """Return the matrix of an extractor's embeddings, without rows if there are none.

    The file lies beside the index, and is made anew where embeddings came or went since. Raises OutputError where it
    cannot be written.
    """
    with _snapshot(index):
        count, last = index.connection.execute(
            "SELECT COUNT(*), COALESCE(MAX(id), 0) FROM embeddings WHERE extractor = ?", (extractor.id,)
        ).fetchone()
        dim = len(any_embedding(index, extractor) or b"") // 2
        if not count or not dim:
            return EmbeddingMatrix(np.zeros(0, np.int64), np.zeros((0, 0), np.float32))
        # Ids are never used again: of all states of the table, one alone has this number of rows and this greatest id.
        path = matrix_folder(index) / f"{extractor.token}-{count}-{last}.f32"
        if not _is_whole(path, count, dim):
            _write(index, extractor, path)
    vectors = np.memmap(path, "<f4", "r", shape=(count, dim))
    return EmbeddingMatrix(np.fromfile(path, "<i8", count, offset=vectors.nbytes), vectors)


def _write(index: LibraryIndex, extractor: EmbeddingExtractor, path: Path) -> None:
    """Write the vectors, a block at a time, and behind them the ids."""
    ids: list[int] = []
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        for numbers, vectors in _blocks(index, extractor):
            ids += numbers
            file.write(as_float32(vectors).tobytes())
        file.write(np.array(ids, "<i8").tobytes())
    for old in path.parent.glob(f"{extractor.token}-*-*.f32"):
        if old != path:
            remove_matrix(old)


def _blocks(index: LibraryIndex, extractor: EmbeddingExtractor) -> Iterator[tuple[list[int], np.ndarray]]:
    rows = index.connection.execute(
        "SELECT id, vector FROM embeddings WHERE extractor = ? ORDER BY id", (extractor.id,)
    )
    while block := rows.fetchmany(_BLOCK):
        ids, vectors = zip(*block, strict=True)
        yield list(ids), np.frombuffer(b"".join(vectors), "<f2").reshape(len(block), -1)


def _is_whole(path: Path, count: int, dim: int) -> bool:
    try:
        return path.stat().st_size == count * (4 * dim + 8)
    except OSError:
        return False


@contextmanager
def _snapshot(index: LibraryIndex) -> Iterator[None]:
    """See the index in one state for a block, while other processes may write."""
    index.connection.execute("BEGIN")
    try:
        yield
    finally:
        index.connection.execute("ROLLBACK")
