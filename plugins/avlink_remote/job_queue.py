"""All jobs of the server in the order in which they are worked on: bookkeeping only, with the time given as a value.

The thread that serves and the one that works both use it: every method may be called from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from avlink_remote.job import ACTIVE, ServerJob
from avlink_remote.protocol import JobFailure, JobRequest, JobStatus, ResultPart, State
from avlink_remote.recipe import Limits

_MIN_RETRY_S, _MAX_RETRY_S = 1, 30


class QueueFull(Exception):
    """There is no place for another job; try again in `retry_s` seconds."""

    def __init__(self, retry_s: int) -> None:
        super().__init__(f"try again in {retry_s} s")
        self.retry_s = retry_s


class UnknownJob(Exception):
    """There is no such job, or no more."""


class QueueClosed(Exception):
    """The server shuts down and takes no new jobs."""


class JobQueue:
    """The jobs. `on_change` is called after every change of one, while no lock is held."""

    def __init__(self, limits: Limits, on_change: Callable[[], None] = lambda: None) -> None:
        self._limits = limits
        self._on_change = on_change
        self._jobs: dict[str, ServerJob] = {}
        self._lock = threading.Lock()
        self._available = threading.Condition(self._lock)
        self._last_took_s = float(_MIN_RETRY_S)
        self.closed = False

    def submit(self, request: JobRequest, client: str, now: float) -> tuple[JobStatus, bool]:
        """Return the status of the job with that request, and True if it is new. A failed job starts again.

        Raises QueueFull and QueueClosed.
        """
        with self._lock:
            if self.closed:
                raise QueueClosed
            job = self._jobs.get(request.id)
            is_new = job is None or job.state in {"failed", "cancelled"}
            if is_new:
                if len(self._active()) >= self._limits.queue:
                    raise QueueFull(round(min(max(self._last_took_s, _MIN_RETRY_S), _MAX_RETRY_S)))
                if job is not None:
                    job.remove_files()
                    # The order of the dict is that of the queue: a job that starts again goes to its end.
                    del self._jobs[job.id]
                job = self._jobs[request.id] = ServerJob(request, request.id)
            assert job is not None
            job.clients[client] = now
            return self._status(job), is_new

    def find(self, job_id: str, client: str | None, now: float) -> ServerJob:
        """Return the job with that id, and note that `client` is alive if it wants the job. Raises UnknownJob."""
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None:
                raise UnknownJob
            # Asking about a job is not wanting it: only `submit` adds a client.
            if client in job.clients:
                job.clients[client] = now
            return job

    def status(self, job: ServerJob) -> JobStatus:
        """Return the status of a job."""
        with self._lock:
            return self._status(job)

    def update_upload(self, job: ServerJob) -> JobStatus:
        """Return the status of a job whose upload has grown; a job with a complete upload is queued."""
        with self._lock:
            if job.state == "uploading" and job.upload.complete:
                self._change(job, "queued")
                # One worker waits at most.
                self._available.notify()
            status = self._status(job)
        self._on_change()
        return status

    def release(self, job: ServerJob, client: str, now: float) -> None:
        """Note that a client no longer wants a job; if no other client does, it is stopped and dropped."""
        with self._lock:
            job.clients.pop(client, None)
            if not job.clients:
                self._drop(job, now)
        self._on_change()

    def take(self) -> ServerJob | None:
        """Return the next queued job, marked as running, after waiting for one; None once the queue is closed."""
        with self._available:
            while not self.closed:
                for job in self._jobs.values():
                    if job.state == "queued":
                        self._change(job, "running")
                        return job
                self._available.wait()
            return None

    def set_progress(self, job: ServerJob, done: int, total: int) -> None:
        """Note that `done` of `total` steps of a running job are done."""
        with self._lock:
            job.steps, job.of_steps = done, total
            job.version += 1
        self._on_change()

    def finish(
        self, job: ServerJob, outcome: tuple[ResultPart, ...] | JobFailure, *, now: float, took_s: float
    ) -> State:
        """Note the outcome of a running job, and return its new state."""
        with self._lock:
            # The time of the last job is the best guess at when the next place becomes free.
            self._last_took_s = took_s
            if job.stop.is_set():
                self._change(job, "cancelled", now)
                job.remove_files()
            elif isinstance(outcome, JobFailure):
                job.failure = outcome
                self._change(job, "failed", now)
                job.remove_files()
            else:
                job.parts = outcome
                job.upload.close()
                self._change(job, "done", now)
            state = job.state
        self._on_change()
        return state

    def expire(self, now: float) -> tuple[ServerJob, ...]:
        """Drop jobs whose clients are silent, and results that are too old or too large together.

        Returns the jobs that were dropped while they were active.
        """
        dropped = []
        with self._lock:
            # A copy, since dropping a job changes the dict.
            for job in list(self._jobs.values()):
                if job.state in ACTIVE:
                    job.clients = {
                        name: heard for name, heard in job.clients.items() if now - heard <= self._limits.client_s
                    }
                    # A running job was dropped before if it is stopped already; it is reported once.
                    if not job.clients and not job.stop.is_set():
                        dropped.append(job)
                        self._drop(job, now)
                elif now - job.ended_at > self._limits.keep_s:
                    self._remove(job)
            done = sorted((job for job in self._jobs.values() if job.state == "done"), key=lambda job: job.ended_at)
            left_bytes = self._limits.keep_mb * 1e6 - sum(job.result_bytes for job in done)
            # The newest stays, whatever its size: its client is about to fetch it.
            for job in done[:-1]:
                if left_bytes >= 0:
                    break
                left_bytes += job.result_bytes
                self._remove(job)
        if dropped:
            self._on_change()
        return tuple(dropped)

    def close(self) -> None:
        """Take no new jobs, and stop the running one."""
        with self._available:
            self.closed = True
            for job in self._jobs.values():
                job.stop.set()
            self._available.notify_all()
        self._on_change()

    def counts(self) -> Mapping[str, int]:
        """Return the number of jobs in each state."""
        with self._lock:
            states = [job.state for job in self._jobs.values()]
        return {state: states.count(state) for state in sorted(set(states))}

    def _active(self) -> list[ServerJob]:
        return [job for job in self._jobs.values() if job.state in ACTIVE]

    def _status(self, job: ServerJob) -> JobStatus:
        waiting = [other for other in self._jobs.values() if other.state in {"queued", "running"}]
        return job.status(waiting.index(job) if job in waiting and job.state == "queued" else 0)

    def _change(self, job: ServerJob, state: State, ended_at: float = 0.0) -> None:
        job.state, job.ended_at = state, ended_at
        job.version += 1

    def _drop(self, job: ServerJob, now: float) -> None:
        job.stop.set()
        if job.state == "running":
            # The generator reads its upload until the step at which it stops; `finish` then removes the files.
            return
        self._remove(job)
        if job.state in ACTIVE:
            self._change(job, "cancelled", now)

    def _remove(self, job: ServerJob) -> None:
        job.remove_files()
        if self._jobs.get(job.id) is job:
            del self._jobs[job.id]
