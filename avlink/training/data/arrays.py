"""Arrays in many files, mapped when they are asked for: thousands of shards must not hold thousands of files open."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

OPEN_FILES = 48
"""Of each kind. A process may have 256 files open on macOS and 1024 on Linux, unless it was told otherwise."""


class MappedArrays:
    """Rows of equal shape in the arrays of many shards; the last few that were used stay mapped."""

    def __init__(self, path_of: Callable[[int], Path], open_files: int = OPEN_FILES) -> None:
        self._path_of, self._most = path_of, open_files
        self._open: OrderedDict[int, NDArray[np.generic]] = OrderedDict()
        # Batches may be read ahead in a thread.
        self._lock = Lock()

    def rows(self, places: Iterable[tuple[int, int]]) -> NDArray[np.generic]:
        """The rows at (shard, row), copied into one array."""
        return np.stack([self.array(shard)[row] for shard, row in places])

    def array(self, number: int) -> NDArray[np.generic]:
        """The array of a shard, mapped."""
        with self._lock:
            array = self._open.get(number)
            if array is None:
                array = np.load(self._path_of(number), mmap_mode="r", allow_pickle=False)
                self._open[number] = array
                if len(self._open) > self._most:
                    self._open.popitem(last=False)
            else:
                self._open.move_to_end(number)
            return array
