"""The OTIO adapter `avlink_edl`: an edit decision list of a timeline's sound, for conforming and as a last resort.

OTIO's own adapter writes pictures only and drops sound in silence. An EDL knows one event a line: a reel, a channel,
four timecodes in whole frames. The file stands in comments, by its name for programs that link by clip names and by its
path, and its timecode is that of the stem's Broadcast Wave stamp, so that programs which search media by timecode find
it. Retimed sound has its speed in an M2 line.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path, PurePosixPath

import opentimelineio as otio

from avlink import (
    FlatClip,
    FlatTimeline,
    FlatTrack,
    clock,
    hit_name,
    hit_note,
    nominal_rate,
    timecode_of_frames,
)
from avlink_otio.colours import RESOLVE
from avlink_otio.files import relative_path
from avlink_otio.frames import frame_of, lanes, on_frames, warn_of_moves
from avlink_otio.sound import flat, sound_of

_NAME = "an EDL"
_MAX_EVENTS, _MAX_RATE = 999, 100


def write(timeline: FlatTimeline, path: Path) -> tuple[FlatTrack, ...]:
    """Write the list, and return the tracks in it; media is named relative to its folder."""
    sound = sound_of(timeline, retimed=True, hits=True)
    path.write_text(list_text(sound, path.absolute().parent), encoding="utf-8", newline="\r\n")
    return sound.sound_tracks


def write_to_file(input_otio: otio.schema.Timeline, filepath: str) -> None:
    """Write the list as an OTIO adapter."""
    write(flat(input_otio), Path(filepath))


def write_to_string(input_otio: otio.schema.Timeline) -> str:
    """Return the text of the list; media is named as the timeline names it."""
    return list_text(sound_of(flat(input_otio), retimed=True, hits=True), None)


def list_text(sound: FlatTimeline, folder: Path | None) -> str:
    """Return an edit decision list as text."""
    rate = _countable(sound.rate)
    warn_of_moves(sound, rate, _NAME)
    lines = [*_lines(sound, rate, folder), *_hits(sound, rate)]
    return "\n".join(lines) + "\n"


def _countable(rate: Fraction) -> Fraction:
    """Return the rate that a list counts at: its frames have two digits, so high rates count every second or so."""
    nominal = nominal_rate(rate)
    every = next(step for step in range(1, nominal + 1) if nominal % step == 0 and nominal // step <= _MAX_RATE)
    if every > 1:
        warnings.warn(
            f"{_NAME} counts no more than {_MAX_RATE} frames per second: this one counts every {every} of "
            f"{float(rate):g}",
            stacklevel=2,
        )
    return rate / every


def _lines(sound: FlatTimeline, rate: Fraction, folder: Path | None) -> Iterator[str]:
    drop_frame = sound.drop_frame
    origin = clock.to_index(sound.origin_s, rate)
    yield f"TITLE: {_flat(sound.name) or 'foley'}"
    yield f"FCM: {'DROP FRAME' if drop_frame else 'NON-DROP FRAME'}"
    events = []
    channel = 0
    for track in sound.sound_tracks:
        edges = [on_frames(clip, rate) for clip in track.clips]
        for row in lanes(track.clips, edges, _NAME):
            channel += 1
            events += [(first, channel, last, clip) for clip, first, last in row if not (clip.muted or track.muted)]
    events.sort(key=lambda event: event[:2])
    if len(events) > _MAX_EVENTS:
        warnings.warn(f"{_NAME} of more than {_MAX_EVENTS} events is refused by some programs", stacklevel=2)
    for number, (first, channel, last, clip) in enumerate(events, start=1):
        media = clip.active_media
        # The stamp of a Broadcast Wave file is its source timecode.
        begin = clock.to_index(media.start_s + media.offset_s, rate)
        speed = Fraction(1) if clip.speed is None else clip.speed
        used = max(1, clock.to_index((last - first) * abs(speed), 1))
        frames = (begin, begin + used, origin + first, origin + last)
        times = " ".join(timecode_of_frames(frame, rate, drop=drop_frame) for frame in frames)
        yield ""
        yield f"{number:03d}  AX       {'A' if channel == 1 else f'A{channel}':<5} C        {times}"
        if speed != 1:
            trigger = times.partition(" ")[0]
            yield f"M2   AX             {_frames_per_second(clip, speed, rate)}                {trigger}"
        file = " ".join((media.url if folder is None else relative_path(media.url, folder)).splitlines())
        yield f"* FROM CLIP NAME: {PurePosixPath(file).name}"
        yield f"* SOURCE FILE: {file}"


def _hits(sound: FlatTimeline, rate: Fraction) -> Iterator[str]:
    """Yield the hits: as locators behind the events of the sound, else as the list of markers that Resolve imports."""
    origin = clock.to_index(sound.origin_s, rate)
    for number, marker in enumerate(sound.hits, start=1):
        assert marker.hit is not None, "hits alone are asked for"
        first = origin + frame_of(marker.start_s, rate)
        name, note = _flat(hit_name(marker.hit)), _flat(hit_note(marker.hit, with_duration=True))
        if sound.sound_tracks:
            at = timecode_of_frames(first, rate, drop=sound.drop_frame)
            yield f"* LOC: {at} {marker.colour:<7} {name} ({note})"
            continue
        last = timecode_of_frames(first + 1, rate, drop=sound.drop_frame)
        at = timecode_of_frames(first, rate, drop=sound.drop_frame)
        frames = max(1, clock.to_index(marker.duration_s, rate))
        colour = RESOLVE.get(marker.colour, RESOLVE["RED"])
        yield ""
        yield f"{number:03d}  001      V     C        {at} {last} {at} {last}"
        yield f"{note.replace('|', '/')} |C:ResolveColor{colour} |M:{name.replace('|', '/')} |D:{frames}"


def _frames_per_second(clip: FlatClip, speed: Fraction, rate: Fraction) -> str:
    """Return a speed as M2 lines have it: frames per second to a tenth, of the nominal rate."""
    tenths = clock.to_index(abs(speed) * nominal_rate(rate) * 10, 1)
    if abs(Fraction(tenths, 10) - abs(speed) * nominal_rate(rate)) > Fraction(1, 1000):
        warnings.warn(
            f"the speed of '{clip.name}' is {float(abs(speed)) * 100:.2f} %, of which {_NAME} says "
            f"{tenths / nominal_rate(rate) * 10:.2f} %",
            stacklevel=2,
        )
    return f"{'-' if speed < 0 else ''}{tenths // 10:03d}.{tenths % 10}"


def _flat(text: str) -> str:
    return " ".join(text.split())
