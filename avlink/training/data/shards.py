"""Shards of training data: folders that appear whole or not at all, and the mapped arrays in them."""

from __future__ import annotations

import os
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from avlink.core.disk import report_full_disk
from avlink.core.paths import make_folder

OPEN_FILES = 48
"""Mapped files of each kind. A process may have 256 files open on macOS and 1024 on Linux by default."""


class MappedArrays:
    """Rows of equal shape in the arrays of many shards; the most recently used arrays stay mapped.

    A data set of thousands of shards must not hold thousands of files open.
    """

    def __init__(self, path_of: Callable[[int], Path], open_files: int = OPEN_FILES) -> None:
        self._path_of, self._max_open = path_of, open_files
        self._open: OrderedDict[int, NDArray[np.generic]] = OrderedDict()
        # Batches may be read ahead in a thread.
        self._lock = Lock()

    def rows(self, locations: Iterable[tuple[int, int]]) -> NDArray[np.generic]:
        """Return the rows at (shard, row), copied into one array."""
        return np.stack([self.array(shard)[row] for shard, row in locations])

    def array(self, number: int) -> NDArray[np.generic]:
        """Return the mapped array of a shard."""
        with self._lock:
            array = self._open.get(number)
            if array is None:
                array = np.load(self._path_of(number), mmap_mode="r", allow_pickle=False)
                self._open[number] = array
                if len(self._open) > self._max_open:
                    self._open.popitem(last=False)
            else:
                self._open.move_to_end(number)
            return array


def find_shards(root: Path) -> list[Path]:
    """Return the shards of a store in order; an empty list where there is no store."""
    return sorted(path for path in root.glob("shard-*") if path.is_dir()) if root.is_dir() else []


def shard_path(root: Path, number: int) -> Path:
    """Return the folder of shard `number` of a store, written or not."""
    return root / f"shard-{number:05d}"


def put_shard(root: Path, number: int, fill: Callable[[Path], None]) -> None:
    """Let `fill` write into a hidden folder and move that into place; an existing shard is kept.

    Raises DiskFull, and what `fill` raises; the hidden folder is then removed.
    """
    make_folder(root)
    # The process id keeps two trainings on one folder apart.
    hidden = root / f".shard-{number:05d}-{os.getpid()}"
    shutil.rmtree(hidden, ignore_errors=True)
    try:
        with report_full_disk(root):
            hidden.mkdir()
            fill(hidden)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    final = shard_path(root, number)
    if final.exists():
        shutil.rmtree(hidden)
    else:
        os.replace(hidden, final)
