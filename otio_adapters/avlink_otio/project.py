"""A project as sound programs see it: tracks of items at exact times, counted from its start.

Every format of this folder is written from these values.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

_ZERO = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Something that is struck in a file, `at_s` from its first sample."""

    name: str
    note: str
    at_s: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """One file that an item can play, from `offset_s` of it on.

    `media_s` is how long the file is, if that is known, and `stamp_s` the real time from midnight of its first sample.
    """

    name: str
    url: str
    offset_s: Fraction
    media_s: Fraction | None
    sample_rate: int
    stamp_s: Fraction = _ZERO
    channels: int = 1
    hits: tuple[Hit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A clip of a sound track. `takes[heard]` plays; a crossfade is two items that overlap, with fades."""

    name: str
    start_s: Fraction
    duration_s: Fraction
    takes: tuple[Take, ...]
    heard: int = 0
    fade_in_s: Fraction = _ZERO
    fade_out_s: Fraction = _ZERO
    muted: bool = False

    @property
    def take(self) -> Take:
        """What plays."""
        return self.takes[self.heard]

    @property
    def end_s(self) -> Fraction:
        """Where it ends on the timeline."""
        return self.start_s + self.duration_s


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundTrack:
    """A sound track with its items in time order."""

    name: str
    items: tuple[Item, ...]
    muted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A marker, or a region when it has a length."""

    name: str
    start_s: Fraction
    duration_s: Fraction = _ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundProject:
    """All of it. `origin_s` is the real time from midnight to the timeline's start; `sample_rate` is the stems'."""

    name: str
    rate: Fraction
    drop_frame: bool
    origin_s: Fraction
    sample_rate: int
    tracks: tuple[SoundTrack, ...]
    marks: tuple[Mark, ...] = ()

    @property
    def end_s(self) -> Fraction:
        """Where the last item ends."""
        return max((item.end_s for track in self.tracks for item in track.items), default=_ZERO)
