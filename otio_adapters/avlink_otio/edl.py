"""The OTIO adapter `avlink_edl`: an edit decision list of a timeline's sound, for conforming and as a last resort.

OTIO's own adapter writes pictures only and drops sound in silence. An EDL knows one event a line: a reel, a channel,
four timecodes in whole frames. The file stands in a comment, and its timecode is that of the stem's Broadcast Wave
stamp, so that programs which search media by timecode find it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import opentimelineio as otio

from avlink import clock
from avlink_otio.files import relative_path
from avlink_otio.frames import drops, lanes, on_frames, timebase, timecode, warn_of_moves
from avlink_otio.project import SoundProject
from avlink_otio.sound import read_sound

_NAME = "an EDL"
_MAX_EVENTS = 999


def write_to_file(input_otio: otio.schema.Timeline, filepath: str) -> None:
    """Write the list; media is named relative to its folder."""
    text = list_text(read_sound(input_otio), Path(filepath).absolute().parent)
    Path(filepath).write_text(text, encoding="utf-8", newline="\r\n")


def write_to_string(input_otio: otio.schema.Timeline) -> str:
    """The text of the list; media is named as the timeline names it."""
    return list_text(read_sound(input_otio), None)


def list_text(project: SoundProject, folder: Path | None) -> str:
    """An edit decision list as text."""
    warn_of_moves(project, _NAME)
    return "\n".join(_lines(project, folder)) + "\n"


def _lines(project: SoundProject, folder: Path | None) -> Iterator[str]:
    base, drop_frame = timebase(project), drops(project)
    origin = clock.to_index(project.origin_s, project.rate)
    yield f"TITLE: {_flat(project.name) or 'foley'}"
    yield f"FCM: {'DROP FRAME' if drop_frame else 'NON-DROP FRAME'}"
    events = []
    channel = 0
    for track in project.tracks:
        edges = [on_frames(project, item) for item in track.items]
        for row in lanes(track.items, edges, _NAME):
            channel += 1
            events += [(first, channel, last, item) for item, first, last in row if not (item.muted or track.muted)]
    events.sort(key=lambda event: event[:2])
    if len(events) > _MAX_EVENTS:
        warnings.warn(f"{_NAME} of more than {_MAX_EVENTS} events is refused by some programs", stacklevel=2)
    for number, (first, channel, last, item) in enumerate(events, start=1):
        begin = clock.to_index(item.take.stamp_s + item.take.offset_s, project.rate)
        frames = (begin, begin + last - first, origin + first, origin + last)
        times = " ".join(timecode(frame, base, drop_frame=drop_frame) for frame in frames)
        yield ""
        yield f"{number:03d}  AX       {'A' if channel == 1 else f'A{channel}':<5} C        {times}"
        yield f"* FROM CLIP NAME: {_flat(item.name)}"
        yield f"* SOURCE FILE: {item.take.url if folder is None else relative_path(item.take.url, folder)}"


def _flat(text: str) -> str:
    return " ".join(text.split())
