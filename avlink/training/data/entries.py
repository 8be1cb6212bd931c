"""What the sources of clips say in common: a stretch of a file that is there, or why there is none."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

from avlink.core.errors import InputError
from avlink.core.hashing import digest, fraction_text

Split = Literal["train", "held_out"]
SPLITS: tuple[Split, ...] = ("train", "held_out")
SUFFIXES = (".mp4", ".webm", ".mkv", ".mov", ".m4v", ".avi", ".flv", ".mpg", ".mpeg", ".ts", ".3gp")
"""Of video files, in the order in which they are taken where one clip has several."""

# What sounds from the clip's first moment on was not struck there.
_SOUNDING_S = 0.016


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something that is heard from `start_s` to `end_s`, in seconds from the clip's start."""

    start_s: float
    end_s: float
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file inside a tar: its bytes are `size` ones from `offset` on."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A clip that can be made: `path` (or a `member` of that tar) from `start_s` on.

    `label` is its name below the source's folder, whose own name is `source`; `size` is that of the file in bytes.
    `spans` are what is known to be heard; None where the onsets of the clip's own sound stand for its events. A file
    that is either the whole film or a stretch of `cut_s` seconds, its name says not which, is searched at `start_s` if
    it is long enough, else at its beginning.
    """

    path: Path
    label: str
    size: int
    source: str = ""
    caption: str = ""
    start_s: Fraction = Fraction(0)
    member: Member | None = None
    spans: tuple[Span, ...] | None = None
    cut_s: Fraction | None = None

    @property
    def key(self) -> str:
        """Names what is decoded: 16 hexadecimal digits. Where the source's folder lies does not count, sizes do."""
        place = 0 if self.member is None else self.member.offset
        cut = None if self.cut_s is None else fraction_text(self.cut_s)
        start = fraction_text(self.start_s)
        return digest([self.source, self.label, self.size, place, start, cut, self.spans is None])[:16]

    @property
    def shown(self) -> str:
        """The file, for messages and lists."""
        return str(self.path) if self.member is None else f"{self.path}/{self.member.name}"

    def words(self, duration_s: float) -> str:
        """The caption; of spans, the names of what is heard in the first `duration_s` seconds, in order."""
        if self.spans is None or self.caption:
            return self.caption
        heard = [span for span in self.spans if span.start_s < duration_s] or list(self.spans)
        return ", ".join(dict.fromkeys(span.name for span in sorted(heard, key=lambda span: span.start_s)))

    def events(self, duration_s: float) -> tuple[tuple[float, str, float], ...] | None:
        """The beginnings of its spans as (seconds, name, strength); None where they have to be heard."""
        if self.spans is None:
            return None
        begun = [span for span in self.spans if _SOUNDING_S < span.start_s < duration_s]
        return tuple((span.start_s, span.name, 1.0) for span in sorted(begun, key=lambda span: span.start_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A clip of a table that cannot be made, and why."""

    label: str
    reason: str


@dataclass(slots=True)
class Found:
    """What a source has: entries by split, in the order of its table, and what is missing."""

    entries: dict[Split, list[Entry]] = field(default_factory=lambda: {split: [] for split in SPLITS})
    missing: list[Missing] = field(default_factory=list)

    def add(self, split: Split, entry: Entry) -> None:
        """Take one more clip."""
        self.entries[split].append(entry)

    def lack(self, label: str, reason: str) -> None:
        """Note one that cannot be made."""
        self.missing.append(Missing(label=label, reason=reason))

    def limit(self, max_clips: int | None, held_out: int) -> Found:
        """Keep the first `max_clips` to train on; where there is no test part, the last `held_out` become it."""
        train = self.entries["train"][:max_clips]
        if not self.entries["held_out"]:
            cut = max(1, len(train) - held_out)
            self.entries["held_out"], train = train[cut:], train[:cut]
        self.entries["train"] = train
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFile:
    """A video file: its path below the folder in which it was found, and its size in bytes."""

    path: Path
    below: str
    size: int


def find_media(folder: Path) -> list[MediaFile]:
    """All video files in `folder` and below, by path; hidden ones are none. Raises InputError where it is no folder."""
    if not folder.is_dir():
        raise InputError(f"data.folder = '{folder}' is no folder; set it to where the video files lie")
    found: list[MediaFile] = []
    waiting = [str(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as inside:
            for item in inside:
                if item.name.startswith("."):
                    continue
                if item.is_dir():
                    waiting.append(item.path)
                elif os.path.splitext(item.name)[1].lower() in SUFFIXES:
                    path = Path(item.path)
                    below = path.relative_to(folder).as_posix()
                    found.append(MediaFile(path=path, below=below, size=item.stat().st_size))
    return sorted(found, key=lambda file: file.below)


def by_stem(files: Iterable[MediaFile]) -> dict[str, MediaFile]:
    """The files by name without suffix; of several, that of the better suffix, then of the first path."""
    best: dict[str, MediaFile] = {}
    for file in files:
        known = best.get(file.path.stem)
        if known is None or _rank(file) < _rank(known):
            best[file.path.stem] = file
    return best


def _rank(file: MediaFile) -> int:
    return SUFFIXES.index(file.path.suffix.lower())
