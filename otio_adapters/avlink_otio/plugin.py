"""The cue sheet as something that a recipe can ask for: `write.also = ["cues"]`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from avlink import hookimpl
from avlink.hooks import TimelineFormat

if TYPE_CHECKING:
    from opentimelineio.schema import Timeline


def write_cues(timeline: Timeline, path: Path) -> None:
    """Write the cue sheet of a timeline."""
    from avlink_otio.cues import write_to_string

    path.write_text(write_to_string(timeline), encoding="utf-8", newline="")


@hookimpl
def avlink_timeline_formats() -> list[TimelineFormat]:
    """Offer the cue sheet."""
    return [TimelineFormat(name="cues", suffix=".csv", write=write_cues)]
