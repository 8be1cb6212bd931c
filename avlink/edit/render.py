"""From a plan to stems on the disk: split by cache, batch, decode, generate, finish, write.

What the model made is kept by its raw key before anything else happens to it; a stem is moved into place when it is
whole. So a run that ends at any moment loses only the batch it was at, and the next one goes on from there. One job
that fails is noted, and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial

import numpy as np

from avlink.core import clock
from avlink.core.errors import AvlinkError, ExecutorError, MediaError, OutputError, PluginError
from avlink.core.events import JobDone, JobFailed, JobStarted, Message, PlanReady, StepDone
from avlink.core.sound import read_blocks
from avlink.core.values import SoundGenerator, SoundRequest, SoundSource
from avlink.edit.finish import StemTarget, write_stem
from avlink.edit.report import WrittenStem
from avlink.hooks import ReadyBackend
from avlink.media.frames import open_frames
from avlink.media.wave import WaveFile, write_float_wave
from avlink.session import Session
from avlink.timeline.values import Job, Plan

_ATTEMPTS = 3
"""The cache may be emptied while a run is under way; what it loses is generated again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What came of the jobs of a plan, by job id."""

    stems: Mapping[str, WrittenStem]
    failures: Mapping[str, AvlinkError]


def cached_jobs(plan: Plan, session: Session) -> frozenset[str]:
    """The ids of the jobs whose sound is in the cache."""
    return frozenset(job.id for job in plan.jobs if session.store.get(job.raw_key) is not None)


def render(
    plan: Plan,
    backend: ReadyBackend,
    target: StemTarget,
    session: Session,
    *,
    max_batch_s: float,
    force: bool = False,
    on_made: Callable[[Job], None] | None = None,
) -> Rendered:
    """Make and write the stems of all jobs. `force` generates anew what the cache already has.

    `on_made` is told of each sound that was generated and is kept.

    Raises OutputError when stems or cache cannot be written, BundleError and PluginError when the model cannot be
    loaded, ExecutorError when where it works is gone; what goes wrong with single clips is in the result.
    """
    cached = frozenset() if force else cached_jobs(plan, session)
    session.tell(PlanReady(jobs=len(plan.jobs), cached=len(cached), skipped=len(plan.skips)))
    run = _Run(backend, target, session, force=force, on_made=on_made)
    for job in plan.jobs:
        if job.id in cached:
            run.finish(job, cached=True)
    for _ in range(_ATTEMPTS):
        misses = [job for job in plan.jobs if job.id not in run.stems and job.id not in run.failures]
        for batch in make_batches(misses, max_batch_s=max_batch_s * run.at_once() if misses else max_batch_s):
            run.generate(batch)
    if len(run.stems) + len(run.failures) < len(plan.jobs):
        raise OutputError(f"the cache {session.cache} loses what is put into it; see whether something empties it")
    return Rendered(stems=run.stems, failures=run.failures)


def make_batches(jobs: Sequence[Job], *, max_batch_s: float) -> tuple[tuple[tuple[Job, ...], ...], ...]:
    """Jobs in batches of at most `max_batch_s` seconds of sound, longest first; one job may be longer by itself.

    Jobs with one raw key ask for the same sound (a clip that is used twice): they stand together as one entry.
    """
    same: dict[str, list[Job]] = {}
    for job in jobs:
        same.setdefault(job.raw_key, []).append(job)
    entries = sorted(same.values(), key=lambda entry: -entry[0].source.made_s)
    batches: list[list[tuple[Job, ...]]] = []
    room = Fraction(0)
    for entry in entries:
        length = entry[0].source.made_s
        if not batches or length > room:
            batches.append([])
            room = Fraction(max_batch_s)
        batches[-1].append(tuple(entry))
        room -= length
    return tuple(tuple(batch) for batch in batches)


def job_name(job: Job) -> str:
    """The job for people."""
    take = f", take {job.take}" if job.take > 1 else ""
    return f"{job.source.clip.name} ({job.source.clip.track}{take})"


@dataclass(slots=True)
class _Run:
    """The state of one render: the model, once something needs it, and what came of the jobs."""

    backend: ReadyBackend
    target: StemTarget
    session: Session
    force: bool = field(kw_only=True)
    on_made: Callable[[Job], None] | None = field(kw_only=True)
    stems: dict[str, WrittenStem] = field(default_factory=dict)
    failures: dict[str, AvlinkError] = field(default_factory=dict)
    _generator: SoundGenerator | None = None

    def at_once(self) -> int:
        """How many batches the model works on side by side: more than one where it works on several machines."""
        return int(getattr(self._load(), "at_once", 1))

    def generate(self, batch: Sequence[tuple[Job, ...]]) -> None:
        """Generate, keep and finish one batch. Each entry is answered once for all of its jobs."""
        generator = self._load()
        for entry in batch:
            for job in entry:
                self.session.tell(JobStarted(job_id=job.id, name=job_name(job)))
        ready: list[tuple[tuple[Job, ...], SoundRequest]] = []
        for entry in batch:
            try:
                ready.append((entry, _request(entry[0], generator)))
            except OutputError:
                # The disk is full: that is no fault of the clip.
                raise
            except AvlinkError as error:
                self._fail(entry, error)
        for entry, sound in self._answers(ready, generator):
            # Floating point, so that what is finished later from the cache is bit for bit what is finished now.
            keep = partial(write_float_wave, sound=sound)
            self.session.store.put_file(entry[0].raw_key, ".wav", keep)
            if self.on_made is not None:
                self.on_made(entry[0])
            for job in entry:
                self.finish(job, cached=False)

    def finish(self, job: Job, *, cached: bool) -> None:
        """Write the stem of a job whose sound is in the cache; when it is there no more, the job stays to be done."""
        try:
            stem = write_stem(
                job,
                lambda: _kept(self.session, job),
                self.target,
                self.session.store,
                cached=cached,
                force=self.force,
            )
        except _Lost:
            return
        except PluginError as error:
            self._fail((job,), error)
            return
        self.stems[job.id] = stem
        if stem.hits_left_out:
            more = f"{stem.hits_left_out} softer hits than the {len(stem.hits)} that are marked were heard"
            self.session.tell(Message(text=f"{job_name(job)}: {more}"))
        self.session.tell(JobDone(job_id=job.id, name=job_name(job), note="cached" if cached else ""))

    def _answers(
        self, ready: Sequence[tuple[tuple[Job, ...], SoundRequest]], generator: SoundGenerator
    ) -> list[tuple[tuple[Job, ...], SoundSource]]:
        """What the model says to each entry; when a batch fails, each is tried alone, to find the one at fault."""
        if not ready:
            return []
        requests = [request for _, request in ready]
        jobs = [job for entry, _ in ready for job in entry]
        try:
            answers = generator.generate(requests, on_step=self._steps(jobs))
            if len(answers) != len(requests):
                raise PluginError(f"it answered {len(answers)} of {len(requests)} requests")
            for answer, request in zip(answers, requests, strict=True):
                check_answer(answer, request, generator)
        except (OutputError, ExecutorError):
            raise
        except Exception as error:
            # A backend is foreign code: whatever it raises must not take the other clips down.
            if len(ready) > 1:
                return [answered for one in ready for answered in self._answers([one], generator)]
            self._fail(ready[0][0], in_words(self.backend.name, error))
            return []
        return [(entry, answer) for (entry, _), answer in zip(ready, answers, strict=True)]

    def _steps(self, jobs: Sequence[Job]) -> Callable[[int, int], None]:
        def on_step(done: int, total: int) -> None:
            for job in jobs:
                self.session.tell(StepDone(job_id=job.id, done=done, total=total))

        return on_step

    def _fail(self, jobs: Sequence[Job], error: AvlinkError) -> None:
        for job in jobs:
            self.failures[job.id] = error
            self.session.tell(JobFailed(job_id=job.id, name=job_name(job), reason=str(error)))

    def _load(self) -> SoundGenerator:
        if self._generator is None:
            self._generator = self.session.generator(self.backend)
        return self._generator


def _request(job: Job, generator: SoundGenerator) -> SoundRequest:
    source = job.source
    frames = open_frames(
        source.picture,
        start_s=source.made_start_s,
        duration_s=source.made_s,
        spec=generator.picture,
        speed=source.speed,
    )
    return SoundRequest(frames=frames, duration_s=source.made_s, prompt=job.prompt, seed=job.seed)


def check_answer(answer: SoundSource, request: SoundRequest, generator: SoundGenerator) -> None:
    """Raise PluginError unless a generator answered with as many real samples as it was asked for."""
    expected = clock.to_index(request.duration_s, generator.sample_rate)
    if answer.sample_rate != generator.sample_rate or answer.num_samples != expected:
        raise PluginError(
            f"it gave {answer.num_samples} samples at {answer.sample_rate} Hz instead of {expected} at "
            f"{generator.sample_rate} Hz"
        )
    if not all(np.isfinite(block).all() for block in read_blocks(answer)):
        raise PluginError("it gave sound with samples that are no numbers")


def in_words(backend: str, error: Exception) -> AvlinkError:
    """Whatever a backend raised, as an error that says it in one sentence."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return AvlinkError("there is not enough memory for it; try --device cpu")
    if isinstance(error, AvlinkError) and not isinstance(error, PluginError):
        return error
    kind = "" if isinstance(error, AvlinkError) else f"{type(error).__name__}: "
    return PluginError(f"backend '{backend}' failed: {kind}{' '.join(str(error).split())}")


class _Lost(Exception):
    """The cache does not have a sound any more, or not in one piece."""


def _kept(session: Session, job: Job) -> SoundSource:
    path = session.store.get(job.raw_key)
    if path is None:
        raise _Lost
    try:
        return WaveFile(path)
    except MediaError:
        raise _Lost from None
