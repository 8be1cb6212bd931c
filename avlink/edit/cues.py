"""Cue sheets and the clips they speak of: `avlink import-cues`, and what `avlink export --to csv` needs to know.

A row of a sheet names a clip by its id, which the walk over a timeline gives, and not by an object of it. Which clip
that is, is found by walking a copy in which every clip carries a number for a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import opentimelineio as otio

from avlink.core.clock import exact_number
from avlink.core.errors import InputError
from avlink.core.input_files import check_regular
from avlink.core.limits import SHEET_BYTES
from avlink.core.outputs import Outputs
from avlink.core.paths import check_file_name
from avlink.core.recipe.schema import ReadTable
from avlink.core.text import first_names
from avlink.edit.hit_files import brings_hits, read_hit_file, same_millisecond
from avlink.edit.project import check_holds, check_project, moved_to, write_back
from avlink.timeline.hit_text import is_hit_text
from avlink.timeline.import_hits import ImportedHits, ReturnedHit, import_hits, set_hits
from avlink.timeline.item import KEY, item_at, plain, table
from avlink.timeline.metadata import REQUESTS, set_requests
from avlink.timeline.read import read_timeline
from avlink.timeline.timebase import timebase
from avlink.timeline.values import ClipRef
from avlink.timeline.visible import part_addresses, seen
from avlink.timeline.walk import list_clips
from avlink.timeline.write import check_output


@dataclass(frozen=True, slots=True, kw_only=True)
class CuesReport:
    """The result of an import: the number of clips in the sheet, and of those whose requests changed."""

    input: Path
    cues: Path
    output: Path
    clips: int
    changed: int
    hits: int = 0
    """Number of hits that were added, changed or removed."""
    outside: int = 0
    """Number of hits in the file that lie on no clip, and are left out."""

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints, without "format" and "command"."""
        return {
            "input": str(self.input),
            "cues": str(self.cues),
            "output": str(self.output),
            "clips": self.clips,
            "changed": self.changed,
            "hits": self.hits,
            "outside": self.outside,
        }


def import_cues(
    project: Path,
    cues: Path,
    output: Path | None = None,
    *,
    read: ReadTable | None = None,
    outputs: Outputs | None = None,
) -> CuesReport:
    """Write a copy of a project with the requests and hits of a cue sheet. `read` is how the project is read.

    `cues` may also be a project or a list of markers of another program: then the hits in it replace those of the
    visible clips. A hit that comes back as it was keeps all that the file cannot say.

    Raises InputError: a sheet that cannot be read, a cell that makes no sense, a row of a clip that is not there, two
    rows that want different things of one clip, an output place that cannot be written.
    """
    file = read_timeline(project, read or ReadTable())
    suffix = ".otioz" if file.bundle is not None else ".otio"
    if output is not None:
        check_file_name(output)
    output = output or project.with_name(f"{project.stem}.cues{suffix}")
    check_output(output, inputs=(project, cues))
    check_holds(file, output)
    outputs = outputs or Outputs()
    check_project(output, outputs)
    timeline = file.timeline
    changed, clips, imported = 0, 0, ImportedHits()
    if brings_hits(cues):
        base = timebase(timeline, file.drop_frame)
        there = read_hit_file(cues, base)
        imported = import_hits(timeline, there.hits, there.same)
    else:
        edits = read_edits(cues)
        changed, clips = apply_edits(timeline, edits, sheet=cues, project=project)
        imported = ImportedHits(changed=apply_hits(timeline, edits))
    write_back(moved_to(file, output), file, output, {}, write=partial(outputs.write, source=project))
    return CuesReport(
        input=project,
        cues=cues,
        output=output,
        clips=clips,
        changed=changed,
        hits=imported.changed,
        outside=len(imported.outside),
    )


def read_edits(cues: Path) -> list[Mapping[str, Any]]:
    """Return the rows of a sheet: id, row, and the requests. Raises InputError that names row and column."""
    check_regular(cues)
    try:
        SHEET_BYTES.check(cues.stat().st_size, cues)
        found = otio.adapters.read_from_file(str(cues), adapter_name="avlink_cues", edits=True)
    except otio.exceptions.OTIOError as error:
        raise InputError(f"{cues}: {error}") from error
    except OSError as error:
        raise InputError(f"{cues} cannot be read: {error.strerror or error}") from error
    # Plain copies: what OTIO hands out dies with the collection.
    return [plain(table(clip.metadata, KEY)) for clip in found]


def apply_edits(
    timeline: otio.schema.Timeline, edits: list[Mapping[str, Any]], *, sheet: Path, project: Path
) -> tuple[int, int]:
    """Write the requests of a sheet into the clips, in place; return how many changed, and of how many.

    Raises InputError for ids that the timeline does not have, and rows that contradict each other.
    """
    by_id = picture_ids(timeline)
    unknown = [edit for edit in edits if edit["id"] not in by_id]
    if unknown:
        named = first_names([f"row {edit['row']}: '{edit['id']}'" for edit in unknown])
        raise InputError(
            f"{sheet}, column id: {project} has no such clips ({named}); clips that were moved have new ids, so "
            f"make a fresh sheet with `avlink export {project} --to csv`"
        )
    wanted: dict[tuple[int, ...], Mapping[str, Any]] = {}
    for edit in edits:
        address = by_id[edit["id"]]
        before = wanted.get(address)
        clash = [name for name in REQUESTS if before is not None and before.get(name) != edit.get(name)]
        if before is not None and clash:
            raise InputError(
                f"{sheet}, column {clash[0]}: rows {before['row']} and {edit['row']} want different things of the same "
                f"clip, '{item_at(timeline, address).name}'; make them equal, or remove one"
            )
        wanted[address] = edit
    changed = sum(set_requests(item_at(timeline, address), edit) for address, edit in wanted.items())
    _repeat_requests(timeline, by_id)
    return changed, len(wanted)


def apply_hits(timeline: otio.schema.Timeline, edits: list[Mapping[str, Any]]) -> int:
    """Write the hits of a sheet onto the clips, in place; return how many were added, changed or removed.

    Rows without a column for hits change none. Times are those of a sheet, to the microsecond.
    """
    items = list_clips(timeline)
    # A picture has a row as a whole, a stem one by the part of the picture that is seen.
    parts = {part.id: part for part in (*items, *seen(items)) if isinstance(part, ClipRef)}
    by_part: dict[str, list[ReturnedHit]] = {}
    for edit in edits:
        part = parts.get(str(edit["id"]))
        if part is None or "hits" not in edit:
            continue
        # Items have a row each, with the hits that they are for.
        by_part.setdefault(part.id, []).extend(
            ReturnedHit(
                start_s=part.timeline_start_s + exact_number(start),
                duration_s=exact_number(end) - exact_number(start),
                name=name if is_hit_text(name) else f"HIT: {name}",
            )
            for start, end, name in (line.split(" ", 2) for line in str(edit["hits"]).splitlines())
        )
    return sum(set_hits(timeline, parts[id], hits, same_millisecond) for id, hits in by_part.items())


def picture_ids(timeline: otio.schema.Timeline) -> dict[str, tuple[int, ...]]:
    """Return the address of the picture of each id: its own, and those of the parts of it that are seen."""
    return part_addresses(list_clips(timeline))


def _repeat_requests(timeline: otio.schema.Timeline, by_id: Mapping[str, tuple[int, ...]]) -> None:
    """Copy the requests of pictures to their stems, in place."""
    for track in timeline.audio_tracks():
        if KEY not in track.metadata:
            continue
        for stem in track.find_clips():
            address = by_id.get(table(stem.metadata, KEY).get("id", ""))
            if address is not None:
                said = table(item_at(timeline, address).metadata, KEY)
                set_requests(stem, {name: said.get(name) for name in REQUESTS})
