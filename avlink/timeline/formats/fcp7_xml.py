"""Final Cut Pro 7 XML (xmeml) as OTIO timelines, as Premiere, Resolve, Hiero and Final Cut write it.

OTIO's adapter (1.0.0) takes the place of a clip from a rate of 0, knows no speeds and still frames, finds no tracks of
nested sequences and no timecode under markers, and mixes up the ids of files and clips. Source: Apple, Final Cut Pro
XML Interchange Format, versions 4 and 5.

`start` and `end` count frames of the sequence, `in` and `out` frames of the clip, from the first of its media. -1 is
the edge of a clip that a transition covers; its `in` then counts from the start of that transition.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from xml.etree.ElementTree import Element

import opentimelineio as otio

from avlink.timeline.formats.fcp7_speed import playback_of
from avlink.timeline.formats.fcp7_values import flag_of, metadata_of, number_of, rate_of, text_of, timecode_s
from avlink.timeline.formats.rows import Dissolve, PlacedItem, fill_track, rows_of
from avlink.timeline.formats.xml_document import check_nesting

_ZERO = Fraction(0)
_DEFAULT_RATE = Fraction(24)
_TICKS = 254_016_000_000
"""Ticks of Premiere in a second."""
_ITEMS = frozenset({"clipitem", "generatoritem", "transitionitem"})
_NOT_METADATA = frozenset({"name", "start", "end", "in", "out", "duration", "file", "marker", "rate", "sequence"})


def read_fcp7_xml(root: Element, *, wanted: str = "") -> list[otio.schema.Timeline]:
    """Return the sequences of a document as timelines; without a name `wanted`, those that no other one holds.

    Raises ValueError for values that cannot be, and for sequences that nest without end.
    """
    nested = [one for item in root.iter("clipitem") for one in item.findall("sequence")]
    inside, held = {id(one) for one in nested}, {one.get("id", "") for one in nested} - {""}
    whole = [one for one in root.iter("sequence") if len(one) and id(one) not in inside]
    outer = [one for one in whole if one.get("id") not in held]
    document = _Document.of(root)
    return [_timeline(one, document) for one in (whole if wanted else outer or whole)]


def _timeline(sequence: Element, document: _Document) -> otio.schema.Timeline:
    check_nesting(sequence, document.nested)
    reader = _Sequence(document, sequence)
    start_s = timecode_s(sequence, reader.rate)
    timeline = otio.schema.Timeline(text_of(sequence, "name"))
    timeline.global_start_time = None if start_s is None else reader.time(start_s)
    timeline.metadata["fcp_xml"] = metadata_of(sequence, {*_NOT_METADATA, "media"} - {"rate"})
    timeline.tracks = reader.stack(sequence)
    timeline.tracks.name = timeline.name
    return timeline


@dataclass(frozen=True, slots=True)
class _Document:
    """Elements by tag and id: one that occurs again is empty and stands for the first."""

    known: dict[tuple[str, str], Element] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Element) -> _Document:
        made = cls()
        for element in root.iter():
            if len(element) and "id" in element.attrib:
                made.known.setdefault((element.tag, element.attrib["id"]), element)
        return made

    def find(self, holder: Element, tag: str) -> Element | None:
        """Return the child of an element with a tag, or the element that it stands for."""
        child = holder.find(tag)
        if child is None or len(child):
            return child
        return self.known.get((tag, child.get("id", "")), child)

    def nested(self, sequence: Element) -> Iterator[Element | None]:
        """Yield for each clip of a sequence the sequence that it shows, or None."""
        for tag in ("clipitem", "generatoritem"):
            for item in sequence.iterfind(f"media/*/track/{tag}"):
                yield self.find(item, "sequence")

    def file_of(self, item: Element) -> Element | None:
        """Return the file of a clip, or that of its master clip where it names none."""
        file = self.find(item, "file")
        master = self.known.get(("clip", text_of(item, "masterclipid")))
        if file is not None or master is None:
            return file
        return next((found for one in master.iter("clipitem") if (found := self.find(one, "file")) is not None), None)


class _Sequence:
    """Reads one sequence."""

    def __init__(self, document: _Document, sequence: Element) -> None:
        self._document = document
        shown = sequence.find("media/video/format/samplecharacteristics")
        clips = (rate for item in sequence.iter("clipitem") if (rate := rate_of(item)) is not None)
        self.rate = rate_of(sequence) or rate_of(shown) or next(clips, _DEFAULT_RATE)

    def time(self, seconds: Fraction) -> otio.opentime.RationalTime:
        """Return a time at the rate of the sequence."""
        return _time(seconds, self.rate)

    def stack(self, sequence: Element) -> otio.schema.Stack:
        """Return the tracks of a sequence, pictures first, with its markers."""
        stack = otio.schema.Stack(text_of(sequence, "name"))
        for tag, kind in (("video", otio.schema.TrackKind.Video), ("audio", otio.schema.TrackKind.Audio)):
            for track in sequence.findall(f"media/{tag}/track"):
                # Premiere writes a track for each channel of a stereo track; the first stands for all.
                if track.get("currentExplodedTrackIndex", "0") == "0" or track.get("totalExplodedTrackCount") == "1":
                    stack.extend(self._tracks(track, kind))
        stack.markers.extend(_markers(sequence, self.rate, _ZERO))
        return stack

    def _tracks(self, element: Element, kind: str) -> Iterator[otio.schema.Track]:
        """Yield a track; more than one where its items overlap."""
        items = [one for one in element if one.tag in _ITEMS]
        placed, end_s = [], _ZERO
        for number, item in enumerate(items):
            if item.tag != "transitionitem":
                before = items[number - 1] if number else None
                after = items[number + 1] if number + 1 < len(items) else None
                place = self._place(item, before, after, end_s)
                placed.append(place)
                end_s = place.end_s
        dissolves = [self._dissolve(item) for item in items if item.tag == "transitionitem"]
        for row in rows_of(placed) or [[]]:
            track = otio.schema.Track(text_of(element, "name"), kind=kind)
            track.enabled = flag_of(element, "enabled", otherwise=True)
            track.metadata["fcp_xml"] = metadata_of(element, _ITEMS)
            fill_track(track, row, dissolves, self.time)
            yield track

    def _place(self, item: Element, before: Element | None, after: Element | None, last_s: Fraction) -> PlacedItem:
        """Return an item in its place; `last_s` is the end of the one before it, which counts where nothing else is."""
        start_s, end_s = self._edge(item, "start", before), self._edge(item, "end", after)
        rate = rate_of(item) or self.rate
        first, last = number_of(item, "in") or _ZERO, number_of(item, "out") or _ZERO
        if last > first and (start_s is None or end_s is None):
            length_s = (last - first) / rate
            start_s = (end_s - length_s if end_s is not None else last_s) if start_s is None else start_s
            end_s = start_s + length_s if end_s is None else end_s
        start_s = last_s if start_s is None else max(start_s, _ZERO)
        end_s = start_s if end_s is None else max(start_s, end_s)
        first = max(first, _ZERO)
        if before is not None and before.tag == "transitionitem" and (number_of(item, "start") or _ZERO) < 0:
            # The transition shows the clip from before its place on.
            first += (start_s - self._dissolve(before).start_s) * rate
        return PlacedItem(start_s=start_s, end_s=end_s, item=self._item(item, first, end_s - start_s, rate))

    def _edge(self, item: Element, tag: str, beside: Element | None) -> Fraction | None:
        """Return the second at which an item starts or ends: where it says so, or at the cut of a transition there."""
        frame = number_of(item, tag)
        if frame is not None and frame >= 0:
            return frame / self.rate
        if beside is None or beside.tag != "transitionitem":
            return None
        dissolve, alignment = self._dissolve(beside), text_of(beside, "alignment")
        ticks = number_of(beside, "cutPointTicks")
        if ticks is not None and 0 <= ticks / _TICKS <= dissolve.end_s - dissolve.start_s:
            return dissolve.start_s + ticks / _TICKS
        if alignment.startswith(("start", "end")):
            return dissolve.start_s if alignment.startswith("start") else dissolve.end_s
        frames = (dissolve.end_s - dissolve.start_s) * self.rate
        return dissolve.start_s + (frames // 2) / self.rate

    def _dissolve(self, item: Element) -> Dissolve:
        start, end = number_of(item, "start") or _ZERO, number_of(item, "end") or _ZERO
        return Dissolve(
            start_s=start / self.rate,
            end_s=max(start, end) / self.rate,
            name=text_of(item, "effect/name"),
            metadata={"fcp_xml": metadata_of(item, _NOT_METADATA)},
        )

    def _item(self, element: Element, first: Fraction, length_s: Fraction, rate: Fraction) -> otio.core.Item:
        """Return the clip or nested sequence of an element that is seen from its own frame `first` on."""
        nested = self._document.find(element, "sequence")
        item: otio.core.Item
        if nested is not None:
            within = _Sequence(self._document, nested)
            item, zero_s = within.stack(nested), _ZERO
            frames = number_of(nested, "duration")
            media_s = None if not frames else frames / within.rate
        else:
            reference, zero_s, media_s = self._reference(element, rate)
            item = otio.schema.Clip(media_reference=reference)
        if media_s is None and (stated := number_of(element, "duration")):
            media_s = stated / rate
        item.name = text_of(element, "name")
        item.enabled = flag_of(element, "enabled", otherwise=True)
        play = playback_of(element, first, length_s * rate, None if media_s is None else media_s * rate)
        # OTIO ranges begin with the earliest moment, also of a clip that runs backwards.
        begin_s = zero_s + play.first / rate + length_s * min(play.speed or _ZERO, _ZERO)
        item.source_range = otio.opentime.TimeRange(_time(begin_s, rate), self.time(length_s))
        item.effects.extend(_time_effects(play.speed))
        item.markers.extend(_markers(element, rate, zero_s))
        item.metadata["fcp_xml"] = metadata_of(element, {*_NOT_METADATA, "effect"})
        return item

    def _reference(
        self, element: Element, rate: Fraction
    ) -> tuple[otio.core.MediaReference, Fraction, Fraction | None]:
        """Return a clip's media, the timecode that its first frame has, and its length, both in seconds."""
        file = self._document.file_of(element)
        url, source = text_of(file, "pathurl"), text_of(file, "mediaSource")
        if file is None or not url:
            effect = element.find("effect")
            kind = source or text_of(effect, "effectid") or text_of(effect, "name")
            if kind or element.tag == "generatoritem" or flag_of(element, "adjustmentlayer"):
                return otio.schema.GeneratorReference(kind or element.tag, generator_kind=kind), _ZERO, None
            return otio.schema.MissingReference(), _ZERO, None
        rate = rate_of(file) or rate
        start_s, frames = timecode_s(file, rate), number_of(file, "duration")
        reference = otio.schema.ExternalReference(target_url=url)
        reference.name = text_of(file, "name")
        reference.metadata["fcp_xml"] = metadata_of(file, {"name", "pathurl", "duration"})
        if start_s is not None or frames:
            span = _time(start_s or _ZERO, rate), _time((frames or _ZERO) / rate, rate)
            reference.available_range = otio.opentime.TimeRange(*span)
        return reference, start_s or _ZERO, frames / rate if frames else None


def _time_effects(speed: Fraction | None) -> list[otio.schema.TimeEffect]:
    if speed is None:
        return [otio.schema.TimeEffect("Time Remap", "timeremap")]
    if not speed:
        return [otio.schema.FreezeFrame()]
    return [] if speed == 1 else [otio.schema.LinearTimeWarp("Time Remap", float(speed))]


def _markers(element: Element, rate: Fraction, zero_s: Fraction) -> Iterator[otio.schema.Marker]:
    """Yield the markers of a sequence or a clip, whose frames count from that at `zero_s`."""
    for marker in element.findall("marker"):
        first, last = number_of(marker, "in"), number_of(marker, "out")
        if first is None or first < 0:
            continue
        length = last - first if last is not None and last > first else _ZERO
        made = otio.schema.Marker(
            name=text_of(marker, "name"),
            marked_range=otio.opentime.TimeRange(_time(zero_s + first / rate, rate), _time(length / rate, rate)),
            comment=text_of(marker, "comment"),
            metadata={"fcp_xml": metadata_of(marker, {"name", "in", "out"})},
        )
        # OTIO makes markers red of which nothing states a colour.
        made.color = ""
        yield made


def _time(seconds: Fraction, rate: Fraction) -> otio.opentime.RationalTime:
    return otio.opentime.RationalTime(float(seconds * rate), float(rate))
