"""The pipeline of an edit, in either direction: open and plan, look into the cache, generate, write, place, report."""

from __future__ import annotations

from avlink.core.errors import AvlinkError
from avlink.edit.direction import Asked, Direction, Edit, Made
from avlink.edit.disk_use import DiskUse, plan_disk_use
from avlink.edit.media_file import is_media_file
from avlink.edit.plugin_hooks import EditHooks
from avlink.edit.render import cached_jobs, render
from avlink.edit.report import EditReport, Rendered, make_items
from avlink.edit.request import EditRequest
from avlink.hooks import resolve_backend
from avlink.session import Session


def run(direction: Direction[Asked, Made], request: EditRequest, session: Session) -> EditReport:
    """Generate what `request` asks for, and write it back.

    Raises InputError for input, recipe and output places that are wrong, before anything is generated. Failures of
    single clips are in the report. A dry run says in its report what the run would refuse, and loads the model for that
    if something is to be generated. Damage within the media of a timeline is found only by the run, which decodes it.
    """
    backend = resolve_backend(request.recipe, session.registry)
    hooks = EditHooks(request, session)
    single = is_media_file(request.input)
    edit = (direction.open_file if single else direction.open_timeline)(request, backend, session, hooks)
    cached = frozenset() if request.force else cached_jobs(direction, edit.plan, session.store)
    disk = plan_disk_use(
        edit.plan.jobs, direction.disk, cached=cached, batch_s=direction.batch_s(request), copied=edit.copied_bytes
    )
    if request.dry_run:
        return _plan(direction, edit, request, session, cached=cached, disk=disk, single=single)
    _check(edit, disk, request, session)
    edit.prepare()
    rendered = render(
        direction,
        edit,
        session,
        batch_s=direction.batch_s(request),
        cached=cached,
        force=request.force,
        # The files of a single media file have their final names only when they are placed.
        on_written=None if single else hooks.file_written,
    )
    placed = edit.place(rendered)
    if single:
        for file in placed.rendered.files.values():
            hooks.file_written(file)
    report = direction.report(
        input=request.input,
        output=placed.output,
        preview=placed.preview,
        items=make_items(direction.report.kind, edit.plan, placed.rendered),
        licence=backend.licence,
        timebase=edit.timebase,
        disk=disk,
    )
    if placed.outputs:
        hooks.project_written(placed.outputs, placed.rendered.files.values(), failed=report.counts["failed"])
    return report


def _check(edit: Edit[Made], disk: DiskUse, request: EditRequest, session: Session) -> None:
    """Raise InputError for everything that is known to be refused before anything is generated."""
    disk.check(files=edit.folder_written, cache=session.cache, subject=f"what is to be made for {request.input}")
    edit.check()


def _plan(
    direction: Direction[Asked, Made],
    edit: Edit[Made],
    request: EditRequest,
    session: Session,
    *,
    cached: frozenset[str],
    disk: DiskUse,
    single: bool,
) -> EditReport:
    """Return the report of a dry run. A single file is decoded, as that is all its run can fail at."""
    refusal = None
    try:
        _check(edit, disk, request, session)
        missing = [job for job in edit.plan.jobs if job.id not in cached]
        if missing:
            generator = session.generator(edit.backend)
            if single:
                direction.ask(missing[0], generator)
    except AvlinkError as error:
        refusal = error
    return direction.report(
        input=request.input,
        output=None,
        items=make_items(direction.report.kind, edit.plan, Rendered(), cached=cached),
        licence=edit.backend.licence,
        timebase=edit.timebase,
        planned=edit.planned,
        refusal=refusal,
        disk=disk,
    )
