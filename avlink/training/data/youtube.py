"""VGGSound and AudioSet-strong: tables of stretches of YouTube videos, whose files are named in several ways.

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
from avlink.training.data.source_clips import (
    MediaFile,
    SourceClip,
    SourceListing,
    Span,
    Split,
    by_stem,
    find_media,
    parse_time,
    read_table,
)

_LENGTH_S = Fraction(10)


def read_vggsound(data: VGGSoundData, folder: Path) -> SourceListing:
    """Return the clips of vggsound.csv whose files exist; its test part is held out.

    Raises InputError for a table of other columns.
    """
    table, found, files = folder / data.table, SourceListing(), by_stem(find_media(folder))
    unseen: list[tuple[str, SourceClip]] = []
    for number, (line, row) in enumerate(read_table(table, delimiter=",", what="table")):
        start_s = parse_time(row[1]) if len(row) == 4 else None
        if start_s is None or row[3] not in ("train", "test"):
            if number == 0 and len(row) == 4:
                continue  # Some copies of the table have a header.
            raise InputError(
                f"the table {table} is none of VGGSound's in line {line}: "
                "its columns are YouTube id, start in seconds, label, train or test"
            )
        clip = _clip(files, row[0], start_s)
        if clip is None:
            found.add_missing(f"{row[0]}_{int(start_s):06d}", "no file of that name")
        elif row[3] == "train":
            found.add("train", replace(clip, caption=row[2]))
        else:
            unseen.append((row[0], replace(clip, caption=row[2])))
    _hold_out(found, unseen, data.held_out)
    return found.limit(data.max_clips, data.held_out, data.crops)


def read_audioset(data: AudioSetData, folder: Path) -> SourceListing:
    """Return the segments of AudioSet-strong whose files exist; the rows of each are its caption and its events.

    Raises InputError for tables of other columns.
    """
    names = _names(folder / data.names)
    found, files = SourceListing(), by_stem(find_media(folder))
    unseen: list[tuple[str, SourceClip]] = []
    test = folder / data.test
    tables: list[tuple[Split, Path]] = [("train", folder / data.train)]
    tables += [("held_out", test)] if test.is_file() else []
    for split, table in tables:
        for segment, spans in _segments(table, names).items():
            youtube, _, start = segment.rpartition("_")
            clip = _clip(files, youtube, Fraction(int(start), 1000))
            if clip is None:
                found.add_missing(segment, "no file of that name")
            elif split == "train":
                found.add("train", replace(clip, spans=spans))
            else:
                unseen.append((segment, replace(clip, spans=spans)))
    _hold_out(found, unseen, data.held_out)
    return found.limit(data.max_clips, data.held_out, data.crops)


def file_names(youtube: str, start_s: Fraction) -> Iterator[str]:
    """Yield the names, without suffix, under which data sets keep a stretch of ten seconds; the video's id is last."""
    start_ms, end_ms = int(start_s * 1000), int((start_s + _LENGTH_S) * 1000)
    # Names with whole seconds exist only for whole starts.
    if start_s.denominator == 1:
        whole = int(start_s)
        yield f"{youtube}_{whole:06d}"
        yield f"{youtube}_{whole}"
        yield f"{youtube}_{whole}_{whole + int(_LENGTH_S)}"
    yield f"{youtube}_{start_ms}"
    yield f"{youtube}_{start_ms}_{end_ms}"
    yield f"{youtube}_{float(start_s):.3f}_{float(start_s + _LENGTH_S):.3f}"
    yield youtube


def _clip(files: Mapping[str, MediaFile], youtube: str, start_s: Fraction) -> SourceClip | None:
    for name in file_names(youtube, start_s):
        # Collections of AudioSet put a Y before ids, which may begin with a hyphen.
        file = files.get(name) or files.get(f"Y{name}")
        if file is not None:
            # A file named by the id alone may be the whole video or the stretch.
            ambiguous = name == youtube and start_s > 0
            return SourceClip(
                path=file.path,
                label=file.relative,
                size=file.size,
                start_s=start_s if ambiguous else Fraction(0),
                cut_s=_LENGTH_S if ambiguous else None,
            )
    return None


def _hold_out(found: SourceListing, unseen: Sequence[tuple[str, SourceClip]], count: int) -> None:
    """Hold out `count` clips of a test part, mixed by digest: tables are in the order of ids, or of labels."""
    for _, clip in sorted(unseen, key=lambda item: digest(item[0]))[:count]:
        found.add("held_out", clip)


def _names(path: Path) -> dict[str, str]:
    rows = read_table(path, delimiter="\t", what="table")
    return {row[0].strip(): row[1].strip() for _, row in rows if len(row) >= 2}


def _segments(table: Path, names: Mapping[str, str]) -> dict[str, tuple[Span, ...]]:
    """Return the spans of each segment, by its id."""
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
        start_s, end_s = parse_time(row[1]), parse_time(row[2])
        if start_s is None or end_s is None:
            raise InputError(wrong.format(line))
        name = names.get(row[3].strip(), row[3].strip())
        segments.setdefault(row[0], []).append(Span(start_s=float(start_s), end_s=float(end_s), name=name))
    return {segment: tuple(spans) for segment, spans in segments.items()}
