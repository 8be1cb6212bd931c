"""The cue sheet as CSV, one row a stem, for spreadsheets and spotting; also the OTIO adapter `avlink_cues`.

`avlink export` adds the pictures without a stem, and a timeline without stems has a row for each of its pictures. The
columns mode, prompt, negative, seed and gain_db are the requests of a clip, and are there to be edited; those that
begin with "made_" say how its stem was made, those that begin with "events" how often something is struck in it, at
which timecodes, and how many seconds after it begins. Reading gives a timeline with the clips at their places, or only
the edits, by clip id.
"""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from avlink import FlatClip, FlatTimeline, FlatTrack, clock
from avlink_otio.files import relative_path
from avlink_otio.hit_cells import read_hits, write_hits
from avlink_otio.sheet import REQUESTS, Row, decode, guard, read_rows, sheet_id
from avlink_otio.sound import flat

KEY = "avlink"
"""The key of AVLink's metadata on clips and their media."""

COLUMNS = (
    *("id", "track", "clip", "start_tc", "end_tc"),
    *(*REQUESTS, "hits"),
    *("start_s", "duration_s", "start_samples", "samples", "rate"),
    *("made_prompt", "made_negative", "made_seed", "events", "events_tc", "events_s", "media"),
)
_PLACED = ("track", "clip", "start_s", "duration_s")
_MADE = ("prompt", "negative", "seed")
# Two starts and a length, each written to the microsecond, say that neighbours meet.
_ROUNDED_S = 2e-6
_SOUND, _PICTURE = otio.schema.TrackKind.Audio, otio.schema.TrackKind.Video


def write(timeline: FlatTimeline, path: Path) -> tuple[FlatTrack, ...]:
    """Write the cue sheet, and return the tracks in it; media is named relative to its folder."""
    tracks = tuple(_listed(timeline))
    if not any(track.clips for track in tracks):
        warnings.warn("the timeline has neither stems nor pictures: the cue sheet is empty", stacklevel=2)
    text = _sheet(timeline, tracks, path.absolute().parent)
    # Spreadsheets know UTF-8 by its mark.
    path.write_text(text, encoding="utf-8-sig", newline="")
    return tracks


def write_to_file(input_otio: otio.schema.Timeline, filepath: str) -> None:
    """Write the cue sheet of the stems, or of a timeline without any that of its pictures, as an OTIO adapter."""
    text = _text(flat(input_otio), Path(filepath).absolute().parent)
    Path(filepath).write_text(text, encoding="utf-8-sig", newline="")


def write_to_string(input_otio: otio.schema.Timeline) -> str:
    """Return that cue sheet. Raises `otio.exceptions.NotSupportedError` for an object that is no timeline."""
    return _text(flat(input_otio), None)


def _text(timeline: FlatTimeline, folder: Path | None) -> str:
    stems = [track for track in timeline.tracks if track.kind == "audio" and track.ours]
    return _sheet(timeline, stems or _listed(timeline), folder)


def read_from_file(filepath: str, edits: bool = False) -> otio.core.SerializableObject:
    """Read a sheet in any of the encodings that spreadsheets save; otherwise like `read_from_string`."""
    return read_from_string(decode(Path(filepath).read_bytes()), edits=edits)


def read_from_string(input_str: str, edits: bool = False) -> otio.core.SerializableObject:
    """Return the timeline that a cue sheet describes: a track for each track name, with gaps between its clips.

    With `edits` a collection of clips without places instead: metadata["avlink"] of each holds `id`, `row`, and of
    the editable columns those that the sheet has, None for empty cells. Only the column id is needed then.

    Raises `otio.exceptions.OTIOError` that names row and column when a cell cannot be read or cues overlap.
    """
    if edits:
        rows = read_rows(input_str, ("id",))
        return otio.schema.SerializableCollection(name="cues", children=[_edit(row) for row in rows])
    timeline = otio.schema.Timeline(name="cues")
    tracks: dict[str, otio.schema.Track] = {}
    ends: dict[str, float] = {}
    for row in read_rows(input_str, _PLACED):
        start_s, duration_s = row.number_of("start_s"), row.number_of("duration_s")
        rate = row.number_of("rate", default=24.0)
        name = row.text("track")
        if name not in tracks:
            # A row with samples is of a stem; without, of a picture that waits for its sound.
            kind = _SOUND if row.text("samples") else _PICTURE
            tracks[name] = otio.schema.Track(name=name, kind=kind, metadata={KEY: {}} if kind == _SOUND else None)
            timeline.tracks.append(tracks[name])
        gap_s = start_s - ends.get(name, 0.0)
        if duration_s <= 0 or rate <= 0:
            raise row.wrong("duration_s" if duration_s <= 0 else "rate", "must be more than 0")
        # Starts and lengths were rounded to the microsecond, so that neighbours may seem to overlap.
        if gap_s < -_ROUNDED_S:
            raise row.wrong("start_s", f"lies before the end of the cue above it on track {name}")
        if gap_s > _ROUNDED_S:
            tracks[name].append(otio.schema.Gap(duration=_time(gap_s, rate)))
        tracks[name].append(_clip(row, duration_s, rate))
        ends[name] = start_s + duration_s
    return timeline


def _listed(timeline: FlatTimeline) -> Iterator[FlatTrack]:
    """Yield the tracks of a sheet: stems and the pictures without one; of a timeline without stems all its pictures."""
    stems = [track for track in timeline.tracks if track.kind == "audio" and track.ours]
    yield from stems
    for track in timeline.tracks:
        if track.kind == "video":
            clips = tuple(clip for clip in track.clips if not (stems and clip.has_stem))
            if clips and not (stems and track.ours):
                yield replace(track, clips=clips)


def _sheet(timeline: FlatTimeline, tracks: Iterable[FlatTrack], folder: Path | None) -> str:
    sheet = io.StringIO(newline="")
    # With these line ends the writer of every Python puts both kinds of line breaks inside a cell in quotes.
    writer = csv.DictWriter(sheet, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for track in tracks:
        writer.writerows(_row(timeline, track, clip, folder) for clip in track.clips)
    return sheet.getvalue()


def _row(timeline: FlatTimeline, track: FlatTrack, clip: FlatClip, folder: Path | None) -> dict[str, str]:
    media = clip.active_media if clip.media else None
    placed, made = _ours(clip.metadata), {} if media is None else _ours(media.metadata)
    url = "" if media is None else media.url
    texts = {
        "id": sheet_id(clip.id),
        "track": track.name,
        "clip": clip.name,
        "media": url if folder is None or not url else relative_path(url, folder),
        **{name: clip.requests.get(name) for name in REQUESTS},
        **{f"made_{name}": made.get(name) for name in _MADE},
    }
    row = {name: guard("" if value is None else str(value)) for name, value in texts.items()}
    gain_db = clip.requests.get("gain_db")
    if isinstance(gain_db, (int, float)):
        # Numbers begin no formula, whatever their sign.
        row["gain_db"] = f"{gain_db:g}"
    return row | {
        "start_tc": timeline.timecode(clip.start_s),
        "end_tc": timeline.timecode(clip.end_s),
        "start_s": f"{float(clip.start_s):.6f}",
        "duration_s": f"{float(clip.duration_s):.6f}",
        "start_samples": str(placed.get("start_samples", "")),
        "samples": str(placed.get("samples", "")),
        "rate": f"{clip.rate:.6f}",
        "hits": guard(write_hits(clip.hits or ())),
        **(_events(timeline, clip) if track.kind == "audio" else {}),
    }


def _ours(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the metadata of AVLink; an empty table where a person or a program put something else there."""
    said = metadata.get(KEY)
    return said if isinstance(said, Mapping) else {}


def _events(timeline: FlatTimeline, stem: FlatClip) -> dict[str, str]:
    """Return the cells of the events in a stem. A stem without events has an empty cell for a number."""
    return {
        "events": str(len(stem.events_s) or ""),
        "events_tc": " ".join(timeline.timecode(stem.start_s + time_s) for time_s in stem.events_s),
        "events_s": " ".join(f"{float(time_s):.6f}" for time_s in stem.events_s),
    }


def _edit(row: Row) -> otio.schema.Clip:
    said = {"id": row.id(), "row": row.number, **row.requests()}
    hits = read_hits(row)
    if hits is not None:
        # One text, because lists in OTIO's metadata die with the collection.
        said["hits"] = "\n".join(" ".join(one) for one in hits)
    if not said["id"]:
        raise row.wrong("id", "is empty, so that it is not known whose words these are")
    return otio.schema.Clip(name=row.text("clip"), metadata={KEY: said})


def _clip(row: Row, duration_s: float, rate: float) -> otio.schema.Clip:
    span = otio.opentime.TimeRange(_time(0.0, rate), _time(duration_s, rate))
    url = row.text("media")
    ref = otio.schema.ExternalReference(url, span) if url else otio.schema.MissingReference()
    said: dict[str, Any] = {name: value for name, value in row.requests().items() if value is not None}
    said |= {name: int(row.text(name)) for name in ("start_samples", "samples") if row.text(name).isdigit()}
    if row.id():
        said["id"] = row.id()
    made = {name: row.text(f"made_{name}") for name in _MADE if row.text(f"made_{name}")}
    if made:
        ref.metadata[KEY] = {
            name: int(text) if name == "seed" and text.isdigit() else text for name, text in made.items()
        }
    marks = [
        otio.schema.Marker(name=f"hit {number}", marked_range=otio.opentime.TimeRange(_time(time_s, rate)))
        for number, time_s in enumerate(row.numbers_of("events_s"), start=1)
    ]
    for start, end, name in read_hits(row) or ():
        span_s = float(start), float(end) - float(start)
        marks.append(otio.schema.Marker(name, otio.opentime.TimeRange(*(_time(one, rate) for one in span_s))))
    return otio.schema.Clip(
        name=row.text("clip"),
        media_reference=ref,
        source_range=span,
        markers=marks,
        metadata={KEY: said} if said else None,
    )


def _time(time_s: float, rate: float) -> otio.opentime.RationalTime:
    """Return seconds as a time at a rate as it is written; a literal 23.976 means 24000/1001."""
    return otio.opentime.RationalTime(float(Fraction(time_s) * clock.exact_rate(rate)), rate)
