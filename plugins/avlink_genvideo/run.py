"""Finishing many videos in one run. One that fails is named, and the others go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avlink import (
    AvlinkError,
    Event,
    InputError,
    JobDone,
    JobFailed,
    JobStarted,
    Listener,
    Message,
    OutputError,
    PlanReady,
    StepDone,
)
from avlink_genvideo.request import FinishRequest, output_paths
from avlink_genvideo.video import finish_one, read_file_provenance
from avlink_genvideo.work import FinishedVideo

if TYPE_CHECKING:
    from avlink import Session

STATES = ("generated", "cached", "skipped", "failed")
"""As in `avlink sonify`: "cached" is written anew with a sound that was generated before, "skipped" was left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishReport:
    """The whole run, in the order of the inputs."""

    items: tuple[FinishedVideo, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many videos ended in which way."""
        return {state: sum(item.status == state for item in self.items) for state in STATES}

    @property
    def exit_code(self) -> int:
        """0, or 3 when some failed."""
        return 3 if self.counts["failed"] else 0

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints, without "format" and "command"."""
        return {
            "inputs": [str(item.source) for item in self.items],
            "items": [_item(item) for item in self.items],
            "counts": self.counts,
        }


def finish_videos(request: FinishRequest, session: Session) -> FinishReport:
    """Finish every input of a request.

    Raises InputError for wishes that exclude each other, and where the only input is at fault; what goes wrong with
    one of several is in the report.
    """
    outputs = output_paths(request)
    results = {} if request.in_place else _results(request.inputs, outputs)
    session.tell(PlanReady(jobs=len(outputs)))
    items = []
    for number, (path, output) in enumerate(zip(request.inputs, outputs, strict=True)):
        id = str(number)
        session.tell(JobStarted(job_id=id, name=path.name))
        try:
            if path in results:
                # As when a folder is finished a second time.
                reason = f"it is what {results[path].name} became"
                item = FinishedVideo(source=path, output=None, status="skipped", reason=reason)
            else:
                item = finish_one(path, output, request, replace(session, listener=_passing_on(session, id)))
        except AvlinkError as error:
            if len(outputs) == 1 and isinstance(error, InputError):
                # There is but one: what is wrong with it is all there is to say.
                raise
            session.tell(JobFailed(job_id=id, name=path.name, reason=str(error)))
            items.append(FinishedVideo(source=path, output=None, status="failed", reason=str(error)))
            continue
        for note in item.notes:
            session.tell(Message(text=f"{path.name}: {note}"))
        ending = "to be generated" if request.dry_run and item.status == "generated" else item.status
        session.tell(JobDone(job_id=id, name=path.name, note=item.reason or ending))
        items.append(item)
    return FinishReport(items=tuple(items))


def _results(inputs: Sequence[Path], outputs: Sequence[Path]) -> Mapping[Path, Path]:
    """Inputs that are results of others, with these. Raises OutputError for one that is not of our making."""
    by_place = {path.resolve(): path for path in inputs}
    found = {}
    for path, output in zip(inputs, outputs, strict=True):
        result = by_place.get(output.resolve())
        if result is None or not output.exists():
            continue
        if read_file_provenance(result) is None:
            raise OutputError(f"{result} is an input and is never overwritten; give another name, or --in-place")
        found[result] = path
    return found


def _passing_on(session: Session, id: str) -> Listener:
    """What the engine tells of its one clip, as steps of a job of ours."""

    def listen(event: Event) -> None:
        if isinstance(event, StepDone):
            session.tell(replace(event, job_id=id))
        elif isinstance(event, Message):
            session.tell(event)

    return listen


def _item(item: FinishedVideo) -> Mapping[str, Any]:
    prompt = item.prompt
    return {
        "name": item.source.name,
        "source": str(item.source),
        "output": None if item.output is None else str(item.output),
        "status": item.status,
        "reason": item.reason,
        "prompt": None if prompt is None else prompt.text,
        "negative": None if prompt is None else prompt.negative,
        "prompt_from": None if prompt is None else prompt.place or None,
        "prompt_as_written": None if prompt is None else prompt.as_written or None,
        "seed": item.seed,
        "duration_s": item.duration_s,
        "sample_rate": item.sample_rate,
        "channels": item.channels,
        "lufs": None if item.level is None or item.level.lufs is None else round(item.level.lufs, 2),
        "true_peak_dbtp": None if item.level is None else round(item.level.true_peak_dbtp, 2),
        "notes": list(item.notes),
    }


def table_rows(report: FinishReport, *, dry_run: bool) -> Sequence[Sequence[str]]:
    """The report as rows for people: name, status, prompt, loudness and peak, what was written."""
    return [
        (
            item.source.name,
            "to generate" if dry_run and item.status == "generated" else item.status,
            "" if item.prompt is None else _short(item.prompt.text),
            _level(item),
            "" if item.output is None else Path(item.output).name,
        )
        for item in report.items
    ]


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _level(item: FinishedVideo) -> str:
    if item.level is None:
        return ""
    lufs = "" if item.level.lufs is None else f"{item.level.lufs:.1f} LUFS, "
    return f"{lufs}{item.level.true_peak_dbtp:.1f} dBTP"
