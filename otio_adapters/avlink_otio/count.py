"""The timecode of a timeline's moments, as people read it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor

import opentimelineio as otio

from avlink import clock
from avlink_otio.frames import timecode
from avlink_otio.sound import counts_drop_frame, frame_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How a timeline counts: its rate, the frame that it starts with, and whether in drop-frame."""

    rate: Fraction
    first: float
    drop_frame: bool

    @classmethod
    def of(cls, timeline: otio.schema.Timeline) -> Count:
        """The count of a timeline."""
        start = timeline.global_start_time
        first = 0.0 if start is None else float(start.value)
        return cls(rate=frame_rate(timeline), first=first, drop_frame=counts_drop_frame(timeline))

    def text(self, time_s: Fraction) -> str:
        """The timecode of the frame in which a moment lies, whatever the last digits of a float say."""
        frames = floor(self.first + float(time_s * self.rate) + 1e-3)
        if self.drop_frame:
            return timecode(frames, clock.to_index(self.rate, 1), drop_frame=True)
        counted = otio.opentime.RationalTime.nearest_smpte_timecode_rate(float(self.rate))
        try:
            return str(otio.opentime.RationalTime(frames, counted).to_timecode(counted, drop_frame=False))
        except ValueError:
            return ""
