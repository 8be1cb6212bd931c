"""The report in words: a table of what was made, and every reason once."""

from __future__ import annotations

from typing import Any

from avlink.cli.report import report_blocks
from avlink.core.answer import Grid


def item(name: str, status: str = "generated", reason: str | None = None, **more: Any) -> dict[str, Any]:
    stem = {"path": f"/x/{name}.wav", "lufs": -23.04, "true_peak_dbtp": -3.0}
    return {
        "name": name,
        "track": "V1",
        "timeline_start_s": 1.0,
        "timeline_duration_s": 2.5,
        "status": status,
        "reason": reason,
        "source": "/media/a.mov",
        "source_start_s": 0.0,
        "speed": 1,
        "prompt": "",
        "stems": [stem] if status == "generated" else [],
        **more,
    }


def test_a_finished_run_shows_its_stems_and_where_they_are() -> None:
    payload = {"items": [item("door")], "counts": {"generated": 1, "failed": 0}, "output": "cut.foley.otio"}
    grid, counts, wrote = report_blocks(payload)
    assert isinstance(grid, Grid)
    assert tuple(grid.heads) == ("clip", "track", "at", "length", "status", "stems")
    assert list(grid.rows[0]) == ["door", "V1", "1.00 s", "2.50 s", "generated", "door.wav (-23.0 LUFS, -3.0 dBTP)"]
    assert (counts, wrote) == ("1 generated", "wrote cut.foley.otio")


def test_timecodes_stand_next_to_seconds() -> None:
    grid, *_ = report_blocks({"items": [item("door", timeline_start_tc="01:00:01;02")]})
    assert isinstance(grid, Grid)
    assert tuple(grid.heads) == ("clip", "track", "timecode", "at", "length", "status", "stems")
    assert list(grid.rows[0])[2:4] == ["01:00:01;02", "1.00 s"]


def test_silence_has_no_level() -> None:
    stems = [{"path": "a.wav", "lufs": None, "true_peak_dbtp": None}]
    grid, _ = report_blocks({"items": [item("door", stems=stems)]})
    assert isinstance(grid, Grid) and grid.rows[0][-1] == "a.wav"


def test_a_plan_says_of_what_stems_will_be_made_and_that_nothing_was_written() -> None:
    payload = {"items": [item("door", speed=0.5, prompt="slow")], "counts": {"generated": 1}, "output": "x"}
    grid, counts, planned, said = report_blocks({**payload, "planned": "cut.foley.otio"}, dry_run=True)
    assert isinstance(grid, Grid)
    assert dict(zip(grid.heads, grid.rows[0], strict=True)) == {
        "clip": "door",
        "track": "V1",
        "at": "1.00 s",
        "length": "2.50 s",
        "status": "to generate",
        "media": "a.mov",
        "from": "0.00 s",
        "speed": "0.5",
        "prompt": "slow",
    }
    assert (counts, planned) == ("1 to generate", "would write cut.foley.otio")
    assert said == "this was the plan: nothing was written"


def test_a_reason_is_told_once_however_many_clips_share_it() -> None:
    items = [item(f"clip{number}", "skipped", "it is offline") for number in range(9)]
    _, reasons, counts = report_blocks({"items": items, "counts": {"skipped": 9}})
    assert reasons == "clip0, clip1, clip2, clip3, clip4, clip5 and 3 more: skipped: it is offline"
    assert counts == "9 skipped"


def test_nothing_to_do_is_said() -> None:
    assert report_blocks({}) == ["nothing to do"]
