"""Edits that people made to the stems of a project, as differences from the places where AVLink put them.

Each stem carries in its metadata the place, the begin and the duration that it was written with. Edits are read as
differences from these, so that they outlive programs that write the project again, and any number of runs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

import opentimelineio as otio

from avlink.core import clock
from avlink.core.hashing import fraction_text
from avlink.timeline.item import KEY, plain, seconds, stack_start_s, table
from avlink.timeline.item_metadata import item_moment, stem_id
from avlink.timeline.markers import is_hit
from avlink.timeline.metadata import REQUESTS
from avlink.timeline.own_time import shift_own_time
from avlink.timeline.timebase import frame_rate, origin_s
from avlink.timeline.values import ClipRef, HitItem

PLACED = "placed"
"""The key of a stem's metadata with its place on the timeline, its begin and its duration as AVLink wrote them."""

_ZERO = Fraction(0)
_MOVED_S = Fraction(1, 4)
"""A hit that is gone, and one that is new this near to it in the same clip, are one that was moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StemEdit:
    """The edits of one stem, in seconds of the timeline.

    The stem lies `shift_s` later than AVLink put it, begins `head_s` later in its file and is `longer_s` longer; all
    may be negative. `clip` is the stem as it was edited, for its switches, effects, markers and metadata.
    """

    clip: otio.schema.Clip
    shift_s: Fraction = _ZERO
    head_s: Fraction = _ZERO
    longer_s: Fraction = _ZERO
    has_takes: bool = True
    """True where the files of its other takes are found from the project that is written."""

    @property
    def moves(self) -> bool:
        """True when the place or the length of the stem was changed."""
        return bool(self.shift_s or self.head_s or self.longer_s)

    def words(self) -> str:
        """Return the edits as words; "" when there are none."""
        clip = self.clip
        said = [
            *([f"moved by {float(self.shift_s):+.3f} s"] if self.shift_s else []),
            *(["trimmed"] if self.head_s or self.longer_s else []),
            *(["switched off"] if not clip.enabled else []),
            *(["with effects"] if len(clip.effects) else []),
            *(["with markers"] if any(not is_hit(one) for one in islice(clip.markers, len(clip.markers))) else []),
        ]
        return ", ".join(said)


def placed_metadata(start_s: Fraction, begin_s: Fraction, duration_s: Fraction) -> dict[str, list[str]]:
    """Return the metadata of a stem that says where it was put: timeline, own time and duration, in exact seconds."""
    return {PLACED: [fraction_text(start_s), fraction_text(begin_s), fraction_text(duration_s)]}


def note_shift(stem: otio.schema.Clip, by_s: Fraction) -> None:
    """Correct what a stem remembers of its begin where its own time was shifted, in place: no person moved it."""
    placed = _placed(table(stem.metadata, KEY).get(PLACED))
    if placed is not None:
        start_s, begin_s, duration_s = placed
        stem.metadata[KEY].update(placed_metadata(start_s, begin_s + by_s, duration_s))


def stems_in_place(timeline: otio.schema.Timeline) -> Iterator[tuple[otio.schema.Track, otio.schema.Clip, Fraction]]:
    """Yield the clips on our sound tracks with their track and their start on the timeline in seconds."""
    offset_s = stack_start_s(timeline)
    for track in timeline.audio_tracks():
        if KEY not in track.metadata:
            continue
        at_s = -offset_s
        for item in islice(track, len(track)):
            if not isinstance(item, otio.core.Item):
                continue
            if isinstance(item, otio.schema.Clip):
                yield track, item, at_s
            at_s += seconds(item.trimmed_range().duration) or _ZERO


def read_stem_edits(timeline: otio.schema.Timeline) -> dict[tuple[str, str], StemEdit]:
    """Return the edits of all stems of a project by the id of their clip, or of their item, and role.

    Stems without edits are in it, too.

    Differences below half a frame come from programs that count whole frames, and are none.
    """
    origin = origin_s(timeline)
    slack_s = 1 / clock.exact_rate(frame_rate(timeline)) / 2
    found: dict[tuple[str, str], StemEdit] = {}
    for track, stem, at_s in stems_in_place(timeline):
        said = table(stem.metadata, KEY)
        if "id" not in said:
            continue
        # Older projects say the role on the track alone.
        role = said.get("role", table(track.metadata, KEY).get("role", "sync"))
        key = (stem_id(said), str(role))
        found.setdefault(key, _edit(stem, at_s, said, slack_s, origin))
    return found


def follow_hits(
    edits: Mapping[tuple[str, str], StemEdit], items: Iterable[tuple[ClipRef, HitItem]]
) -> dict[tuple[str, str], StemEdit]:
    """Return the edits of stems, those of an item whose hit was moved a little under the id that it has now.

    `items` are those of a plan, each with its clip.
    """
    there: dict[tuple[str, str], tuple[ClipRef, HitItem]]
    there = {(item.clip.id, item.clip.role): (clip, item) for clip, item in items}
    # By clip and role, in order of time: a clip may have ten thousand hits, of which each was moved.
    new: dict[tuple[str, str], list[tuple[Fraction, tuple[str, str]]]] = {}
    for key, (clip, item) in there.items():
        if key not in edits:
            new.setdefault((clip.id, key[1]), []).append((item.hit.time_s, key))
    for row in new.values():
        row.sort()
    near = []
    for old, edit in edits.items():
        known = None if old in there else _moment_s(edit)
        row = [] if known is None else new.get((known[0], old[1]), [])
        if known is not None and row:
            first, last = (bisect_left(row, known[1] + by_s, key=_time) for by_s in (-_MOVED_S, _MOVED_S))
            near += [(abs(time_s - known[1]), old, key) for time_s, key in row[first:last]]
    found, taken = dict(edits), set[tuple[str, str]]()
    for _, old, key in sorted(near):
        if old in found and key not in taken:
            found[key] = found.pop(old)
            taken.add(key)
    return found


def requests_on_stem(stem: otio.schema.Clip) -> dict[str, object]:
    """Return the requests that a stem repeats of its clip: prompt, negative, seed, gain_db and mode."""
    said = table(stem.metadata, KEY)
    return {name: plain(said[name]) for name in REQUESTS if name in said}


def _time(one: tuple[Fraction, tuple[str, str]]) -> Fraction:
    return one[0]


def _edit(
    stem: otio.schema.Clip, at_s: Fraction, said: Mapping[str, object], slack_s: Fraction, origin: Fraction
) -> StemEdit:
    placed = _placed(said.get(PLACED))
    span = stem.trimmed_range()
    begin_s, duration_s = seconds(span.start_time), seconds(span.duration)
    copy = stem.deepcopy()
    if placed is None or begin_s is None or duration_s is None:
        return StemEdit(clip=copy)
    timecode_s = origin + placed[0]
    if abs(timecode_s - placed[1]) >= slack_s:
        # Its own time may have been asked to count from 0; stems that are placed count from timecode.
        shift_own_time(copy, timecode_s - placed[1])
    changes = (at_s - placed[0], begin_s - placed[1], duration_s - placed[2])
    shift_s, head_s, longer_s = (change if abs(change) >= slack_s else _ZERO for change in changes)
    return StemEdit(clip=copy, shift_s=shift_s, head_s=head_s, longer_s=longer_s)


def _moment_s(edit: StemEdit) -> tuple[str, Fraction] | None:
    """Return the id of the clip of an edited item, and the time of its hit there; None for another stem."""
    said = table(edit.clip.metadata, KEY)
    moment = item_moment(said)
    try:
        return None if moment is None else (str(said.get("id")), clock.exact_number(moment))
    except ValueError:
        return None


def _placed(value: object) -> tuple[Fraction, Fraction, Fraction] | None:
    """Return what `placed_metadata` wrote; None for anything else, which people and programs may have left there."""
    try:
        start, begin, duration = (clock.exact_number(str(part)) for part in plain(value))
    except (TypeError, ValueError):
        return None
    return start, begin, duration
