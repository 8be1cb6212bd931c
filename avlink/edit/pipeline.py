"""The pipeline of an edit, in either direction: open and plan, look into the cache, generate, write, place, report."""

from __future__ import annotations

from avlink.edit.direction import Asked, Direction, Made
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
    single clips are in the report.
    """
    backend = resolve_backend(request.recipe, session.registry)
    hooks = EditHooks(request, session)
    single = is_media_file(request.input)
    edit = (direction.open_file if single else direction.open_timeline)(request, backend, session, hooks)
    if request.dry_run:
        items = make_items(direction.report.kind, edit.plan, Rendered(), cached=cached_jobs(edit.plan, session.store))
        return direction.report(
            input=request.input, output=None, items=items, licence=backend.licence, timebase=edit.timebase
        )
    edit.prepare()
    rendered = render(
        direction,
        edit,
        session,
        batch_s=direction.batch_s(request),
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
    )
    if placed.outputs:
        hooks.project_written(placed.outputs, placed.rendered.files.values(), failed=report.counts["failed"])
    return report
