"""Sources: the files that hold the pictures or the sound of clips, found, probed, measured and named by content."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from math import floor
from pathlib import Path
from typing import TypeAlias

from avlink.core.errors import MediaError, PluginError
from avlink.core.file_digest import FileState, file_state
from avlink.core.hashing import digest, fraction_text
from avlink.core.limits import CLIP_S
from avlink.core.store import Store
from avlink.core.values import ImageSequence
from avlink.media import probe as probing
from avlink.media.frames import longest_hold
from avlink.media.images import probe_images
from avlink.media.probe_cache import cached_probe
from avlink.timeline.image_sequences import missing_images
from avlink.timeline.media_refs import FILM_SUFFIXES, SOUND_SUFFIXES, MediaRef, is_still
from avlink.timeline.resolve import MediaRoots, Unresolved, find_media, media_start, outside_media
from avlink.timeline.timecode import frames_of_timecode
from avlink.timeline.values import ClipRef, Skip, Source, left_out, with_fades

_ONE = Fraction(1)
# Containers round lengths to milliseconds.
_ROUNDING_S = Fraction(1, 1000)

Locate: TypeAlias = Callable[[ClipRef], Path | None]
"""Finds the file of a clip without one, or None. Raises PluginError."""


def resolve_sources(
    clips: Sequence[ClipRef | Skip],
    *,
    folder: Path,
    roots: MediaRoots,
    store: Store,
    skip_missing: bool = False,
    handle_s: Fraction = Fraction(0),
    locate: Locate | None = None,
    rate: Fraction | None = None,
) -> tuple[tuple[Source, ...], tuple[Skip, ...]]:
    """Return the clips whose picture can be used, and all others with the reason. Each file is opened once.

    A clip whose media is not found, by `locate` either, has failed, unless `skip_missing`. `handle_s` of media is added
    on both sides of each clip, as far as the media goes. `rate` is the timeline's, in frames per second: a clip that
    ends up to two frames after its media has a note of that, and one that ends later has failed.
    """
    files = _PictureFiles(folder=folder, roots=roots, store=store, locate=locate, rate=rate)
    return _resolve(clips, lambda clip: _with_handles(*files.source(clip), handle_s), skip_missing=skip_missing)


def resolve_sounds(
    clips: Sequence[ClipRef | Skip],
    *,
    folder: Path,
    roots: MediaRoots,
    store: Store,
    rate: Fraction,
    skip_missing: bool = False,
    locate: Locate | None = None,
) -> tuple[tuple[Source, ...], tuple[Skip, ...]]:
    """Return the clips whose sound can be used, and all others with the reason. Each file is opened once.

    `rate` is the timeline's, in frames per second. A clip whose media is not found, by `locate` either, has failed,
    unless `skip_missing`.
    """
    files = SoundFiles(folder=folder, roots=roots, store=store, locate=locate)
    return _resolve(clips, lambda clip: files.source(clip, rate=rate), skip_missing=skip_missing)


def _resolve(
    clips: Sequence[ClipRef | Skip], source_of: Callable[[ClipRef], Source], *, skip_missing: bool
) -> tuple[tuple[Source, ...], tuple[Skip, ...]]:
    sources: list[Source] = []
    skips: list[Skip] = []
    for clip in clips:
        if isinstance(clip, Skip):
            skips.append(clip)
            continue
        try:
            source = source_of(clip)
            if source.made_s > CLIP_S.most:
                raise Unresolved(CLIP_S.refusal(float(source.made_s), "it"), failed=True)
            sources.append(source)
        except Unresolved as error:
            failed = error.failed and not (error.missing and skip_missing)
            skips.append(left_out(clip, str(error), source=error.source, failed=failed, missing=error.missing))
    return tuple(sources), tuple(skips)


def timecode_s(video: probing.VideoInfo) -> Fraction | None:
    """Return real time from midnight to the first picture by the file's timecode, or None without a valid one."""
    if video.timecode is None:
        return None
    try:
        return frames_of_timecode(video.timecode, video.rate) / video.rate
    except ValueError:
        return None


def _find_media(
    clip: ClipRef,
    folder: Path,
    roots: MediaRoots,
    locate: Locate | None,
    suffixes: tuple[str, ...] = FILM_SUFFIXES,
) -> tuple[MediaRef, Path | ImageSequence]:
    """Find the media of a clip, and ask `locate` where it is not found. Raises Unresolved."""
    try:
        return find_media(clip, folder, roots, suffixes=suffixes)
    except Unresolved as error:
        # A title or a still is no film, wherever its file may be.
        if locate is None or any(ref.kind == "generator" or is_still(ref.url) for ref in clip.media):
            raise
        try:
            path = locate(clip)
        except PluginError as failure:
            raise Unresolved(str(failure), source=error.source, failed=True) from failure
        if path is None:
            raise
    ref = next((ref for ref in clip.media if ref.url), None)
    if ref is None:
        return MediaRef(key="by plugin", kind="file", url=str(path)), path
    return replace(ref, kind="file", url=str(path), images=None), path


def _within(
    clip: ClipRef, info: probing.MediaInfo, start_s: Fraction, *, end_s: Fraction | None, rates: Sequence[Fraction]
) -> ClipRef:
    """Return a clip, with a note if its media ends, at `end_s`, at least a frame before it.

    Timelines round lengths up to whole frames of their own, of which each is up to `speed` frames of media. `rates` are
    those of the timeline and of the media. Raises Unresolved for a clip that asks for more than two frames.
    """
    slack_s = _slack_s(clip.speed, *rates)
    outside = outside_media(start_s, clip.source_duration_s, end_s, slack_s=slack_s)
    if outside is not None:
        raise Unresolved(outside, source=str(info.path), failed=True)
    over_s = Fraction(0) if end_s is None else start_s + clip.source_duration_s - end_s
    if over_s < 1 / max(rates) - _ROUNDING_S:
        return clip
    padded = "silence follows" if info.video is None else "its last picture is held"
    note = f"{clip.name} on {clip.track} ends {float(over_s):.3f} s after its media; {padded}"
    return replace(clip, notes=(*clip.notes, note))


@lru_cache(maxsize=256)
def _slack_s(speed: Fraction, *rates: Fraction) -> Fraction:
    """Return how much more than its media a clip may ask for."""
    return min(2 / min(rates), longest_hold(max(rates))) * max(_ONE, abs(speed)) + _ROUNDING_S


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Media of pictures: the facts on it, the state of each of its files, and the digest of all."""

    info: probing.MediaInfo
    states: tuple[FileState, ...]
    digest: str


class _PictureFiles:
    """The media of picture clips. A file that a hundred clips use is opened once."""

    def __init__(
        self, *, folder: Path, roots: MediaRoots, store: Store, locate: Locate | None, rate: Fraction | None
    ) -> None:
        self._folder, self._roots, self._store, self._locate = folder, roots, store, locate
        self._rate = rate
        self._seen: dict[Path | ImageSequence, _Seen | str] = {}

    def source(self, clip: ClipRef) -> tuple[Source, probing.MediaInfo]:
        """Return the clip's source without handles, and the facts on its media. Raises Unresolved."""
        ref, media = _find_media(clip, self._folder, self._roots, self._locate)
        seen = self._look(media)
        info = seen.info
        video = probing.require_video(info)
        start_s = media_start(ref, clip.source_low_s, timecode_s=timecode_s(video), file_duration_s=info.duration_s)
        clip = _within(clip, info, start_s, end_s=info.duration_s, rates=(video.rate, self._rate or video.rate))
        start_s = max(start_s, Fraction(0))
        images = media if isinstance(media, ImageSequence) else None
        if images is not None and ref.images is not None:
            lost = missing_images(ref.images, images, start_s, start_s + clip.source_duration_s)
            if lost and ref.images.missing == "error":
                lack = f"of its image sequence {ref.images.prefix}*{ref.images.suffix} the images {lost} are missing"
                raise Unresolved(lack, source=str(info.path), failed=True, missing=True)
            if lost:
                told = "shown black" if images.black else "held"
                note = f"{clip.name} on {clip.track}: images {lost} are missing; {told}"
                clip = replace(clip, notes=(*clip.notes, note))
        source = Source(
            clip=clip,
            path=info.path,
            digest=seen.digest,
            start_s=start_s,
            duration_s=clip.source_duration_s,
            speed=clip.speed,
            images=images,
            states=seen.states,
            recorded=info.recorded,
        )
        return source, info

    def _look(self, media: Path | ImageSequence) -> _Seen:
        if media not in self._seen:
            try:
                info = probe_images(media) if isinstance(media, ImageSequence) else cached_probe(media, self._store)
                probing.require_video(info)
                files = media.files if isinstance(media, ImageSequence) else (media,)
                states = tuple(file_state(path, self._store) for path in files if path is not None)
                self._seen[media] = _Seen(info=info, states=states, digest=_digest(media, states))
            except MediaError as error:
                self._seen[media] = str(error)
        found = self._seen[media]
        if isinstance(found, str):
            raise Unresolved(found, source=str(media), failed=True)
        return found


def _digest(media: Path | ImageSequence, states: Sequence[FileState]) -> str:
    """Return the digest of a film, or of an image sequence: of its pictures in their places."""
    if not isinstance(media, ImageSequence):
        return states[0].digest
    known = {state.path: state.digest for state in states}
    files = [None if path is None else known[path] for path in media.files]
    return digest(["images", fraction_text(media.rate), media.black, *files])


class SoundFiles:
    """The media of sound clips. A file that a hundred clips use is opened once."""

    def __init__(self, *, folder: Path, roots: MediaRoots, store: Store, locate: Locate | None = None) -> None:
        self._folder, self._roots, self._store, self._locate = folder, roots, store, locate
        self._seen: dict[Path, probing.MediaInfo | MediaError] = {}

    def find(self, clip: ClipRef) -> tuple[probing.MediaInfo, Fraction] | None:
        """Return a clip's file, and the time in it of the clip's earliest sound; None for a clip without sound.

        Raises Unresolved when there is no file, and MediaError when it cannot be used.
        """
        suffixes = (*SOUND_SUFFIXES, *FILM_SUFFIXES)
        ref, media = _find_media(clip, self._folder, self._roots, self._locate, suffixes)
        info = self._look(media) if isinstance(media, Path) else None
        if info is None or info.audio is None:
            return None
        timecode = info.audio.time_reference_s if info.video is None else timecode_s(info.video)
        return info, media_start(ref, clip.source_low_s, timecode_s=timecode, file_duration_s=info.duration_s)

    def state(self, info: probing.MediaInfo) -> FileState:
        """Return the state of a file. Raises MediaError when it cannot be read."""
        return file_state(info.path, self._store)

    def source(self, clip: ClipRef, *, rate: Fraction) -> Source:
        """Return a clip with the sound that it plays; `rate` is the timeline's, in frames per second.

        Raises Unresolved with a sentence that says why there is none.
        """
        try:
            found = self.find(clip)
            if found is None:
                raise Unresolved("its media has no sound", failed=True)
            info, start_s = found
            state = self.state(info)
        except MediaError as error:
            raise Unresolved(str(error), failed=True) from error
        return Source(
            clip=_within(clip, info, start_s, end_s=_end_s(info), rates=(rate,)),
            path=info.path,
            digest=state.digest,
            start_s=max(start_s, Fraction(0)),
            duration_s=clip.source_duration_s,
            speed=clip.speed,
            states=(state,),
        )

    def _look(self, path: Path) -> probing.MediaInfo:
        if path not in self._seen:
            try:
                self._seen[path] = cached_probe(path, self._store)
            except MediaError as error:
                self._seen[path] = error
        found = self._seen[path]
        if isinstance(found, MediaError):
            raise found
        return found


def _end_s(info: probing.MediaInfo) -> Fraction | None:
    """Return the end of a file's sound in media time, or None where it is not known."""
    if info.audio is None or info.audio.duration_s is None:
        return info.duration_s if info.video is None else None
    first_s = info.audio.start_s if info.video is None else info.video.start_s
    return info.audio.start_s - first_s + info.audio.duration_s


def _with_handles(source: Source, info: probing.MediaInfo, handle_s: Fraction) -> Source:
    """Return the source with the media that transitions and handles take around it, as far as there is media."""
    clip, pace = source.clip, abs(source.speed)
    if not pace:
        # A frozen picture lasts for as long as it is wanted.
        return replace(source, before_s=clip.lead_s, after_s=clip.trail_s)
    rest_s = max(Fraction(0), info.duration_s - source.start_s - source.duration_s)
    sides = (source.start_s, rest_s) if source.speed > 0 else (rest_s, source.start_s)
    lead_s, trail_s = min(clip.lead_s, sides[0] / pace), min(clip.trail_s, sides[1] / pace)
    if (lead_s, trail_s) != (clip.lead_s, clip.trail_s):
        clip = with_fades(replace(clip, lead_s=lead_s, trail_s=trail_s), clip.fades)
    # Whole frames, so that the model sees each picture as it is and not the average of two.
    step_s = 1 / (probing.require_video(info).rate * pace)
    handles = [
        floor(min(side_s / pace - used_s, handle_s) / step_s) * step_s
        for side_s, used_s in zip(sides, (lead_s, trail_s), strict=True)
    ]
    return replace(source, clip=clip, before_s=lead_s + handles[0], after_s=trail_s + handles[1])
