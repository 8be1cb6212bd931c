"""The OTIO adapter `avlink_cues`: a cue sheet as CSV, one line a stem, for spreadsheets and spotting sessions.

Lines are the clips of the audio tracks that AVLink made; of a timeline without such tracks, the clips of its video
tracks, so that a sheet can be made before anything else. Reading gives a timeline with those clips at their places,
the words back in `metadata["avlink"]`. OTIO loads this file by its path, so it imports nothing beside it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from math import floor
from typing import Any

import opentimelineio as otio

COLUMNS = (
    *("track", "clip", "start_tc", "end_tc", "start_s", "duration_s", "start_samples", "samples", "rate"),
    *("prompt", "negative", "seed", "media"),
)
_KEY = "avlink"
_FORMULA = ("=", "+", "-", "@", "'")
_SOUND, _PICTURE = otio.schema.TrackKind.Audio, otio.schema.TrackKind.Video


def write_to_string(input_otio: otio.schema.Timeline) -> str:
    """The cue sheet of a timeline. Raises `otio.exceptions.NotSupportedError` for anything else."""
    if not isinstance(input_otio, otio.schema.Timeline):
        raise otio.exceptions.NotSupportedError(
            f"a cue sheet is made of a timeline, not of a {type(input_otio).__name__}"
        )
    own = [track for track in input_otio.audio_tracks() if _KEY in track.metadata]
    sheet = io.StringIO()
    writer = csv.DictWriter(sheet, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for track in own or input_otio.video_tracks():
        for row in _rows(input_otio, track):
            writer.writerow({name: _guard(str(value)) for name, value in row.items()})
    return sheet.getvalue()


def read_from_string(input_str: str) -> otio.schema.Timeline:
    """The timeline that a cue sheet describes: a track for each track name, with gaps between its clips.

    Raises `otio.exceptions.OTIOError` that names the line when a number cannot be read or cues overlap.
    """
    reader = csv.DictReader(io.StringIO(input_str.lstrip("\ufeff")))
    missing = [name for name in ("track", "clip", "start_s", "duration_s") if name not in (reader.fieldnames or ())]
    if missing:
        raise otio.exceptions.OTIOError(f"no cue sheet: column {', '.join(missing)} is missing")
    timeline = otio.schema.Timeline(name="cues")
    tracks: dict[str, otio.schema.Track] = {}
    ends: dict[str, float] = {}
    for number, row in enumerate(reader, start=2):
        cells = {name: _unguard(value or "") for name, value in row.items() if name is not None}
        start_s, duration_s = _number(cells, "start_s", number), _number(cells, "duration_s", number)
        rate = _number(cells, "rate", number, default=24.0)
        name = cells["track"]
        if name not in tracks:
            # A line with samples is of a stem; without, of a picture that waits for its sound.
            kind = _SOUND if cells.get("samples") else _PICTURE
            tracks[name] = otio.schema.Track(name=name, kind=kind, metadata={_KEY: {}} if kind == _SOUND else None)
            timeline.tracks.append(tracks[name])
        gap_s = start_s - ends.get(name, 0.0)
        if gap_s < -1e-6 or duration_s <= 0 or rate <= 0:
            raise otio.exceptions.OTIOError(
                f"line {number}: '{cells['clip']}' overlaps the cue before, or has no length"
            )
        if gap_s > 1e-6:
            tracks[name].append(otio.schema.Gap(duration=otio.opentime.RationalTime(gap_s * rate, rate)))
        tracks[name].append(_clip(cells, duration_s, rate))
        ends[name] = start_s + duration_s
    return timeline


def _rows(timeline: otio.schema.Timeline, track: otio.schema.Track) -> Iterator[Mapping[str, object]]:
    for index, item in enumerate(track):
        if not isinstance(item, otio.schema.Clip):
            continue
        try:
            span = track.range_of_child_at_index(index)
        except (otio.exceptions.OTIOError, ValueError):
            # Whatever stands behind a clip of unknown length has no place that could be written down.
            return
        words, made = _table(item.metadata), _table(item.media_reference.metadata)
        start_s = span.start_time.to_seconds()
        yield {
            "track": track.name,
            "clip": item.name,
            "start_tc": _timecode(timeline, span.start_time),
            "end_tc": _timecode(timeline, span.end_time_exclusive()),
            "start_s": f"{start_s:.6f}",
            "duration_s": f"{span.duration.to_seconds():.6f}",
            "start_samples": words.get("start_samples", ""),
            "samples": words.get("samples", ""),
            "rate": f"{span.duration.rate:.6f}",
            "prompt": made.get("prompt", words.get("prompt", "")),
            "negative": made.get("negative", words.get("negative", "")),
            "seed": made.get("seed", ""),
            "media": getattr(item.media_reference, "target_url", "") or "",
        }


def _clip(cells: Mapping[str, str], duration_s: float, rate: float) -> otio.schema.Clip:
    span = otio.opentime.TimeRange(
        otio.opentime.RationalTime(0, rate), otio.opentime.RationalTime(duration_s * rate, rate)
    )
    media = cells.get("media", "")
    ref = otio.schema.ExternalReference(media, span) if media else otio.schema.MissingReference()
    said: dict[str, Any] = {name: cells[name] for name in ("prompt", "negative") if cells.get(name)}
    said |= {name: int(cells[name]) for name in ("start_samples", "samples") if cells.get(name, "").isdigit()}
    if cells.get("seed", "").isdigit():
        ref.metadata[_KEY] = {"seed": int(cells["seed"])}
    return otio.schema.Clip(
        name=cells["clip"], media_reference=ref, source_range=span, metadata={_KEY: said} if said else None
    )


def _timecode(timeline: otio.schema.Timeline, time: otio.opentime.RationalTime) -> str:
    origin = timeline.global_start_time or otio.opentime.RationalTime(0, time.rate)
    if origin.rate <= 0:
        return ""
    rate = otio.opentime.RationalTime.nearest_smpte_timecode_rate(origin.rate)
    try:
        # The frame in which the moment lies, whatever the last digits of a float say.
        frames = floor(origin.value + time.to_seconds() * origin.rate + 1e-3)
        return str(otio.opentime.RationalTime(frames, rate).to_timecode(rate, drop_frame=False))
    except ValueError:
        return ""


def _number(cells: Mapping[str, str], name: str, line: int, *, default: float | None = None) -> float:
    text = cells.get(name, "").strip()
    if not text and default is not None:
        return default
    try:
        return float(text)
    except ValueError as error:
        raise otio.exceptions.OTIOError(f"line {line}: {name} = '{text}' is no number") from error


def _table(metadata: Any) -> Mapping[str, Any]:
    value = metadata.get(_KEY)
    return value if hasattr(value, "get") else {}


def _guard(text: str) -> str:
    """Keep a spreadsheet from running a clip's name as a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _unguard(text: str) -> str:
    return text[1:] if text[:1] == "'" and text[1:2] in _FORMULA else text
