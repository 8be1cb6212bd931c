"""Write a timeline as a whole or not at all, and never over an input."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import opentimelineio as otio

from avlink.core.errors import OutputError, TimelineError
from avlink.core.paths import Writer, atomic_write, check_place

BUNDLES = (".otioz", ".otiod")
"""Formats with the media inside."""

WRITABLE = (".otio", *BUNDLES)
"""The formats that keep everything. Others lose tracks, names or metadata on the way, and are not written."""


def write_timeline(timeline: otio.schema.Timeline, output: Path, *, write: Writer = atomic_write) -> None:
    """Write a timeline as .otio through `write`. Raises OutputError when it cannot be written."""
    # As text, which has no file name: the hook script that gives written timelines their sound leaves it alone.
    text = otio.adapters.write_to_string(timeline, "otio_json")
    with write(output) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def check_output(output: Path, *, inputs: tuple[Path, ...], beside: tuple[Path, ...] = ()) -> None:
    """Refuse an output that would overwrite an input or another output, or of a format that loses what we write.

    Files `beside` it may be of any format. Raises OutputError or TimelineError.
    """
    if output.suffix.lower() not in WRITABLE:
        raise TimelineError(
            f"{output} cannot be the output: timelines are written as {' or '.join(WRITABLE)}, which keep everything; "
            "for other programs go on with `avlink export`"
        )
    files = (output, *beside)
    refuse_twice(files)
    if output.suffix.lower() == ".otiod" and (output / "content.otio").is_file():
        if any(path.exists() and output.samefile(path) for path in inputs):
            raise OutputError(f"{output} is an input and is never overwritten; give another name for the output")
        files = beside
    for file in files:
        refuse_overwrite(file, inputs=inputs)


def refuse_overwrite(output: Path, *, inputs: tuple[Path, ...]) -> None:
    """Raise OutputError when `output` is one of the files that are read, a folder, or cannot be written."""
    check_place(output)
    if output.is_dir():
        raise OutputError(f"{output} is a folder; give the name of a file for the output")
    for path in inputs:
        if output.exists() and path.exists() and output.samefile(path):
            raise OutputError(f"{output} is an input and is never overwritten; give another name for the output")


def refuse_twice(outputs: Iterable[Path]) -> None:
    """Raise OutputError when one file would be written as two of the outputs."""
    seen: set[Path] = set()
    for output in outputs:
        if output.resolve() in seen:
            raise OutputError(f"{output} would be written twice, with two contents; give each output a name of its own")
        seen.add(output.resolve())
