"""Final Cut Pro's FCPXML as OTIO timelines, in exact times.

OTIO's adapter (1.0.0) counts in whole frames per second, so that clips of NTSC projects drift apart, puts a project
that starts at one o'clock an hour late, finds no media in files of version 1.9 or newer, and leaves out retimes,
transitions, clips that are off, synchronised clips and multicam clips. Reference: Apple, FCPXML Reference, story
elements and timing attributes; DTD 1.13.

Positions: an element lies at its `offset` in the time of what holds it; what is connected to it, by `lane`, lies in its
own time, which begins with `start`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from xml.etree import ElementTree as xml

import opentimelineio as otio

from avlink.timeline.formats.fcpxml_media import Contents, contents_of, medium_of, reference_to, sound_is_off
from avlink.timeline.formats.fcpxml_time import (
    TimeMap,
    conform_speed,
    rate_of_format,
    rate_of_sequence,
    time_map_of,
    time_of,
)
from avlink.timeline.formats.rows import Dissolve, PlacedItem, fill_track, rows_of
from avlink.timeline.formats.xml_document import check_nesting

_ZERO = Fraction(0)
_VIDEO, _AUDIO = otio.schema.TrackKind.Video, otio.schema.TrackKind.Audio
_STORY = frozenset({"asset-clip", "audio", "clip", "gap", "mc-clip", "ref-clip", "sync-clip", "title", "video"})
_COLOURS = {"0": otio.schema.MarkerColor.RED, "1": otio.schema.MarkerColor.GREEN}


def read_fcpxml(root: xml.Element) -> list[otio.schema.Timeline]:
    """Return the projects of a document. Raises ValueError for invalid times and for what nests without end."""
    known = {found.get("id", ""): found for found in root.iterfind("resources/*")}
    return [_timeline(project, known) for project in root.iter("project")]


def _timeline(project: xml.Element, known: dict[str, xml.Element]) -> otio.schema.Timeline:
    sequence = project.find("sequence")
    if sequence is None:
        raise ValueError(f"its project '{project.get('name', '')}' has no sequence")

    def nested(holder: xml.Element) -> Iterator[xml.Element | None]:
        for element in holder.iter():
            if element.tag in _STORY:
                media = known.get(element.get("ref", "")) if element.tag in {"ref-clip", "mc-clip"} else None
                held = () if media is None else (*media.findall("sequence"), *media.findall("multicam"))
                yield held[0] if held else None

    check_nesting(sequence, nested)
    layout = _Layout(known=known, rate=rate_of_sequence(sequence, known))
    timeline = otio.schema.Timeline(project.get("name", ""))
    timeline.global_start_time = layout.moment(time_of(sequence, "tcStart"))
    timeline.tracks = otio.schema.Stack(children=layout.of_sequence(sequence))
    timeline.tracks.markers.extend(layout.marks)
    timeline.metadata["fcpx"] = {"tcFormat": sequence.get("tcFormat", "NDF")}
    return timeline


@dataclass(slots=True, kw_only=True)
class _Layout:
    """The tracks of one sequence, while they are filled; with `only`, those of one kind."""

    known: Mapping[str, xml.Element]
    rate: Fraction
    only: str | None = None
    placed: dict[tuple[int, str], list[PlacedItem]] = field(default_factory=dict)
    dissolves: dict[int, list[Dissolve]] = field(default_factory=dict)
    marks: list[otio.schema.Marker] = field(default_factory=list)
    """Markers on gaps, which lie on no clip of the sequence."""

    def of_sequence(self, sequence: xml.Element) -> list[otio.schema.Track]:
        """Return the tracks of a sequence."""
        for spine in sequence.findall("spine"):
            start_s = time_of(sequence, "tcStart")
            self._storyline(spine, -start_s, 0, begin_s=start_s)
        return list(self._tracks())

    def moment(self, time_s: Fraction) -> otio.opentime.RationalTime:
        """Return a time at the rate of the sequence."""
        return otio.opentime.RationalTime(float(time_s * self.rate), float(self.rate))

    def span(self, start_s: Fraction, duration_s: Fraction) -> otio.opentime.TimeRange:
        """Return a range at the rate of the sequence."""
        return otio.opentime.TimeRange(self.moment(start_s), self.moment(duration_s))

    def _nested(self, contents: Contents, kind: str) -> list[otio.schema.Track]:
        """Return the tracks of one kind of a compound, multicam or synchronised clip."""
        tracks = []
        for holder in contents.holders(kind):
            rate = rate_of_sequence(contents.shape, self.known, self.rate)
            inner = _Layout(known=self.known, rate=rate, only=kind)
            if holder.tag == "sequence":
                tracks += inner.of_sequence(holder)
                continue
            inner._storyline(holder, -contents.zero_s, 0, begin_s=contents.zero_s)
            for spine in holder.findall("spine"):
                if "lane" not in spine.attrib:
                    inner._storyline(spine, time_of(spine, "offset") - contents.zero_s, 0)
            tracks += inner._tracks(contents.silent_lanes)
        return tracks

    def _storyline(self, spine: xml.Element, zero_s: Fraction, lane: int, *, begin_s: Fraction = _ZERO) -> None:
        """Place elements one after another; their offset 0 lies at `zero_s` of this sequence.

        The first lies at `begin_s` of its time where it states no offset.
        """
        end_s = begin_s
        for element in spine:
            if "lane" in element.attrib:
                continue
            if element.tag == "transition":
                start_s = zero_s + time_of(element, "offset", end_s)
                dissolve = Dissolve(start_s=start_s, end_s=start_s + time_of(element, "duration"))
                self.dissolves.setdefault(lane, []).append(dissolve)
            else:
                end_s = self._place(element, zero_s, lane, end_s)

    def _place(self, element: xml.Element, zero_s: Fraction, lane: int, after_s: Fraction) -> Fraction:
        """Place an element and all that is connected to it; return its end in its parent's time."""
        offset_s = time_of(element, "offset", after_s)
        if element.tag == "audition":
            # The first of them is the one that is picked.
            picked = next((child for child in element if child.tag in _STORY), None)
            if picked is None:
                return offset_s
            offset_s = time_of(element, "offset", time_of(picked, "offset", after_s))
            element = picked
        if element.tag not in _STORY:
            return after_s
        start_s, duration_s = self._own_start_s(element), self._duration_s(element)
        at_s = zero_s + offset_s
        speed = conform_speed(element, self._media_rate(element), self.rate)
        if element.tag != "gap":
            self._put(element, lane, at_s, (start_s, duration_s), speed)
        else:
            self.marks += self._markers(element, TimeMap(local_s=start_s, value_s=at_s))
        for child in element:
            own = child.get("lane")
            if own is None:
                continue
            child_s = time_of(child, "offset", start_s)
            # What is connected lies in the element's own time, which passes at the speed of its rate.
            child_at_s = at_s + (child_s - start_s) / speed
            if child.tag == "spine":
                self._storyline(child, child_at_s, lane + _lane(own))
            else:
                self._place(child, child_at_s - child_s, lane + _lane(own), start_s)
        return offset_s + duration_s

    def _put(
        self, element: xml.Element, lane: int, at_s: Fraction, own: tuple[Fraction, Fraction], speed: Fraction
    ) -> None:
        """Put the picture and the sound of an element on their tracks; `own` is its start and its duration."""
        makers, shift_s = self._makers(element)
        items = {kind: item for kind, make in makers.items() if (item := make()) is not None}
        if not items and _VIDEO in makers and self.only in {None, _VIDEO}:
            # A compound clip of which the project does not tell the contents.
            items = {_VIDEO: otio.schema.Stack()}
        marked = False
        for kind, item in items.items():
            start_s, duration_s = own
            if kind == _AUDIO:
                # Sound may begin before its picture and end behind it.
                start_s = time_of(element, "audioStart", start_s)
                duration_s = time_of(element, "audioDuration", duration_s)
            begin_s = at_s + (start_s - own[0]) / speed
            if begin_s < 0:
                start_s, duration_s, begin_s = start_s - begin_s * speed, duration_s + begin_s, _ZERO
            if duration_s <= 0 and begin_s == 0 and at_s < 0:
                continue
            time_map = time_map_of(element, start_s, start_s + duration_s * speed)
            time_map = replace(time_map, value_s=time_map.value_s + shift_s)
            self._set(item, time_map, start_s, duration_s, speed)
            item.name = element.get("name", "")
            item.enabled = element.get("enabled", "1") != "0" and not (kind == _AUDIO and sound_is_off(element))
            if not marked:
                item.markers.extend(self._markers(element, time_map))
                marked = True
            place = PlacedItem(start_s=begin_s, end_s=begin_s + duration_s, item=item)
            self.placed.setdefault((lane, kind), []).append(place)

    def _set(
        self, item: otio.core.Item, time_map: TimeMap, start_s: Fraction, duration_s: Fraction, speed: Fraction
    ) -> None:
        """Give an item its range and its speed."""
        edges = (time_map.at(start_s), time_map.at(start_s + duration_s * speed))
        # OTIO ranges begin with the earliest moment, also of a clip that runs backwards.
        item.source_range = self.span(min(edges) if time_map.speed is not None else start_s, duration_s)
        if time_map.speed is None:
            item.effects.append(otio.schema.TimeEffect("speed that changes", "timeMap"))
        elif time_map.speed * speed != 1:
            item.effects.append(otio.schema.LinearTimeWarp(time_scalar=float(time_map.speed * speed)))

    def _makers(self, element: xml.Element) -> tuple[dict[str, Callable[[], otio.core.Item | None]], Fraction]:
        """Return what makes the items of an element, by kind, and the time of media at the element's own time 0."""
        asked = element.get("srcEnable", "all")
        contents = contents_of(element, self.known)
        if contents is not None:
            kinds = [kind for kind, without in ((_VIDEO, "audio"), (_AUDIO, "video")) if asked != without]
            return {kind: self._stack_maker(contents, kind) for kind in kinds if self._wants(kind)}, -contents.zero_s
        medium = medium_of(element, self.known)
        shift_s = _ZERO
        if medium.element is not element and medium.element is not None:
            shift_s = self._own_start_s(medium.element) - medium.offset_s

        def make() -> otio.core.Item:
            clip = otio.schema.Clip()
            references = reference_to(medium.asset, self.span)
            clip.set_media_references(references, otio.schema.Clip.DEFAULT_MEDIA_KEY)
            return clip

        return {kind: make for kind in medium.kinds(asked) if self._wants(kind)}, shift_s

    def _wants(self, kind: str) -> bool:
        return self.only in {None, kind}

    def _stack_maker(self, contents: Contents, kind: str) -> Callable[[], otio.core.Item | None]:
        def make() -> otio.core.Item | None:
            tracks = self._nested(contents, kind)
            return otio.schema.Stack(children=tracks) if tracks else None

        return make

    def _own_start_s(self, element: xml.Element) -> Fraction:
        """Return the moment of its own time with which an element begins: stated, or that of its media."""
        resource = self.known.get(element.get("ref", ""))
        if resource is None or "start" in element.attrib:
            return time_of(element, "start")
        holder = next((found for tag in ("sequence", "multicam") if (found := resource.find(tag)) is not None), None)
        return time_of(resource, "start") if holder is None else time_of(holder, "tcStart")

    def _duration_s(self, element: xml.Element) -> Fraction:
        resource = self.known.get(element.get("ref", ""))
        sequence = None if resource is None else resource.find("sequence")
        return max(_ZERO, time_of(element, "duration", time_of(resource if sequence is None else sequence, "duration")))

    def _media_rate(self, element: xml.Element) -> Fraction | None:
        """Return the rate of the media of an element; None where nothing states it."""
        resource = self.known.get(element.get("ref", ""))
        inside = () if resource is None else (resource, *resource.findall("sequence"), *resource.findall("multicam"))
        shapes = (self.known.get(one.get("format", "")) for one in (*inside, element))
        return next((rate for shape in shapes if (rate := rate_of_format(shape)) is not None), None)

    def _markers(self, element: xml.Element, time_map: TimeMap) -> Iterator[otio.schema.Marker]:
        for marker in element:
            if marker.tag in {"marker", "chapter-marker"}:
                length_s = time_of(marker, "duration") * abs(time_map.speed or Fraction(1))
                yield otio.schema.Marker(
                    name=marker.get("value", ""),
                    marked_range=self.span(time_map.at(time_of(marker, "start")), length_s),
                    color=_COLOURS.get(marker.get("completed", ""), otio.schema.MarkerColor.PURPLE),
                    comment=marker.get("note", ""),
                )

    def _tracks(self, silent_lanes: Callable[[int], bool] = lambda lane: False) -> Iterator[otio.schema.Track]:
        # OTIO stacks pictures from the lowest up, as lanes are numbered.
        for lane, kind in sorted(self.placed, key=lambda one: (one[1] == _AUDIO, one[0])):
            if kind == _AUDIO and silent_lanes(lane):
                continue
            dissolves = list(self.dissolves.get(lane, ()))
            for number, row in enumerate(rows_of(self.placed[lane, kind]), start=1):
                name = f"{lane}" if kind == _VIDEO else f"sound {lane}"
                track = otio.schema.Track(name if number == 1 else f"{name} {number}", kind=kind)
                fill_track(track, row, dissolves, self.moment)
                yield track


def _lane(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"lane = '{text}' is no number") from None
