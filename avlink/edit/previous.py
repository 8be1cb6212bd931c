"""The project that an earlier run wrote, and what people changed in it: kept in the next one, or told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import opentimelineio as otio

from avlink.core.errors import InputError
from avlink.core.outputs import Outputs
from avlink.core.text import first_names
from avlink.edit.cues import apply_edits, picture_ids, read_edits
from avlink.edit.project import content_file
from avlink.edit.takes import chosen_takes
from avlink.timeline.item import KEY, table
from avlink.timeline.item_metadata import choice_of, has_choice, is_same_hit
from avlink.timeline.merge import MergeRecord, merge_requests, merge_tracks, read_record
from avlink.timeline.metadata import own_tracks
from avlink.timeline.read import read_timeline
from avlink.timeline.stem_edits import StemEdit, follow_hits, read_stem_edits
from avlink.timeline.values import Job


@dataclass(slots=True, kw_only=True)
class PreviousProject:
    """The project that lies where this run will write, or the input itself where it holds stems of ours.

    `timeline` is None where there is neither. `kept` is the copy that will hold a project that was changed after AVLink
    wrote it, or that came from elsewhere. `notes` are sentences on what was kept, `lost` on what was not.
    """

    path: Path
    timeline: otio.schema.Timeline | None = None
    lies_at_output: bool = False
    kept: Path | None = None
    record: MergeRecord | None = None
    stem_edits: dict[tuple[str, str], StemEdit] = field(default_factory=dict)
    merged_sheets: frozenset[Path] = frozenset()
    notes: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    @property
    def chosen_takes(self) -> frozenset[str]:
        """The sounds that people chose over take 1, as `choice_of` names them."""
        return frozenset() if self.timeline is None else chosen_takes(self.timeline)

    def merge_requests(self, timeline: otio.schema.Timeline, addresses: Mapping[str, tuple[int, ...]]) -> None:
        """Copy the requests that people changed in the project to the clips of the input, in place.

        `addresses` are those of the input's clips.
        """
        if self.timeline is None or self.record is None:
            return
        changed, refused = merge_requests(timeline, self.timeline, self.record, addresses)
        if changed:
            self.notes.append(f"requests of {first_names(changed)} come from {self.path.name}, where they were changed")
        if refused:
            self.lost.append(f"requests of {first_names(refused)}, which the input changed as well")

    def merge_sheet(self, timeline: otio.schema.Timeline, sheet: Path) -> None:
        """Copy the requests of a cue sheet that people edited to the clips of the input, in place.

        A sheet that cannot be read stays a foreign file.
        """
        try:
            edits = read_edits(sheet)
            known = picture_ids(timeline)
            changed, _ = apply_edits(
                timeline, [edit for edit in edits if edit["id"] in known], sheet=sheet, project=self.path
            )
        except InputError:
            return
        self.merged_sheets |= {sheet}
        self.notes.append(f"requests of {changed} clips come from {sheet.name}, which was edited")
        unknown = [str(edit["id"]) for edit in edits if edit["id"] not in known]
        if unknown:
            self.lost.append(f"rows of {sheet.name} whose clips are not there: {first_names(unknown)}")

    def merge_tracks(self, placed: otio.schema.Timeline) -> list[otio.schema.Track]:
        """Take tracks that people added or changed over into the project that will be written, and return them."""
        if self.timeline is None or self.record is None:
            return []
        taken, refused = merge_tracks(placed, self.timeline, self.record)
        for one in taken:
            if one.how == "laid":
                self.notes.append(f"clips that were laid on a track of AVLink are on track {one.name}")
            else:
                self.notes.append(f"track {one.name} was {one.how} in {self.path.name}, and is kept")
        self.lost += refused
        return [one.track for one in taken]

    def follow_hits(self, jobs: Iterable[Job]) -> None:
        """Let the edits of an item be those of its hit, which people have moved a little since."""
        self.stem_edits = follow_hits(
            self.stem_edits, [(job.source.clip, job.item) for job in jobs if job.item is not None]
        )

    def is_chosen(self, job: Job, made: Mapping[str, Any], chosen: frozenset[str]) -> bool:
        """Return whether people chose the sound of a job over take 1.

        `made` is the metadata of the job, `chosen` are the `chosen_takes`. The sound of an item is known by its
        recording, so that it stays where its level or its hit is changed.
        """
        heard = self._chosen_for(job)
        if job.sound is not None and heard is not None:
            return has_choice(heard, job.sound.choice)
        return choice_of(made) in chosen

    def tell_takes(self, takes: Iterable[Sequence[Job]]) -> None:
        """Note the items whose sound people chose, and for which it is not made any more."""
        gone = []
        for jobs in takes:
            heard, item = self._chosen_for(jobs[0]), jobs[0].item
            if heard is None or item is None or any(job.sound and has_choice(heard, job.sound.choice) for job in jobs):
                continue
            # A take of the same hit that this run makes no other of stays with its number.
            if not is_same_hit(heard, jobs[0], item) or heard.get("take") in {job.take for job in jobs}:
                gone.append(jobs[0].clip.name)
        if gone:
            self.lost.append(f"the takes that were chosen for {first_names(gone)}; write.alternatives offers more")

    def _chosen_for(self, job: Job) -> Mapping[str, Any] | None:
        """Return the metadata of the sound that people chose over take 1 of an item; None where they did not."""
        edit = self.stem_edits.get((job.clip.id, job.clip.role))
        heard = {} if edit is None else table(edit.clip.media_reference.metadata, KEY)
        return heard if has_choice(heard) and heard.get("take", 1) != 1 else None

    def tell_stems(self, placed: frozenset[tuple[str, str]]) -> None:
        """Note the edits of the stems that are placed again, and of those that are not."""
        said = {key: f"{edit.clip.name} ({words})" for key, edit in self.stem_edits.items() if (words := edit.words())}
        kept = [words for key, words in said.items() if key in placed]
        gone = [words for key, words in said.items() if key not in placed]
        if kept:
            self.notes.append(f"edits of stems are kept: {first_names(kept)}")
        if gone:
            self.lost.append(f"edits of stems whose clips are not there any more: {first_names(gone)}")


def previous_project(output: Path, timeline: otio.schema.Timeline, outputs: Outputs) -> PreviousProject:
    """Return the project that lies at `output`, if AVLink made it, else the stems in the input's `timeline`."""
    found = PreviousProject(path=output)
    there = _read(output)
    if there is not None:
        found.timeline, found.lies_at_output, found.record = there, True, read_record(there)
        content = content_file(output)
        if outputs.unchanged(content) is None:
            found.kept = outputs.backup_path(content)
    # Stems in the input are from a run before that one, or from a program that a person edited them in. Their URLs may
    # count from another folder, and a zip is written with the media of its input.
    found.stem_edits = {key: replace(edit, has_takes=False) for key, edit in read_stem_edits(timeline).items()}
    if there is not None:
        has_takes = output.suffix.lower() != ".otioz"
        found.stem_edits |= {key: replace(edit, has_takes=has_takes) for key, edit in read_stem_edits(there).items()}
    if there is None and own_tracks(timeline):
        found.timeline = timeline
    return found


def is_edited(path: Path, outputs: Outputs) -> bool:
    """Return whether AVLink wrote a file that was changed since."""
    return path.is_file() and outputs.receipt(path) is not None and outputs.unchanged(path) is None


def _read(output: Path) -> otio.schema.Timeline | None:
    """Return the timeline at a path if it holds tracks of ours."""
    if not output.exists():
        return None
    try:
        timeline = read_timeline(output).timeline
    except InputError:
        return None
    return timeline if own_tracks(timeline) else None
