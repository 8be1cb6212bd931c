"""What is known of clips, and an index of a store: opened at once, however many clips there are.

The index of a store is `index.json` with its shards by name and the names of its columns, an array of (shard, row,
place of the note) of each clip, and a file of notes, a line of JSON each. Only the first is read on opening.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from avlink.core.hashing import canonical_json
from avlink.core.paths import atomic_write, write_text

_FILE = "index.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipNote:
    """What is known of a clip. `events` are (seconds, class name or "", strength 0..1)."""

    caption: str
    events: tuple[tuple[float, str, float], ...] = ()
    kind: str = ""
    group: str = ""
    recoloured: bool = False

    def to_json(self) -> dict[str, Any]:
        """As JSON values; `asdict` takes twenty times as long, which counts for hundreds of thousands."""
        return {
            "caption": self.caption,
            "events": self.events,
            "kind": self.kind,
            "group": self.group,
            "recoloured": self.recoloured,
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> ClipNote:
        """A note from what `to_json` made of it."""
        events = tuple((float(t), str(c), float(s)) for t, c, s in row["events"])
        return cls(**{**row, "events": events})


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The clips of a store: shards by name, each clip's (shard, row), and its note."""

    shards: tuple[str, ...]
    frames: str
    sound: str
    places: NDArray[np.int64]
    """(clips, 2): which shard, and which row of it."""
    notes: Sequence[ClipNote]


class _Notes(Sequence[ClipNote]):
    """Notes in a mapped file of lines, each read when it is asked for."""

    def __init__(self, path: Path, ends: NDArray[np.int64]) -> None:
        self._bytes = np.memmap(path, mode="r") if len(ends) and ends[-1] else np.zeros(0, np.uint8)
        self._ends = ends

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> ClipNote: ...
    @overload
    def __getitem__(self, index: slice) -> list[ClipNote]: ...
    def __getitem__(self, index: int | slice) -> ClipNote | list[ClipNote]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        start = int(self._ends[index - 1]) if index else 0
        line = self._bytes[start : int(self._ends[index])].tobytes()
        return ClipNote.from_json(json.loads(line))

    def __iter__(self) -> Iterator[ClipNote]:
        return (self[at] for at in range(len(self)))


def write_index(
    root: Path,
    shards: Sequence[str],
    clips: Iterable[tuple[int, int, ClipNote]],
    *,
    frames: str = "frames.npy",
    sound: str = "sound.npy",
) -> int:
    """Write the index of the store `root`: `clips` are (number of the shard, row of it, note); returns their number.

    Raises OutputError.
    """
    places: list[tuple[int, int, int]] = []
    lines: list[bytes] = []
    end = 0
    for shard, row, note in clips:
        lines.append(json.dumps(note.to_json(), ensure_ascii=False).encode() + b"\n")
        end += len(lines[-1])
        places.append((shard, row, end))
    # Named by what is in them: whoever reads the old index meanwhile still finds its own files.
    text = b"".join(lines)
    table = np.array(places, np.int64).reshape(-1, 3)
    name = hashlib.blake2b(canonical_json(list(shards)).encode() + table.tobytes() + text, digest_size=6).hexdigest()
    with atomic_write(root / f"notes-{name}.jsonl") as hidden:
        hidden.write_bytes(text)
    with atomic_write(root / f"places-{name}.npy") as hidden:
        np.save(hidden, table, allow_pickle=False)
    index = {"format": 1, "frames": frames, "sound": sound, "name": name, "shards": list(shards)}
    write_text(root / _FILE, json.dumps(index))
    for old in (*root.glob("notes-*.jsonl"), *root.glob("places-*.npy")):
        if name not in old.name:
            old.unlink(missing_ok=True)
    return len(places)


def read_index(root: Path) -> Index | None:
    """The index of the store `root`; None where it has none."""
    try:
        table = json.loads((root / _FILE).read_text("utf-8"))
    except FileNotFoundError:
        return None
    places = np.load(root / f"places-{table['name']}.npy", mmap_mode="r", allow_pickle=False)
    return Index(
        shards=tuple(table["shards"]),
        frames=table["frames"],
        sound=table["sound"],
        places=places[:, :2],
        notes=_Notes(root / f"notes-{table['name']}.jsonl", places[:, 2]),
    )
