"""All jobs of the server, in the order in which they are worked on: pure bookkeeping, with the time handed in.

It is used by the thread that serves and by the one that works; every method may be called from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from avlink_remote.job import OPEN, ServerJob
from avlink_remote.protocol import JobFailure, JobRequest, JobStatus, ResultPart, State
from avlink_remote.recipe import Limits

_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 1, 30


class QueueFull(Exception):
    """There is no place for another job; come back in `retry_s` seconds."""

    def __init__(self, retry_s: int) -> None:
        super().__init__(f"come back in {retry_s} s")
        self.retry_s = retry_s


class UnknownJob(Exception):
    """There is no such job, or no more."""


class QueueClosed(Exception):
    """The server ends, and takes nothing new."""


class JobQueue:
    """The jobs. `ring` is called after every change of one, without any lock held."""

    def __init__(self, limits: Limits, ring: Callable[[], None] = lambda: None) -> None:
        self._limits = limits
        self._ring = ring
        self._jobs: dict[str, ServerJob] = {}
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._last_took_s = float(_SHORTEST_WAIT_S)
        self.closing = False

    def ask(self, wish: JobRequest, client: str, now: float) -> tuple[JobStatus, bool]:
        """The job of that wish, new or as it is, and whether it is new. One that failed before is begun anew.

        Raises QueueFull, and QueueClosed.
        """
        with self._lock:
            if self.closing:
                raise QueueClosed
            job = self._jobs.get(wish.id)
            is_new = job is None or job.state in {"failed", "cancelled"}
            if is_new:
                if len(self._open()) >= self._limits.queue:
                    raise QueueFull(round(min(max(self._last_took_s, _SHORTEST_WAIT_S), _LONGEST_WAIT_S)))
                if job is not None:
                    job.forget()
                    # It takes its place at the end of the queue.
                    del self._jobs[job.id]
                job = self._jobs[wish.id] = ServerJob(wish, wish.id)
            assert job is not None
            job.clients[client] = now
            return self._status(job), is_new

    def find(self, job_id: str, client: str | None, now: float) -> ServerJob:
        """The job of that name; `client` was heard of, if it wants the job. Raises UnknownJob."""
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None:
                raise UnknownJob
            if client in job.clients:
                job.clients[client] = now
            return job

    def status(self, job: ServerJob) -> JobStatus:
        """How a job is."""
        with self._lock:
            return self._status(job)

    def arrived(self, job: ServerJob) -> JobStatus:
        """Say that more of a job's upload has arrived; a job that is all there waits for its turn."""
        with self._lock:
            if job.state == "uploading" and job.upload.whole:
                self._change(job, "queued")
                self._work.notify()
            status = self._status(job)
        self._ring()
        return status

    def leave(self, job: ServerJob, client: str, now: float) -> None:
        """A client does not want a job any more; when no other does, it is stopped and dropped."""
        with self._lock:
            job.clients.pop(client, None)
            if not job.clients:
                self._drop(job, now)
        self._ring()

    def take(self) -> ServerJob | None:
        """The next job to work on, which is running then; waits for one. None once the server ends."""
        with self._work:
            while not self.closing:
                for job in self._jobs.values():
                    if job.state == "queued":
                        self._change(job, "running")
                        return job
                self._work.wait()
            return None

    def step(self, job: ServerJob, done: int, total: int) -> None:
        """Say how far a running job is."""
        with self._lock:
            job.steps, job.of_steps = done, total
            job.version += 1
        self._ring()

    def end(self, job: ServerJob, outcome: tuple[ResultPart, ...] | JobFailure, *, now: float, took_s: float) -> State:
        """Say what came of a running job, and which state that is."""
        with self._lock:
            self._last_took_s = took_s
            if job.stop.is_set():
                self._change(job, "cancelled", now)
                job.forget()
            elif isinstance(outcome, JobFailure):
                job.failure = outcome
                self._change(job, "failed", now)
                job.forget()
            else:
                job.parts = outcome
                job.upload.close()
                self._change(job, "done", now)
            state = job.state
        self._ring()
        return state

    def tidy(self, now: float) -> tuple[ServerJob, ...]:
        """Drop what nobody wants any more, and results that are too old or too many; the jobs that were dropped."""
        dropped = []
        with self._lock:
            for job in list(self._jobs.values()):
                if job.state in OPEN:
                    job.clients = {
                        name: heard for name, heard in job.clients.items() if now - heard <= self._limits.client_s
                    }
                    if not job.clients and not job.stop.is_set():
                        dropped.append(job)
                        self._drop(job, now)
                elif now - job.ended_at > self._limits.keep_s:
                    self._remove(job)
            kept = sorted((job for job in self._jobs.values() if job.state == "done"), key=lambda job: job.ended_at)
            room = self._limits.keep_mb * 1e6 - sum(job.result_bytes for job in kept)
            # The newest stays, whatever its size: somebody is about to fetch it.
            for job in kept[:-1]:
                if room >= 0:
                    break
                room += job.result_bytes
                self._remove(job)
        if dropped:
            self._ring()
        return tuple(dropped)

    def close(self) -> None:
        """Take nothing new, and stop what runs."""
        with self._work:
            self.closing = True
            for job in self._jobs.values():
                job.stop.set()
            self._work.notify_all()
        self._ring()

    def counts(self) -> Mapping[str, int]:
        """How many jobs there are in each state."""
        with self._lock:
            states = [job.state for job in self._jobs.values()]
        return {state: states.count(state) for state in sorted(set(states))}

    def _open(self) -> list[ServerJob]:
        return [job for job in self._jobs.values() if job.state in OPEN]

    def _status(self, job: ServerJob) -> JobStatus:
        waiting = [other for other in self._jobs.values() if other.state in {"queued", "running"}]
        return job.status(waiting.index(job) if job in waiting and job.state == "queued" else 0)

    def _change(self, job: ServerJob, state: State, ended_at: float = 0.0) -> None:
        job.state, job.ended_at = state, ended_at
        job.version += 1

    def _drop(self, job: ServerJob, now: float) -> None:
        job.stop.set()
        if job.state == "running":
            # Its files are in use until the step ends at which it stops.
            return
        self._remove(job)
        if job.state in OPEN:
            self._change(job, "cancelled", now)

    def _remove(self, job: ServerJob) -> None:
        job.forget()
        if self._jobs.get(job.id) is job:
            del self._jobs[job.id]
