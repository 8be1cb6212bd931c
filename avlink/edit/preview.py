"""Previews: a movie of a whole timeline as a viewer sees it, with the stems at their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avlink.core import clock
from avlink.core.errors import MediaError
from avlink.core.events import Message
from avlink.core.paths import Writer, atomic_write
from avlink.core.values import SoundSource
from avlink.edit.production import find_production, place_production
from avlink.edit.report import WrittenStem
from avlink.edit.sources import Locate, resolve_sources
from avlink.edit.transparency import with_transparency
from avlink.media.composite import Ramp, Segment, composite_frames
from avlink.media.images import probe_images
from avlink.media.mix import Mixdown, PlacedSound, within_full_scale
from avlink.media.movie import write_movie
from avlink.media.probe import probe, require_video
from avlink.media.wave import WaveFile
from avlink.session import Session
from avlink.timeline.formats.otioz import unpack_sound
from avlink.timeline.read import TimelineFile
from avlink.timeline.resolve import MediaRoots
from avlink.timeline.stem_edits import StemEdit
from avlink.timeline.timebase import frame_rate
from avlink.timeline.values import ClipRef, Source
from avlink.timeline.visible import visible
from avlink.timeline.walk import list_clips

_DEFAULT_SIZE = (16, 9)
_DEFAULT_RATE = 48000


def write_preview(
    file: TimelineFile,
    stems: Sequence[WrittenStem],
    path: Path,
    session: Session,
    *,
    folder: Path,
    roots: MediaRoots,
    height: int,
    production: bool,
    edits: Mapping[tuple[str, str], StemEdit] | None = None,
    locate: Locate | None = None,
    write: Writer = atomic_write,
) -> None:
    """Write the visible pictures of a timeline, at its frame rate, with `stems` and, with `production`, its own sound.

    Gaps and unreadable media are black. Sounds are added at their own levels; if the sum exceeds full scale, all of
    it is attenuated together. `edits` move, trim and switch off stems, by clip id and role. Memory stays constant.
    Relative media lies in `folder`; `locate` finds media that is missing.

    Raises OutputError when the movie cannot be written.
    """
    ends = [stem.job.clip.heard_end_s for stem in stems]
    shown = edit_pictures(
        file, session, folder=folder, roots=roots, height=height, least_s=max(ends, default=Fraction(0)), locate=locate
    )
    own = own_sound(file, session, folder, roots, _rate(stems)) if production else []
    sound = _mix(stems, own, shown.duration_s, edits or {})
    with write(path) as temporary:
        write_movie(temporary, shown.images, sound, rate=shown.rate, width=shown.width, height=shown.height)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditPictures:
    """The pictures of a timeline as a viewer sees them, RGB uint8 (height, width, 3), read once, at its frame rate."""

    images: Iterator[NDArray[np.uint8]]
    rate: Fraction
    width: int
    height: int
    duration_s: Fraction


def edit_pictures(
    file: TimelineFile,
    session: Session,
    *,
    folder: Path,
    roots: MediaRoots,
    height: int,
    least_s: Fraction = Fraction(0),
    locate: Locate | None = None,
) -> EditPictures:
    """Return the visible pictures of a timeline, at most `height` pixels high, for `least_s` or longer.

    Gaps are black, and so is media that cannot be read, of which a warning is sent. Memory stays constant.
    """
    items = list_clips(file.timeline, file.image_rate)
    clips = visible(with_transparency(items, folder=folder, roots=roots, locate=locate))
    rate = clock.exact_rate(frame_rate(file.timeline))
    sources, _ = resolve_sources(clips, folder=folder, roots=roots, store=session.store, locate=locate, rate=rate)
    order = {clip.id: number for number, clip in enumerate(clips)}
    sources = tuple(sorted(sources, key=lambda source: order[source.clip.id]))
    duration_s = max((clip.heard_end_s for clip in clips), default=Fraction(0))
    width, height = _size(sources, height)

    def on_lost(segment: Segment, error: MediaError) -> None:
        session.tell(Message(text=f"the preview is black for a part: {error}", level="warning"))

    duration_s = max(duration_s, least_s)
    images = composite_frames(
        [_segment(source) for source in sources],
        duration_s=duration_s,
        rate=rate,
        width=width,
        height=height,
        on_lost=on_lost,
    )
    return EditPictures(images=images, rate=rate, width=width, height=height, duration_s=duration_s)


def _segment(source: Source) -> Segment:
    """Return a source with the media that its transitions show.

    In a dissolve the incoming clip lies over the outgoing one, so only the incoming one fades.
    """
    clip = source.clip
    early_s = clip.lead_s if source.speed > 0 else clip.trail_s
    return Segment(
        path=source.picture,
        at_s=clip.heard_start_s,
        duration_s=clip.heard_duration_s,
        start_s=source.start_s - early_s * abs(source.speed),
        speed=source.speed,
        transparent=clip.transparent,
        ramps=tuple(
            Ramp(start_s=fade.start_s, end_s=fade.end_s, rising=fade.rising)
            for fade in clip.fades
            if fade.rising or fade.alone
        ),
    )


def _size(sources: Sequence[Source], tallest: int) -> tuple[int, int]:
    """Return the size of the preview in even numbers: the shape of the first picture, at most `tallest` pixels high."""
    wide, high = _DEFAULT_SIZE
    height = tallest
    if sources:
        first = sources[0]
        info = require_video(probe(first.path) if first.images is None else probe_images(first.images))
        wide, high = info.width, info.height
        height = min(tallest, high)
    return max(2, round(height * wide / high / 2) * 2), max(2, height // 2 * 2)


def _rate(stems: Sequence[WrittenStem]) -> int:
    return stems[0].sample_rate if stems else _DEFAULT_RATE


def own_sound(
    file: TimelineFile, session: Session, folder: Path, roots: MediaRoots, sample_rate: int
) -> list[PlacedSound]:
    """Return the production sound, and send a warning for each clip that cannot be heard."""
    if file.bundle is not None:
        unpack_sound(file.bundle, file.timeline.audio_tracks(), folder)
    sounds, lost = find_production(file.timeline, folder=folder, roots=roots, store=session.store)
    silent: list[tuple[ClipRef, Exception]] = [*lost]
    heard = []
    for placed in place_production(sounds, sample_rate):
        if isinstance(placed, PlacedSound):
            heard.append(placed)
        else:
            silent.append(placed)
    for clip, reason in silent:
        said = f"{clip.name} on {clip.track} is not heard in the preview: {reason}"
        session.tell(Message(text=said, level="warning"))
    return heard


def _mix(
    stems: Sequence[WrittenStem],
    own: Sequence[PlacedSound],
    duration_s: Fraction,
    edits: Mapping[tuple[str, str], StemEdit],
) -> SoundSource | None:
    """Return all stems at their places, without handles, and production sound; None if there is no sound."""
    parts = [*own]
    for stem in stems:
        clip, rate = stem.job.clip, stem.sample_rate
        edit = edits.get((clip.id, clip.role))
        first, last = stem.head_samples, stem.samples - stem.tail_samples
        at_s = clip.heard_start_s
        if edit is not None:
            if not edit.clip.enabled:
                continue
            first = max(0, first + clock.to_index(edit.head_s, rate))
            last = min(stem.samples, last + clock.to_index(edit.head_s + edit.longer_s, rate))
            at_s += edit.shift_s
        if last > first and at_s >= 0:
            at = clock.to_index(at_s, rate)
            parts.append(PlacedSound(sound=WaveFile(stem.path), at=at, num_samples=last - first, first=first))
    if not parts:
        return None
    rate = _rate(stems)
    channels = max(part.sound.channels for part in parts)
    samples = clock.to_index(duration_s, rate)
    return within_full_scale(Mixdown(parts, sample_rate=rate, channels=channels, num_samples=samples))
