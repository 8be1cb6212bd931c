"""The driver, the process that uses Ray: started by the generator with one end of a pipe, and ended by it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from avlink_ray.blocks import BlockLayout, blocks_of, spool
from avlink_ray.messages import Block, Done, ErrorReport, Generate, Request, SendInput, Start, StepProgress
from avlink_ray.worker import RayWorker

_POLL_S = 0.1
_MAX_TRIES = 3
"""A request that ends so many workers is itself the cause."""
_LOCAL_STORE_BYTES = 256 << 20


class _ClusterLost(Exception):
    """The generator has closed its pipe, or the cluster is lost."""


@dataclass(eq=False, slots=True)
class _WorkerHandle:
    """A worker: its actor, its job, and the calls that it has not answered yet."""

    actor: Any
    pending: Any
    since_s: float
    pid: int | None = None
    job: _Job | None = None
    progress: Any = None


@dataclass(eq=False, slots=True)
class _Job:
    """A request with the blocks of its input in Ray's object store."""

    request: Request
    blocks: list[Any] = field(default_factory=list)
    tries: int = 0
    dropped: bool = False

    @property
    def ready(self) -> bool:
        return len(self.blocks) == self.request.layout.count


class Driver:
    """Keeps the given number of workers alive and gives each one request at a time."""

    def __init__(self, connection: Connection[Any, Any], start: Start) -> None:
        self._connection, self._start = connection, start
        # Two calls at a time: progress is asked for while a request is generated.
        actor = ray.remote(num_cpus=start.cpus, num_gpus=start.gpus, max_concurrency=2)(RayWorker)
        self._make: Callable[[], Any] = lambda: actor.remote(start.backend)
        self._workers: list[_WorkerHandle] = []
        self._queue: deque[_Job] = deque()
        self._is_described = False

    def run(self) -> None:
        """Serve requests until the generator closes its pipe or Ray ends this process."""
        while True:
            while len(self._workers) < self._start.workers:
                actor = self._make()
                self._workers.append(_WorkerHandle(actor, actor.describe.remote(), time.monotonic()))
            idle = self._is_described and not self._queue and all(worker.job is None for worker in self._workers)
            self._receive(_POLL_S if idle else 0)
            self._request_inputs()
            for worker in self._workers:
                self._dispatch(worker)
            pending = [worker.pending for worker in self._workers if worker.pending is not None]
            done, _ = ray.wait(pending, timeout=_POLL_S) if pending else ([], [])
            for worker in [worker for worker in self._workers if worker.pending in done]:
                self._collect(worker)
            for worker in self._workers:
                self._ask_progress(worker)
            self._check_start()

    def _receive(self, wait_s: float) -> None:
        while self._connection.poll(wait_s):
            message = self._connection.recv()
            if isinstance(message, Block):
                # Blocks of a cancelled request still arrive; they belong to no job and are dropped.
                for job in self._queue:
                    if job.request.id == message.id:
                        job.blocks.append(ray.put(message.data))
            elif isinstance(message, Generate):
                self._cancel()
                self._queue.extend(_Job(request) for request in message.requests)
                if not message.requests:
                    self._connection.send(message)

    def _cancel(self) -> None:
        """Cancel all jobs. A worker in the middle of one goes on to its end: killing it would unload the model."""
        self._queue.clear()
        for worker in self._workers:
            if worker.job is not None:
                worker.job.dropped = True

    def _request_inputs(self) -> None:
        """Ask for the inputs of the next requests: one more than workers are idle, to bound the memory."""
        ahead = sum(worker.job is None for worker in self._workers) + 1
        for job in [*self._queue][:ahead]:
            if not job.blocks and job.request.layout.count:
                self._connection.send(SendInput(id=job.request.id))
                while not job.ready:
                    self._receive(_POLL_S)
                    if job not in self._queue:
                        return

    def _dispatch(self, worker: _WorkerHandle) -> None:
        if worker.job is None and worker.pending is None and self._queue and self._queue[0].ready:
            worker.job = self._queue.popleft()
            worker.pending = worker.actor.generate.remote(worker.job.request, worker.job.blocks)

    def _collect(self, worker: _WorkerHandle) -> None:
        """Receive the answer of a worker: its properties, or the outcome of its request."""
        try:
            answer = ray.get(worker.pending)
            worker.pending, worker.progress = None, None
            if worker.job is None:
                worker.pid, info = answer
                if isinstance(info, ErrorReport):
                    self._connection.send(info)
                    raise _ClusterLost
                if not self._is_described:
                    self._is_described = True
                    self._connection.send(info)
                return
            if not worker.job.dropped and isinstance(answer, ErrorReport):
                self._connection.send(answer)
            elif not worker.job.dropped:
                # The worker may die while its result is read, so nothing is sent before all of it is here.
                result, id = spool(self._read(worker, answer), answer), worker.job.request.id
                self._connection.send(Done(id=id, layout=answer))
                for data in blocks_of(result, answer):
                    self._connection.send(Block(id=id, data=data))
            worker.job = None
        except RayError:
            self._remove(worker)

    def _read(self, worker: _WorkerHandle, layout: BlockLayout) -> Iterator[Any]:
        for reference in worker.actor.read.options(num_returns="streaming").remote(layout):
            yield ray.get(reference)

    def _remove(self, worker: _WorkerHandle) -> None:
        """Remove a worker that died. Its request goes to the next idle worker, unless it ended several."""
        self._workers.remove(worker)
        # Workers die with their cluster too, and then none can take their place.
        if not any(node["Alive"] for node in ray.nodes()):
            raise _ClusterLost
        job = worker.job
        if job is None or job.dropped:
            return
        job.tries += 1
        if job.tries < _MAX_TRIES:
            self._queue.appendleft(job)
            return
        text = f"it ended the {_MAX_TRIES} workers that it was given to, perhaps for lack of memory"
        self._connection.send(ErrorReport(kind="PluginError", text=text, id=job.request.id))

    def _ask_progress(self, worker: _WorkerHandle) -> None:
        if worker.job is None or worker.pending is None:
            return
        if worker.progress is None:
            worker.progress = worker.actor.progress.remote()
        elif ray.wait([worker.progress], timeout=0)[0]:
            progress, worker.progress = worker.progress, None
            try:
                step = ray.get(progress)
            except RayActorError:
                return
            if step is not None and step[0] == worker.job.request.id and not worker.job.dropped:
                self._connection.send(StepProgress(id=step[0], done=step[1], total=step[2]))

    def _check_start(self) -> None:
        """End the run when no worker has started in time. Raises _ClusterLost."""
        waiting = [worker for worker in self._workers if worker.pid is None]
        if len(waiting) < len(self._workers) or not waiting:
            return
        if time.monotonic() - max(worker.since_s for worker in waiting) > self._start.start_s:
            there = ray.cluster_resources()
            self._connection.send(
                ErrorReport(
                    kind="ExecutorError",
                    text=f"no worker could start on the Ray cluster within {self._start.start_s:g} s: each is to have "
                    f"{self._start.cpus:g} CPUs and {self._start.gpus:g} GPUs, and the cluster has "
                    f"{there.get('CPU', 0):g} and {there.get('GPU', 0):g} in all; ask for less in backend.on",
                )
            )
            raise _ClusterLost


def connect(start: Start) -> None:
    """Connect to a running cluster, or start one of our own. Raises the errors of Ray."""
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error", "include_dashboard": False}
    if start.address:
        quiet.pop("include_dashboard")
        ray.init(address=start.address, **quiet)
        return
    ray.init(
        num_cpus=max(1, -(-start.workers * start.cpus // 1)),
        object_store_memory=_LOCAL_STORE_BYTES,
        _temp_dir=start.folder,
        **quiet,
    )


def _with_default_threads(start: Start) -> Start:
    """Return the start with the default number of threads of torch on this machine."""
    if start.backend.threads is not None:
        return start
    import torch

    return replace(start, backend=replace(start.backend, threads=torch.get_num_threads()))


def main(descriptor: int) -> None:
    """Serve the generator at the other end of the pipe."""
    connection = Connection(descriptor)
    try:
        start = connection.recv()
        try:
            connect(start)
        except Exception as error:
            words = " ".join(str(error).split())
            where = f"at '{start.address}'" if start.address else "on this machine"
            connection.send(
                ErrorReport(kind="ExecutorError", text=f"no Ray cluster can be used {where}: {words[:300]}")
            )
            return
        Driver(connection, _with_default_threads(start)).run()
    except (EOFError, OSError, _ClusterLost):
        pass
    finally:
        ray.shutdown()
