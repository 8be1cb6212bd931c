"""Movies for a timeline, from generated frames: its rate, the exact length of the sound, its timecode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path

from avlink.core import clock
from avlink.core.errors import MediaError
from avlink.core.frames import AT_MIDDLE, ResampledFrames
from avlink.core.hashing import JsonValue, digest, fraction_text
from avlink.core.outputs import Outputs, content_names
from avlink.core.values import FrameSource
from avlink.edit.report import WrittenPicture
from avlink.media.movie import SUFFIX, Encoding, even_size, intermediate_encoding, supports_timecode, write_intermediate
from avlink.media.probe import probe
from avlink.timeline.picture_plan import frames_of
from avlink.timeline.timecode import timecode_of_frames
from avlink.timeline.values import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureTarget:
    """The finish and the place of pictures.

    `rate` is the timeline's, in frames per second, and `origin_s` the real time from midnight to its start. Every pixel
    of the model becomes a square of `scale`. `licence` is noted in the files.
    """

    folder: Path
    outputs: Outputs
    rate: Fraction
    origin_s: Fraction
    scale: int
    drop_frame: bool = False
    encoding: Encoding = field(default_factory=intermediate_encoding)
    licence: str = ""

    def finish_key(self) -> JsonValue:
        """Return what a finished picture depends on, besides the generated frames and its place between two frames."""
        encoding = self.encoding
        return [fraction_text(self.rate), self.scale, encoding.codec, encoding.pixels, dict(encoding.options)]


def write_picture(
    job: Job, made: Callable[[], FrameSource], target: PictureTarget, *, cached: bool, force: bool
) -> WrittenPicture:
    """Write the pictures of a job as a movie of exactly the frames that its sound covers, unless it is there.

    A movie is named after its content, and none is ever written again: one that a person edited is used as it is.

    Raises OutputError when it cannot be written, MediaError where the encoder refuses the pictures.
    """
    clip = job.source.clip
    covered = frames_of(clip, target.rate)
    # The sound may begin up to half a frame before or after the first frame does.
    first_s = covered.start / target.rate - clip.timeline_start_s
    origin = clock.to_index(target.origin_s, target.rate)
    timecode = (
        timecode_of_frames(origin + covered.start, target.rate, drop=target.drop_frame)
        if supports_timecode(target.rate)
        else None
    )
    tags = provenance(job, target.licence)
    key = digest(["written picture", job.stem_key, len(covered), fraction_text(first_s), timecode, *tags.values()])
    frames = made()
    names = partial(content_names, target.folder, job.stem_name, key, SUFFIX)
    fits = partial(_fits, target=target, frames=len(covered))
    there = None if force else target.outputs.find(names(), key=key, fits=fits)
    if there is not None:
        path = there[0]
    else:
        held = ResampledFrames(frames, rate=target.rate, num_frames=len(covered), first_s=first_s, sample_at=AT_MIDDLE)

        def encode(temporary: Path) -> None:
            write_intermediate(
                temporary, held, encoding=target.encoding, scale=target.scale, timecode=timecode, tags=tags
            )

        path = target.outputs.write_new(names(), encode, facts={"key": key})
    width, height = even_size(frames.width * target.scale, frames.height * target.scale)
    return WrittenPicture(
        job=job,
        path=path,
        width=width,
        height=height,
        frames=len(covered),
        rate=target.rate,
        first_frame=covered.start,
        timecode=timecode,
        cached=cached,
    )


def _fits(path: Path, *, target: PictureTarget, frames: int) -> bool:
    """Return whether a movie that a person edited has the length of the picture."""
    try:
        info = probe(path)
        return info.video is not None and clock.to_index(info.duration_s, target.rate) == frames
    except MediaError:
        return False


def provenance(job: Job, licence: str) -> dict[str, str]:
    """Return the tags of a movie that say how it was made: the words, and the licence of the model's weights.

    These are the notes that a stem carries in its bext and iXML chunks.
    """
    note = "; ".join(word for word in (job.prompt.text, licence) if word)
    return {"comment": note} if note else {}
