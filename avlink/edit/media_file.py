"""`avlink sonify` for a plain media file: its sound as a WAV, and the same video with that sound in it.

The file is treated as a timeline of one clip, so planning, caching and writing are the same.
"""

from __future__ import annotations

import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from avlink.core.errors import InputError, OutputError
from avlink.core.hashing import file_digest
from avlink.core.paths import atomic_write, sweep_leftovers
from avlink.core.store import mark_used
from avlink.edit.finish import StemTarget
from avlink.edit.render import cached_jobs, render
from avlink.edit.report import SonifyReport, make_items
from avlink.edit.request import SonifyRequest
from avlink.edit.sources import timecode_s
from avlink.hooks import ReadyBackend, resolve_chain
from avlink.media.mux import mux_sound
from avlink.media.probe import probe, require_video
from avlink.media.wave import WaveFile
from avlink.session import Session
from avlink.timeline.plan import build_plan
from avlink.timeline.read import timeline_suffixes
from avlink.timeline.timecode import can_drop
from avlink.timeline.values import ClipRef, Job, Source
from avlink.timeline.walk import item_id
from avlink.timeline.write import refuse_overwrite

_MOVIES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts", ".flv", ".3gp")


def is_media_file(path: Path) -> bool:
    """Whether an input is meant as media: whatever exists and is not of a timeline's suffix.

    Raises InputError when there is nothing of that name.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; give a timeline or a media file")
    return path.is_file() and path.suffix.lower().lstrip(".") not in timeline_suffixes()


def sonify_media_file(request: SonifyRequest, backend: ReadyBackend, session: Session) -> SonifyReport:
    """Give one video file its generated sound.

    Writes `<name>.foley.wav` and `<name>.foley.<suffix>`, or just the output that is asked for: sound or video, by
    its suffix. A take that the model or the post chain fails at is an item that failed, and the others are written.
    Raises MediaError for a file that cannot be used, OutputError for a place that cannot be written.
    """
    recipe, path = request.recipe, request.input
    if request.stems is not None:
        raise InputError(f"{path} is a media file, of which --output names the sound; --stems is for timelines")
    info = probe(path)
    video = require_video(info)
    wav, movie = _outputs(request)
    for output in (wav, movie):
        if output is not None:
            refuse_overwrite(output, inputs=(path,))
    clip = ClipRef(
        id=item_id(0, Fraction(0), info.duration_s),
        name=path.name,
        track="V1",
        layer=0,
        timeline_start_s=Fraction(0),
        timeline_duration_s=info.duration_s,
        source_start_s=Fraction(0),
        media=(),
    )
    digest = file_digest(path, session.store)
    source = Source(clip=clip, path=path, digest=digest, start_s=Fraction(0), duration_s=info.duration_s)
    target = StemTarget(
        folder=path.parent,
        chain=resolve_chain(recipe, session.registry),
        sample_rate=recipe.stems.sample_rate,
        track_name=recipe.stems.track_name,
        origin_s=timecode_s(video) or Fraction(0),
        timecode_rate=video.rate,
        drop_frame=";" in (video.timecode or "") and can_drop(video.rate),
        project=path.stem,
        spotting=recipe.stems.spotting,
        licence=backend.licence,
        untouchable=frozenset({path.resolve()}),
        path_of=lambda job: _of_take(wav or session.cache / "finished" / f"{job.stem_key}.wav", job),
    )
    plan = build_plan((source,), recipe, backend=[backend.name, backend.fingerprint()], finish=target.finish_key())
    if request.dry_run:
        items = make_items(plan.jobs, (), stems={}, failures={})
        if len(cached_jobs(plan, session)) == len(plan.jobs):
            items = tuple(replace(item, status="cached") for item in items)
        return SonifyReport(input=path, output=None, items=items, licence=backend.licence)
    for place in (wav, movie):
        if place is not None:
            sweep_leftovers(place.parent, now_s=time.time())
    if wav is None:
        for job in plan.jobs:
            mark_used(target.path(job))
    done = render(plan, backend, target, session, max_batch_s=recipe.run.max_batch_s, force=request.force)
    for failure in done.failures.values():
        # There is but one clip: when the file itself is at fault, that is all there is to say.
        if isinstance(failure, InputError):
            raise failure
    written = [job for job in plan.jobs if job.id in done.stems]
    if movie is not None:
        for job in written:
            with atomic_write(_of_take(movie, job)) as temporary:
                mux_sound(path, WaveFile(done.stems[job.id].path), temporary)
    stems = {
        id: stem if wav else replace(stem, path=_of_take(movie or stem.path, stem.job))
        for id, stem in done.stems.items()
    }
    output = movie or wav
    return SonifyReport(
        input=path,
        output=_of_take(output, written[0]) if output and written else None,
        items=make_items(plan.jobs, (), stems=stems, failures=done.failures),
        licence=backend.licence,
    )


def _outputs(request: SonifyRequest) -> tuple[Path | None, Path | None]:
    """The sound file and the movie to write; one of them when the user names one."""
    path, output = request.input, request.output
    if output is None:
        suffix = path.suffix.lower() if path.suffix.lower() in _MOVIES else ".mkv"
        base = path.with_name(path.stem) if request.base is None else request.base
        return base.with_name(f"{base.name}.foley.wav"), base.with_name(f"{base.name}.foley{suffix}")
    suffix = output.suffix.lower()
    if suffix == ".wav":
        return output, None
    if suffix in _MOVIES:
        return None, output
    known = ", ".join((".wav", *_MOVIES))
    raise OutputError(f"{output} cannot be the output for a media file: it is written as one of {known}")


def _of_take(path: Path, job: Job) -> Path:
    return path if job.take == 1 else path.with_name(f"{path.stem}_t{job.take}{path.suffix}")
