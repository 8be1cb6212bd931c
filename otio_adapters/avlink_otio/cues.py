"""The OTIO adapter `avlink_cues`: a cue sheet as CSV, one row a stem, for spreadsheets and spotting.

Rows are the clips of the audio tracks that AVLink made, and pictures without such a stem where `avlink export` names
them; of a timeline without stems, the clips of its video tracks. The columns mode, prompt, negative, seed and gain_db
are what a clip itself asks for, and are there to be edited; those that begin with "made_" say what its stem was made
with, those that begin with "events" how often something is struck in it, at which timecodes, and how many seconds
after it begins. Reading gives a timeline with the clips at their places, or only the edits, by clip id.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from avlink import clock
from avlink_otio.count import Count
from avlink_otio.files import relative_path
from avlink_otio.hits import event_times_s
from avlink_otio.metadata import KEY, table
from avlink_otio.sheet import WORDS, Row, decode, guard, read_rows
from avlink_otio.sound import items_at

COLUMNS = (
    *("id", "track", "clip", "start_tc", "end_tc"),
    *WORDS,
    *("start_s", "duration_s", "start_samples", "samples", "rate"),
    *("made_prompt", "made_negative", "made_seed", "events", "events_tc", "events_s", "media"),
)
_PLACED = ("track", "clip", "start_s", "duration_s")
_MADE = ("prompt", "negative", "seed")
# Two starts and a length, each written to the microsecond, say that neighbours meet.
_ROUNDED_S = 2e-6
_SOUND, _PICTURE = otio.schema.TrackKind.Audio, otio.schema.TrackKind.Video


def write_to_file(input_otio: otio.schema.Timeline, filepath: str) -> None:
    """Write the cue sheet, with the mark by which spreadsheets know UTF-8; media is named relative to its folder."""
    text = _sheet(input_otio, Path(filepath).absolute().parent)
    Path(filepath).write_text(text, encoding="utf-8-sig", newline="")


def write_to_string(input_otio: otio.schema.Timeline) -> str:
    """The cue sheet of a timeline. Raises `otio.exceptions.NotSupportedError` for anything else."""
    return _sheet(input_otio, None)


def read_from_file(filepath: str, edits: bool = False) -> otio.core.SerializableObject:
    """Read a sheet in any of the encodings that spreadsheets save; otherwise like `read_from_string`."""
    return read_from_string(decode(Path(filepath).read_bytes()), edits=edits)


def read_from_string(input_str: str, edits: bool = False) -> otio.core.SerializableObject:
    """The timeline that a cue sheet describes: a track for each track name, with gaps between its clips.

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
        if gap_s < -_ROUNDED_S:
            raise row.wrong("start_s", f"lies before the end of the cue above it on track {name}")
        if gap_s > _ROUNDED_S:
            tracks[name].append(otio.schema.Gap(duration=_time(gap_s, rate)))
        tracks[name].append(_clip(row, duration_s, rate))
        ends[name] = start_s + duration_s
    return timeline


def _sheet(timeline: otio.core.SerializableObject, folder: Path | None) -> str:
    if not isinstance(timeline, otio.schema.Timeline):
        raise otio.exceptions.NotSupportedError(
            f"a cue sheet is made of a timeline, not of a {type(timeline).__name__}"
        )
    sheet = io.StringIO(newline="")
    # With these line ends the writer of every Python puts both kinds of line breaks inside a cell in quotes.
    writer = csv.DictWriter(sheet, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    own = [track for track in timeline.audio_tracks() if KEY in track.metadata]
    for track in own or timeline.video_tracks():
        writer.writerows(_rows(timeline, track, folder))
    for track in timeline.video_tracks() if own else ():
        writer.writerows(row for row in _rows(timeline, track, folder) if row["id"])
    return sheet.getvalue()


def _rows(timeline: otio.schema.Timeline, track: otio.schema.Track, folder: Path | None) -> Iterator[Mapping[str, str]]:
    count = Count.of(timeline)
    for _, item, start_s, duration_s in items_at(track):
        if not isinstance(item, otio.schema.Clip):
            continue
        words, made = table(item.metadata), table(item.media_reference.metadata)
        url = getattr(item.media_reference, "target_url", "") or ""
        texts = {name: words.get(name) for name in ("id", *WORDS)} | {f"made_{name}": made.get(name) for name in _MADE}
        row = {
            "track": track.name,
            "clip": item.name,
            "media": url if folder is None or not url else relative_path(url, folder),
        }
        row |= {name: "" if value is None else str(value) for name, value in texts.items()}
        row = {name: guard(text) for name, text in row.items()}
        # Numbers begin no formula, whatever their sign.
        gain_db = words.get("gain_db")
        row["gain_db"] = "" if gain_db is None else f"{float(gain_db):g}"
        yield row | {
            "start_tc": count.text(start_s),
            "end_tc": count.text(start_s + duration_s),
            "start_s": f"{float(start_s):.6f}",
            "duration_s": f"{float(duration_s):.6f}",
            "start_samples": str(words.get("start_samples", "")),
            "samples": str(words.get("samples", "")),
            "rate": f"{item.trimmed_range().duration.rate:.6f}",
            **(_events(count, start_s, item) if track.kind == _SOUND else {}),
        }


def _events(count: Count, start_s: Fraction, stem: otio.schema.Clip) -> dict[str, str]:
    """What is struck in a stem that begins at `start_s`. A stem without any has an empty cell for a number."""
    times_s = event_times_s(stem)
    return {
        "events": str(len(times_s) or ""),
        "events_tc": " ".join(count.text(start_s + time_s) for time_s in times_s),
        "events_s": " ".join(f"{float(time_s):.6f}" for time_s in times_s),
    }


def _edit(row: Row) -> otio.schema.Clip:
    said = {"id": row.text("id").strip(), "row": row.number, **row.words()}
    if not said["id"]:
        raise row.wrong("id", "is empty, so that it is not known whose words these are")
    return otio.schema.Clip(name=row.text("clip"), metadata={KEY: said})


def _clip(row: Row, duration_s: float, rate: float) -> otio.schema.Clip:
    span = otio.opentime.TimeRange(_time(0.0, rate), _time(duration_s, rate))
    url = row.text("media")
    ref = otio.schema.ExternalReference(url, span) if url else otio.schema.MissingReference()
    said: dict[str, Any] = {name: value for name, value in row.words().items() if value is not None}
    said |= {name: int(row.text(name)) for name in ("start_samples", "samples") if row.text(name).isdigit()}
    if row.text("id"):
        said["id"] = row.text("id")
    made = {name: row.text(f"made_{name}") for name in _MADE if row.text(f"made_{name}")}
    if made:
        ref.metadata[KEY] = {
            name: int(text) if name == "seed" and text.isdigit() else text for name, text in made.items()
        }
    marks = [
        otio.schema.Marker(name=f"hit {number}", marked_range=otio.opentime.TimeRange(_time(time_s, rate)))
        for number, time_s in enumerate(row.numbers_of("events_s"), start=1)
    ]
    return otio.schema.Clip(
        name=row.text("clip"),
        media_reference=ref,
        source_range=span,
        markers=marks,
        metadata={KEY: said} if said else None,
    )


def _time(time_s: float, rate: float) -> otio.opentime.RationalTime:
    """Seconds at a rate as it is written; a literal 23.976 means 24000/1001."""
    return otio.opentime.RationalTime(float(Fraction(time_s) * clock.exact_rate(rate)), rate)
