"""A timeline that is given its sound or its pictures: read, resolved and checked in one way for both directions."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import opentimelineio as otio

import avlink
from avlink.core.events import Message
from avlink.core.hashing import fraction_text
from avlink.core.outputs import Outputs
from avlink.core.paths import check_place, make_folder, sweep_leftovers
from avlink.edit.direction import Edit, Made
from avlink.edit.footage import Footage, read_footage
from avlink.edit.previous import PreviousProject, previous_project
from avlink.edit.project import (
    check_holds,
    content_file,
    default_output,
    refuse_missing,
    refuse_nothing,
    take_media_along,
    tell_plan,
    write_back,
)
from avlink.edit.request import EditRequest
from avlink.hooks import ReadyBackend
from avlink.session import Session
from avlink.timeline.merge import clip_addresses, request_digests, write_record
from avlink.timeline.values import Job, Plan
from avlink.timeline.write import BUNDLES, check_output


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTimeline(Footage):
    """A timeline that is given results, and the project that will be written.

    `previous` is the project that the output will replace. `requests` are digests of what the clips of the input ask
    for, before what people changed in the previous project was copied into `file`; None where nothing was.
    """

    output: Path
    outputs: Outputs
    previous: PreviousProject
    requests: Mapping[str, str] | None


def open_timeline(request: EditRequest, session: Session, *, word: str, sound: bool) -> OpenTimeline:
    """Read the timeline of a request, and what people changed in the project that an earlier run made of it.

    The output is `<name>.<word>.otio` by default; `sound` unpacks that of bundles.

    Raises InputError for roots that are no folders, TimelineError for what cannot be read.
    """
    footage = read_footage(request.input, request.recipe.read, request.media_root, session, sound=sound)
    file = footage.file
    outputs = session.outputs(overwrite=request.overwrite)
    output = request.output or default_output(file, word, request.base, outputs)
    check_place(output)
    previous = previous_project(output, file.timeline, outputs)
    requests = None
    if previous.record is not None:
        # Another walk over the timeline, which only a merge needs before it.
        addresses = clip_addresses(file.timeline)
        requests = request_digests(file.timeline, addresses)
        previous.merge_requests(file.timeline, addresses)
    return OpenTimeline(
        file=file,
        timebase=footage.timebase,
        folder=footage.folder,
        roots=footage.roots,
        output=output,
        outputs=outputs,
        previous=previous,
        requests=requests,
    )


class TimelineEdit(Edit[Made]):
    """A timeline with a plan. Subclasses say what files are written and how they are put into the project."""

    makes: str
    """The result of one clip, for messages: "a sound"."""

    def __init__(
        self, request: EditRequest, backend: ReadyBackend, session: Session, opened: OpenTimeline, plan: Plan
    ) -> None:
        self.request, self.backend, self.session = request, backend, session
        self.opened = opened
        self.file, self.folder, self.output, self.roots = opened.file, opened.folder, opened.output, opened.roots
        self.plan = plan
        self.timebase = opened.timebase
        tell_plan(self.file, plan, session, stop_if_missing=request.stop_if_missing)

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Every file that is read, once."""
        return (self.request.input, *dict.fromkeys(job.source.path for job in self.plan.jobs))

    @property
    @abstractmethod
    def files_folder(self) -> Path:
        """The folder of the files that are written."""

    @property
    def beside(self) -> tuple[Path, ...]:
        """The files that are written beside the project, for other programs and for viewing."""
        return ()

    @property
    def planned(self) -> Path:
        """The project that is written."""
        return self.output

    @property
    def folder_written(self) -> Path:
        """The folder of the files that are written."""
        return self.files_folder

    def check(self) -> None:
        """Refuse missing media, an output that cannot be written, and a plan without jobs."""
        if self.request.stop_if_missing:
            refuse_missing(self.file, self.plan)
        refuse_nothing(self.request.input, self.plan, what=self.makes)
        check_holds(self.file, self.output)
        content, previous = content_file(self.output), self.opened.previous
        check_output(self.output, inputs=self.inputs, beside=self.beside)
        kept = {*previous.merged_sheets, *([content] if previous.lies_at_output else ())}
        for path in (content, *self.beside):
            if path not in kept:
                self.opened.outputs.check(path)
        check_place(self.files_folder / self.plan.jobs[0].stem_name)

    def prepare(self) -> None:
        """Make and sweep the folders that are written."""
        make_folder(self.files_folder)
        for folder in {self.files_folder, self.output.parent}:
            sweep_leftovers(folder, now_s=time.time())

    def write_project(self, placed: otio.schema.Timeline, names: Mapping[Path, str]) -> None:
        """Write the project with what people changed in the one before, which is kept as `.bak` if they changed it."""
        opened, previous = self.opened, self.opened.previous
        requests = request_digests(self.file.timeline) if opened.requests is None else opened.requests
        write_record(placed, requests, bundled=self.output.suffix.lower() in BUNDLES)
        taken = previous.merge_tracks(placed)
        names = {**names, **take_media_along(taken, self.file, self.output, self.session)}
        write = partial(opened.outputs.write, source=self.request.input, keep=previous.lies_at_output)
        notes = write_back(placed, self.file, self.output, names, roots=self.request.media_root, write=write)
        for note in notes:
            self.session.tell(Message(text=note, level="warning"))
        for note in previous.notes:
            self.session.tell(Message(text=note))
        if previous.kept is not None and previous.kept.exists():
            self.session.tell(Message(text=f"{self.output} as it was before is kept as {previous.kept.name}"))
        if previous.lost:
            where = f"; the version with them is {previous.kept.name}" if previous.kept is not None else ""
            self.session.tell(Message(text=f"not kept: {'; '.join(previous.lost)}{where}", level="warning"))

    def track_details(self) -> dict[str, object]:
        """Return what the metadata of our tracks says of this run."""
        return {
            "version": avlink.__version__,
            "recipe": self.request.recipe.source.label,
            "backend": self.backend.name,
        }

    def job_details(self, job: Job, *, key: str) -> dict[str, object]:
        """Return what the metadata of a job's file says of how it was made, as JSON values.

        `key` is the name of the finished file's key there.
        """
        return {
            "prompt": job.prompt.text,
            "negative": job.prompt.negative,
            "seed": job.seed,
            "backend": self.backend.name,
            "raw_key": job.raw_key,
            key: job.stem_key,
            "source_digest": job.source.digest,
            "source_start_s": fraction_text(job.source.start_s),
            "source_duration_s": fraction_text(job.source.duration_s),
            "speed": fraction_text(job.source.speed),
            **({"licence": self.backend.licence} if self.backend.licence else {}),
        }
