"""Edit decision lists (CMX 3600) as OTIO timelines.

The grammar is in `edl_grammar`, what events mean in `edl_events`, and their places on tracks in `edl_layout`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from avlink.timeline.formats.edl_events import EdlEvent, EdlLocator, EdlRun, run_of
from avlink.timeline.formats.edl_grammar import decode_edl, parse_edl
from avlink.timeline.formats.edl_layout import EdlPiece, EdlRow, can_join, rows_of
from avlink.timeline.formats.edl_timebase import EdlTimebase, counts_in_drop_frame, edl_timebase
from avlink.timeline.media_refs import is_still

_KEY = "cmx_3600"
"""The metadata key of OTIO's own adapter for these lists."""
_TRANSITIONS = {"dissolve": otio.schema.TransitionTypes.SMPTE_Dissolve, "wipe": "SMPTE_Wipe"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EdlFile:
    """The timelines of an EDL; several where its lists are edits of their own. `notes` say what had to be assumed."""

    timelines: tuple[otio.schema.Timeline, ...]
    timebase: EdlTimebase
    drop_frame: bool
    notes: tuple[str, ...] = ()


def read_edl(content: bytes, *, rate: Fraction | None = None, title: str = "") -> EdlFile:
    """Return the timelines of an EDL, counted at `rate`, or else at the lowest rate that has all of its frames.

    A file may hold several lists, each with its TITLE. Those that record at different times, or on different channels,
    are one timeline, unless `title` chooses one of them.

    Raises ValueError, with a sentence that names the line, for a list that cannot be read.
    """
    lists = parse_edl(decode_edl(content))
    timebase = edl_timebase(lists, rate)
    named = [one for one in lists if title and one.title == title]
    chosen = named or lists
    runs = [run_of(one, timebase.rate) for one in chosen]
    # A title that is not there is the user's mistake, which the caller words.
    is_one = can_join(runs) and (bool(named) or not title)
    groups = [runs] if is_one else [[run] for run in runs]
    notes = [note for run in runs for note in run.notes]
    if len(runs) > 1 and len(groups) == 1:
        names = ", ".join(run.title or "unnamed" for run in runs)
        notes.append(f"{len(runs)} lists ({names}) are read as one timeline; --timeline NAME reads one of them")
    timelines = []
    for group in groups:
        timeline, more = _Builder(group, float(timebase.rate)).timeline()
        timelines.append(timeline)
        notes += more
    drops = any(counts_in_drop_frame(one) for one in chosen)
    return EdlFile(timelines=tuple(timelines), timebase=timebase, drop_frame=drops, notes=tuple(notes))


class _Lane:
    """A track that is filled, with the clips of its pieces."""

    def __init__(self, row: EdlRow, track: otio.schema.Track, clips: dict[EdlPiece, otio.schema.Clip]) -> None:
        self.row = row
        self.track = track
        self.clips = clips
        self.by_line = {piece.event.line: piece for piece in row.pieces}
        self._starts = [piece.first for piece in row.pieces]

    def piece_at(self, frame: int) -> EdlPiece | None:
        """Return the piece that is seen at a record frame."""
        at = bisect_right(self._starts, frame) - 1
        return self.row.pieces[at] if at >= 0 and frame < self.row.pieces[at].last else None


class _Builder:
    """One timeline of the lists of a file."""

    def __init__(self, runs: Sequence[EdlRun], rate: float) -> None:
        self.rate = rate
        self.title = next((run.title for run in runs if run.title), "")
        self.events = [event for run in runs for event in run.events]
        self.locators = [locator for run in runs for locator in run.locators]
        self.start = min(run.start for run in runs)

    def timeline(self) -> tuple[otio.schema.Timeline, tuple[str, ...]]:
        timeline = otio.schema.Timeline(self.title, global_start_time=self._time(self.start))
        rows, notes = rows_of(self.events)
        lanes = []
        for row in rows:
            kind = otio.schema.TrackKind.Video if row.channel.kind == "V" else otio.schema.TrackKind.Audio
            track = otio.schema.Track(row.name, kind=kind)
            lanes.append(_Lane(row, track, self._fill(track, row)))
            timeline.tracks.append(track)
        for locator in self.locators:
            self._mark(timeline, lanes, locator)
        return timeline, notes

    def _fill(self, track: otio.schema.Track, row: EdlRow) -> dict[EdlPiece, otio.schema.Clip]:
        clips: dict[EdlPiece, otio.schema.Clip] = {}
        at, before = self.start, ""
        for piece in row.pieces:
            event = piece.event
            if piece.first > at:
                track.append(self._gap(piece.first - at))
                before = ""
            if event.fade_frames and piece.first == event.record_in and event.type != "key out":
                track.append(self._transition(piece, before))
            if event.black:
                track.append(self._gap(piece.last - piece.first))
            else:
                clips[piece] = self._clip(piece, row)
                track.append(clips[piece])
            if event.type == "key out" and event.fade_frames and piece.last == event.record_out:
                track.append(self._transition(piece, event.name))
            at, before = piece.last, "" if event.black else event.name
        return clips

    def _transition(self, piece: EdlPiece, before: str) -> otio.schema.Transition:
        """Return the transition into a piece, of which the first frames show what came before; or a key out's end."""
        event = piece.event
        kind = _TRANSITIONS.get(event.type, otio.schema.TransitionTypes.SMPTE_Dissolve)
        length = self._time(min(event.fade_frames, piece.last - piece.first))
        is_out = event.type == "key out"
        return otio.schema.Transition(
            name=f"{kind} from {before} to {event.name}" if before else f"{kind} to {event.name}",
            transition_type=kind,
            in_offset=length if is_out else self._time(0),
            out_offset=self._time(0) if is_out else length,
            metadata={_KEY: {"transition": event.type, "transition_duration": float(length.value)}},
        )

    def _clip(self, piece: EdlPiece, row: EdlRow) -> otio.schema.Clip:
        event = piece.event
        clip = otio.schema.Clip(
            name=event.name,
            media_reference=self._reference(event, over=row.over),
            source_range=otio.opentime.TimeRange(self._time(piece.source_low), self._time(piece.last - piece.first)),
        )
        if not event.speed:
            clip.effects.append(otio.schema.FreezeFrame())
        elif event.speed != 1:
            clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=float(event.speed)))
        said: dict[str, Any] = {}
        if event.reel:
            said["reel"] = event.reel
        if event.comments:
            said["comments"] = list(event.comments)
        if said:
            clip.metadata[_KEY] = said
        if grade := _grade_of(event.comments):
            clip.metadata["cdl"] = grade
        return clip

    def _reference(self, event: EdlEvent, *, over: bool) -> otio.core.MediaReference:
        if event.generated:
            return otio.schema.GeneratorReference(generator_kind="SMPTEBars")
        # A still is known by its name, and so is not searched as a film.
        url = event.file or (event.clip if is_still(event.clip) else "")
        said: dict[str, Any] = {"reel": event.reel} if event.reel else {}
        if over:
            said["key"] = True
        metadata = {_KEY: said} if said else {}
        if url:
            return otio.schema.ExternalReference(target_url=url, metadata=metadata)
        return otio.schema.MissingReference(metadata=metadata)

    def _mark(self, timeline: otio.schema.Timeline, tracks: Sequence[_Lane], locator: EdlLocator) -> None:
        """Put a locator on the clip that is seen at its record time, else on the track or the timeline."""
        near = [lane for lane in tracks if locator.line in lane.by_line]
        for lane in (*near, *(lane for lane in tracks if lane.row.channel.kind == "V")):
            piece = lane.piece_at(locator.frame)
            if piece is not None and piece in lane.clips:
                if piece.event.speed:
                    lane.clips[piece].markers.append(self._marker(locator, piece.source_at(locator.frame)))
                else:
                    # No moment of a frozen clip has a place of its own.
                    lane.track.markers.append(self._marker(locator, Fraction(locator.frame - self.start)))
                return
        for lane in near:
            piece = lane.by_line[locator.line]
            if piece in lane.clips and _is_source_time(piece, locator.frame):
                lane.clips[piece].markers.append(self._marker(locator, Fraction(locator.frame)))
                return
        timeline.tracks.markers.append(self._marker(locator, Fraction(locator.frame - self.start)))

    def _marker(self, locator: EdlLocator, frame: Fraction) -> otio.schema.Marker:
        return otio.schema.Marker(
            name=locator.text,
            marked_range=otio.opentime.TimeRange(self._time(frame), self._time(locator.frames)),
            color=locator.colour or otio.schema.MarkerColor.RED,
            comment=locator.note,
            metadata={_KEY: {"color": locator.colour}},
        )

    def _gap(self, frames: int) -> otio.schema.Gap:
        return otio.schema.Gap(source_range=otio.opentime.TimeRange(self._time(0), self._time(frames)))

    def _time(self, frames: int | Fraction) -> otio.opentime.RationalTime:
        return otio.opentime.RationalTime(float(frames), self.rate)


def _grade_of(comments: Sequence[str]) -> dict[str, Any]:
    """Return the ASC CDL of an event's comments in the form of OTIO's adapter; empty where there is none."""
    grade: dict[str, Any] = {}
    for comment in comments:
        key, _, value = comment.replace(":", " ").partition(" ")
        numbers = [float(one) for one in re.findall(r"[-+]?\d{1,9}(?:\.\d{1,9})?", value)]
        if key.upper() == "ASC_SOP" and len(numbers) == 9:
            grade["asc_sop"] = {"slope": numbers[:3], "offset": numbers[3:6], "power": numbers[6:]}
        elif key.upper() == "ASC_SAT" and len(numbers) == 1:
            grade["asc_sat"] = numbers[0]
    return grade


def _is_source_time(piece: EdlPiece, frame: int) -> bool:
    """Return whether a locator that lies nowhere on the record side counts in source time, as OTIO writes it."""
    length = (piece.last - piece.first) * abs(piece.event.speed)
    return piece.source_low <= frame < piece.source_low + length
