"""From clips to the files that hold their picture: found, probed, measured and named by content."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from avlink.core.errors import MediaError
from avlink.core.hashing import file_digest
from avlink.core.store import Store
from avlink.media import probe as probing
from avlink.timeline.resolve import MediaRoots, Unresolved, find_media, media_start, outside_media
from avlink.timeline.timecode import frames_of_timecode
from avlink.timeline.values import ClipRef, Skip, Source, left_out


def resolve_sources(
    clips: Sequence[ClipRef | Skip], *, folder: Path, roots: MediaRoots, store: Store
) -> tuple[tuple[Source, ...], tuple[Skip, ...]]:
    """The clips whose file can be used, and all others with the reason; each file is looked into once."""
    files = _Files(store)
    sources: list[Source] = []
    skips: list[Skip] = []
    for clip in clips:
        if isinstance(clip, Skip):
            skips.append(clip)
            continue
        try:
            sources.append(_source(clip, folder, roots, files))
        except Unresolved as error:
            skips.append(left_out(clip, str(error), source=error.source, failed=error.failed))
    return tuple(sources), tuple(skips)


def timecode_s(video: probing.VideoInfo) -> Fraction | None:
    """Real time from midnight to the first picture by the file's own timecode, if it has one that makes sense."""
    if video.timecode is None:
        return None
    try:
        return frames_of_timecode(video.timecode, video.rate) / video.rate
    except ValueError:
        return None


class _Files:
    """Media files that were looked into, so that a file that a hundred clips use is opened once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: dict[Path, tuple[probing.MediaInfo, str] | str] = {}

    def look(self, path: Path) -> tuple[probing.MediaInfo, str]:
        """What a file is, and the digest of its content. Raises Unresolved for what cannot be used."""
        if path not in self._seen:
            try:
                info = probing.probe(path)
                probing.require_video(info)
                self._seen[path] = (info, file_digest(path, self._store))
            except MediaError as error:
                self._seen[path] = str(error)
        found = self._seen[path]
        if isinstance(found, str):
            raise Unresolved(found, source=str(path), failed=True)
        return found


def _source(clip: ClipRef, folder: Path, roots: MediaRoots, files: _Files) -> Source:
    ref, path = find_media(clip, folder, roots)
    info, digest = files.look(path)
    video = probing.require_video(info)
    start_s = media_start(ref, clip.source_low_s, timecode_s=timecode_s(video), file_duration_s=info.duration_s)
    # Timelines count their own frames: the last of those may be `speed` frames of the media.
    slack_s = max(Fraction(1), abs(clip.speed)) / video.rate
    outside = outside_media(start_s, clip.source_duration_s, info.duration_s, slack_s=slack_s)
    if outside is not None:
        raise Unresolved(outside, source=str(path), failed=True)
    return Source(
        clip=clip,
        path=path,
        digest=digest,
        start_s=max(start_s, Fraction(0)),
        duration_s=clip.source_duration_s,
        speed=clip.speed,
    )
