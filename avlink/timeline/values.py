"""Frozen values of clips, media and work to do, in exact seconds, with no OTIO object inside.

A clip becomes a `ClipRef` (where it is seen, and what it says of its media), a `Source` once its file is known, and
one or more `Job`s once it is decided what to make. Whatever gets no sound becomes a `Skip` with a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from avlink.core.file_digest import FileState
from avlink.core.hashing import digest, fraction_text
from avlink.core.hit_changes import same_sound
from avlink.core.hits import Hit
from avlink.core.values import ImageSequence, ItemSound, Prompt, StemHit
from avlink.timeline.fades import Fade
from avlink.timeline.markers import Marker, MarkerCue, Mode, Role
from avlink.timeline.media_refs import FILM_SUFFIXES, MediaRef, may_be_transparent


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRef:
    """A stretch of a clip in its place: times count from the start of the timeline.

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
    """Prompt that the project itself asks for in metadata["avlink"]; None when it has none."""
    negative: str | None = None
    seed: int | None = None
    """Seed of its first take."""
    gain_db: float | None = None
    mode: Mode | None = None
    notes: tuple[str, ...] = ()
    nests: tuple[str, ...] = ()
    """Names of the sequences that it is nested in, the outermost first."""
    depth: tuple[int, ...] = ()
    """Height of its picture within its nested sequences: for each of them a count of rows from the lowest."""
    markers: tuple[Marker, ...] = ()
    """Markers on it, and those of the tracks and sequences around it that lie within its place."""
    colour: str | None = None
    cue: MarkerCue | None = None
    """Cue of a marker for this stretch of it."""
    lead_s: Fraction = Fraction(0)
    """Time before its place for which it is heard, where a transition brings it in."""
    trail_s: Fraction = Fraction(0)
    """Time behind its place for which it is heard."""
    fades: tuple[Fade, ...] = ()
    """Fades of the transitions that it is heard in."""
    spotted: bool = False
    """True where its hits are known, be it none: a spotter has looked at it, or a person has marked some."""
    found_hits: tuple[Hit, ...] = ()
    """All that a spotter has seen in it, on the timeline, also where people changed it since."""
    transparent: bool = False
    """True when its media is known to have an alpha channel through which what lies under it is seen."""
    address: tuple[int, ...] = field(default=(), compare=False)
    """Child indices from the timeline's stack down to the clip that it is a stretch of."""

    @property
    def role(self) -> Role:
        """Role of its sound, foley in sync or ambience: that of its marker, else of its own mode."""
        if self.cue is not None:
            return self.cue.role
        return "ambience" if self.mode == "ambience" else "sync"

    @property
    def asked_prompt(self) -> str | None:
        """Prompt that the project has for it: that of its marker, else its own."""
        return self.prompt if self.cue is None or self.cue.prompt is None else self.cue.prompt

    @property
    def hits(self) -> tuple[Hit, ...] | None:
        """Its sounding events in order of time, from the start of what is seen of it; None where they are not known.

        They are those of the markers in its place. A range that begins before it or ends behind it is cut there.
        Ambience has none.
        """
        if not self.spotted or self.role == "ambience":
            return None
        marked = (marker for marker in self.markers if marker.hit is not None)
        return tuple(
            self._cut(marker.hit, marker.start_s, marker.duration_s) for marker in marked if marker.hit is not None
        )

    @property
    def base_hits(self) -> tuple[Hit, ...] | None:
        """The hits before people changed them, as `hits`; None where no spotter has seen any, or nothing was changed.

        A sound away from the changes is that of these.
        """
        hits = self.hits
        if hits is None or not self.found_hits:
            return None
        inside = (hit for hit in self.found_hits if self.timeline_start_s <= hit.time_s < self.timeline_end_s)
        base = tuple(self._cut(hit, hit.time_s, hit.duration_s) for hit in inside)
        return None if same_sound(base, hits) else base

    def _cut(self, hit: Hit, start_s: Fraction, duration_s: Fraction) -> Hit:
        """Return a hit on the timeline from the start of this clip, cut to its place."""
        first_s = max(start_s, self.timeline_start_s)
        last_s = max(first_s, min(start_s + duration_s, self.timeline_end_s))
        return replace(hit, time_s=first_s - self.timeline_start_s, duration_s=last_s - first_s)

    @property
    def timeline_end_s(self) -> Fraction:
        """End of its place on the timeline."""
        return self.timeline_start_s + self.timeline_duration_s

    @property
    def heard_start_s(self) -> Fraction:
        """Moment from which on it is heard: before its place where a transition brings it in."""
        return self.timeline_start_s - self.lead_s

    @property
    def heard_duration_s(self) -> Fraction:
        """Length of what is heard of it."""
        return self.lead_s + self.timeline_duration_s + self.trail_s

    @property
    def heard_end_s(self) -> Fraction:
        """Moment up to which it is heard."""
        return self.timeline_end_s + self.trail_s

    @property
    def source_duration_s(self) -> Fraction:
        """Length of the media that it shows; 0 while it is frozen."""
        return self.timeline_duration_s * abs(self.speed)

    @property
    def source_low_s(self) -> Fraction:
        """Earliest moment of its media that it shows, which it shows last when it runs backwards."""
        return self.source_start_s + min(Fraction(0), self.timeline_duration_s * self.speed)

    @property
    def opaque(self) -> bool:
        """True when its picture hides all under it.

        Generators and clips without media are mostly titles, which hide nothing, unless they are named like a film or
        come from a reel.
        """
        if self.transparent:
            return False
        is_film = self.name.lower().endswith(FILM_SUFFIXES)
        return not any(ref.keyed for ref in self.media) and any(
            ref.kind == "images"
            or (ref.kind == "file" and ref.url and not may_be_transparent(ref.url))
            or (ref.kind != "generator" and not ref.url and (is_film or bool(ref.reel)))
            for ref in self.media
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """A clip without sound, with the reason in one sentence. `failed` when that is a fault and not a decision."""

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
    """True when its picture hides all under it, although it gets no sound itself."""
    missing: bool = False
    """True when it failed because its media was not found."""
    depth: tuple[int, ...] = ()
    address: tuple[int, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A clip whose media file is known: its picture from `start_s` after the file's first frame on, for `duration_s`.

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
    states: tuple[FileState, ...] = field(default=(), compare=False, repr=False)
    """The files as they were when it was planned; `digest` is made of theirs."""
    recorded: str = ""
    """The moment at which the file says it was recorded, yyyy-mm-ddThh:mm:ss; "" where it does not say."""

    @property
    def hits(self) -> tuple[Hit, ...] | None:
        """The sounding events of its clip, from the start of what is seen of it; None where they are not known."""
        return self.clip.hits

    @property
    def seen_s(self) -> Fraction:
        """Duration of its place: media time divided by the speed."""
        return self.duration_s / abs(self.speed) if self.speed else self.clip.timeline_duration_s

    @property
    def made_s(self) -> Fraction:
        """Length of the sound that is made."""
        return self.before_s + self.seen_s + self.after_s

    @property
    def made_start_s(self) -> Fraction:
        """Earliest moment of the media that sound is made for."""
        return self.start_s - (self.before_s if self.speed > 0 else self.after_s) * abs(self.speed)

    @property
    def picture(self) -> Path | ImageSequence:
        """Media to decode: a film, or an image sequence."""
        return self.path if self.images is None else self.images


@dataclass(frozen=True, slots=True, kw_only=True)
class HitItem:
    """One hit of a clip as an item of its own.

    `clip` is the stretch in which it is heard, with an id and a name of its own; `hit` counts from the start of what is
    seen of the whole clip. It strikes `at_s` after the begin of the sound that is made. With its handles the item is
    `length_s` long. `sound` is made for it alone: in `core_s` it is heard and nothing else, around that its recording
    goes on. Without `sound` the item is a stretch of the sound of the whole clip.
    """

    clip: ClipRef
    hit: Hit
    at_s: Fraction
    length_s: Fraction
    sound: ItemSound | None = None
    core_s: tuple[Fraction, Fraction] = (Fraction(0), Fraction(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One take of the sound of one clip, or of one item of it.

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
    """Length of what is made before the moment at which it is first heard; below 0 where silence comes before it."""
    tail_s: Fraction
    """Length of what is made after it has ended."""
    material: str = ""
    """Text of the backend on what its sound is made of besides the request."""
    item: HitItem | None = None
    """The hit that it is the sound of, where each hit of the clip is an item."""

    @property
    def clip(self) -> ClipRef:
        """The place in which it is heard: that of its clip, or of its item."""
        return self.source.clip if self.item is None else self.item.clip

    @property
    def sound(self) -> ItemSound | None:
        """The sound that is made for its hit alone; None where that of the clip is made."""
        return None if self.item is None else self.item.sound

    @property
    def is_cut(self) -> bool:
        """True for an item that is a stretch of the sound of its clip."""
        return self.item is not None and self.item.sound is None

    @property
    def file_s(self) -> Fraction:
        """The most that its file may be long."""
        return self.source.made_s if self.item is None else self.item.length_s

    @property
    def made_s(self) -> Fraction:
        """Length of the sound that is made, of which several items may be stretches."""
        return self.source.made_s if self.item is None or self.item.sound is None else self.item.length_s

    @property
    def hits(self) -> tuple[Hit, ...] | None:
        """The sounding events of its clip, from the start of what is seen of it; None where they are not known."""
        return self.source.hits

    @property
    def stem_key(self) -> str:
        """Key of the finished stem: this stretch of that sound, finished in this way."""
        heard = [fraction_text(self.head_s), fraction_text(self.clip.heard_duration_s)]
        return digest(["stem", self.raw_key, self.finish_key, *heard])


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All jobs of a run, in timeline order, and all clips that are left out."""

    jobs: tuple[Job, ...]
    skips: tuple[Skip, ...] = ()
    notes: tuple[str, ...] = ()
    lacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Sentences on hits that get no item, by the id of their clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StemFile:
    """A finished take by its URL in the timeline. `details` is kept with it as plain JSON values.

    The file has handles of `head_s` and `tail_s` around what is heard of it.
    """

    url: str
    take: int
    sample_rate: int
    samples: int
    details: dict[str, object]
    head_s: Fraction = Fraction(0)
    tail_s: Fraction = Fraction(0)
    hits: tuple[StemHit, ...] = ()
    """Events that are struck in it, counted from the file's first sample."""
    name: str = ""
    """Name of the take, where it has one of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StemPlacement:
    """The sound of one clip, to be placed; `takes[0]` is the one that is heard.

    That of an item lies in the place of `clip`, and belongs to the clip `whole`.
    """

    clip: ClipRef
    takes: tuple[StemFile, ...]
    whole: ClipRef | None = None
    hit: Hit | None = None


def with_fades(clip: ClipRef, fades: Sequence[Fade]) -> ClipRef:
    """Return a clip with those of the fades that are heard in it."""
    heard = tuple(fade for fade in fades if fade.start_s < clip.heard_end_s and clip.heard_start_s < fade.end_s)
    return replace(clip, fades=heard) if heard != clip.fades else clip


def left_out(
    clip: ClipRef, reason: str, *, source: str | None = None, failed: bool = False, missing: bool = False
) -> Skip:
    """Return a clip as a skip. `source` names its media; None stands for the first that the timeline names."""
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
        address=clip.address,
    )
