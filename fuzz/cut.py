"""An edit with exact times, which every format of projects can write down: the same places, in each."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from hypothesis import strategies as st

from fuzz.case import Place
from fuzz.values import plain_names
from fuzz.workplace import MOVIES

_LAST_S = 9
"""Seconds of the films that clips use: a margin of one remains for rounding."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A frame rate as files write it, with the exact one that it means."""

    written: float
    exact: Fraction

    @property
    def timebase(self) -> int:
        """Frames in a second of timecode."""
        return max(1, round(self.exact))

    @property
    def ntsc(self) -> bool:
        """True for rates a thousandth below whole ones."""
        return self.exact == Fraction(self.timebase * 1000, 1001)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutClip:
    """A clip after `gap` empty frames: `frames` of the timeline, from frame `first` of a film on, at a speed."""

    name: str
    media: str
    gap: int
    first: int
    frames: int
    speed: Fraction = Fraction(1)

    @property
    def used(self) -> int:
        """Frames of the film that it plays."""
        return max(1, round(self.frames * abs(self.speed)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A picture track, with the frame of its timecode at which it starts."""

    rate: Rate
    start: int
    clips: tuple[CutClip, ...]

    @property
    def length(self) -> int:
        """Frames from the start to the end of the last clip."""
        return sum(clip.gap + clip.frames for clip in self.clips)

    def starts(self) -> list[int]:
        """Return the frames of the timeline at which its clips start."""
        found, at = [], 0
        for clip in self.clips:
            found.append(at + clip.gap)
            at += clip.gap + clip.frames
        return found

    def places(self) -> tuple[Place, ...]:
        """Return the places of its clips."""
        rate = self.rate.exact
        pairs = zip(self.clips, self.starts(), strict=True)
        return tuple(sorted(Place(Fraction(at) / rate, clip.frames / rate, clip.name) for clip, at in pairs))


def _ntsc(timebase: int) -> Fraction:
    return Fraction(timebase * 1000, 1001)


COMMON_RATES = (
    Rate(24.0, Fraction(24)),
    Rate(25.0, Fraction(25)),
    Rate(30.0, Fraction(30)),
    Rate(50.0, Fraction(50)),
    Rate(60.0, Fraction(60)),
    *(Rate(written, _ntsc(24)) for written in (23.976, 23.98, 24000 / 1001)),
    *(Rate(written, _ntsc(30)) for written in (29.97, 30000 / 1001)),
    *(Rate(written, _ntsc(60)) for written in (59.94, 60000 / 1001)),
)
"""Rates that every format knows."""

RATES = (
    *COMMON_RATES,
    *(Rate(float(rate), Fraction(rate)) for rate in (2, 6, 12, 15, 18, 48, 90, 96, 100, 120, 144, 200, 240)),
    *(Rate(written, _ntsc(timebase)) for written, timebase in ((47.952, 48), (119.88, 120), (120000 / 1001, 120))),
    Rate(12.5, Fraction(25, 2)),
    Rate(16.5, Fraction(33, 2)),
)
"""Rates that OTIO can write."""

_ONE, _HALF = Fraction(1), Fraction(1, 2)
_SPEEDS = (_ONE, _ONE, _ONE, _ONE, 2 * _ONE, _HALF, -_ONE, 3 * _HALF)


@st.composite
def cuts(
    draw: st.DrawFn,
    rates: tuple[Rate, ...] = COMMON_RATES,
    names: st.SearchStrategy[str] = plain_names,
    speeds: tuple[Fraction, ...] = _SPEEDS,
) -> Cut:
    """Return an edit of up to six clips, whose films are as long as they need."""
    rate = draw(st.sampled_from(rates))
    second = rate.timebase
    hours = draw(st.sampled_from([0, 0, 1, 1, 10, 23]))
    start = hours * 3600 * second + draw(st.sampled_from([0, 0, 0, 1, second - 1, 59 * second]))
    clips = []
    for _ in range(draw(st.integers(1, 6))):
        speed = draw(st.sampled_from(speeds))
        # A tenth of a second at least: a clip may be as short as a frame, but not every backend answers one.
        frames = draw(st.integers(max(1, second // 10), 2 * second))
        last = int(_LAST_S * rate.exact) - int(frames * abs(speed)) - 1
        clips.append(
            CutClip(
                name=draw(names),
                media=draw(st.sampled_from(sorted(MOVIES))),
                gap=draw(st.one_of(st.just(0), st.integers(0, 3 * second))),
                first=draw(st.integers(0, max(0, last))),
                frames=frames,
                speed=speed,
            )
        )
    return Cut(rate=rate, start=start, clips=tuple(clips))
