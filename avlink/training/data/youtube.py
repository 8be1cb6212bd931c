"""VGGSound and AudioSet-strong: tables of stretches of YouTube films, and files named in several ways.

VGGSound (Chen et al. 2020): vggsound.csv has no header; its columns are YouTube id, start in seconds, label, split.
AudioSet's temporally strong labels (Hershey et al. 2021): segment_id is `{id}_{start in milliseconds}`; times count
from the segment's start, segments are 10 s long, and a label is a machine id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from avlink.core.errors import InputError
from avlink.core.hashing import digest
from avlink.core.recipe.data import AudioSetData, VGGSoundData
from avlink.training.data.entries import Entry, Found, MediaFile, Span, Split, by_stem, find_media
from avlink.training.data.tables import read_start, read_table

_LENGTH_S = Fraction(10)


def read_vggsound(data: VGGSoundData, folder: Path) -> Found:
    """The clips of vggsound.csv whose files are there; its test part is held out.

    Raises InputError for a table of other columns.
    """
    table, found, files = folder / data.table, Found(), by_stem(find_media(folder))
    unseen: list[tuple[str, Entry]] = []
    for number, (line, row) in enumerate(read_table(table, delimiter=",", what="table")):
        start_s = read_start(row[1]) if len(row) == 4 else None
        if start_s is None or row[3] not in ("train", "test"):
            if number == 0 and len(row) == 4:
                continue  # Copies of the table have a header.
            raise InputError(
                f"the table {table} is none of VGGSound's in line {line}: "
                "its columns are YouTube id, start in seconds, label, train or test"
            )
        entry = _entry(files, row[0], start_s)
        if entry is None:
            found.lack(f"{row[0]}_{int(start_s):06d}", "no file of that name")
        elif row[3] == "train":
            found.add("train", replace(entry, caption=row[2]))
        else:
            unseen.append((row[0], replace(entry, caption=row[2])))
    _hold_out(found, unseen, data.held_out)
    return found.limit(data.max_clips, data.held_out)


def read_audioset(data: AudioSetData, folder: Path) -> Found:
    """The segments of AudioSet-strong whose files are there; each one's rows are its caption and its events.

    Raises InputError for tables of other columns.
    """
    names = _names(folder / data.names)
    found, files = Found(), by_stem(find_media(folder))
    unseen: list[tuple[str, Entry]] = []
    test = folder / data.test
    tables: list[tuple[Split, Path]] = [("train", folder / data.train)]
    tables += [("held_out", test)] if test.is_file() else []
    for split, table in tables:
        for segment, spans in _segments(table, names).items():
            youtube, _, start = segment.rpartition("_")
            entry = _entry(files, youtube, Fraction(int(start), 1000))
            if entry is None:
                found.lack(segment, "no file of that name")
            elif split == "train":
                found.add("train", replace(entry, spans=spans))
            else:
                unseen.append((segment, replace(entry, spans=spans)))
    _hold_out(found, unseen, data.held_out)
    return found.limit(data.max_clips, data.held_out)


def file_names(youtube: str, start_s: Fraction) -> Iterator[str]:
    """The names, without suffix, under which people keep a stretch of ten seconds; the film's own id comes last."""
    start_ms, end_ms = int(start_s * 1000), int((start_s + _LENGTH_S) * 1000)
    if start_s.denominator == 1:
        whole = int(start_s)
        yield f"{youtube}_{whole:06d}"
        yield f"{youtube}_{whole}"
        yield f"{youtube}_{whole}_{whole + int(_LENGTH_S)}"
    yield f"{youtube}_{start_ms}"
    yield f"{youtube}_{start_ms}_{end_ms}"
    yield f"{youtube}_{float(start_s):.3f}_{float(start_s + _LENGTH_S):.3f}"
    yield youtube


def _entry(files: Mapping[str, MediaFile], youtube: str, start_s: Fraction) -> Entry | None:
    for name in file_names(youtube, start_s):
        # Collections of AudioSet put a Y before ids, which may begin with a hyphen.
        file = files.get(name) or files.get(f"Y{name}")
        if file is not None:
            either = name == youtube and start_s > 0
            return Entry(
                path=file.path,
                label=file.below,
                size=file.size,
                start_s=start_s if either else Fraction(0),
                cut_s=_LENGTH_S if either else None,
            )
    return None


def _hold_out(found: Found, unseen: Sequence[tuple[str, Entry]], count: int) -> None:
    """Take `count` of a test part, mixed by the names' digests: tables are in the order of ids, or of labels."""
    for _, entry in sorted(unseen, key=lambda item: digest(item[0]))[:count]:
        found.add("held_out", entry)


def _names(path: Path) -> dict[str, str]:
    rows = read_table(path, delimiter="\t", what="table")
    return {row[0].strip(): row[1].strip() for _, row in rows if len(row) >= 2}


def _segments(table: Path, names: Mapping[str, str]) -> dict[str, tuple[Span, ...]]:
    """What is heard in each segment, by its id."""
    segments: dict[str, list[Span]] = {}
    wrong = (
        f"the table {table} is none of AudioSet's strong labels in line {{}}: "
        "its columns are segment_id, start_time_seconds, end_time_seconds, label"
    )
    for line, row in read_table(table, delimiter="\t", what="table"):
        if row[0] == "segment_id" and len(row) == 4:
            continue
        if len(row) != 4 or not row[0].rpartition("_")[2].isdecimal() or "_" not in row[0]:
            raise InputError(wrong.format(line))
        start_s, end_s = read_start(row[1]), read_start(row[2])
        if start_s is None or end_s is None:
            raise InputError(wrong.format(line))
        name = names.get(row[3].strip(), row[3].strip())
        segments.setdefault(row[0], []).append(Span(start_s=float(start_s), end_s=float(end_s), name=name))
    return {segment: tuple(spans) for segment, spans in segments.items()}
