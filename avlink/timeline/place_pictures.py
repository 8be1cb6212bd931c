"""Placement of pictures on video tracks of our own in a copy of a timeline, which is otherwise unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from avlink.core import clock
from avlink.timeline.item import KEY, stack_start_s
from avlink.timeline.metadata import PICTURE, holds_pictures
from avlink.timeline.values import ClipRef


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturePlacement:
    """The picture of one sound: the URL of its file in the timeline, and the frames that it fills.

    `frames` count from the timeline's start, at its rate. `timecode_frame` is the number of the file's first frame by
    its own timecode, 0 if it has none. `details` is kept with it as plain JSON values.
    """

    clip: ClipRef
    url: str
    frames: range
    timecode_frame: int = 0
    details: dict[str, Any]


def place_pictures(
    timeline: otio.schema.Timeline,
    placements: Sequence[PicturePlacement],
    *,
    rate: float,
    track_name: str = "PICTURE",
    details: dict[str, Any] | None = None,
) -> otio.schema.Timeline:
    """Return a copy of `timeline` with the pictures on a video track of that name, above all others.

    Video tracks of ours are replaced where they stand, so a second run changes nothing; no other track is touched.
    Pictures that overlap go to further tracks ("PICTURE 2"). Everything lies on whole frames of `rate`, which is as it
    is written in the project. `details` is kept with each track.
    """
    copy = timeline.deepcopy()
    own = [index for index, track in enumerate(copy.tracks) if holds_pictures(track)]
    at = own[0] if own else _above_all(copy)
    for index in reversed(own):
        del copy.tracks[index]
    for number, lane in enumerate(_lanes(placements)):
        name = track_name if number == 0 else f"{track_name} {number + 1}"
        track = otio.schema.Track(name=name, kind=otio.schema.TrackKind.Video)
        track.metadata[KEY] = {**(details or {}), "role": PICTURE, "pictures": len(lane)}
        end = -stack_start_s(copy) * clock.exact_rate(rate)
        for placement in lane:
            if placement.frames.start > end:
                gap = otio.opentime.RationalTime(float(placement.frames.start - end), rate)
                track.append(otio.schema.Gap(duration=gap))
            track.append(_picture_clip(placement, rate))
            end = Fraction(placement.frames.stop)
        copy.tracks.insert(at + number, track)
    return copy


def _above_all(timeline: otio.schema.Timeline) -> int:
    """Return the index behind the last picture of the stack; that of its first sound where there is none."""
    sounds = [isinstance(row, otio.schema.Track) and row.kind == otio.schema.TrackKind.Audio for row in timeline.tracks]
    return max((index + 1 for index, is_sound in enumerate(sounds) if not is_sound), default=0)


def _lanes(placements: Sequence[PicturePlacement]) -> list[list[PicturePlacement]]:
    """Return the pictures in as many rows as it takes for none to overlap."""
    lanes: list[list[PicturePlacement]] = []
    for placement in sorted(placements, key=lambda one: (one.frames.start, one.clip.layer, one.clip.depth)):
        fitting = next((lane for lane in lanes if lane[-1].frames.stop <= placement.frames.start), None)
        if fitting is None:
            lanes.append([placement])
        else:
            fitting.append(placement)
    return lanes


def _picture_clip(placement: PicturePlacement, rate: float) -> otio.schema.Clip:
    clip, frames = placement.clip, placement.frames
    span = otio.opentime.TimeRange(
        otio.opentime.RationalTime(float(placement.timecode_frame), rate),
        otio.opentime.RationalTime(float(len(frames)), rate),
    )
    ref = otio.schema.ExternalReference(target_url=placement.url, available_range=span)
    ref.metadata[KEY] = placement.details
    placed = otio.schema.Clip(name=clip.name, media_reference=ref, source_range=span)
    placed.metadata[KEY] = {
        "id": clip.id,
        "clip": clip.name,
        "track": clip.track,
        "first_frame": frames.start,
        "frames": len(frames),
        "rate": str(clock.exact_rate(rate)),
    }
    return placed
