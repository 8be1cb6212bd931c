"""`avlink doctor`."""

from __future__ import annotations

from avlink.cli import options as given
from avlink.core.answer import BROKEN, DONE, Answer, Grid


def doctor(as_json: given.JsonOption = False) -> Answer:
    """Check the installation of AVLink on this machine.

    Checks Python, torch, codecs, timeline formats, plugins and the cache. The exit code is 0 if all checks pass, 1 if
    there is a problem. AVLink has its own FFmpeg libraries: an installed ffmpeg is neither needed nor used.
    """
    from avlink.admin.doctor import examine

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
