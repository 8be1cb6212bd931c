"""Labels of training clips, and the index of a store: opened at once, however many clips there are.

The index is `index.json` with the names of the store's shards and columns, an array of (shard, row, end of the labels)
per clip, and a file of labels, one line of JSON each. Only the first is read when a store is opened.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from avlink.core.hashing import canonical_json
from avlink.core.hits import Hit
from avlink.core.paths import atomic_write, write_text
from avlink.foundry.hits import hit_kind

_INDEX = "index.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipLabels:
    """Caption and events of a clip. `events` are (seconds, class name or "", strength 0..1).

    Where they are known, `kinds` are the events' kinds of hits, and `places` their positions in the picture, (x, y) in
    [0, 1] from the upper left corner.
    """

    caption: str
    events: tuple[tuple[float, str, float], ...] = ()
    kind: str = ""
    group: str = ""
    recoloured: bool = False
    edited: bool = False
    """True where the sound tells of other events than the picture."""
    named: bool = False
    """True where the caption names what sounds, which the picture does not show."""
    kinds: tuple[str, ...] = ()
    places: tuple[tuple[float, float], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        # `asdict` takes twenty times as long, which counts for hundreds of thousands of clips.
        row: dict[str, Any] = {
            "caption": self.caption,
            "events": self.events,
            "kind": self.kind,
            "group": self.group,
            "recoloured": self.recoloured,
            "edited": self.edited,
        }
        # Few clips have them.
        if self.named:
            row["named"] = True
        if self.kinds:
            row["kinds"] = self.kinds
        if self.places:
            row["places"] = self.places
        return row

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> ClipLabels:
        """Return the labels that `to_json` wrote."""
        events = tuple((float(t), str(c), float(s)) for t, c, s in row["events"])
        places = tuple((float(x), float(y)) for x, y in row.get("places", ()))
        return cls(**{**row, "events": events, "kinds": tuple(row.get("kinds", ())), "places": places})


def hits_of(labels: ClipLabels) -> tuple[Hit, ...]:
    """Return the events of a clip as hits, of their own kinds or those that the foundry's groups and materials tell."""
    return tuple(
        Hit(
            time_s=Fraction(time_s),
            strength=strength,
            # The picture's kinds are not those of the sound that words name.
            kind=labels.kinds[index] if labels.kinds else "" if labels.named else hit_kind(labels.group, name),
            place=labels.places[index] if labels.places else None,
        )
        for index, (time_s, name, strength) in enumerate(labels.events)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipIndex:
    """The clips of a store: shards and columns by name, each clip's location and labels."""

    shards: tuple[str, ...]
    frames: str
    sound: str
    locations: NDArray[np.int64]
    """(clips, 2): number of the shard, row of it."""
    labels: Sequence[ClipLabels]


class _MappedLabels(Sequence[ClipLabels]):
    """Labels in a mapped file of lines, each parsed when it is asked for."""

    def __init__(self, path: Path, ends: NDArray[np.int64]) -> None:
        # An empty file cannot be mapped.
        self._bytes = np.memmap(path, mode="r") if len(ends) and ends[-1] else np.zeros(0, np.uint8)
        self._ends = ends

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> ClipLabels: ...
    @overload
    def __getitem__(self, index: slice) -> list[ClipLabels]: ...
    def __getitem__(self, index: int | slice) -> ClipLabels | list[ClipLabels]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        start = int(self._ends[index - 1]) if index else 0
        line = self._bytes[start : int(self._ends[index])].tobytes()
        return ClipLabels.from_json(json.loads(line))

    def __iter__(self) -> Iterator[ClipLabels]:
        return (self[at] for at in range(len(self)))


def write_index(
    root: Path,
    shards: Sequence[str],
    clips: Iterable[tuple[int, int, ClipLabels]],
    *,
    frames: str = "frames.npy",
    sound: str = "sound.npy",
) -> int:
    """Write the index of the store `root` and return the number of clips; `clips` are (shard number, row, labels).

    Raises OutputError.
    """
    places: list[tuple[int, int, int]] = []
    lines: list[bytes] = []
    end = 0
    for shard, row, labels in clips:
        lines.append(json.dumps(labels.to_json(), ensure_ascii=False).encode() + b"\n")
        end += len(lines[-1])
        places.append((shard, row, end))
    # Files are named by their content: a process that reads the old index meanwhile still finds its own files.
    text = b"".join(lines)
    table = np.array(places, np.int64).reshape(-1, 3)
    name = hashlib.blake2b(canonical_json(list(shards)).encode() + table.tobytes() + text, digest_size=6).hexdigest()
    with atomic_write(root / f"notes-{name}.jsonl") as hidden:
        hidden.write_bytes(text)
    with atomic_write(root / f"places-{name}.npy") as hidden:
        np.save(hidden, table, allow_pickle=False)
    index = {"format": 1, "frames": frames, "sound": sound, "name": name, "shards": list(shards)}
    write_text(root / _INDEX, json.dumps(index))
    for old in (*root.glob("notes-*.jsonl"), *root.glob("places-*.npy")):
        if name not in old.name:
            old.unlink(missing_ok=True)
    return len(places)


def read_index(root: Path) -> ClipIndex | None:
    """Return the index of the store `root`; None where it has none."""
    try:
        table = json.loads((root / _INDEX).read_text("utf-8"))
    except FileNotFoundError:
        return None
    places = np.load(root / f"places-{table['name']}.npy", mmap_mode="r", allow_pickle=False)
    return ClipIndex(
        shards=tuple(table["shards"]),
        frames=table["frames"],
        sound=table["sound"],
        locations=places[:, :2],
        labels=_MappedLabels(root / f"notes-{table['name']}.jsonl", places[:, 2]),
    )
