"""`avlink visualize` for a plain media file: a movie of its generated pictures with its sound in it.

The file is treated as a timeline of one sound clip, so planning and caching are the same.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from avlink.core.errors import InputError, OutputError
from avlink.core.hashing import file_digest
from avlink.core.paths import atomic_write
from avlink.core.recipe import VisualizeRecipe
from avlink.core.values import FrameSource
from avlink.edit.picture_render import render_pictures
from avlink.edit.picture_report import VisualizeReport, WrittenPicture, picture_items
from avlink.edit.render import cached_jobs
from avlink.hooks import ReadyBackend
from avlink.media.audio import open_audio
from avlink.media.movie import even_size, write_video
from avlink.media.probe import probe
from avlink.session import Session
from avlink.timeline.picture_plan import build_picture_plan
from avlink.timeline.values import ClipRef, Job, Source
from avlink.timeline.walk import item_id
from avlink.timeline.write import refuse_overwrite

_SOUND_RATE = 48000
_MOVIES = (".mp4", ".m4v", ".mov", ".mkv")


def visualize_file(
    path: Path,
    recipe: VisualizeRecipe,
    backend: ReadyBackend,
    session: Session,
    *,
    output: Path | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> VisualizeReport:
    """Give one media file with sound its pictures, as `<name>.picture.mp4` or `output`.

    When the model fails, that is an item that failed. Raises MediaError for a file without usable sound, OutputError
    for a place that cannot be written.
    """
    output = output or path.with_name(f"{path.stem}.picture.mp4")
    if output.suffix.lower() not in _MOVIES:
        raise OutputError(f"{output} cannot be the output: pictures are written as {', '.join(_MOVIES)}")
    refuse_overwrite(output, inputs=(path,))
    probe(path)
    sound = open_audio(path, sample_rate=_SOUND_RATE, mono=False)
    duration_s = Fraction(sound.num_samples, _SOUND_RATE)
    if sound.num_samples == 0:
        raise InputError(f"{path} has no sound in it; give a file with sound")
    clip = ClipRef(
        id=item_id(0, Fraction(0), duration_s),
        name=path.name,
        track="A1",
        layer=0,
        timeline_start_s=Fraction(0),
        timeline_duration_s=duration_s,
        source_start_s=Fraction(0),
        media=(),
    )
    digest = file_digest(path, session.store)
    source = Source(clip=clip, path=path, digest=digest, start_s=Fraction(0), duration_s=duration_s)
    plan = build_picture_plan(
        (source,), recipe, rate=None, backend=[backend.name, backend.fingerprint()], finish="movie"
    )
    if dry_run:
        items = picture_items(plan, pictures={}, failures={}, cached=cached_jobs(plan, session))
        return VisualizeReport(input=path, output=None, items=items)

    def write(job: Job, frames: FrameSource, cached: bool) -> WrittenPicture:
        scale = recipe.picture.upscale
        with atomic_write(output) as temporary:
            write_video(temporary, frames, sound=sound, scale=scale)
        width, height = even_size(frames.width * scale, frames.height * scale)
        return WrittenPicture(
            job=job,
            path=output,
            width=width,
            height=height,
            frames=frames.num_frames,
            rate=frames.rate,
            cached=cached,
        )

    done = render_pictures(plan, backend, write, session, force=force)
    for failure in done.failures.values():
        # There is but one sound: when the file itself is at fault, that is all there is to say.
        if isinstance(failure, InputError):
            raise failure
    return VisualizeReport(
        input=path,
        output=output if done.pictures else None,
        items=picture_items(plan, pictures=done.pictures, failures=done.failures),
    )
