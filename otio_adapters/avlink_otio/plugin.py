"""The formats of this package as components of `avlink export --to` and of a recipe's `write.also`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from avlink import hookimpl
from avlink.hooks import TimelineFormat

if TYPE_CHECKING:
    from avlink import FlatTimeline, FlatTrack

_FORMATS = {
    "aaf": (".aaf", "aaf"),
    "cues": (".csv", "cues"),
    "edl": (".edl", "edl"),
    "fcpxml": (".fcpxml", "fcpxml"),
    "rpp": (".rpp", "rpp"),
    "xml": (".xml", "xmeml"),
}
"""Suffix and module of each. The modules are imported only when one of them is wanted."""


@hookimpl
def avlink_timeline_formats() -> list[TimelineFormat]:
    """Offer the cue sheet, Reaper's project, both XMLs, AAF and EDL."""
    return [
        TimelineFormat(name=name, suffix=suffix, write=_writer(module)) for name, (suffix, module) in _FORMATS.items()
    ]


def _writer(module: str) -> Callable[[FlatTimeline, Path], Sequence[FlatTrack]]:
    def write(timeline: FlatTimeline, path: Path) -> Sequence[FlatTrack]:
        """Write the timeline to the path, and return the tracks in the file."""
        written: Sequence[FlatTrack] = import_module(f"avlink_otio.{module}").write(timeline, path)
        return written

    return write
