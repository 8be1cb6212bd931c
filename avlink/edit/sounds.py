"""From sound clips to the files that hold their sound: found, probed, measured and named by content."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from avlink.core.errors import MediaError
from avlink.core.hashing import file_digest
from avlink.core.store import Store
from avlink.edit.sources import timecode_s
from avlink.media.probe import MediaInfo
from avlink.media.probe_cache import known_probe
from avlink.timeline.resolve import MediaRoots, Unresolved, find_media, media_start, outside_media
from avlink.timeline.suffixes import FILM_SUFFIXES, SOUND_SUFFIXES
from avlink.timeline.values import ClipRef, Skip, Source, left_out


class SoundFiles:
    """The media of sound clips; a file that a hundred clips use is looked into once."""

    def __init__(self, *, folder: Path, roots: MediaRoots, store: Store) -> None:
        self._folder, self._roots, self._store = folder, roots, store
        self._seen: dict[Path, MediaInfo | MediaError] = {}

    def find(self, clip: ClipRef) -> tuple[MediaInfo, Fraction] | None:
        """The file of a clip, and the moment of it at which the clip's earliest sound is; None for one without sound.

        Raises Unresolved when there is no file, and MediaError when it cannot be used.
        """
        ref, media = find_media(clip, self._folder, self._roots, suffixes=(*SOUND_SUFFIXES, *FILM_SUFFIXES))
        info = self._look(media) if isinstance(media, Path) else None
        if info is None or info.audio is None:
            return None
        timecode = info.audio.time_reference_s if info.video is None else timecode_s(info.video)
        return info, media_start(ref, clip.source_low_s, timecode_s=timecode, file_duration_s=info.duration_s)

    def digest(self, info: MediaInfo) -> str:
        """The name of a file's content. Raises MediaError when it cannot be read."""
        return file_digest(info.path, self._store)

    def source(self, clip: ClipRef, *, slack_s: Fraction) -> Source:
        """A clip with the sound that it plays; `slack_s` is how far it may reach beyond its file, into silence.

        Raises Unresolved with a sentence that says why there is none.
        """
        try:
            found = self.find(clip)
            if found is None:
                raise Unresolved("its media has no sound", failed=True)
            info, start_s = found
            content = self.digest(info)
        except MediaError as error:
            raise Unresolved(str(error), failed=True) from error
        outside = outside_media(start_s, clip.source_duration_s, _end_s(info), slack_s=slack_s)
        if outside is not None:
            raise Unresolved(outside, source=str(info.path), failed=True)
        return Source(
            clip=clip,
            path=info.path,
            digest=content,
            start_s=max(start_s, Fraction(0)),
            duration_s=clip.source_duration_s,
            speed=clip.speed,
        )

    def _look(self, path: Path) -> MediaInfo:
        if path not in self._seen:
            try:
                self._seen[path] = known_probe(path, self._store)
            except MediaError as error:
                self._seen[path] = error
        found = self._seen[path]
        if isinstance(found, MediaError):
            raise found
        return found


def resolve_sounds(
    clips: Sequence[ClipRef | Skip], files: SoundFiles, *, rate: Fraction, skip_missing: bool = False
) -> tuple[tuple[Source, ...], tuple[Skip, ...]]:
    """The clips whose sound can be used, and all others with the reason. `rate` is the timeline's frames per second.

    A clip whose media is not found has failed, unless `skip_missing`.
    """
    sources: list[Source] = []
    skips: list[Skip] = []
    for clip in clips:
        if isinstance(clip, Skip):
            skips.append(clip)
            continue
        try:
            # Timelines count their own frames: the last of those may be `speed` frames of the media.
            sources.append(files.source(clip, slack_s=max(Fraction(1), abs(clip.speed)) / rate))
        except Unresolved as error:
            failed = error.failed and not (error.missing and skip_missing)
            skips.append(left_out(clip, str(error), source=error.source, failed=failed, missing=error.missing))
    return tuple(sources), tuple(skips)


def _end_s(info: MediaInfo) -> Fraction | None:
    """Where the sound of a file ends, in media time; None where that is not known."""
    if info.audio is None or info.audio.duration_s is None:
        return info.duration_s if info.video is None else None
    first_s = info.audio.start_s if info.video is None else info.video.start_s
    return info.audio.start_s - first_s + info.audio.duration_s
