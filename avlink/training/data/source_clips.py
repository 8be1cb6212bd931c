"""Clips as the sources of a recipe list them: a stretch of an existing file, or the reason why there is none.

Also the readers that several sources share: video files of a folder, tables, JSON captions.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from avlink.core import clock
from avlink.core.documents import parse_json
from avlink.core.errors import InputError
from avlink.core.hashing import digest, fraction_text

Split = Literal["train", "held_out"]
SPLITS: tuple[Split, ...] = ("train", "held_out")
SUFFIXES = (".mp4", ".webm", ".mkv", ".mov", ".m4v", ".avi", ".flv", ".mpg", ".mpeg", ".ts", ".3gp")
"""Suffixes of video files; where one clip has several files, the first suffix of this list wins."""

# A label that starts with the clip belongs to a sound that began earlier: it is no event.
_ONGOING_S = 0.016


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A sound labelled from `start_s` to `end_s`, in seconds from the clip's start."""

    start_s: float
    end_s: float
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TarMember:
    """A file inside a tar: `size` bytes from `offset` on."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceClip:
    """A clip that can be decoded: `path` (or a `member` of that tar) from `start_s` on.

    `label` is its name below the source's folder, whose own name is `source`; `size` is that of the file in bytes.
    `spans` are its labelled sounds; None where the onsets of the clip's own sound stand for its events. With `cut_s`,
    the file is either the whole film or a stretch of `cut_s` seconds, which its name does not tell: it is decoded from
    `start_s` if it is long enough, else from its beginning. With `crop`, a number, it begins at a random place of what
    there is.
    """

    path: Path
    label: str
    size: int
    source: str = ""
    caption: str = ""
    start_s: Fraction = Fraction(0)
    member: TarMember | None = None
    spans: tuple[Span, ...] | None = None
    cut_s: Fraction | None = None
    crop: int | None = None

    @property
    def key(self) -> str:
        """16 hexadecimal digits that identify the decoded clip.

        They depend on the size of the file, and not on the folder that holds the source.
        """
        place = 0 if self.member is None else self.member.offset
        cut = None if self.cut_s is None else fraction_text(self.cut_s)
        start = fraction_text(self.start_s)
        # Clips without it keep the keys that they had.
        crop = [] if self.crop is None else [self.crop]
        return digest([self.source, self.label, self.size, place, start, cut, self.spans is None, *crop])[:16]

    @property
    def display_path(self) -> str:
        """The file, for messages and lists."""
        return str(self.path) if self.member is None else f"{self.path}/{self.member.name}"

    def caption_within(self, duration_s: float) -> str:
        """Return the caption; without one, the names of the spans in the first `duration_s` seconds, in order."""
        if self.spans is None or self.caption:
            return self.caption
        heard = [span for span in self.spans if span.start_s < duration_s] or list(self.spans)
        return ", ".join(dict.fromkeys(span.name for span in sorted(heard, key=lambda span: span.start_s)))

    def events_within(self, duration_s: float) -> tuple[tuple[float, str, float], ...] | None:
        """Return the starts of its spans as (seconds, name, strength); None where they must be detected."""
        if self.spans is None:
            return None
        begun = [span for span in self.spans if _ONGOING_S < span.start_s < duration_s]
        return tuple((span.start_s, span.name, 1.0) for span in sorted(begun, key=lambda span: span.start_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingClip:
    """A listed clip that cannot be decoded, and the reason."""

    label: str
    reason: str


@dataclass(slots=True)
class SourceListing:
    """The clips of a source by split, in the order of its table, and those that are missing."""

    clips: dict[Split, list[SourceClip]] = field(default_factory=lambda: {split: [] for split in SPLITS})
    missing: list[MissingClip] = field(default_factory=list)

    def add(self, split: Split, clip: SourceClip) -> None:
        """Append a clip."""
        self.clips[split].append(clip)

    def add_missing(self, label: str, reason: str) -> None:
        """Append a clip that cannot be decoded."""
        self.missing.append(MissingClip(label=label, reason=reason))

    def limit(self, max_clips: int | None, held_out: int, crops: int = 0) -> SourceListing:
        """Keep the first `max_clips` to train on; without a test part, hold out the last `held_out` of them.

        Each of the others is then taken `crops` times, from random places; 0 leaves it as it is.
        """
        train = self.clips["train"][:max_clips]
        if not self.clips["held_out"]:
            # One clip at least is left to train on.
            cut = max(1, len(train) - held_out)
            self.clips["held_out"], train = train[cut:], train[:cut]
        # Place by place: neighbours in a shard come from different files.
        places = [replace(clip, crop=number) for number in range(crops) for clip in train]
        self.clips["train"] = places or train
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFile:
    """A video file: its path, the same relative to the searched folder, and its size in bytes."""

    path: Path
    relative: str
    size: int


def find_media(folder: Path) -> list[MediaFile]:
    """Return all video files in `folder` and below, sorted by path; hidden files and folders are skipped.

    Raises InputError where `folder` is no folder.
    """
    if not folder.is_dir():
        raise InputError(f"data.folder = '{folder}' is no folder; set it to where the video files lie")
    found: list[MediaFile] = []
    waiting = [str(folder)]
    while waiting:
        # scandir gives types without a call per file: data sets have hundreds of thousands.
        with os.scandir(waiting.pop()) as inside:
            for item in inside:
                if item.name.startswith("."):
                    continue
                if item.is_dir():
                    waiting.append(item.path)
                elif os.path.splitext(item.name)[1].lower() in SUFFIXES:
                    path = Path(item.path)
                    relative = path.relative_to(folder).as_posix()
                    found.append(MediaFile(path=path, relative=relative, size=item.stat().st_size))
    return sorted(found, key=lambda file: file.relative)


def by_stem(files: Iterable[MediaFile]) -> dict[str, MediaFile]:
    """Return the files by name without suffix; of several, the one with the best suffix, then the first path."""
    best: dict[str, MediaFile] = {}
    for file in files:
        known = best.get(file.path.stem)
        if known is None or _rank(file) < _rank(known):
            best[file.path.stem] = file
    return best


def _rank(file: MediaFile) -> int:
    return SUFFIXES.index(file.path.suffix.lower())


class _Tabs(csv.excel_tab):
    quoting = csv.QUOTE_NONE


def read_table(path: Path, *, delimiter: str, what: str) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield the rows of a CSV or TSV file with their line numbers, without empty ones. Raises InputError."""
    try:
        # Spreadsheets write a byte order mark.
        with path.open(encoding="utf-8-sig", newline="") as file:
            # Tables with tabs have no quoting: a label may contain a quote.
            rows = csv.reader(file, dialect="excel" if delimiter == "," else _Tabs)
            for row in rows:
                if row:
                    yield rows.line_num, row
    except OSError as error:
        raise InputError(f"the {what} {path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"the {what} {path} is no table of UTF-8 text: {error}") from None


def read_caption(text: str) -> tuple[str, Fraction]:
    """Return the caption and the start in seconds of a JSON sidecar.

    `caption` is a text, or a list whose first item is taken; `text` is used where there is no `caption`. Raises
    ValueError where there is neither.
    """
    table: Any = parse_json(text, "it")
    if not isinstance(table, dict):
        raise ValueError("its JSON is no object with a caption")
    caption = table.get("caption", table.get("text"))
    if isinstance(caption, list) and caption:
        caption = caption[0]
    if not isinstance(caption, str):
        raise ValueError("its JSON has no caption")
    start_s = parse_time(str(table.get("start_s", "0")))
    if start_s is None:
        raise ValueError(f"its start_s is no time in seconds: {table['start_s']!r}")
    return caption.strip(), start_s


def parse_time(text: str) -> Fraction | None:
    """Return a time in seconds, at least 0; None for any other text."""
    try:
        time_s = clock.exact_number(text)
    except ValueError:
        return None
    return time_s if time_s >= 0 else None
