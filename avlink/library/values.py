"""Values of the sound library: a sound with its description and analysis, and a library."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeAlias

ANALYSIS_VERSION = 3
"""Raised when the same file gives another analysis, so that libraries are analysed anew."""

SoundKind: TypeAlias = Literal["one-shot", "hits", "loop", "bed"]
"""One hit with its tail; several hits that can be used alone; a continuous sound that can be repeated; ambience."""

_CLEAR_RISE_DB, _SOFT = 22.0, 0.55
"""A rise that nobody misses, for blows out of silence have 20 to 40 dB, and the clarity of the least rise."""

SOUND_KINDS: tuple[SoundKind, ...] = ("one-shot", "hits", "loop", "bed")


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundHit:
    """A single hit in a file, with all that belongs to it: seconds from the file's start, each at a sample of it.

    It begins at `start_s`, before the transient where a swing or a breath leads to it. `transient_s` is the sample at
    which it strikes. `end_s` is the end of its tail. `peak_db` is its sample peak in dBFS.

    `rise_db` is the rise of its onset, as in `avlink.metrics.onsets`; 0 where a sound swells. `other_rise_db` is the
    greatest rise of another onset between start and end, 0 without one: an echo, a bounce, or a latch before the door.
    Of a one-shot of several hits, those of the loudest are heard in all of it.
    """

    start_s: Fraction
    transient_s: Fraction
    end_s: Fraction
    peak_db: float
    rise_db: float = 0.0
    other_rise_db: float = 0.0

    @property
    def clarity(self) -> float:
        """Return how clearly it is heard as one hit, from 0 for a swell or two hits to 1 for a lone blow."""
        return single_clarity(self.rise_db, self.other_rise_db)


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """Measured properties of a sound.

    `lufs` is integrated loudness, of sounds below 0.4 s with silence after them. `brightness_hz` is the centre of the
    spectrum, `noise` is 0 for tones and 1 for noise. `hits` are in the order of time.
    """

    sample_rate: int
    channels: int
    num_samples: int
    lufs: float | None
    peak_db: float
    kind: SoundKind
    brightness_hz: float
    noise: float
    hits: tuple[SoundHit, ...]

    @property
    def length_s(self) -> Fraction:
        """Exact length in seconds."""
        return Fraction(self.num_samples, self.sample_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Words on a sound, by their origin: its name, its texts, its category, its folders.

    `catid` is that of UCS, "" if unknown; `catid_from` tells its origin: "name", "tags", "sheet", "words" or "".
    """

    name: str
    text: str
    category: str
    place: str
    catid: str = ""
    catid_from: str = ""
    licence: str = ""
    author: str = ""
    is_loop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A folder of sounds under a name. `is_online` is False while its folder is not there, as an unplugged drive."""

    id: int
    name: str
    root: Path
    sounds: int = 0
    faults: int = 0
    is_online: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "name": self.name,
            "root": str(self.root),
            "sounds": self.sounds,
            "faults": self.faults,
            "online": self.is_online,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """A sound of a library. `digest` is that of the file's content when it was read."""

    library: str
    root: Path
    name: str
    """The path below `root`, with "/" on every system."""
    size_bytes: int
    mtime_ns: int
    digest: str
    description: Description
    analysis: Analysis

    @property
    def path(self) -> Path:
        """The file."""
        return self.root / self.name

    @property
    def words(self) -> tuple[str, ...]:
        """All words that the sound is found by, those of its name first."""
        texts = (self.description.name, self.description.text, self.description.category, self.description.place)
        return tuple(dict.fromkeys(" ".join(texts).split()))

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints; seconds are rounded to a microsecond."""
        analysis, described = self.analysis, self.description
        return {
            "path": str(self.path),
            "library": self.library,
            "catid": described.catid or None,
            "catid_from": described.catid_from or None,
            "words": list(self.words),
            "licence": described.licence or None,
            "author": described.author or None,
            "kind": analysis.kind,
            "length_s": _seconds(analysis.length_s),
            "sample_rate": analysis.sample_rate,
            "channels": analysis.channels,
            "lufs": None if analysis.lufs is None else round(analysis.lufs, 1),
            "peak_db": round(analysis.peak_db, 1),
            "brightness_hz": round(analysis.brightness_hz),
            "noise": round(analysis.noise, 2),
            "hits": [
                {
                    "start_s": _seconds(hit.start_s),
                    "transient_s": _seconds(hit.transient_s),
                    "end_s": _seconds(hit.end_s),
                    "peak_db": round(hit.peak_db, 1),
                    "clarity": round(hit.clarity, 2),
                }
                for hit in analysis.hits
            ],
        }


def single_clarity(rise_db: float, other_rise_db: float) -> float:
    """Return the clarity of a hit, 0 to 1, by the rise of its own onset and the greatest rise of another one.

    It is about the share of such sounds, among the recordings that it was measured on, in which a detector made for
    music hears one onset, and hears it at the transient.
    """
    if rise_db <= 0:
        return 0.0
    sudden = _SOFT + (1 - _SOFT) * min(1.0, rise_db / _CLEAR_RISE_DB)
    return sudden * max(0.0, 1 - 2 * max(0.0, other_rise_db) / rise_db)


def _seconds(value: Fraction) -> float:
    return round(float(value), 6)
