"""The timebase of a timeline: its frame rate, the moment it starts at, and drop-frame or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import floor

import opentimelineio as otio

from avlink.core import clock
from avlink.timeline.item import KEY, own_range, seconds, table
from avlink.timeline.metadata import holds_pictures
from avlink.timeline.timecode import can_drop, timecode_of_frames

DEFAULT_RATE = 24.0

_DROP_FRAME = "drop_frame"
_FRAME_RATES = (1.0, 240.0)
"""Rates above the first and up to the second are frame rates; others count samples, milliseconds or seconds."""
_SLACK_FRAMES = Fraction(1, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timebase:
    """The count of frames of a timeline: its exact rate, and the real time from midnight to its start in seconds."""

    rate: Fraction
    origin_s: Fraction = Fraction(0)
    drop_frame: bool = False

    def timecode(self, time_s: Fraction) -> str:
        """Return the timecode of the frame in which a moment of the timeline lies, in seconds from its start.

        A thousandth of a frame before it counts as in it. Frames count per nominal second, which is the rate rounded,
        so that every rate has a timecode.
        """
        # Stems are placed at floats of frames, which may fall short of the frame that they mean.
        frames = floor((self.origin_s + time_s) * self.rate + _SLACK_FRAMES)
        return timecode_of_frames(frames, self.rate, drop=self.drop_frame)


def timebase(timeline: otio.schema.Timeline, stated: bool | None = None) -> Timebase:
    """Return the timebase of a timeline. `stated` is what its file says of drop-frame, where that is known."""
    return Timebase(
        rate=clock.exact_rate(frame_rate(timeline)),
        origin_s=origin_s(timeline),
        drop_frame=is_drop_frame(timeline, stated),
    )


def frame_rate(timeline: otio.schema.Timeline) -> float:
    """Return the frames per second of a timeline, as written there; 24 where it does not say."""
    return stated_rate(timeline) or DEFAULT_RATE


def stated_rate(timeline: otio.schema.Timeline) -> float | None:
    """Return the frames per second that a timeline states, as written there; None when it states none.

    Its start is asked first, then its clips, pictures before sounds: sound that counts in samples is common, and a
    sound track may lie first. Our own pictures are not asked, because they were written at the rate found here.
    """
    return next((float(rate) for rate in _rates(timeline) if _FRAME_RATES[0] < rate <= _FRAME_RATES[1]), None)


def origin_s(timeline: otio.schema.Timeline) -> Fraction:
    """Return the real time from midnight to the start of a timeline, by its timecode; 0 when it states none."""
    start = timeline.global_start_time
    return Fraction(0) if start is None else max(seconds(start) or Fraction(0), Fraction(0))


def is_drop_frame(timeline: otio.schema.Timeline, stated: bool | None = None) -> bool:
    """Return whether a timeline counts in drop-frame, by the first that says so.

    Asked in turn are its file (`stated`), the metadata of Final Cut, that of our own tracks, and its start.
    """
    rate = clock.exact_rate(frame_rate(timeline))
    if not can_drop(rate):
        return False
    if stated is not None:
        return stated
    by_program = (
        table(table(timeline.metadata, "fcp_xml"), "timecode").get("displayformat"),
        table(timeline.metadata, "fcpx").get("tcFormat"),
    )
    for shown in by_program:
        if shown in {"DF", "NDF"}:
            return bool(shown == "DF")
    for track in timeline.tracks:
        if isinstance(ours := table(track.metadata, KEY).get(_DROP_FRAME), bool):
            return ours
    return starts_in_drop_frame(origin_s(timeline), rate)


def drop_frame_metadata(timeline: otio.schema.Timeline, stated: bool | None = None) -> dict[str, bool]:
    """Return the metadata by which tracks of ours remember drop-frame; empty at rates that have none."""
    is_asked = can_drop(clock.exact_rate(frame_rate(timeline)))
    return {_DROP_FRAME: is_drop_frame(timeline, stated)} if is_asked else {}


def starts_in_drop_frame(start_s: Fraction, rate: Fraction) -> bool:
    """Return whether a timeline that starts so long after midnight is more likely counted in drop-frame.

    People start at whole seconds of their own count: at 30000/1001 frame 107892 is 01:00:00;00, and 00:59:56:12
    otherwise. Where that says nothing, OTIO's own rule for these rates holds, which is drop-frame; a start at midnight,
    or none, is not counted so.
    """
    frames = clock.to_index(start_s, rate)
    if not can_drop(rate) or frames <= 0:
        return False
    base = clock.to_index(rate, 1)
    # Two frame numbers of a minute at 30, four at 60 (SMPTE ST 12-1).
    dropped = base // 15
    rest = frames % (base * 600 - 9 * dropped)
    number = rest + dropped * max(0, (rest - dropped) // (base * 60 - dropped))
    return number % base == 0 or frames % base != 0


def _rates(timeline: otio.schema.Timeline) -> Iterator[float]:
    if timeline.global_start_time is not None:
        yield timeline.global_start_time.rate
    for kind in (otio.schema.TrackKind.Video, otio.schema.TrackKind.Audio):
        for track in timeline.tracks:
            # Nested sequences may run at rates of their own, which are not the timeline's.
            if not isinstance(track, otio.schema.Track) or track.kind != kind or holds_pictures(track):
                continue
            for item in track:
                span = own_range(item) if isinstance(item, otio.core.Item) else None
                if span is not None:
                    yield span.duration.rate
