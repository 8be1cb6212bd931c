"""From clips to the files that hold their picture: found, probed, measured and named by content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import floor
from pathlib import Path

from avlink.core.errors import MediaError
from avlink.core.hashing import digest, file_digest, fraction_text
from avlink.core.images import ImageSequence
from avlink.core.store import Store
from avlink.media import probe as probing
from avlink.media.images import probe_images
from avlink.media.probe_cache import known_probe
from avlink.timeline.resolve import MediaRoots, Unresolved, find_media, media_start, outside_media
from avlink.timeline.sequences import missing_images
from avlink.timeline.timecode import frames_of_timecode
from avlink.timeline.values import ClipRef, Skip, Source, left_out, with_fades


def resolve_sources(
    clips: Sequence[ClipRef | Skip],
    *,
    folder: Path,
    roots: MediaRoots,
    store: Store,
    skip_missing: bool = False,
    handle_s: Fraction = Fraction(0),
) -> tuple[tuple[Source, ...], tuple[Skip, ...]]:
    """The clips whose file can be used, and all others with the reason; each file is looked into once.

    A clip whose media is not found has failed, unless `skip_missing`. `handle_s` is how much more than is heard of
    each clip shall be made on both sides, as far as the media goes.
    """
    files = _Files(store)
    sources: list[Source] = []
    skips: list[Skip] = []
    for clip in clips:
        if isinstance(clip, Skip):
            skips.append(clip)
            continue
        try:
            source, info = _source(clip, folder, roots, files)
            sources.append(_with_handles(source, info, handle_s))
        except Unresolved as error:
            failed = error.failed and not (error.missing and skip_missing)
            skips.append(left_out(clip, str(error), source=error.source, failed=failed, missing=error.missing))
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
        self._seen: dict[Path | ImageSequence, tuple[probing.MediaInfo, str] | str] = {}

    def look(self, media: Path | ImageSequence) -> tuple[probing.MediaInfo, str]:
        """What media is, and the digest of its content. Raises Unresolved for what cannot be used."""
        if media not in self._seen:
            try:
                info = probe_images(media) if isinstance(media, ImageSequence) else known_probe(media, self._store)
                probing.require_video(info)
                self._seen[media] = (info, self._digest(media))
            except MediaError as error:
                self._seen[media] = str(error)
        found = self._seen[media]
        if isinstance(found, str):
            raise Unresolved(found, source=str(media), failed=True)
        return found

    def _digest(self, media: Path | ImageSequence) -> str:
        if not isinstance(media, ImageSequence):
            return file_digest(media, self._store)
        files = [None if path is None else file_digest(path, self._store) for path in media.files]
        return digest(["images", fraction_text(media.rate), media.black, *files])


def _source(clip: ClipRef, folder: Path, roots: MediaRoots, files: _Files) -> tuple[Source, probing.MediaInfo]:
    """The clip's source without handles, and what its media is."""
    ref, media = find_media(clip, folder, roots)
    info, content = files.look(media)
    video = probing.require_video(info)
    start_s = media_start(ref, clip.source_low_s, timecode_s=timecode_s(video), file_duration_s=info.duration_s)
    # Timelines count their own frames: the last of those may be `speed` frames of the media.
    slack_s = max(Fraction(1), abs(clip.speed)) / video.rate
    outside = outside_media(start_s, clip.source_duration_s, info.duration_s, slack_s=slack_s)
    if outside is not None:
        raise Unresolved(outside, source=str(info.path), failed=True)
    start_s = max(start_s, Fraction(0))
    images = media if isinstance(media, ImageSequence) else None
    if images is not None and ref.images is not None:
        lost = missing_images(ref.images, images, start_s, start_s + clip.source_duration_s)
        if lost and ref.images.missing == "error":
            lack = f"of its image sequence {ref.images.prefix}*{ref.images.suffix} the images {lost} are missing"
            raise Unresolved(lack, source=str(info.path), failed=True, missing=True)
        if lost:
            told = "shown black" if images.black else "held"
            clip = replace(clip, notes=(*clip.notes, f"{clip.name} on {clip.track}: images {lost} are missing; {told}"))
    source = Source(
        clip=clip,
        path=info.path,
        digest=content,
        start_s=start_s,
        duration_s=clip.source_duration_s,
        speed=clip.speed,
        images=images,
    )
    return source, info


def _with_handles(source: Source, info: probing.MediaInfo, handle_s: Fraction) -> Source:
    """The source with what transitions and handles take of the media around it; what is not there is left away."""
    clip, pace = source.clip, abs(source.speed)
    if not pace:
        # A frozen picture goes on for as long as it is wanted.
        return replace(source, before_s=clip.lead_s, after_s=clip.trail_s)
    rest_s = max(Fraction(0), info.duration_s - source.start_s - source.duration_s)
    sides = (source.start_s, rest_s) if source.speed > 0 else (rest_s, source.start_s)
    lead_s, trail_s = min(clip.lead_s, sides[0] / pace), min(clip.trail_s, sides[1] / pace)
    if (lead_s, trail_s) != (clip.lead_s, clip.trail_s):
        clip = with_fades(replace(clip, lead_s=lead_s, trail_s=trail_s), clip.fades)
    # In whole frames: the model sees each picture as it was, and not the average of two.
    step_s = 1 / (probing.require_video(info).rate * pace)
    handles = [
        floor(min(side_s / pace - used_s, handle_s) / step_s) * step_s
        for side_s, used_s in zip(sides, (lead_s, trail_s), strict=True)
    ]
    return replace(source, clip=clip, before_s=lead_s + handles[0], after_s=trail_s + handles[1])
