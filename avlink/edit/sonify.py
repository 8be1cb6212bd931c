"""`avlink sonify`: give every clip of a timeline, or one media file, its generated sound.

This module is the list of steps; the decisions are in `avlink.timeline`, the work is in `avlink.edit.render`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from avlink.core import clock
from avlink.core.errors import RecipeError, TimelineError
from avlink.core.events import Listener, ignore
from avlink.core.paths import make_folder, sweep_leftovers
from avlink.edit.ducking import ducking_for
from avlink.edit.finish import StemTarget
from avlink.edit.media_file import is_media_file, sonify_media_file
from avlink.edit.preview import write_preview
from avlink.edit.project import (
    check_holds,
    check_roots,
    default_output,
    media_folder,
    refuse_nothing,
    tell_plan,
)
from avlink.edit.render import cached_jobs, render
from avlink.edit.report import Item, SonifyReport, make_items
from avlink.edit.request import SonifyRequest
from avlink.edit.reuse import plan_digest, remember, with_made_sounds
from avlink.edit.sources import resolve_sources
from avlink.edit.takes import chosen_before
from avlink.edit.write_back import takes_of, write_stems_back
from avlink.hooks import ReadyBackend, resolve_backend, resolve_chain, resolve_formats
from avlink.session import Session, open_session
from avlink.timeline.drop_frame import is_drop_frame
from avlink.timeline.plan import build_plan
from avlink.timeline.read import TimelineFile, read_timeline
from avlink.timeline.resolve import MediaRoots
from avlink.timeline.select import select_clips
from avlink.timeline.values import Plan
from avlink.timeline.walk import frame_rate, list_clips, origin_s
from avlink.timeline.write import check_output, refuse_overwrite

__all__ = ["SonifyReport", "SonifyRequest", "sonify"]


def sonify(request: SonifyRequest, session: Session | None = None, *, listener: Listener = ignore) -> SonifyReport:
    """Give every selected clip of a timeline its generated stems, or one media file its sound.

    Raises InputError for input, recipe and output places that are wrong, before anything is generated; what goes
    wrong with single clips is in the report.
    """
    session = open_session(device=request.device, listener=listener) if session is None else session
    backend = resolve_backend(request.recipe, session.registry)
    if is_media_file(request.input):
        return sonify_media_file(request, backend, session)
    formats = resolve_formats(request.recipe, session.registry)
    check_roots(request.media_root)
    file = read_timeline(request.input, request.recipe.read)
    output = request.output or default_output(file, "foley", request.base)
    folder = media_folder(file, session)
    target = stem_target(request, output, file, session)
    target = replace(target, duck=ducking_for(request, file, folder, session), licence=backend.licence)
    plan = plan_timeline(request, file, backend, target, session)
    whole = plan_digest(plan)
    if not request.force:
        plan = with_made_sounds(plan, session.store)
    if request.dry_run:
        cached = cached_jobs(plan, session)
        items = dry_items(plan, cached)
        return SonifyReport(input=request.input, output=None, items=items, licence=backend.licence)
    check_output(output, inputs=_inputs(request, plan))
    check_holds(file, output)
    refuse_nothing(request.input, plan, what="a sound")
    make_folder(target.folder)
    for place in {target.folder, output.parent}:
        sweep_leftovers(place, now_s=time.time())
    done = render(
        plan,
        backend,
        _with_inputs(target, _inputs(request, plan)),
        session,
        max_batch_s=request.recipe.run.max_batch_s,
        force=request.force,
        on_made=lambda job: remember(job, whole, session.store),
    )
    preview = None
    if done.stems:
        takes = takes_of(plan, done, chosen_before(file.timeline, output))
        write_stems_back(request, file, takes, output, backend, formats, session)
        if request.recipe.write.preview:
            preview = output.with_name(f"{output.stem.removesuffix('.foley')}.preview.mp4")
            refuse_overwrite(preview, inputs=_inputs(request, plan))
            write_preview(
                file,
                [stems[0] for stems in takes],
                preview,
                session,
                folder=folder,
                roots=MediaRoots(request.media_root),
                height=request.recipe.write.preview_height,
                production=request.recipe.write.preview_production,
            )
    return SonifyReport(
        input=request.input,
        output=output if done.stems else None,
        preview=preview,
        items=make_items(plan.jobs, plan.skips, stems=done.stems, failures=done.failures),
        licence=backend.licence,
    )


def plan_timeline(
    request: SonifyRequest, file: TimelineFile, backend: ReadyBackend, target: StemTarget, session: Session
) -> Plan:
    """What there is to do for a timeline; says what is missing and what had to be assumed."""
    clips = select_clips(list_clips(file.timeline, file.image_rate), wish=request.recipe.select)
    if not clips:
        raise TimelineError(f"{request.input} has no clips on video tracks; there is nothing to give a sound to")
    sources, skips = resolve_sources(
        clips,
        folder=media_folder(file, session),
        roots=MediaRoots(request.media_root),
        store=session.store,
        skip_missing=request.skip_missing,
        handle_s=request.recipe.stems.handle,
    )
    plan = build_plan(
        sources,
        request.recipe,
        backend=[backend.name, backend.fingerprint()],
        finish=target.finish_key(),
        finish_of=None if target.duck is None else target.duck.key,
        skipped=skips,
    )
    tell_plan(file, plan, session, stop_if_missing=request.stop_if_missing and not request.dry_run)
    return plan


def stem_target(request: SonifyRequest, output: Path, file: TimelineFile, session: Session) -> StemTarget:
    """How and where the stems of a timeline are written. Raises RecipeError for what cannot be written."""
    stems = request.recipe.stems
    if stems.bit_depth != 24:
        raise RecipeError(f"stems.bit_depth = {stems.bit_depth}: Broadcast Wave stems are written with 24 bits; use 24")
    return StemTarget(
        folder=request.stems or output.with_name(f"{output.stem.removesuffix('.foley')}.stems"),
        chain=resolve_chain(request.recipe, session.registry),
        sample_rate=stems.sample_rate,
        track_name=stems.track_name,
        ambience_track_name=stems.ambience_track_name,
        origin_s=origin_s(file.timeline),
        timecode_rate=clock.exact_rate(frame_rate(file.timeline)),
        drop_frame=is_drop_frame(file.timeline, file.drop_frame),
        handle_s=stems.handle if stems.write_handles else Fraction(0),
        project=file.timeline.name or "",
        spotting=stems.spotting,
    )


def dry_items(plan: Plan, cached: frozenset[str]) -> tuple[Item, ...]:
    """The items of a plan that is only shown: cached, or generated in the sense that it would be."""
    items = make_items(plan.jobs, plan.skips, stems={}, failures={})
    return tuple(
        replace(item, status="cached") if item.jobs and all(job.id in cached for job in item.jobs) else item
        for item in items
    )


def _inputs(request: SonifyRequest, plan: Plan) -> tuple[Path, ...]:
    """Every file that is read, once."""
    return (request.input, *dict.fromkeys(job.source.path for job in plan.jobs))


def _with_inputs(target: StemTarget, inputs: Sequence[Path]) -> StemTarget:
    return replace(target, untouchable=frozenset(path.resolve() for path in inputs))
