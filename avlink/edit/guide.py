"""Guide tracks of a spotting: sound in which hits are heard, that of the clips themselves or a file along the timeline.

A clip that its guide covers has the hits that are heard; those that were seen give them their kinds and places. Beyond
the ends of a guide, and on clips without one, hits are those of the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from avlink.core import clock
from avlink.core.errors import InputError, MediaError
from avlink.core.events import Message
from avlink.core.file_digest import FileState, check_unchanged, file_state
from avlink.core.hashing import JsonValue, digest, fraction_text
from avlink.core.hits import Hit
from avlink.core.text import first_names
from avlink.core.values import FrameSource, PictureSpec, SoundSource
from avlink.edit.heard_hits import merged
from avlink.edit.sources import timecode_s
from avlink.edit.spot_input import SpotInput
from avlink.edit.spot_plan import SpotPlan, keep_hits, kept_hits
from avlink.media.audio import open_audio
from avlink.media.frames import open_frames
from avlink.media.mix import Mixdown, PlacedSound
from avlink.media.one_channel import OneChannel
from avlink.media.probe import MediaInfo, probe
from avlink.media.probe_cache import cached_probe
from avlink.metrics.guide import SAMPLE_RATE, VERSION, guide_hits, is_silent
from avlink.metrics.seen_motion import HEIGHT, RATE, WIDTH
from avlink.session import Session
from avlink.timeline.plan import made_span
from avlink.timeline.timebase import Timebase
from avlink.timeline.values import Source

PRODUCTION = "production"
"""The guide that is each clip's own sound."""

_PICTURE = PictureSpec(rate=Fraction(RATE), width=WIDTH, height=HEIGHT)
_EDGE_S = Fraction(1, 50)


class UnheardClip(MediaError):
    """A clip in which nothing can be heard, for the reason that is its text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    """The sound of a guide for all that is looked at of a clip, which covers [from_s, to_s) of it.

    `open` gives a `SoundSource` of exactly that length; `key` names what it holds.
    """

    open: Callable[[], SoundSource]
    from_s: Fraction
    to_s: Fraction
    key: JsonValue
    states: tuple[FileState, ...]


@dataclass(slots=True, kw_only=True)
class Guide:
    """A guide track. `file` is None for the sound of the clips themselves."""

    session: Session
    file: GuideFile | None = None
    force: bool = False
    _without: dict[str, list[str]] = field(default_factory=dict)

    def applied(self, source: Source, seen: Sequence[Hit]) -> tuple[Hit, ...]:
        """Return the hits of a clip by what is `seen` and heard of it, in order of time from where it is seen first.

        Where nothing can be heard they are those that are seen. Raises MediaError for pictures that cannot be read.
        """
        try:
            heard, covered = self._hear(source)
        except UnheardClip as reason:
            self._without.setdefault(str(reason), []).append(source.clip.name)
            return tuple(seen)
        return merged(seen, heard, covered=covered)

    def heard(self, source: Source) -> tuple[Hit, ...]:
        """Return the hits that are heard in a clip, in order of time from where it is seen first.

        Raises UnheardClip with the reason where there is no sound, MediaError for pictures that cannot be read.
        """
        return self._hear(source)[0]

    def tell(self) -> None:
        """Send one message for each reason why clips have the hits of their pictures alone."""
        for reason, names in self._without.items():
            text = f"no guide for {first_names(names)}: {reason}; what is marked there is what is seen"
            self.session.tell(Message(text=text, level="warning"))
        self._without.clear()

    def _hear(self, source: Source) -> tuple[tuple[Hit, ...], tuple[Fraction, Fraction]]:
        """Return the hits that are heard in what is seen of a clip, and the times that the guide covers."""
        stretch = self._own(source) if self.file is None else self._along(source, self.file)
        try:
            heard = self._heard(source, stretch)
        except MediaError as error:
            check_unchanged(stretch.states)
            if self.file is not None:
                raise
            raise UnheardClip(str(error)) from error
        covered = (stretch.from_s - source.before_s, stretch.to_s - source.before_s)
        inside = (
            replace(hit, time_s=hit.time_s - source.before_s)
            for hit in heard
            # The beginning of a guide is an onset to the ear, and none of the picture.
            if hit.time_s >= stretch.from_s + (_EDGE_S if stretch.from_s > 0 else 0)
        )
        return tuple(hit for hit in inside if 0 <= hit.time_s < source.seen_s), covered

    def _own(self, source: Source) -> _Stretch:
        info = None if source.images is not None or not source.speed else probe(source.path)
        if info is None or info.audio is None:
            held = source.images is None and not source.speed
            raise UnheardClip("a picture that stands still has no sound" if held else "no sound of its own")
        return _Stretch(
            open=lambda: open_guide_sound(
                source.path, start_s=source.made_start_s, duration_s=source.made_s, speed=source.speed
            ),
            from_s=Fraction(0),
            to_s=source.made_s,
            key=PRODUCTION,
            states=source.states,
        )

    def _along(self, source: Source, file: GuideFile) -> _Stretch:
        start_s = source.clip.timeline_start_s - source.before_s - file.start_s
        if start_s >= file.duration_s or start_s + source.made_s <= 0:
            raise UnheardClip(f"{file.path.name} does not reach there")
        at, length = clock.to_index(start_s, SAMPLE_RATE), clock.to_index(source.made_s, SAMPLE_RATE)
        part = PlacedSound(sound=file.sound, at=-at, num_samples=file.sound.num_samples)
        return _Stretch(
            open=lambda: Mixdown([part], sample_rate=SAMPLE_RATE, channels=1, num_samples=length),
            from_s=max(Fraction(0), -start_s),
            to_s=min(source.made_s, file.duration_s - start_s),
            key=[file.state.digest, fraction_text(start_s)],
            states=(file.state,),
        )

    def _heard(self, source: Source, stretch: _Stretch) -> tuple[Hit, ...]:
        """Return what is heard of a clip, from the start of what is looked at. Raises UnheardClip for silence."""
        store = self.session.store
        key = digest(["guide", VERSION, stretch.key, made_span(source)])
        known = None if self.force else kept_hits(store, key)
        if known is not None:
            return tuple(replace(hit, source="guide", heard=True) for hit in known)
        sound = stretch.open()
        if self.file is None and is_silent(sound):
            raise UnheardClip("its own sound is silent")
        frames: FrameSource = open_frames(
            source.picture,
            start_s=source.made_start_s,
            duration_s=source.made_s,
            spec=_PICTURE,
            speed=source.speed,
        )
        try:
            heard = guide_hits(sound, frames)
        except ValueError as error:
            raise MediaError(f"the sound of '{source.path}' cannot be a guide: {error}") from error
        check_unchanged((*source.states, *stretch.states))
        keep_hits(store, key, heard)
        return heard


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideFile:
    """A file with the sound of a timeline, which begins at `start_s` of it; below 0 it begins earlier."""

    path: Path
    state: FileState
    sound: SoundSource
    start_s: Fraction

    @property
    def duration_s(self) -> Fraction:
        """Length of the sound."""
        return Fraction(self.sound.num_samples, self.sound.sample_rate)


def open_guide(name: str, opened: SpotInput, plan: SpotPlan, session: Session, *, force: bool = False) -> Guide:
    """Return the guide of a name: "production" for the sound of the clips, or the path of a file.

    A file lies where its timecode puts it on the timeline, else at its start. `force` hears again what is cached.

    Raises InputError for a file that is missing, damaged, silent, or has no sound.
    """
    if name == PRODUCTION:
        return Guide(session=session, force=force)
    path = Path(name)
    if not path.is_file():
        raise InputError(
            f"the guide '{name}' does not exist or is no file; name a sound file, a film, or '{PRODUCTION}' for the "
            "sound of the clips themselves"
        )
    info = cached_probe(path, session.store)
    state = file_state(path, session.store)
    sound = open_guide_sound(path)
    check_unchanged((state,))
    if is_silent(sound):
        raise InputError(f"the guide '{name}' is silent, so no hits can be heard in it; name one with sound")
    length_s = max((job.source.clip.timeline_end_s for job in plan.jobs), default=Fraction(0))
    duration_s = Fraction(sound.num_samples, SAMPLE_RATE)
    start_s, noted = guide_start(info, opened.timebase, length_s=length_s, duration_s=duration_s)
    if noted:
        session.tell(Message(text=f"the guide {path.name} {noted}", level="warning"))
    return Guide(session=session, file=GuideFile(path=path, state=state, sound=sound, start_s=start_s), force=force)


def guide_start(
    info: MediaInfo, timebase: Timebase, *, length_s: Fraction, duration_s: Fraction
) -> tuple[Fraction, str]:
    """Return where a guide begins on a timeline of `length_s`, and a remark, or "".

    That is where its timecode says: the time reference of Broadcast Wave, or the timecode of a film. One that lies
    beside the timeline does not count.
    """
    stated_s = None
    if info.video is not None:
        stated_s = timecode_s(info.video)
    elif info.audio is not None:
        stated_s = info.audio.time_reference_s
    if stated_s is None:
        return Fraction(0), ""
    start_s = stated_s - timebase.origin_s
    if -duration_s < start_s < length_s:
        return start_s, ""
    # Recorders without a clock write midnight, which means nothing.
    said = "has a timecode that lies beside the timeline, so it begins where the timeline does" if stated_s else ""
    return Fraction(0), said


def open_guide_sound(
    path: Path,
    *,
    start_s: Fraction = Fraction(0),
    duration_s: Fraction | None = None,
    speed: Fraction = Fraction(1),
) -> SoundSource:
    """Return the sound of a file as a guide: mono at `avlink.metrics.guide.SAMPLE_RATE`, read in blocks.

    It is the sum of the channels, or the loudest one where they cancel each other. Raises what `open_audio` raises.
    """
    sound = open_audio(path, sample_rate=SAMPLE_RATE, mono=False, start_s=start_s, duration_s=duration_s, speed=speed)
    return sound if sound.channels == 1 else OneChannel(sound)
