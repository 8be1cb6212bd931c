"""`avlink doctor`."""

from __future__ import annotations

from avlink.cli import options as given
from avlink.cli.answer import BROKEN, DONE, Answer, Grid


def doctor(as_json: given.AsJson = False) -> Answer:
    """Look whether this machine has what AVLink needs, and say what is missing."""
    from avlink.app.doctor import examine

    findings = examine()
    rows = [(finding.name, "ok" if finding.good else "PROBLEM", finding.text) for finding in findings]
    payload = {"findings": [{"name": item.name, "ok": item.good, "text": item.text} for item in findings]}
    healthy = all(finding.good for finding in findings)
    return Answer(
        command="doctor",
        payload={"ok": healthy, **payload},
        blocks=[Grid(heads=("what", "", "found"), rows=rows)],
        exit_code=DONE if healthy else BROKEN,
    )
