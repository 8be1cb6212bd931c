"""Layout of the events of edit decision lists on tracks: one row per channel, in record order, without overlaps.

A list is a list of recordings: a later event records over what an earlier one has put in its place. Keys lie on a row
of their own above their channel.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from avlink.timeline.formats.edl_events import EdlEvent, EdlRun
from avlink.timeline.formats.edl_grammar import EdlChannel


@dataclass(frozen=True, slots=True, kw_only=True)
class EdlPiece:
    """The frames [first, last) of the record side in which an event is seen."""

    event: EdlEvent
    first: int
    last: int

    @property
    def source_low(self) -> Fraction:
        """The earliest frame of its media that it shows."""
        if self.event.speed < 0:
            return self.event.source_low + (self.event.record_out - self.last) * -self.event.speed
        return self.event.source_low + (self.first - self.event.record_in) * self.event.speed

    def source_at(self, frame: int) -> Fraction:
        """Return the frame of its media that is seen at a record frame."""
        if self.event.speed < 0:
            return self.source_low + (self.last - frame) * -self.event.speed
        return self.source_low + (frame - self.first) * self.event.speed


@dataclass(frozen=True, slots=True, kw_only=True)
class EdlRow:
    """The pieces on one channel in time order; `over` for keys, which lie over the channel's pictures."""

    name: str
    channel: EdlChannel
    over: bool
    pieces: tuple[EdlPiece, ...]


def can_join(runs: Sequence[EdlRun]) -> bool:
    """Return whether the lists of a file are parts of one edit: no two record on one channel at one time."""
    sides: dict[EdlChannel, list[tuple[int, int]]] = {}
    for run in runs:
        spans: dict[EdlChannel, tuple[int, int]] = {}
        for event in run.events:
            for channel in event.channels:
                first, last = spans.get(channel, (event.record_in, event.record_out))
                spans[channel] = min(first, event.record_in), max(last, event.record_out)
        for channel, span in spans.items():
            sides.setdefault(channel, []).append(span)
    return all(one[1] <= after[0] for found in sides.values() for one, after in pairwise(sorted(found)))


def rows_of(events: Iterable[EdlEvent]) -> tuple[tuple[EdlRow, ...], tuple[str, ...]]:
    """Return the rows of events in the order of their list, pictures first, and a sentence on those recorded over."""
    by_row: dict[tuple[EdlChannel, bool], list[EdlEvent]] = {}
    names: dict[EdlChannel, str] = {}
    for event in events:
        for channel in event.channels:
            spelled = event.spelling if len(event.channels) == 1 else ""
            names.setdefault(channel, _name(channel, spelled))
            by_row.setdefault((channel, event.type in {"key", "key out"}), []).append(event)
    # Letters in this order put pictures first.
    order = sorted(by_row, key=lambda key: (key[0].kind != "V", key[0].number, key[1]))
    rows, lost = [], []
    for channel, over in order:
        pieces, covered = _pieces(by_row[channel, over])
        lost += covered
        name = f"{names[channel]} key" if over else names[channel]
        rows.append(EdlRow(name=name, channel=channel, over=over, pieces=tuple(pieces)))
    return tuple(rows), tuple(_told(lost))


def _name(channel: EdlChannel, spelled: str) -> str:
    """Return the name of a track: its channel as the list spells it, where it does."""
    if spelled in {"V", "A", f"{channel.kind}{channel.number}"}:
        return spelled
    return "V" if channel == EdlChannel("V", 1) else f"{channel.kind}{channel.number}"


def _pieces(events: Sequence[EdlEvent]) -> tuple[list[EdlPiece], list[tuple[EdlEvent, EdlEvent]]]:
    """Return what is left of each event in time order, and pairs of events of which the second covers the first."""
    pieces: list[EdlPiece] = []
    starts: list[int] = []
    covered: list[tuple[EdlEvent, EdlEvent]] = []
    for event in events:
        first, last = event.record_in, event.record_out
        begin = bisect_right(starts, first) - 1
        begin = begin if begin >= 0 and pieces[begin].last > first else begin + 1
        end = bisect_right(starts, last - 1, lo=begin)
        old = pieces[begin:end]
        # A list may let an event go on under the transition into the next.
        covered += [
            (one.event, event) for one in old if not (event.type in {"dissolve", "wipe"} and _ends_in(one, event))
        ]
        new = [replace(one, last=first) for one in old[:1] if one.first < first]
        new.append(EdlPiece(event=event, first=first, last=last))
        new += [replace(one, first=last) for one in old[-1:] if one.last > last]
        pieces[begin:end] = new
        starts[begin:end] = [one.first for one in new]
    return pieces, covered


def _ends_in(piece: EdlPiece, event: EdlEvent) -> bool:
    return piece.first < event.record_in and piece.last <= event.record_in + event.fade_frames


def _told(covered: Sequence[tuple[EdlEvent, EdlEvent]]) -> Iterator[str]:
    if covered:
        old, new = covered[0]
        more = f" (and {len(covered) - 1} more lines of this kind)" if len(covered) > 1 else ""
        yield f"line {new.line} records over a part of line {old.line}, and the later line is what is seen{more}"
