"""Final Cut Pro's FCPXML as OTIO timelines, in exact times.

OTIO's adapter (1.0.0) counts in whole frames per second, so that clips of NTSC projects drift apart, puts a project
that starts at one o'clock an hour late, finds no media in files of version 1.9 or newer, and leaves out retimes,
transitions, clips that are off, synchronised clips and multicam clips. Reference: Apple, FCPXML Reference, story
elements and timing attributes; DTD 1.11.

Positions: an element lies at its `offset` in the time of what holds it; what is connected to it, by `lane`, lies in its
own time, which begins with `start`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from xml.etree import ElementTree as xml

import opentimelineio as otio

_ZERO = Fraction(0)
_VIDEO, _AUDIO = otio.schema.TrackKind.Video, otio.schema.TrackKind.Audio
_STORY = frozenset({"asset-clip", "audio", "clip", "gap", "mc-clip", "ref-clip", "sync-clip", "title", "video"})
_COLOURS = {"0": otio.schema.MarkerColor.RED, "1": otio.schema.MarkerColor.GREEN}


def read_fcpxml(root: xml.Element) -> list[otio.schema.Timeline]:
    """Return the projects of a document. Raises ValueError for a document that is no FCPXML, and for invalid times."""
    if root.tag != "fcpxml":
        raise ValueError(f"it begins with <{root.tag}> and is no FCPXML")
    known = {found.get("id", ""): found for found in root.iterfind("resources/*")}
    return [_timeline(project, known) for project in root.iter("project")]


def _timeline(project: xml.Element, known: dict[str, xml.Element]) -> otio.schema.Timeline:
    sequence = project.find("sequence")
    if sequence is None:
        raise ValueError(f"its project '{project.get('name', '')}' has no sequence")
    layout = _Layout(known=known, rate=_rate_of(sequence, known))
    start_s = _time_of(sequence, "tcStart")
    stack = layout.of_sequence(sequence)
    timeline = otio.schema.Timeline(project.get("name", ""), global_start_time=layout.moment(start_s))
    timeline.tracks = stack
    timeline.metadata["fcpx"] = {"tcFormat": sequence.get("tcFormat", "NDF")}
    return timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    lane: int
    kind: str
    start_s: Fraction
    end_s: Fraction
    item: otio.core.Item


@dataclass(slots=True, kw_only=True)
class _Layout:
    """The tracks of one sequence, while they are filled."""

    known: dict[str, xml.Element]
    rate: Fraction
    pieces: list[_Piece] = field(default_factory=list)
    dissolves: list[tuple[int, Fraction, Fraction]] = field(default_factory=list)

    def of_sequence(self, sequence: xml.Element) -> otio.schema.Stack:
        for spine in sequence.findall("spine"):
            self._storyline(spine, -_time_of(sequence, "tcStart"), 0)
        return self._stack()

    def nested(self, holder: xml.Element, start_s: Fraction) -> otio.schema.Stack:
        """Return the contents of a compound, multicam or synchronised clip whose own time begins with `start_s`."""
        inner = _Layout(known=self.known, rate=_rate_of(holder, self.known, self.rate))
        if holder.tag == "sequence":
            return inner.of_sequence(holder)
        inner._storyline(holder, -start_s, 0)
        for spine in holder.findall("spine"):
            if "lane" not in spine.attrib:
                inner._storyline(spine, _time_of(spine, "offset") - start_s, 0)
        return inner._stack()

    def moment(self, time_s: Fraction) -> otio.opentime.RationalTime:
        return otio.opentime.RationalTime(float(time_s * self.rate), float(self.rate))

    def span(self, start_s: Fraction, duration_s: Fraction) -> otio.opentime.TimeRange:
        return otio.opentime.TimeRange(self.moment(start_s), self.moment(duration_s))

    def _storyline(self, spine: xml.Element, zero_s: Fraction, lane: int) -> None:
        """Place elements one after another; their offset 0 lies at `zero_s` of this sequence."""
        end_s = _ZERO
        for element in spine:
            if "lane" in element.attrib:
                continue
            if element.tag == "transition":
                start_s = zero_s + _time_of(element, "offset", end_s)
                self.dissolves.append((lane, start_s, start_s + _time_of(element, "duration")))
            else:
                end_s = self._place(element, zero_s, lane, end_s)

    def _place(self, element: xml.Element, zero_s: Fraction, lane: int, after_s: Fraction) -> Fraction:
        """Place an element and all that is connected to it; return its end in its parent's time."""
        offset_s = _time_of(element, "offset", after_s)
        if element.tag == "audition":
            # The first of them is the one that is picked.
            picked = next((child for child in element if child.tag in _STORY), None)
            if picked is None:
                return offset_s
            element = picked
        if element.tag not in _STORY:
            return after_s
        start_s, duration_s = self._own_start_s(element), self._duration_s(element)
        at_s = zero_s + offset_s
        if element.tag != "gap":
            for kind, item in self._items(element, start_s, duration_s):
                item.enabled = element.get("enabled", "1") != "0"
                self.pieces.append(_Piece(lane=lane, kind=kind, start_s=at_s, end_s=at_s + duration_s, item=item))
        for child in element:
            own = child.get("lane")
            if own is None:
                continue
            if child.tag == "spine":
                self._storyline(child, at_s - start_s + _time_of(child, "offset"), lane + int(own))
            else:
                self._place(child, at_s - start_s, lane + int(own), start_s)
        return offset_s + duration_s

    def _items(
        self, element: xml.Element, start_s: Fraction, duration_s: Fraction
    ) -> Iterator[tuple[str, otio.core.Item]]:
        time_map, name = _time_map_of(element), element.get("name", "")
        asked = element.get("srcEnable", "all")
        if element.tag in {"ref-clip", "mc-clip", "sync-clip"} or _holds_many(element):
            holder, zero_s = self._holder(element)
            make: Callable[[], otio.core.Item] = lambda: self.nested(holder, zero_s)  # noqa: E731
            kinds, time_map = (
                [_VIDEO],
                _TimeMap(local_s=time_map.local_s, value_s=time_map.value_s - zero_s, speed=time_map.speed),
            )
            if asked == "audio":
                return
        else:
            inside, shift_s = (element, _ZERO) if element.tag != "clip" else _content(element)
            asset = None if inside is None else self.known.get(inside.get("ref", ""))
            if inside is not None and inside is not element:
                shift_s = self._own_start_s(inside) - shift_s
                time_map = replace(time_map, value_s=time_map.value_s + shift_s)
            make = lambda: otio.schema.Clip(media_reference=self._reference(asset))  # noqa: E731
            kinds = _kinds(element if inside is None else inside, asset, asked)
        for kind in kinds:
            item = make()
            item.name = name
            edges = (time_map.at(start_s), time_map.at(start_s + duration_s))
            # OTIO ranges begin with the earliest moment, also of a clip that runs backwards.
            item.source_range = self.span(min(edges) if time_map.speed is not None else start_s, duration_s)
            if time_map.speed is None:
                item.effects.append(otio.schema.TimeEffect("speed that changes", "timeMap"))
            elif time_map.speed != 1:
                item.effects.append(otio.schema.LinearTimeWarp(time_scalar=float(time_map.speed)))
            if kind == _VIDEO:
                item.markers.extend(self._markers(element, time_map))
            yield kind, item

    def _holder(self, element: xml.Element) -> tuple[xml.Element, Fraction]:
        """Return the element with the contents of a nested clip, and the moment that its own time begins with."""
        media = self.known.get(element.get("ref", ""))
        if element.tag not in {"ref-clip", "mc-clip"}:
            return element, _ZERO
        found = None if media is None else media.find("sequence" if element.tag == "ref-clip" else "multicam")
        if found is None:
            raise ValueError(f"it does not hold what its clip '{element.get('name', '')}' refers to")
        start_s = _time_of(found, "tcStart")
        if element.tag == "ref-clip":
            return found, start_s
        shown = [one.get("angleID") for one in element.findall("mc-source") if one.get("srcEnable") != "audio"]
        angles = found.findall("mc-angle")
        angle = next((angle for angle in angles if angle.get("angleID") in shown), angles[0] if angles else found)
        return angle, start_s

    def _own_start_s(self, element: xml.Element) -> Fraction:
        """Return the moment of its own time with which an element begins: stated, or that of its media."""
        resource = self.known.get(element.get("ref", ""))
        if resource is None or "start" in element.attrib:
            return _time_of(element, "start")
        holder = next((found for tag in ("sequence", "multicam") if (found := resource.find(tag)) is not None), None)
        return _time_of(resource, "start") if holder is None else _time_of(holder, "tcStart")

    def _duration_s(self, element: xml.Element) -> Fraction:
        resource = self.known.get(element.get("ref", ""))
        sequence = None if resource is None else resource.find("sequence")
        return _time_of(element, "duration", _time_of(resource if sequence is None else sequence, "duration"))

    def _reference(self, asset: xml.Element | None) -> otio.core.MediaReference:
        if asset is None or asset.tag != "asset":
            return otio.schema.GeneratorReference(generator_kind="Final Cut Pro")
        media = asset.find("media-rep")
        url = asset.get("src") or (None if media is None else media.get("src"))
        if not url:
            return otio.schema.MissingReference()
        duration_s = _time_of(asset, "duration")
        there = self.span(_time_of(asset, "start"), duration_s) if duration_s else None
        return otio.schema.ExternalReference(target_url=url, available_range=there)

    def _markers(self, element: xml.Element, time_map: _TimeMap) -> Iterator[otio.schema.Marker]:
        for marker in element:
            if marker.tag in {"marker", "chapter-marker"}:
                length_s = _time_of(marker, "duration") * abs(time_map.speed or Fraction(1))
                yield otio.schema.Marker(
                    name=marker.get("value", ""),
                    marked_range=self.span(time_map.at(_time_of(marker, "start")), length_s),
                    color=_COLOURS.get(marker.get("completed", ""), otio.schema.MarkerColor.PURPLE),
                    comment=marker.get("note", ""),
                )

    def _stack(self) -> otio.schema.Stack:
        stack = otio.schema.Stack()
        # OTIO stacks pictures from the lowest up, as lanes are numbered.
        for kind in (_VIDEO, _AUDIO):
            for lane in sorted({piece.lane for piece in self.pieces if piece.kind == kind}):
                pieces = [piece for piece in self.pieces if (piece.lane, piece.kind) == (lane, kind)]
                for number, row in enumerate(_rows(pieces), start=1):
                    name = f"{lane}" if kind == _VIDEO else f"sound {lane}"
                    track = otio.schema.Track(name if number == 1 else f"{name} {number}", kind=kind)
                    self._fill(track, row, [one[1:] for one in self.dissolves if one[0] == lane])
                    stack.append(track)
        return stack

    def _fill(self, track: otio.schema.Track, row: list[_Piece], dissolves: list[tuple[Fraction, Fraction]]) -> None:
        def dissolve(cut_s: Fraction) -> None:
            found = next((one for one in dissolves if one[0] <= cut_s <= one[1]), None)
            if found is not None:
                dissolves.remove(found)
                offsets = self.moment(cut_s - found[0]), self.moment(found[1] - cut_s)
                track.append(otio.schema.Transition("", "SMPTE_Dissolve", offsets[0], offsets[1]))

        end_s = _ZERO
        for piece in row:
            if piece.start_s > end_s:
                if end_s:
                    dissolve(end_s)
                track.append(otio.schema.Gap(source_range=self.span(_ZERO, piece.start_s - end_s)))
            dissolve(piece.start_s)
            track.append(piece.item)
            end_s = piece.end_s
        dissolve(end_s)


def _rows(pieces: list[_Piece]) -> list[list[_Piece]]:
    """Return the pieces of one lane in as many rows as it takes for none to overlap."""
    rows: list[list[_Piece]] = []
    for piece in sorted(pieces, key=lambda piece: piece.start_s):
        row = next((row for row in rows if row[-1].end_s <= piece.start_s), None)
        if row is None:
            rows.append([piece])
        else:
            row.append(piece)
    return rows


def _kinds(inside: xml.Element, asset: xml.Element | None, asked: str) -> list[str]:
    """Return the kinds of tracks that a clip belongs to: films have sound of their own, which lies under them."""
    if inside.tag == "audio":
        return [_AUDIO]
    picture, sound = True, False
    if asset is not None and asset.tag == "asset" and "1" in (asset.get("hasVideo"), asset.get("hasAudio")):
        picture, sound = asset.get("hasVideo") == "1", asset.get("hasAudio") == "1"
        sound = sound and (inside.tag != "video" or inside.find("audio") is not None)
    return [
        *([_VIDEO] if picture and asked != "audio" else []),
        *([_AUDIO] if sound and asked != "video" else []),
    ]


def _content(clip: xml.Element) -> tuple[xml.Element | None, Fraction]:
    """Return the medium in a `clip` and its start in the clip's own time; sound alone may be connected to a gap."""
    for child in clip:
        if child.tag in {"video", "audio"} and "lane" not in child.attrib:
            return child, _time_of(child, "offset")
        if child.tag == "gap" and "lane" not in child.attrib:
            zero_s = _time_of(child, "offset") - _time_of(child, "start")
            inside = next((one for one in child if one.tag in {"video", "audio"}), None)
            if inside is not None:
                return inside, zero_s + _time_of(inside, "offset")
    return None, _ZERO


def _holds_many(element: xml.Element) -> bool:
    inside = [child for child in element if child.tag in {*_STORY, "spine"} - {"gap"} and "lane" not in child.attrib]
    return element.tag == "clip" and (len(inside) > 1 or any(child.tag not in {"video", "audio"} for child in inside))


@dataclass(frozen=True, slots=True, kw_only=True)
class _TimeMap:
    """Map from the time of an element to that of its media or contents: `value_s` at `local_s`, then at `speed`."""

    local_s: Fraction = _ZERO
    value_s: Fraction = _ZERO
    speed: Fraction | None = Fraction(1)
    """None for a speed that changes."""

    def at(self, local_s: Fraction) -> Fraction:
        """Return the moment of the media at a moment of the element's own time."""
        return self.value_s + (local_s - self.local_s) * (1 if self.speed is None else self.speed)


def _time_map_of(element: xml.Element) -> _TimeMap:
    """Return the time map of an element; the identity where it has no `timeMap`."""
    points = [(_time_of(point, "time"), _time_of(point, "value")) for point in element.findall("timeMap/timept")]
    if len(points) < 2:
        return _TimeMap()
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(points) if b[0] != a[0]]
    first = slopes[0] if slopes else Fraction(1)
    # Points lie on frames or samples, so that one speed is not quite one fraction.
    is_one = all(abs(slope - first) < Fraction(1, 1000) for slope in slopes)
    return _TimeMap(local_s=points[0][0], value_s=points[0][1], speed=first if is_one else None)


def _rate_of(sequence: xml.Element, known: Mapping[str, xml.Element], otherwise: Fraction = Fraction(24)) -> Fraction:
    """Return the frames per second of a sequence, by the format that it names."""
    shape = known.get(sequence.get("format", ""))
    frame_s = None if shape is None else _time_of(shape, "frameDuration")
    return 1 / frame_s if frame_s else otherwise


def _time_of(element: xml.Element | None, name: str, otherwise: Fraction = _ZERO) -> Fraction:
    """Return the seconds of an attribute such as "1001/24000s" or "5s". Raises ValueError for any other text."""
    text = None if element is None else element.get(name)
    if text is None:
        return otherwise
    try:
        return Fraction(text.strip().removesuffix("s"))
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{name} = '{text}' is no time") from None
