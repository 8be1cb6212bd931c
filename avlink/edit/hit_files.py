"""Files that bring hits back from other programs: projects, lists of markers, and the text of Pro Tools."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import Path

from avlink.core.errors import InputError
from avlink.core.input_files import check_regular, read_text
from avlink.core.limits import SHEET_BYTES
from avlink.core.recipe.schema import ReadTable
from avlink.timeline.flatten import flatten_timeline
from avlink.timeline.formats.hit_lists import ListedMark, is_protools_text, read_protools, read_reaper, read_vtt
from avlink.timeline.hit_text import hit_of_text, is_hit_text
from avlink.timeline.import_hits import ROUNDING_S, ReturnedHit, SameMoment
from avlink.timeline.read import read_timeline
from avlink.timeline.timebase import Timebase

_PROJECTS = frozenset({".edl", ".xml", ".fcpxml", ".fcpxmld", ".otio", ".otioz", ".otiod"})
_LISTS = frozenset({".vtt", ".rpp"})
_SLACK_FRAMES = Fraction(1, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class HitFile:
    """The hits of a file, from the start of the timeline, and what counts as the same moment in it."""

    hits: tuple[ReturnedHit, ...]
    same: SameMoment


def brings_hits(path: Path) -> bool:
    """Return whether a file is one of those, and no cue sheet."""
    suffix = path.suffix.lower()
    if suffix == ".txt":
        # Sheets may have this suffix too.
        check_regular(path)
        return is_protools_text(read_text(path, SHEET_BYTES, InputError))
    return suffix in _PROJECTS or suffix in _LISTS


def read_hit_file(path: Path, timebase: Timebase) -> HitFile:
    """Return the hits of a file for the timeline of that timebase.

    Formats that count frames alone bring a hit back on the frame in which it lies, and so do programs that move
    markers to frames; the others to the millisecond. Raises InputError for a file that cannot be read or has no hits.
    """
    check_regular(path)
    suffix = path.suffix.lower()
    marks = _of_project(path, timebase) if suffix in _PROJECTS else _of_list(path)
    hits = tuple(_returned(mark) for mark in marks if is_hit_text(mark.name, mark.note))
    if not hits:
        raise InputError(
            f"{path} has no hits; a marker is one if its name is a kind and a strength, such as 'step 0.8', or begins "
            "with 'HIT:'"
        )
    on_frames = suffix in {".edl", ".xml"} or all(_is_frame(hit.start_s, timebase) for hit in hits)
    return HitFile(hits=hits, same=same_frame(timebase) if on_frames else same_millisecond)


def same_millisecond(one_s: Fraction, other_s: Fraction) -> bool:
    """Return whether two times are at most a millisecond apart."""
    return abs(one_s - other_s) <= ROUNDING_S


def same_frame(timebase: Timebase) -> SameMoment:
    """Return a function that tells whether two times lie in one frame."""

    def same(one_s: Fraction, other_s: Fraction) -> bool:
        return _frame(one_s, timebase) == _frame(other_s, timebase)

    return same


def _frame(time_s: Fraction, timebase: Timebase) -> int:
    return floor((timebase.origin_s + time_s) * timebase.rate + _SLACK_FRAMES)


def _is_frame(time_s: Fraction, timebase: Timebase) -> bool:
    frames = (timebase.origin_s + time_s) * timebase.rate
    return abs(frames - round(frames)) <= _SLACK_FRAMES


def _returned(mark: ListedMark) -> ReturnedHit:
    # Lists of points have the length of a range in the note.
    length_s = mark.duration_s or hit_of_text(mark.name, mark.note).duration_s
    name, note = (mark.name, mark.note) if mark.name else (mark.note, "")
    return ReturnedHit(start_s=mark.start_s, duration_s=length_s, name=name, note=note)


def _of_project(path: Path, timebase: Timebase) -> list[ListedMark]:
    """Return the markers of a project, placed by timecode where both have one."""
    rate = f"{timebase.rate.numerator}/{timebase.rate.denominator}"
    read = ReadTable(rate=rate) if path.suffix.lower() == ".edl" else ReadTable()
    file = read_timeline(path, read)
    flat = flatten_timeline(file.timeline, drop_frame=file.drop_frame)
    shift_s = flat.origin_s - timebase.origin_s
    return [
        ListedMark(
            start_s=marker.start_s + shift_s,
            duration_s=marker.duration_s if marker.hit is None else marker.hit.duration_s,
            name=marker.name,
            note=marker.comment,
        )
        for marker in flat.markers
    ]


def _of_list(path: Path) -> list[ListedMark]:
    text = read_text(path, SHEET_BYTES, InputError)
    read = {".vtt": read_vtt, ".rpp": read_reaper}.get(path.suffix.lower(), read_protools)
    try:
        return read(text)
    except ValueError as error:
        raise InputError(f"{path} cannot be read as a list of hits: {error}") from error
