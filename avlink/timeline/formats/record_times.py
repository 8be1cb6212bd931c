"""Record times in timelines that OTIO's adapter has made of edit decision lists."""

from __future__ import annotations

import opentimelineio as otio

from avlink.timeline.item import seconds


def fix_record_times(timeline: otio.schema.Timeline) -> None:
    """Turn record times in track ranges into a start time of the timeline, in place.

    OTIO's reader of EDLs gives every track a source range that starts at minus the record time, by which all of its
    clips count as trimmed away, and leaves the timeline's own start unset.
    """
    starts = {}
    # Tracks of one EDL may start at different times; the earliest is that of the timeline.
    for index, track in enumerate(timeline.tracks):
        span = track.source_range
        if isinstance(track, otio.schema.Track) and span is not None and (seconds(span.start_time) or 0) < 0:
            starts[index] = -span.start_time
    if not starts:
        return
    base = min(starts.values())
    for index, start in starts.items():
        track = timeline.tracks[index]
        track.source_range = None
        if start > base:
            track.insert(0, otio.schema.Gap(duration=start - base))
    if timeline.global_start_time is None or not timeline.global_start_time.value:
        timeline.global_start_time = base
