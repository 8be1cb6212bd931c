"""Lists of the hits in the pictures of a timeline: WebVTT, and the text that Pro Tools writes of its markers.

Players show a cue of WebVTT over the film; times count from its start, in milliseconds. The text of Pro Tools names
each marker by its timecode and by samples, from which programs for spotting and conforming make memory locations.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from avlink import FlatTimeline, FlatTrack, Marker, clock, hit_name, hit_note, nominal_rate, timecode_of_frames

_SHOWN_S = Fraction(4, 100)
"""Time for which a cue of a moment is shown: shorter than any range that a person means."""


def write_vtt(timeline: FlatTimeline, path: Path) -> tuple[FlatTrack, ...]:
    """Write the hits as WebVTT. Raises `otio.exceptions.NotSupportedError` for a timeline without hits."""
    path.write_text("\n".join(_cues(_hits(timeline))), encoding="utf-8", newline="\n")
    return ()


def write_protools(timeline: FlatTimeline, path: Path) -> tuple[FlatTrack, ...]:
    """Write the hits as a text of Pro Tools. Raises `otio.exceptions.NotSupportedError` for a timeline without hits."""
    text = "\r\n".join(_session(timeline, _hits(timeline)))
    path.write_text(text, encoding="utf-8", newline="")
    return ()


def _hits(timeline: FlatTimeline) -> tuple[Marker, ...]:
    if not timeline.hits:
        raise otio.exceptions.NotSupportedError("the timeline has no hits; find some with `avlink spot`")
    return timeline.hits


def _cues(hits: tuple[Marker, ...]) -> Iterator[str]:
    yield "WEBVTT"
    for marker in hits:
        assert marker.hit is not None, "hits alone are asked for"
        start = clock.to_index(marker.start_s, 1000)
        end = max(start + 1, clock.to_index(marker.start_s + (marker.duration_s or _SHOWN_S), 1000))
        yield ""
        yield f"{_clock_text(start)} --> {_clock_text(end)}"
        yield _escaped(hit_name(marker.hit))
        yield _escaped(hit_note(marker.hit))
    yield ""


def _clock_text(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _session(timeline: FlatTimeline, hits: tuple[Marker, ...]) -> Iterator[str]:
    rate, drop = timeline.rate, timeline.drop_frame
    start = timecode_of_frames(clock.to_index(timeline.origin_s, rate), rate, drop=drop)
    nominal = nominal_rate(rate)
    shown = f"{nominal}" if rate.denominator == 1 else f"{float(rate):.2f}".replace("23.98", "23.976")
    yield f"SESSION NAME:\t{_cell(timeline.name) or 'cut'}"
    yield f"SAMPLE RATE:\t{timeline.sample_rate}.000000"
    yield "BIT DEPTH:\t24-bit"
    yield f"SESSION START TIMECODE:\t{start}"
    yield f"TIMECODE FORMAT:\t{shown}{' Drop' if drop else ''} Frame"
    yield "# OF AUDIO TRACKS:\t0"
    yield "# OF AUDIO CLIPS:\t0"
    yield "# OF AUDIO FILES:\t0"
    yield from ("", "", "M A R K E R S  L I S T I N G")
    yield "#   \tLOCATION     \tTIME REFERENCE    \tUNITS    \tNAME                             \tCOMMENTS"
    for number, marker in enumerate(hits, start=1):
        assert marker.hit is not None, "hits alone are asked for"
        sample = clock.to_index(marker.start_s, timeline.sample_rate)
        name, note = _cell(hit_name(marker.hit)), _cell(hit_note(marker.hit, with_duration=True))
        at = timeline.timecode(marker.start_s)
        yield f"{number:<4}\t{at:<13}\t{sample:<18}\tSamples  \t{name:<33}\t{note}"
    yield ""


def _cell(text: str) -> str:
    return " ".join(text.split())
