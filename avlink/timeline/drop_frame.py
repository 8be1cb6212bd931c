"""How a timeline counts its frames, by whatever it says of that."""

from __future__ import annotations

import opentimelineio as otio

from avlink.core import clock
from avlink.timeline.item import table
from avlink.timeline.ours import KEY
from avlink.timeline.timecode import can_drop, starts_in_drop_frame
from avlink.timeline.walk import frame_rate, origin_s

_WORD = "drop_frame"


def is_drop_frame(timeline: otio.schema.Timeline, said: bool | None = None) -> bool:
    """Whether a timeline counts in drop-frame: what its file `said`, its metadata, our own tracks, else its start."""
    rate = clock.exact_rate(frame_rate(timeline))
    if not can_drop(rate):
        return False
    if said is not None:
        return said
    by_program = (
        table(table(timeline.metadata, "fcp_xml"), "timecode").get("displayformat"),
        table(timeline.metadata, "fcpx").get("tcFormat"),
    )
    for shown in by_program:
        if shown in {"DF", "NDF"}:
            return bool(shown == "DF")
    for track in timeline.tracks:
        if isinstance(ours := table(track.metadata, KEY).get(_WORD), bool):
            return ours
    return starts_in_drop_frame(origin_s(timeline), rate)


def said_of_frames(timeline: otio.schema.Timeline, said: bool | None = None) -> dict[str, bool]:
    """What tracks of ours say of it, for those who read them later: nothing at rates that have no drop-frame."""
    is_asked = can_drop(clock.exact_rate(frame_rate(timeline)))
    return {_WORD: is_drop_frame(timeline, said)} if is_asked else {}
