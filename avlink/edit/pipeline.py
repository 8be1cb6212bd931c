"""The pipeline of an edit, in either direction: open and plan, look into the cache, generate, write, place, report."""

from __future__ import annotations

from avlink.core.errors import AvlinkError
from avlink.edit.direction import Asked, Direction, Edit, Made
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
    single clips are in the report. A dry run says in its report what the run would refuse, as far as it is known before
    media is decoded; it loads the model if that is needed.
    """
    backend = resolve_backend(request.recipe, session.registry)
    hooks = EditHooks(request, session)
    single = is_media_file(request.input)
    edit = (direction.open_file if single else direction.open_timeline)(request, backend, session, hooks)
    if request.dry_run:
        cached = frozenset() if request.force else cached_jobs(direction, edit.plan, session.store)
        return direction.report(
            input=request.input,
            output=None,
            items=make_items(direction.report.kind, edit.plan, Rendered(), cached=cached),
            licence=backend.licence,
            planned=edit.planned,
            refusal=_refusal(edit, session, loads=len(cached) < len(edit.plan.jobs)),
        )
    edit.check()
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
    )
    if placed.outputs:
        hooks.project_written(placed.outputs, placed.rendered.files.values(), failed=report.counts["failed"])
    return report


def _refusal(edit: Edit[Made], session: Session, *, loads: bool) -> AvlinkError | None:
    """Return the error with which the run of an edit would end before its first clip, or None."""
    try:
        edit.check()
        if loads:
            session.generator(edit.backend)
    except AvlinkError as error:
        return error
    return None
