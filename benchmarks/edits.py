"""Edits of any number of clips, each kind hard in a way of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from benchmarks.footage import film

_RATE = 24
_MEDIA_S = 60
_SHORT_S = 3
_SEQUENCE = 10
_TRACKS = 50


def write_edit(kind: str, clips: int, folder: Path) -> Path:
    """Write a timeline of one of `EDITS` with that many clips of about a second, with its media beside it."""
    for name, length_s in (("few", _MEDIA_S), ("one", _SHORT_S)):
        if not (folder / f"{name}.mp4").exists():
            film(folder / f"{name}.mp4", Fraction(length_s))
    timeline = otio.schema.Timeline(f"{clips} clips")
    timeline.tracks.extend(EDITS[kind](clips, folder))
    path = folder / f"{kind.replace(' ', '_')}_{clips}.otio"
    otio.adapters.write_to_file(timeline, str(path))
    return path


def _few_files(clips: int, folder: Path) -> list[otio.schema.Track]:
    """One clip after the other over four films, no two with the same span of the same one."""
    names = [f"few{index}.mp4" for index in range(4)]
    for name in names:
        _link(folder / "few.mp4", folder / name)
    return [_track("V1", (_cut(index, names[index % 4], index // 4) for index in range(clips)))]


def _many_files(clips: int, folder: Path) -> list[otio.schema.Track]:
    """Every clip has a file of its own."""
    (folder / "many").mkdir(exist_ok=True)
    names = [f"many/{index}.mp4" for index in range(clips)]
    for name in names:
        _link(folder / "one.mp4", folder / name)
    whole = _range(0, _SHORT_S * _RATE)
    refs = [otio.schema.ExternalReference(name, whole) for name in names]
    return [_track("V1", (otio.schema.Clip(f"shot {i}", ref, _range(2, 48)) for i, ref in enumerate(refs)))]


def _many_tracks(clips: int, folder: Path) -> list[otio.schema.Track]:
    """Fifty tracks of clips with gaps between them, of which the upper ones hide parts of the lower ones."""
    _link(folder / "few.mp4", folder / "few0.mp4")
    tracks = []
    for height in range(_TRACKS):
        items: list[otio.core.Item] = [otio.schema.Gap(duration=_time(1 + 5 * height))]
        for index in range(height, clips, _TRACKS):
            gap = otio.schema.Gap(duration=_time(10 + index * height % 30))
            items += [_cut(index, "few0.mp4", index // _TRACKS), gap]
        tracks.append(_track(f"V{height + 1}", iter(items)))
    return tracks


def _nested(clips: int, folder: Path) -> list[otio.schema.Track]:
    """A sequence of ten clips, used again and again, each time trimmed otherwise."""
    _link(folder / "few.mp4", folder / "few0.mp4")

    def uses() -> Iterator[otio.core.Item]:
        for use in range(-(-clips // _SEQUENCE)):
            inner = _track("V1", (_cut(index, "few0.mp4", 30 * index) for index in range(_SEQUENCE)))
            sequence = otio.schema.Stack("scene", [inner])
            sequence.source_range = _range(use % 12, _SEQUENCE * _RATE - 24)
            yield sequence

    return [_track("V1", uses())]


EDITS: dict[str, Callable[[int, Path], list[otio.schema.Track]]] = {
    "few files": _few_files,
    "many files": _many_files,
    "50 tracks": _many_tracks,
    "nested": _nested,
}


def _cut(index: int, name: str, place: int) -> otio.schema.Clip:
    starts = (_MEDIA_S - 4) * _RATE
    media = otio.schema.ExternalReference(name, _range(0, _MEDIA_S * _RATE))
    return otio.schema.Clip(f"shot {index}", media, _range(place % starts, _RATE + place // starts))


def _track(name: str, items: Iterator[otio.core.Item]) -> otio.schema.Track:
    track = otio.schema.Track(name, kind=otio.schema.TrackKind.Video)
    for item in items:
        track.append(item)
    return track


def _time(frames: int) -> otio.opentime.RationalTime:
    return otio.opentime.RationalTime(frames, _RATE)


def _range(first_frame: int, num_frames: int) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(_time(first_frame), _time(num_frames))


def _link(source: Path, target: Path) -> None:
    """Another name for a file: to whoever opens it, another file."""
    if not target.exists():
        os.link(source, target)
