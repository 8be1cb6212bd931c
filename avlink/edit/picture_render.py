"""From a plan to pictures on the disk: split by cache, listen, generate, write. The mirror of `avlink.edit.render`.

Pictures take long, so they are made one sound at a time: a run that ends at any moment loses only the one it was at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias, cast

from avlink.core import clock
from avlink.core.errors import AvlinkError, ExecutorError, MediaError, OutputError, PluginError
from avlink.core.events import JobDone, JobFailed, JobStarted, PlanReady, StepDone
from avlink.core.values import FrameSource, PictureGenerator, PictureRequest
from avlink.edit.picture_report import WrittenPicture
from avlink.edit.render import cached_jobs, in_words, job_name
from avlink.hooks import ReadyBackend
from avlink.media.audio import open_audio
from avlink.media.frame_file import FrameFile, write_frames
from avlink.session import Session, pick_device
from avlink.timeline.values import Job, Plan

_ATTEMPTS = 3
"""The cache may be emptied while a run is under way; what it loses is generated again."""

WritePicture: TypeAlias = Callable[[Job, FrameSource, bool], WrittenPicture]
"""Writes what was generated for a job to its place; the last argument says whether it was in the cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedPictures:
    """What came of the jobs of a plan, by job id."""

    pictures: Mapping[str, WrittenPicture]
    failures: Mapping[str, AvlinkError]


def render_pictures(
    plan: Plan, backend: ReadyBackend, write: WritePicture, session: Session, *, force: bool = False
) -> RenderedPictures:
    """Make the pictures of all jobs, and let `write` put them in place. `force` generates anew what is in the cache.

    Raises OutputError when pictures or cache cannot be written, BundleError and PluginError when the model cannot be
    loaded; what goes wrong with single sounds is in the result.
    """
    cached = frozenset() if force else cached_jobs(plan, session)
    session.tell(PlanReady(jobs=len(plan.jobs), cached=len(cached), skipped=len(plan.skips)))
    run = _Run(backend, write, session)
    for job in plan.jobs:
        if job.id in cached:
            run.finish(job, cached=True)
    for _ in range(_ATTEMPTS):
        for job in plan.jobs:
            if job.id not in run.pictures and job.id not in run.failures:
                run.make(job)
    if len(run.pictures) + len(run.failures) < len(plan.jobs):
        raise OutputError(f"the cache {session.cache} loses what is put into it; see whether something empties it")
    return RenderedPictures(pictures=run.pictures, failures=run.failures)


@dataclass(slots=True)
class _Run:
    """The state of one render: the model, once something needs it, and what came of the jobs."""

    backend: ReadyBackend
    write: WritePicture
    session: Session
    pictures: dict[str, WrittenPicture] = field(default_factory=dict)
    failures: dict[str, AvlinkError] = field(default_factory=dict)
    _made: set[str] = field(default_factory=set)
    _generator: PictureGenerator | None = None

    def make(self, job: Job) -> None:
        """Generate, keep and write the pictures of one job; those that another job asked for too are there already."""
        generator = self._load()
        self.session.tell(JobStarted(job_id=job.id, name=job_name(job)))
        if job.raw_key not in self._made or self.session.store.get(job.raw_key) is None:
            try:
                frames = self._answer(job, generator)
            except (OutputError, ExecutorError):
                # The disk is full, or a cluster is gone: that is no fault of the clip.
                raise
            except Exception as error:
                # A backend is foreign code: whatever it raises must not take the other clips down.
                self._fail(job, in_words(self.backend.name, error))
                return
            rate = [frames.rate.numerator, frames.rate.denominator]
            self.session.store.put_file(job.raw_key, ".npy", lambda path: write_frames(path, frames), {"rate": rate})
            self._made.add(job.raw_key)
        self.finish(job, cached=False)

    def finish(self, job: Job, *, cached: bool) -> None:
        """Write the pictures of a job that are in the cache; when they are there no more, the job stays to be done."""
        frames = _kept(self.session, job)
        if frames is None:
            return
        try:
            self.pictures[job.id] = self.write(job, frames, cached)
        except OutputError:
            raise
        except AvlinkError as error:
            self._fail(job, error)
            return
        self.session.tell(JobDone(job_id=job.id, name=job_name(job), note="cached" if cached else ""))

    def _answer(self, job: Job, generator: PictureGenerator) -> FrameSource:
        source = job.source
        sound = open_audio(
            source.path,
            sample_rate=generator.sample_rate,
            start_s=source.start_s,
            duration_s=source.duration_s,
            speed=source.speed,
        )
        request = PictureRequest(sound=sound, duration_s=source.seen_s, prompt=job.prompt, seed=job.seed)

        def on_step(done: int, total: int) -> None:
            self.session.tell(StepDone(job_id=job.id, done=done, total=total))

        answers = generator.generate([request], on_step=on_step)
        if len(answers) != 1:
            raise PluginError(f"it answered {len(answers)} times to one request")
        _check(answers[0], request, generator)
        return answers[0]

    def _fail(self, job: Job, error: AvlinkError) -> None:
        self.failures[job.id] = error
        self.session.tell(JobFailed(job_id=job.id, name=job_name(job), reason=str(error)))

    def _load(self) -> PictureGenerator:
        if self._generator is None:
            self._generator = cast(PictureGenerator, self.backend.load(pick_device(self.session.device)))
        return self._generator


def _check(answer: FrameSource, request: PictureRequest, generator: PictureGenerator) -> None:
    wanted = generator.picture
    expected = max(1, clock.to_index(request.duration_s, wanted.rate))
    if answer.rate != wanted.rate or answer.num_frames != expected:
        raise PluginError(
            f"it gave {answer.num_frames} frames at {answer.rate} a second instead of {expected} at {wanted.rate}"
        )
    if (answer.width, answer.height) != (wanted.width, wanted.height):
        raise PluginError(
            f"it gave pictures of {answer.width}x{answer.height} instead of {wanted.width}x{wanted.height}"
        )


def _kept(session: Session, job: Job) -> FrameSource | None:
    path, meta = session.store.get(job.raw_key), session.store.meta(job.raw_key)
    if path is None or meta is None:
        return None
    numerator, denominator = cast("list[int]", meta["rate"])
    try:
        return FrameFile(path, rate=Fraction(numerator, denominator))
    except MediaError:
        return None
