"""The list of credits of a run: the recordings in its stems, by licence and author."""

from __future__ import annotations

from avlink.edit.report import SonifyReport
from avlink.edit.request import SonifyRequest
from avlink.library.credits import credits_text
from avlink.session import Session

_NONE = "No recordings of sound libraries were used.\n"


def write_credits(request: SonifyRequest, report: SonifyReport, session: Session) -> None:
    """Write the credits of all stems of a run, also of those that were made before. Raises OutputError."""
    assert request.credits is not None
    uses = {use for item in report.items for stem in item.stems for use in stem.origin.uses}
    with session.outputs(overwrite=request.overwrite).write(request.credits, source=request.input) as temporary:
        temporary.write_text(credits_text(uses) or _NONE, encoding="utf-8", newline="\n")
