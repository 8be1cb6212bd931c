"""Rendering: from a plan to files on disk. Split by cache, batch, decode, generate, keep, write.

The model's answer goes into the cache before anything else happens to it, and a file is moved into place when it is
whole. A run that ends at any moment loses only the batch it was at, and the next run goes on from there. A job that
fails is noted, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Generic

from avlink.core.ahead import one_ahead
from avlink.core.errors import AvlinkError, ExecutorError, OutputError, PluginError
from avlink.core.events import JobDone, JobFailed, JobStarted, Message, PlanReady, StepDone
from avlink.core.file_digest import check_unchanged
from avlink.core.store import Store
from avlink.edit.direction import Asked, Direction, Edit, Made
from avlink.edit.report import Rendered, WrittenFile, WrittenStem
from avlink.hooks.diagnostics import describe_call
from avlink.session import Session
from avlink.timeline.values import Job, Plan

_ATTEMPTS = 3
"""The cache may be emptied while a run is under way; results that it loses are generated again."""


def cached_jobs(direction: Direction[Asked, Made], plan: Plan, store: Store) -> frozenset[str]:
    """Return the ids of the jobs whose result is in the cache, whole."""
    return frozenset(job.id for job in plan.jobs if direction.kept(store, job) is not None)


def render(
    direction: Direction[Asked, Made],
    edit: Edit[Made],
    session: Session,
    *,
    batch_s: float,
    cached: frozenset[str],
    force: bool = False,
    on_written: Callable[[WrittenFile], None] | None = None,
) -> Rendered:
    """Generate and write all jobs of an edit's plan. `force` generates again instead of reading the cache.

    `cached` are the ids of the jobs whose result is in the cache, see `cached_jobs`; none of them with `force`.
    `on_written` is called with each file when it is in its place.

    Raises OutputError when files or cache cannot be written, BundleError and PluginError when the model cannot be
    loaded, ExecutorError when its executor is gone. Failures of single clips are in the result.
    """
    plan = edit.plan
    session.tell(PlanReady(jobs=len(plan.jobs), cached=len(cached), skipped=len(plan.skips)))
    run = _Run(direction, edit, session, force=force, on_written=on_written)
    for job in plan.jobs:
        if job.id in cached:
            run.finish(job, cached=True)
    for _ in range(_ATTEMPTS):
        misses = [job for job in plan.jobs if job.id not in run.files and job.id not in run.failures]
        batches = make_batches(misses, max_batch_s=batch_s * run.at_once() if misses else batch_s)
        # The next batch is decoded while one is generated and written.
        try:
            for _, asked in one_ahead(run.ask, batches, on_wait=run.start):
                run.generate(asked)
        except BaseException:
            run.stopped = True
            raise
    if len(run.files) + len(run.failures) < len(plan.jobs):
        raise OutputError(f"the cache {session.cache} loses what is put into it; see whether something empties it")
    return Rendered(files=run.files, failures=run.failures)


def make_batches(jobs: Sequence[Job], *, max_batch_s: float) -> tuple[tuple[tuple[Job, ...], ...], ...]:
    """Return jobs in batches of at most `max_batch_s` seconds, longest first; one job may be longer by itself.

    With 0 every batch has one entry, in the order of the plan. Jobs with one raw key ask for the same result (a clip
    that is used twice): they stand together as one entry.
    """
    same: dict[str, list[Job]] = {}
    for job in jobs:
        same.setdefault(job.raw_key, []).append(job)
    if not max_batch_s:
        return tuple((tuple(entry),) for entry in same.values())
    # Longest first: entries of similar length share a batch, so little of it is padding.
    entries = sorted(same.values(), key=lambda entry: -entry[0].made_s)
    batches: list[list[tuple[Job, ...]]] = []
    room = Fraction(0)
    for entry in entries:
        length = entry[0].made_s
        if not batches or length > room:
            batches.append([])
            room = Fraction(max_batch_s)
        batches[-1].append(tuple(entry))
        room -= length
    return tuple(tuple(batch) for batch in batches)


def job_name(job: Job) -> str:
    """Return the job's name for people."""
    take = f", take {job.take}" if job.take > 1 else ""
    return f"{job.clip.name} ({job.clip.track}{take})"


def as_avlink_error(backend: str, error: Exception) -> AvlinkError:
    """Return an exception of a backend as an error that says it in one sentence."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return AvlinkError("there is not enough memory for it; try --device cpu")
    if isinstance(error, AvlinkError) and not isinstance(error, PluginError):
        return error
    return PluginError(f"backend '{backend}' failed: {describe_call(error)}")


class _Lost(Exception):
    """The cache does not have a result any more, or not in one piece."""


@dataclass(slots=True)
class _Run(Generic[Asked, Made]):
    """The state of one render: the model, once it is needed, and the outcome of the jobs so far."""

    direction: Direction[Asked, Made]
    edit: Edit[Made]
    session: Session
    force: bool = field(kw_only=True)
    on_written: Callable[[WrittenFile], None] | None = field(kw_only=True)
    files: dict[str, WrittenFile] = field(default_factory=dict)
    failures: dict[str, AvlinkError] = field(default_factory=dict)
    stopped: bool = False
    """True once the run has failed: what is decoded ahead is of no use then."""
    _loaded: Any = None

    @property
    def generator(self) -> Any:
        """The model, loaded on first use: a run whose results are all cached never loads one."""
        if self._loaded is None:
            self._loaded = self.session.generator(self.edit.backend)
        return self._loaded

    def at_once(self) -> int:
        """Return the number of batches that the model works on in parallel: more than 1 on several machines."""
        return int(getattr(self.generator, "at_once", 1))

    def start(self, batch: Sequence[tuple[Job, ...]]) -> None:
        """Tell that the jobs of a batch are begun."""
        for entry in batch:
            for job in entry:
                self.session.tell(JobStarted(job_id=job.id, name=job_name(job)))

    def ask(self, batch: Sequence[tuple[Job, ...]]) -> list[tuple[tuple[Job, ...], Asked | AvlinkError]]:
        """Return each entry of a batch with its decoded input, or with the reason why it has none."""
        ready: list[tuple[tuple[Job, ...], Asked | AvlinkError]] = []
        for entry in batch:
            if self.stopped:
                break
            try:
                ready.append((entry, self._ask(entry[0], self.generator)))
            except OutputError:
                # Decoding spools to disk: a full disk is no fault of the clip.
                raise
            except AvlinkError as error:
                ready.append((entry, error))
        return ready

    def generate(self, asked: Sequence[tuple[tuple[Job, ...], Asked | AvlinkError]]) -> None:
        """Generate, keep and finish one batch. Each entry is generated once for all of its jobs."""
        ready: list[tuple[tuple[Job, ...], Asked]] = []
        for entry, request in asked:
            if isinstance(request, AvlinkError):
                self._fail(entry, request)
            else:
                ready.append((entry, request))
        for entry, made in self._answers(ready, self.generator):
            self.direction.keep(self.session.store, entry[0].raw_key, made)
            self.edit.remember(entry[0])
            for job in entry:
                self.finish(job, cached=False)

    def finish(self, job: Job, *, cached: bool) -> None:
        """Write the file of a job whose result is in the cache. A job whose result is lost stays to be done."""
        try:
            file = self.edit.write(job, lambda: self._kept(job), cached=cached, force=self.force)
        except _Lost:
            return
        except OutputError:
            raise
        except AvlinkError as error:
            self._fail((job,), error)
            return
        self.files[job.id] = file
        if self.on_written is not None:
            self.on_written(file)
        if isinstance(file, WrittenStem) and file.hits_left_out:
            more = f"{file.hits_left_out} softer hits than the {len(file.hits)} that are marked were heard"
            self.session.tell(Message(text=f"{job_name(job)}: {more}"))
        self.session.tell(JobDone(job_id=job.id, name=job_name(job), note="cached" if cached else ""))

    def _ask(self, job: Job, generator: Any) -> Asked:
        """Decode the input of a job. Raises MediaChanged if its files are not those of the plan any more."""
        try:
            asked = self.direction.ask(job, generator)
        except OutputError:
            raise
        except AvlinkError:
            # A file that is being replaced may also look broken.
            check_unchanged(job.source.states)
            raise
        # After the last byte was read: the result is kept under the digests of these files.
        check_unchanged(job.source.states)
        return asked

    def _kept(self, job: Job) -> Made:
        made = self.direction.kept(self.session.store, job)
        if made is None:
            raise _Lost
        return made

    def _answers(
        self, ready: Sequence[tuple[tuple[Job, ...], Asked]], generator: Any
    ) -> list[tuple[tuple[Job, ...], Made]]:
        """Return the model's answer to each entry. When a batch fails, each entry is tried alone to find the cause."""
        if not ready:
            return []
        requests = [request for _, request in ready]
        jobs = [job for entry, _ in ready for job in entry]
        try:
            answers = generator.generate(requests, on_step=self._steps(jobs))
            if len(answers) != len(requests):
                raise PluginError(f"it answered {len(answers)} of {len(requests)} requests")
            for answer, request in zip(answers, requests, strict=True):
                self.direction.check(answer, request, generator)
        except (OutputError, ExecutorError):
            raise
        except Exception as error:
            # A backend is foreign code: no exception of it may take the other clips down.
            if len(ready) > 1:
                return [answered for one in ready for answered in self._answers([one], generator)]
            self._fail(ready[0][0], as_avlink_error(self.edit.backend.name, error))
            return []
        return [(entry, answer) for (entry, _), answer in zip(ready, answers, strict=True)]

    def _steps(self, jobs: Sequence[Job]) -> Callable[[int, int], None]:
        # The sounds of items take a moment each, and there may be thousands.
        told = [job for job in jobs if job.sound is None]

        def on_step(done: int, total: int) -> None:
            for job in told:
                self.session.tell(StepDone(job_id=job.id, done=done, total=total))

        return on_step

    def _fail(self, jobs: Sequence[Job], error: AvlinkError) -> None:
        for job in jobs:
            self.failures[job.id] = error
            self.session.tell(JobFailed(job_id=job.id, name=job_name(job), reason=str(error)))
