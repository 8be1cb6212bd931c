"""A timeline as frozen values with no nesting left, in exact seconds: the input of writers of other formats.

`avlink.timeline.flatten` makes them of the same walk that `avlink sonify` sees. They hold no OTIO object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from avlink.core.hits import Hit
from avlink.timeline.markers import Marker
from avlink.timeline.timebase import DEFAULT_RATE, Timebase

STEM_RATE = 48000
"""Sample rate of sound that states none."""

_ZERO = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatMedia:
    """A file that a clip can play, from `offset_s` after its first sample or frame on.

    `duration_s` is the length of the file, None where the timeline does not state it. `start_s` is the file's own
    timecode in real seconds from midnight. `hits` count from its first sample.
    """

    name: str
    url: str
    offset_s: Fraction
    duration_s: Fraction | None = None
    start_s: Fraction = _ZERO
    sample_rate: int = STEM_RATE
    channels: int = 1
    hits: tuple[Marker, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatClip:
    """A clip in its place on the timeline, from `start_s` on for `duration_s`.

    Where transitions reach over its edges it is heard `lead_s` earlier and `trail_s` longer, as far as its files go;
    `fade_in_s` and `fade_out_s` count from these outer edges. `media[active]` plays, from the moment that is heard
    first. `source_start_s` is the media time at `start_s`, which may be a timecode.

    `speed` is seconds of media per second of timeline: below 0 backwards, 0 frozen, None where it changes. `rate` is
    the one that the clip's own range counts in. `requests` is what people ask for in its metadata under "avlink" (mode,
    prompt, negative, seed, gain_db), as they wrote it; a stem repeats the requests of its picture.
    """

    id: str
    name: str
    start_s: Fraction
    duration_s: Fraction
    source_start_s: Fraction = _ZERO
    speed: Fraction | None = Fraction(1)
    media: tuple[FlatMedia, ...] = ()
    active: int = 0
    lead_s: Fraction = _ZERO
    trail_s: Fraction = _ZERO
    fade_in_s: Fraction = _ZERO
    fade_out_s: Fraction = _ZERO
    muted: bool = False
    has_stem: bool = False
    """True for a picture whose sound AVLink made, and which lies on a track of its own."""
    markers: tuple[Marker, ...] = ()
    """Markers on it that begin where it is seen; the hits of stems are with their media."""
    hits: tuple[Hit, ...] | None = None
    """Sounding events in its picture, of a stem in that of its clip, from the start of what is seen of it; None where
    nobody has looked for any. Of an item only those that it is for."""
    sync_s: Fraction | None = None
    """Of an item with a sound of its own, the time from where it is first heard to its transient."""
    rate: float = DEFAULT_RATE
    requests: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def active_media(self) -> FlatMedia:
        """The file that plays. Raises IndexError for a clip without files."""
        return self.media[self.active]

    @property
    def end_s(self) -> Fraction:
        """End of its place on the timeline."""
        return self.start_s + self.duration_s

    @property
    def heard_start_s(self) -> Fraction:
        """Moment at which it begins to be heard."""
        return self.start_s - self.lead_s

    @property
    def heard_duration_s(self) -> Fraction:
        """Length of what is heard of it."""
        return self.lead_s + self.duration_s + self.trail_s

    @property
    def heard_end_s(self) -> Fraction:
        """Moment from which on it is no longer heard."""
        return self.end_s + self.trail_s

    @property
    def events_s(self) -> tuple[Fraction, ...]:
        """Seconds from its start at which something is struck or marked in it, within its place."""
        hits = self.active_media.hits if self.media else ()
        # The file plays from `offset_s` on where the clip is first heard, which is `lead_s` before its place.
        times_s = [hit.start_s - self.active_media.offset_s - self.lead_s for hit in hits]
        times_s += [marker.start_s - self.start_s for marker in self.markers]
        return tuple(sorted(time_s for time_s in times_s if 0 <= time_s < self.duration_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatTrack:
    """A track with its clips in time order, of which no two overlap but for their transitions.

    `ours` when AVLink made it. `left_out` has a sentence for each item that has no place here.
    """

    name: str
    kind: Literal["video", "audio"]
    clips: tuple[FlatClip, ...] = ()
    ours: bool = False
    muted: bool = False
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatTimeline:
    """A timeline without nesting; all times count from its start, which lies `origin_s` after midnight in real time.

    `rate` is its exact frame rate, `sample_rate` that of most clips of its sound tracks. `markers` are those of the
    timeline, its pictures and its sound, in time order; those of hits have the names and notes that tell all of them.
    """

    name: str
    rate: Fraction
    drop_frame: bool = False
    origin_s: Fraction = _ZERO
    sample_rate: int = STEM_RATE
    tracks: tuple[FlatTrack, ...] = ()
    markers: tuple[Marker, ...] = ()

    @property
    def sound_tracks(self) -> tuple[FlatTrack, ...]:
        """The tracks that are its sound for other programs: those that AVLink made, else all sound tracks."""
        tracks = [track for track in self.tracks if track.kind == "audio"]
        return tuple([track for track in tracks if track.ours] or tracks)

    @property
    def hits(self) -> tuple[Marker, ...]:
        """The markers that are sounding events in its pictures."""
        return tuple(marker for marker in self.markers if marker.hit is not None)

    @property
    def end_s(self) -> Fraction:
        """The moment at which the last clip of its sound tracks ends; of a timeline without any, that of its tracks."""
        tracks = self.sound_tracks or self.tracks
        return max((clip.heard_end_s for track in tracks for clip in track.clips), default=_ZERO)

    def timecode(self, time_s: Fraction) -> str:
        """Return the timecode of the frame in which a moment lies; see `Timebase.timecode`."""
        return Timebase(rate=self.rate, origin_s=self.origin_s, drop_frame=self.drop_frame).timecode(time_s)
