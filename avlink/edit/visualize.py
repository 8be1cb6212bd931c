"""`avlink visualize`: give every sound clip of a timeline, or one media file, its generated pictures.

The mirror of `avlink.edit.sonify`: this module is the list of steps; the decisions are in `avlink.timeline`, the work
is in `avlink.edit.picture_render`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import avlink
from avlink.core import clock
from avlink.core.errors import TimelineError
from avlink.core.events import Listener, Message, ignore
from avlink.core.hashing import fraction_text
from avlink.core.paths import make_folder, sweep_leftovers
from avlink.core.recipe import VisualizeRecipe
from avlink.edit.media_file import is_media_file
from avlink.edit.picture_finish import PictureTarget, write_picture
from avlink.edit.picture_render import RenderedPictures, render_pictures
from avlink.edit.picture_report import VisualizeReport, WrittenPicture, picture_items
from avlink.edit.project import (
    check_holds,
    check_roots,
    default_output,
    media_folder,
    moved_to,
    name_files,
    refuse_nothing,
    tell_plan,
    write_back,
)
from avlink.edit.render import cached_jobs
from avlink.edit.sound_file import visualize_file
from avlink.edit.sounds import SoundFiles, resolve_sounds
from avlink.hooks import ReadyBackend, resolve_backend
from avlink.session import Session, open_session
from avlink.timeline.drop_frame import is_drop_frame
from avlink.timeline.picture_plan import build_picture_plan
from avlink.timeline.place_pictures import PicturePlacement, picture_rate, place_pictures
from avlink.timeline.read import TimelineFile, read_timeline
from avlink.timeline.resolve import MediaRoots
from avlink.timeline.select_sounds import select_sounds
from avlink.timeline.timecode import frames_of_timecode
from avlink.timeline.values import Plan
from avlink.timeline.walk import list_sounds, origin_s
from avlink.timeline.write import check_output

__all__ = ["VisualizeReport", "VisualizeRequest", "visualize"]

_COMMON_RATE = 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualizeRequest:
    """`input` is a timeline, or a media file with sound; `output` None means beside it.

    `media_root` are folders in which missing media is searched by name; clips whose media is not found then have
    failed, or with `skip_missing` are left out; with `stop_if_missing` nothing is done at all. `force` generates anew
    what is in the cache; `dry_run` plans and stops.
    """

    input: Path
    recipe: VisualizeRecipe
    output: Path | None = None
    media_root: tuple[Path, ...] = ()
    skip_missing: bool = False
    stop_if_missing: bool = False
    device: str = "auto"
    force: bool = False
    dry_run: bool = False


def visualize(
    request: VisualizeRequest, session: Session | None = None, *, listener: Listener = ignore
) -> VisualizeReport:
    """Give every sound clip of a timeline its generated pictures, or one media file.

    Raises InputError for input, recipe and output places that are wrong, before anything is generated; what goes
    wrong with single clips is in the report.
    """
    session = open_session(device=request.device, listener=listener) if session is None else session
    backend = resolve_backend(request.recipe, session.registry)
    if is_media_file(request.input):
        return visualize_file(
            request.input,
            request.recipe,
            backend,
            session,
            output=request.output,
            force=request.force,
            dry_run=request.dry_run,
        )
    check_roots(request.media_root)
    file = read_timeline(request.input, request.recipe.read)
    output = request.output or default_output(file, "visual")
    rate = _rate(file, session)
    target = PictureTarget(
        folder=output.with_name(f"{output.stem.removesuffix('.visual')}.pictures"),
        rate=clock.exact_rate(rate),
        scale=request.recipe.picture.upscale,
        origin_s=origin_s(file.timeline),
        drop_frame=is_drop_frame(file.timeline, file.drop_frame),
    )
    plan = _plan(request, file, backend, target, session)
    if request.dry_run:
        items = picture_items(plan, pictures={}, failures={}, cached=cached_jobs(plan, session))
        return VisualizeReport(input=request.input, output=None, items=items)
    inputs = (request.input, *(job.source.path for job in plan.jobs))
    check_output(output, inputs=inputs)
    check_holds(file, output)
    refuse_nothing(request.input, plan, what="a picture")
    make_folder(target.folder)
    sweep_leftovers(target.folder, now_s=time.time())
    done = render_pictures(
        plan,
        backend,
        lambda job, frames, cached: write_picture(
            job, frames, target, session.store, cached=cached, force=request.force, inputs=inputs
        ),
        session,
        force=request.force,
    )
    if done.pictures:
        _write_back(request, file, plan, done, output, backend, rate, session)
    return VisualizeReport(
        input=request.input,
        output=output if done.pictures else None,
        items=picture_items(plan, pictures=done.pictures, failures=done.failures),
    )


def _rate(file: TimelineFile, session: Session) -> float:
    """The rate of the timeline, as it is written there."""
    rate = picture_rate(file.timeline)
    if rate is None:
        said = f"{file.path.name} does not say its frame rate; pictures are made for {_COMMON_RATE:g} frames per second"
        session.tell(Message(text=said))
    return rate or _COMMON_RATE


def _plan(
    request: VisualizeRequest, file: TimelineFile, backend: ReadyBackend, target: PictureTarget, session: Session
) -> Plan:
    """What there is to do for a timeline; says what is missing and what had to be assumed."""
    clips = select_sounds(list_sounds(file.timeline), wish=request.recipe.select)
    if not clips:
        how = "pictures are made for those; lay the sound of its films on one"
        raise TimelineError(f"{request.input} has no clips on sound tracks, and {how}")
    folder = media_folder(file, session, sound=True)
    files = SoundFiles(folder=folder, roots=MediaRoots(request.media_root), store=session.store)
    sources, skips = resolve_sounds(clips, files, rate=target.rate, skip_missing=request.skip_missing)
    plan = build_picture_plan(
        sources,
        request.recipe,
        rate=target.rate,
        backend=[backend.name, backend.fingerprint()],
        finish=target.finish_key(),
        skipped=skips,
    )
    tell_plan(file, plan, session, stop_if_missing=request.stop_if_missing and not request.dry_run)
    return plan


def _write_back(
    request: VisualizeRequest,
    file: TimelineFile,
    plan: Plan,
    done: RenderedPictures,
    output: Path,
    backend: ReadyBackend,
    rate: float,
    session: Session,
) -> None:
    written = [done.pictures[job.id] for job in plan.jobs if job.id in done.pictures]
    names = name_files((picture.path for picture in written), file, output)
    placements = [
        PicturePlacement(
            clip=picture.job.source.clip,
            url=names[picture.path],
            frames=range(picture.first_frame, picture.first_frame + picture.frames),
            timecode_frame=0 if picture.timecode is None else frames_of_timecode(picture.timecode, picture.rate),
            details=_details(picture, backend),
        )
        for picture in written
    ]
    placed = place_pictures(
        moved_to(file, output),
        placements,
        rate=rate,
        track_name=request.recipe.picture.track_name,
        details={"version": avlink.__version__, "recipe": request.recipe.source.label, "backend": backend.name},
    )
    for note in write_back(placed, file, output, names, roots=request.media_root):
        session.tell(Message(text=note, level="warning"))


def _details(picture: WrittenPicture, backend: ReadyBackend) -> dict[str, object]:
    """What a picture remembers of how it was made, as plain JSON values."""
    job = picture.job
    return {
        "prompt": job.prompt.text,
        "negative": job.prompt.negative,
        "seed": job.seed,
        "backend": backend.name,
        "raw_key": job.raw_key,
        "picture_key": job.stem_key,
        "source_digest": job.source.digest,
        "source_start_s": fraction_text(job.source.start_s),
        "source_duration_s": fraction_text(job.source.duration_s),
        "speed": fraction_text(job.source.speed),
    }
