"""Cue sheets and the clips they speak of: `avlink import-cues`, and what `avlink export --to csv` needs to know.

A row of a sheet names a clip by its id, which the walk over a timeline gives, and not by an object of it. Which clip
that is, is found by walking a copy in which every clip carries a number for a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import opentimelineio as otio

from avlink.core.errors import InputError
from avlink.core.recipe.schema import ReadTable
from avlink.edit.project import check_holds, moved_to, write_back
from avlink.timeline.item import table
from avlink.timeline.place import KEY, WORDS
from avlink.timeline.read import read_timeline
from avlink.timeline.select import select_clips
from avlink.timeline.walk import list_clips
from avlink.timeline.write import check_output


@dataclass(frozen=True, slots=True, kw_only=True)
class CuesReport:
    """What came of a sheet: how many clips it speaks of, and how many of them ask for something else now."""

    input: Path
    cues: Path
    output: Path
    clips: int
    changed: int

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints, without "format" and "command"."""
        return {
            "input": str(self.input),
            "cues": str(self.cues),
            "output": str(self.output),
            "clips": self.clips,
            "changed": self.changed,
        }


def import_cues(project: Path, cues: Path, output: Path | None = None, *, read: ReadTable | None = None) -> CuesReport:
    """Write a copy of a project whose clips ask for what a cue sheet says. `read` is how the project is read.

    Raises InputError: a sheet that cannot be read, a cell that makes no sense, a row of a clip that is not there, two
    rows that want different things of one clip, an output place that cannot be written.
    """
    file = read_timeline(project, read or ReadTable())
    suffix = ".otioz" if file.bundle is not None else ".otio"
    output = output or project.with_name(f"{project.stem}.cues{suffix}")
    check_output(output, inputs=(project, cues))
    check_holds(file, output)
    timeline = file.timeline
    edits = read_edits(cues)
    changed, clips = apply_edits(timeline, edits, sheet=cues, project=project)
    write_back(moved_to(file, output), file, output, {})
    return CuesReport(input=project, cues=cues, output=output, clips=clips, changed=changed)


def read_edits(cues: Path) -> list[Mapping[str, Any]]:
    """The rows of a sheet: id, row, and the editable words. Raises InputError that names row and column."""
    try:
        found = otio.adapters.read_from_file(str(cues), adapter_name="avlink_cues", edits=True)
    except otio.exceptions.OTIOError as error:
        raise InputError(f"{cues}: {error}") from error
    except OSError as error:
        raise InputError(f"{cues} cannot be read: {error.strerror or error}") from error
    # Plain copies: what OTIO hands out dies with the collection.
    return [dict(table(clip.metadata, KEY)) for clip in found]


def apply_edits(
    timeline: otio.schema.Timeline, edits: list[Mapping[str, Any]], *, sheet: Path, project: Path
) -> tuple[int, int]:
    """Write what the rows of a sheet ask for into the clips, in place; returns how many changed, and of how many.

    Raises InputError for ids that the timeline does not have, and rows that contradict each other.
    """
    by_id = picture_ids(timeline)
    unknown = [edit for edit in edits if edit["id"] not in by_id]
    if unknown:
        named = ", ".join(f"row {edit['row']}: '{edit['id']}'" for edit in unknown[:3])
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        raise InputError(
            f"{sheet}, column id: {project} has no such clips ({named}{more}); clips that were moved have new ids, so "
            f"make a fresh sheet with `avlink export {project} --to csv`"
        )
    clips = _pictures(timeline)
    wanted: dict[int, Mapping[str, Any]] = {}
    for edit in edits:
        index = by_id[edit["id"]]
        before = wanted.get(index)
        clash = [name for name in WORDS if before is not None and before.get(name) != edit.get(name)]
        if before is not None and clash:
            raise InputError(
                f"{sheet}, column {clash[0]}: rows {before['row']} and {edit['row']} want different things of the same "
                f"clip, '{clips[index].name}'; make them equal, or remove one"
            )
        wanted[index] = edit
    changed = sum(_say(clips[index], edit) for index, edit in wanted.items())
    tell_words(timeline, ids=False)
    return changed, len(wanted)


def picture_ids(timeline: otio.schema.Timeline) -> dict[str, int]:
    """Which picture, counted over all video tracks, has which id: its own, and those of the parts that are seen."""
    copy = timeline.deepcopy()
    names = {}
    for index, clip in enumerate(_pictures(copy)):
        clip.name = f"avlink picture {index}"
        names[clip.name] = index
    items = list_clips(copy)
    return {item.id: names[item.name] for item in (*items, *select_clips(items)) if item.name in names}


def tell_words(timeline: otio.schema.Timeline, *, ids: bool = True) -> None:
    """Let stems say what their pictures ask for, and with `ids` give their ids to pictures without stems, in place."""
    by_id = picture_ids(timeline)
    clips = _pictures(timeline)
    heard = set()
    for track in timeline.audio_tracks():
        if KEY not in track.metadata:
            continue
        for stem in track.find_clips():
            index = by_id.get(table(stem.metadata, KEY).get("id", ""))
            if index is not None:
                heard.add(index)
                said = table(clips[index].metadata, KEY)
                _say(stem, {name: said.get(name) for name in WORDS})
    for id, index in reversed(by_id.items()) if ids else ():
        # The first id of a clip, that of all of it, is written last.
        if index not in heard:
            clips[index].metadata[KEY] = {**table(clips[index].metadata, KEY), "id": id}


def _say(clip: otio.schema.Clip, words: Mapping[str, Any]) -> bool:
    """Make a clip ask for these words: None removes one, a word that is not named stays. True when that changed it."""
    before = dict(table(clip.metadata, KEY))
    after = dict(before)
    for name in WORDS:
        if name not in words:
            continue
        # An empty text asks for nothing either.
        if words[name] is None and before.get(name, "") != "":
            del after[name]
        elif words[name] is not None:
            after[name] = words[name]
    if after == before:
        return False
    if after:
        clip.metadata[KEY] = after
    else:
        del clip.metadata[KEY]
    return True


def _pictures(timeline: otio.schema.Timeline) -> list[otio.schema.Clip]:
    """All clips below the video tracks and whatever else lies among the tracks, in one order."""
    found = []
    for child in timeline.tracks:
        if isinstance(child, otio.schema.Clip):
            found.append(child)
        elif not isinstance(child, otio.schema.Track) or child.kind == otio.schema.TrackKind.Video:
            found += list(child.find_clips())
    return found
