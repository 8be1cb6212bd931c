"""Whole frames, for formats that know nothing finer, and their timecode."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import floor

from avlink import clock
from avlink_otio.project import Item, SoundProject

_DAY_HOURS = 24


def timebase(project: SoundProject) -> int:
    """The whole number of frames that a second of timecode counts."""
    return max(1, clock.to_index(project.rate, 1))


def timecode(frames: int, base: int, *, drop_frame: bool = False) -> str:
    """Frames from midnight as hh:mm:ss:ff; drop-frame with a semicolon, as it is written at 30 or 60 only."""
    if drop_frame:
        dropped = base // 15
        tens, rest = divmod(frames, 10 * (60 * base - dropped) + dropped)
        frames += 9 * dropped * tens
        if rest >= 60 * base:
            frames += dropped * (1 + (rest - 60 * base) // (60 * base - dropped))
    seconds, left = divmod(frames, base)
    minutes, hours = seconds // 60, seconds // 3600
    sign = ";" if drop_frame else ":"
    return f"{hours % _DAY_HOURS:02d}:{minutes % 60:02d}:{seconds % 60:02d}{sign}{left:02d}"


def drops(project: SoundProject) -> bool:
    """Whether the project's timecode can be and is drop-frame."""
    return project.drop_frame and project.rate.denominator != 1 and timebase(project) % 30 == 0


def frame_of(time_s: Fraction, rate: Fraction) -> int:
    """The frame in which a moment lies; a thousandth before its start counts as within."""
    return floor(time_s * rate + Fraction(1, 1000))


def on_frames(project: SoundProject, item: Item) -> tuple[int, int]:
    """The frames nearest to an item's start and end; at least one lies between."""
    first = clock.to_index(item.start_s, project.rate)
    return first, max(first + 1, clock.to_index(item.end_s, project.rate))


def warn_of_moves(project: SoundProject, what: str) -> None:
    """Say so when items lie between frames, where a format that counts frames cannot put them."""
    moved_s = []
    for track in project.tracks:
        for item in track.items:
            off_s = abs(item.start_s - on_frames(project, item)[0] / project.rate)
            if clock.to_index(off_s, project.sample_rate):
                moved_s.append(off_s)
    if moved_s:
        count = "1 clip lies" if len(moved_s) == 1 else f"{len(moved_s)} clips lie"
        warnings.warn(
            f"{count} between frames, which {what} cannot say: moved by up to {float(max(moved_s)) * 1000:.1f} ms",
            stacklevel=2,
        )


def lanes(items: Sequence[Item], edges: Iterable[tuple[int, int]], what: str) -> list[list[tuple[Item, int, int]]]:
    """Items in as many rows as it takes for none to overlap, with their edges; says so when that takes two."""
    rows: list[list[tuple[Item, int, int]]] = []
    for item, (first, last) in zip(items, edges, strict=True):
        row = next((row for row in rows if row[-1][2] <= first), None)
        if row is None:
            rows.append([(item, first, last)])
        else:
            row.append((item, first, last))
    if len(rows) > 1:
        warnings.warn(f"clips that overlap lie on further tracks in {what}, without their crossfades", stacklevel=2)
    return rows or [[]]
