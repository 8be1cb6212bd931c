"""Hits: the events that are struck in a stem, as markers on its clip, for people who spot sound.

A medium of a stem remembers its own hits, so that another take brings its markers with it. Names and comments of these
markers hold no words of the project, so that none of them can be read as a cue.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from math import floor
from typing import Any

import opentimelineio as otio

from avlink.core import clock
from avlink.core.values import StemHit
from avlink.timeline.item import KEY, is_number, plain, seconds, table
from avlink.timeline.markers import Marker, is_hit

COLOUR = otio.schema.MarkerColor.CYAN

_HITS = "hits"
_SLACK_FRAMES = Fraction(1, 1000)
_MOST_SAMPLES = 2**53
"""An event that falls so little short of a frame counts as that frame's, as in cue sheets."""


def hit_name(number: int) -> str:
    """Return the name of a hit in files, on timelines and in sheets; numbers begin with 1."""
    return f"hit {number}"


def hit_note(hit: StemHit) -> str:
    """Return the comment on a hit: how far it stands out, in decibels."""
    return f"{hit.strength_db:.1f} dB"


def hit_metadata(hits: Sequence[StemHit]) -> dict[str, Any]:
    """Return the metadata of the hits of a medium, the first sample and strength of each; empty for none."""
    return {_HITS: [[hit.sample, hit.strength_db] for hit in hits]} if hits else {}


def hits_of(stem: otio.schema.Clip, key: str, sample_rate: int) -> tuple[Marker, ...]:
    """Return the hits of the medium of a stem under `key` as points, in seconds from its first sample.

    The markers of a clip speak of the medium that is heard, and those that a person took away stay away; the other
    media have theirs in their metadata.
    """
    if key == stem.active_media_reference_key:
        found = [
            (int(table(marker.metadata, KEY)["samples"]), marker.name, marker.comment)
            for marker in islice(stem.markers, len(stem.markers))
            if is_hit(marker)
        ]
    else:
        hits = _remembered(stem.media_references()[key])
        found = [(hit.sample, hit_name(number), hit_note(hit)) for number, hit in enumerate(hits, start=1)]
    return tuple(
        Marker(name=name, colour="", comment=comment, start_s=Fraction(sample, sample_rate), duration_s=Fraction(0))
        for sample, name, comment in sorted(found)
    )


def mark_hits(stem: otio.schema.Clip) -> None:
    """Put the hits of the active medium on a stem, in place of those of another medium; other markers stay.

    A marker is as long as a frame, at the frame of the stem's own time in which the hit is heard, because programs
    count whole frames. Its metadata holds the exact place in samples of the file.
    """
    # Copies, because a marker belongs to one item and is lost with it.
    markers = [marker.deepcopy() for marker in stem.markers if not is_hit(marker)]
    media = stem.media_reference.available_range
    begin_s = None if media is None else seconds(media.start_time)
    sample_rate = table(stem.metadata, KEY).get("sample_rate")
    hits = _remembered(stem.media_reference)
    if media is not None and begin_s is not None and isinstance(sample_rate, int):
        rate = media.start_time.rate
        shown_s = seconds(stem.trimmed_range().start_time)
        for number, hit in enumerate(hits, start=1):
            at_s = begin_s + Fraction(hit.sample, sample_rate)
            markers.append(_marker(hit, number, at_s, begin_s if shown_s is None else shown_s, rate))
    stem.markers[:] = markers


def _remembered(ref: otio.core.MediaReference) -> list[StemHit]:
    """Return the hits in the metadata of a medium; what people or programs changed there into no hit is left out."""
    found = plain(table(ref.metadata, KEY).get(_HITS))
    pairs = [one for one in found if isinstance(one, list) and len(one) == 2] if isinstance(found, list) else []
    return [
        StemHit(sample=int(sample), strength_db=float(strength_db))
        for sample, strength_db in pairs
        if is_number(sample) and is_number(strength_db) and abs(sample) < _MOST_SAMPLES
    ]


def _marker(hit: StemHit, number: int, at_s: Fraction, shown_s: Fraction, rate: float) -> otio.schema.Marker:
    exact = clock.exact_rate(rate)
    frame = Fraction(floor(at_s * exact + _SLACK_FRAMES))
    if frame < shown_s * exact <= at_s * exact:
        # A stem that begins between two frames is not seen in the whole of its first one.
        frame = shown_s * exact
    return otio.schema.Marker(
        name=hit_name(number),
        marked_range=otio.opentime.TimeRange(
            otio.opentime.RationalTime(float(frame), rate), otio.opentime.RationalTime(1, rate)
        ),
        color=COLOUR,
        comment=hit_note(hit),
        metadata={KEY: {"samples": hit.sample, "strength": hit.strength_db}},
    )
