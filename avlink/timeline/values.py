"""What the timeline floor hands on: frozen values in exact seconds, with no OTIO object inside.

A clip becomes a `ClipRef` (where it is seen, and what it says of its media), a `Source` once its file is known, and
one or more `Job`s once it is decided what to make. Whatever gets no sound becomes a `Skip` with a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal, TypeAlias

from avlink.core.hashing import digest, fraction_text
from avlink.core.values import Hit, ImageSequence, Prompt
from avlink.timeline.directions import Cue, Marker, Mode, Role
from avlink.timeline.fades import Fade
from avlink.timeline.suffixes import FILM_SUFFIXES, may_be_transparent

MediaKind: TypeAlias = Literal["file", "images", "generator", "missing"]
MissingImage: TypeAlias = Literal["error", "hold", "black"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRef:
    """One place where a clip says its picture is.

    `start_s` and `duration_s` are the media's own range as the timeline tells it; the start is usually the timecode
    of its first frame. None where the timeline does not tell.
    """

    key: str
    kind: MediaKind
    url: str = ""
    start_s: Fraction | None = None
    duration_s: Fraction | None = None
    images: ImageNames | None = None
    """How the files of an image sequence are called, for that kind only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageNames:
    """An image sequence as a timeline tells it: `url` of the reference is its folder.

    `first` and `num_images` are None where the timeline does not tell: then it is what lies in the folder.
    """

    prefix: str
    suffix: str
    first: int | None
    step: int
    padding: int
    rate: Fraction
    num_images: int | None
    missing: MissingImage


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRef:
    """A stretch of a clip where it is seen: times count from the start of the timeline.

    `source_start_s` is the moment of its media that is seen first, in the clip's media time, which may be a timecode.
    `media` holds the active reference first. `layer` counts video tracks from the lowest, 0. `speed` is seconds of
    media per second of timeline: below 0 backwards, 0 frozen.
    """

    id: str
    name: str
    track: str
    layer: int
    timeline_start_s: Fraction
    timeline_duration_s: Fraction
    source_start_s: Fraction
    media: tuple[MediaRef, ...]
    speed: Fraction = Fraction(1)
    prompt: str | None = None
    """What the project itself asks for in metadata["avlink"]; None when it says nothing."""
    negative: str | None = None
    seed: int | None = None
    """The seed of its first take."""
    gain_db: float | None = None
    mode: Mode | None = None
    notes: tuple[str, ...] = ()
    nests: tuple[str, ...] = ()
    """The names of the sequences that it is nested in, the outermost first."""
    depth: tuple[int, ...] = ()
    """Where its picture lies among those of its nested sequences: one count from the lowest for each of them."""
    markers: tuple[Marker, ...] = ()
    """Markers on it, and those of the tracks and sequences around it that lie where it is seen."""
    colour: str | None = None
    cue: Cue | None = None
    """What a marker asks for in this stretch of it."""
    lead_s: Fraction = Fraction(0)
    """How long before its place it is heard, because a transition brings it in earlier."""
    trail_s: Fraction = Fraction(0)
    """How long it is heard beyond its place."""
    fades: tuple[Fade, ...] = ()
    """How it comes and goes in transitions."""

    @property
    def role(self) -> Role:
        """What its sound is: foley in sync, or ambience; its marker says so before its own mode does."""
        if self.cue is not None:
            return self.cue.role
        return "ambience" if self.mode == "ambience" else "sync"

    @property
    def asked_prompt(self) -> str | None:
        """The words that the project has for it; those of its marker before its own."""
        return self.prompt if self.cue is None or self.cue.prompt is None else self.cue.prompt

    @property
    def timeline_end_s(self) -> Fraction:
        """Where it ends on the timeline."""
        return self.timeline_start_s + self.timeline_duration_s

    @property
    def heard_start_s(self) -> Fraction:
        """From when on it is heard: earlier than its place where a transition brings it in."""
        return self.timeline_start_s - self.lead_s

    @property
    def heard_duration_s(self) -> Fraction:
        """How long it is heard."""
        return self.lead_s + self.timeline_duration_s + self.trail_s

    @property
    def heard_end_s(self) -> Fraction:
        """Until when it is heard."""
        return self.timeline_end_s + self.trail_s

    @property
    def source_duration_s(self) -> Fraction:
        """How much of its media it shows: nothing of it passes while it is frozen."""
        return self.timeline_duration_s * abs(self.speed)

    @property
    def source_low_s(self) -> Fraction:
        """The earliest moment of its media that it shows, which is its last one when it runs backwards."""
        return self.source_start_s + min(Fraction(0), self.timeline_duration_s * self.speed)

    @property
    def opaque(self) -> bool:
        """Whether the picture hides what lies under it.

        Generators and clips without media are mostly titles, which do not, unless they are called like a film.
        """
        is_film = self.name.lower().endswith(FILM_SUFFIXES)
        return any(
            ref.kind == "images"
            or (ref.kind == "file" and ref.url and not may_be_transparent(ref.url))
            or (ref.kind != "generator" and not ref.url and is_film)
            for ref in self.media
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """A clip without sound, and why in one sentence. `failed` when that is a fault and not a decision."""

    id: str
    name: str
    track: str
    layer: int
    reason: str
    timeline_start_s: Fraction | None = None
    timeline_duration_s: Fraction | None = None
    source: str | None = None
    failed: bool = False
    opaque: bool = False
    """Whether its picture hides what lies under it, although it gets no sound itself."""
    missing: bool = False
    """Whether it failed because its media was not found."""
    depth: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A clip whose media file is known: picture from `start_s` after the file's first frame on, for `duration_s`.

    Both are media time, and `start_s` is the earliest moment, also where `speed` is below 0 and the picture runs
    backwards from the end. A frozen picture (0) is that at `start_s`, and `duration_s` is 0.

    Sound is made for more than is seen, where the media has it: `before_s` and `after_s` of timeline time around the
    clip's place, for transitions and as handles.
    """

    clip: ClipRef
    path: Path
    """The file; the first image of a sequence."""
    digest: str
    start_s: Fraction
    duration_s: Fraction
    speed: Fraction = Fraction(1)
    images: ImageSequence | None = None
    before_s: Fraction = Fraction(0)
    after_s: Fraction = Fraction(0)

    @property
    def seen_s(self) -> Fraction:
        """How long it is seen in its place: media time divided by the speed."""
        return self.duration_s / abs(self.speed) if self.speed else self.clip.timeline_duration_s

    @property
    def made_s(self) -> Fraction:
        """How much sound is made."""
        return self.before_s + self.seen_s + self.after_s

    @property
    def made_start_s(self) -> Fraction:
        """The earliest moment of the media that sound is made for."""
        return self.start_s - (self.before_s if self.speed > 0 else self.after_s) * abs(self.speed)

    @property
    def picture(self) -> Path | ImageSequence:
        """What to decode."""
        return self.path if self.images is None else self.images


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One take of the sound of one clip.

    `raw_key` names what the model makes, `stem_key` how it is finished; neither knows paths or timeline positions.
    `family_key` names all sounds of which this could be a stretch: the same media, words and take, cut otherwise.
    """

    id: str
    source: Source
    take: int
    prompt: Prompt
    seed: int
    raw_key: str
    family_key: str
    finish_key: str
    stem_name: str
    head_s: Fraction
    """Where in the sound that is made the clip begins to be heard; what comes before is its handle."""
    tail_s: Fraction
    """How much of that sound comes after the clip has ended."""

    @property
    def stem_key(self) -> str:
        """What the finished stem is: this stretch of that sound, finished so."""
        heard = [fraction_text(self.head_s), fraction_text(self.source.clip.heard_duration_s)]
        return digest(["stem", self.raw_key, self.finish_key, *heard])


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that there is to do, in timeline order, and everything that is left out."""

    jobs: tuple[Job, ...]
    skips: tuple[Skip, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StemFile:
    """A finished take as the timeline shall name it. `details` is kept with it as plain JSON values.

    The file has handles of `head_s` and `tail_s` around what is heard of it.
    """

    url: str
    take: int
    sample_rate: int
    samples: int
    details: dict[str, object]
    head_s: Fraction = Fraction(0)
    tail_s: Fraction = Fraction(0)
    hits: tuple[Hit, ...] = ()
    """What is struck in it, by the file's first sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StemPlacement:
    """The sound of one clip and where it goes; `takes[0]` is the one that is heard."""

    clip: ClipRef
    takes: tuple[StemFile, ...]


def with_fades(clip: ClipRef, fades: Sequence[Fade]) -> ClipRef:
    """The clip with those of some fades that are heard in it."""
    heard = tuple(fade for fade in fades if fade.start_s < clip.heard_end_s and clip.heard_start_s < fade.end_s)
    return replace(clip, fades=heard) if heard != clip.fades else clip


def left_out(
    clip: ClipRef, reason: str, *, source: str | None = None, failed: bool = False, missing: bool = False
) -> Skip:
    """A clip as a skip. `source` is what its media is known by; None for the first that the timeline names."""
    return Skip(
        id=clip.id,
        name=clip.name,
        track=clip.track,
        layer=clip.layer,
        reason=reason,
        timeline_start_s=clip.timeline_start_s,
        timeline_duration_s=clip.timeline_duration_s,
        source=source or next((ref.url for ref in clip.media if ref.url), None),
        failed=failed,
        opaque=clip.opaque,
        missing=missing,
        depth=clip.depth,
    )
