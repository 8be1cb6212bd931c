"""The process that talks to Ray: `python -m avlink_ray.driver FD`, started by the generator and ended with it."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from avlink_ray.blocks import Shape, blocks_of, spool
from avlink_ray.messages import Block, Done, Failure, Generate, Request, Start, Step, Want
from avlink_ray.worker import Worker

_LOOK_S = 0.1
_TRIES = 3
"""A request that ends so many workers is at fault itself."""
_LOCAL_STORE_BYTES = 256 << 20


class _Gone(Exception):
    """Nobody listens any more, or there is no cluster."""


@dataclass(eq=False, slots=True)
class _Hand:
    """A worker, what it does, and what was asked of it and not answered yet."""

    actor: Any
    waits_for: Any
    since_s: float
    pid: int | None = None
    job: _Job | None = None
    asked: Any = None


@dataclass(eq=False, slots=True)
class _Job:
    """A request with what is given to it, in Ray's memory."""

    request: Request
    blocks: list[Any] = field(default_factory=list)
    tries: int = 0
    dropped: bool = False

    @property
    def ready(self) -> bool:
        return len(self.blocks) == self.request.given.count


class Driver:
    """Keeps as many workers as were asked for, and gives each one request at a time."""

    def __init__(self, connection: Connection[Any, Any], start: Start) -> None:
        self._connection, self._start = connection, start
        actor = ray.remote(num_cpus=start.cpus, num_gpus=start.gpus, max_concurrency=2)(Worker)
        self._make: Callable[[], Any] = lambda: actor.remote(start.work)
        self._hands: list[_Hand] = []
        self._queue: deque[_Job] = deque()
        self._described = False

    def run(self) -> None:
        """Work until nobody listens any more, or Ray ends this process."""
        while True:
            while len(self._hands) < self._start.workers:
                actor = self._make()
                self._hands.append(_Hand(actor, actor.describe.remote(), time.monotonic()))
            idle = self._described and not self._queue and all(hand.job is None for hand in self._hands)
            self._listen(_LOOK_S if idle else 0)
            self._want()
            for hand in self._hands:
                self._give(hand)
            pending = [hand.waits_for for hand in self._hands if hand.waits_for is not None]
            done, _ = ray.wait(pending, timeout=_LOOK_S) if pending else ([], [])
            for hand in [hand for hand in self._hands if hand.waits_for in done]:
                self._take(hand)
            for hand in self._hands:
                self._ask_progress(hand)
            self._check_start()

    def _listen(self, wait_s: float) -> None:
        while self._connection.poll(wait_s):
            message = self._connection.recv()
            if isinstance(message, Block):
                # Of what nobody wants any more, too.
                for job in self._queue:
                    if job.request.id == message.id:
                        job.blocks.append(ray.put(message.data))
            elif isinstance(message, Generate):
                self._drop()
                self._queue.extend(_Job(request) for request in message.requests)
                if not message.requests:
                    self._connection.send(message)

    def _drop(self) -> None:
        """Forget what is under way. A worker in the middle of something goes on to its end, and keeps its model."""
        self._queue.clear()
        for hand in self._hands:
            if hand.job is not None:
                hand.job.dropped = True

    def _want(self) -> None:
        """Ask for what comes next: one request ahead of the workers, so that memory holds no more than that."""
        ahead = sum(hand.job is None for hand in self._hands) + 1
        for job in [*self._queue][:ahead]:
            if not job.blocks and job.request.given.count:
                self._connection.send(Want(id=job.request.id))
                while not job.ready:
                    self._listen(_LOOK_S)
                    if job not in self._queue:
                        return

    def _give(self, hand: _Hand) -> None:
        if hand.job is None and hand.waits_for is None and self._queue and self._queue[0].ready:
            hand.job = self._queue.popleft()
            hand.waits_for = hand.actor.generate.remote(hand.job.request, hand.job.blocks)

    def _take(self, hand: _Hand) -> None:
        """What a worker said: what it is, or how a request went."""
        try:
            said = ray.get(hand.waits_for)
            hand.waits_for, hand.asked = None, None
            if hand.job is None:
                hand.pid, described = said
                if isinstance(described, Failure):
                    self._connection.send(described)
                    raise _Gone
                if not self._described:
                    self._described = True
                    self._connection.send(described)
                return
            if not hand.job.dropped and isinstance(said, Failure):
                self._connection.send(said)
            elif not hand.job.dropped:
                # All of it, before it is told of: the worker may die while it is read.
                answer, id = spool(self._read(hand, said), said), hand.job.request.id
                self._connection.send(Done(id=id, shape=said))
                for data in blocks_of(answer, said):
                    self._connection.send(Block(id=id, data=data))
            hand.job = None
        except RayError:
            self._died(hand)

    def _read(self, hand: _Hand, shape: Shape) -> Iterator[Any]:
        for reference in hand.actor.read.options(num_returns="streaming").remote(shape):
            yield ray.get(reference)

    def _died(self, hand: _Hand) -> None:
        """A worker is no more: its request goes to the next one that is free, unless it ended several."""
        self._hands.remove(hand)
        if not any(node["Alive"] for node in ray.nodes()):
            raise _Gone
        job = hand.job
        if job is None or job.dropped:
            return
        job.tries += 1
        if job.tries < _TRIES:
            self._queue.appendleft(job)
            return
        text = f"it ended the {_TRIES} workers that it was given to, perhaps for lack of memory"
        self._connection.send(Failure(kind="PluginError", text=text, id=job.request.id))

    def _ask_progress(self, hand: _Hand) -> None:
        if hand.job is None or hand.waits_for is None:
            return
        if hand.asked is None:
            hand.asked = hand.actor.progress.remote()
        elif ray.wait([hand.asked], timeout=0)[0]:
            asked, hand.asked = hand.asked, None
            try:
                step = ray.get(asked)
            except RayActorError:
                return
            if step is not None and step[0] == hand.job.request.id and not hand.job.dropped:
                self._connection.send(Step(id=step[0], done=step[1], total=step[2]))

    def _check_start(self) -> None:
        """Whether any worker is there, or can still be expected."""
        waiting = [hand for hand in self._hands if hand.pid is None]
        if len(waiting) < len(self._hands) or not waiting:
            return
        if time.monotonic() - max(hand.since_s for hand in waiting) > self._start.start_s:
            there = ray.cluster_resources()
            self._connection.send(
                Failure(
                    kind="ExecutorError",
                    text=f"no worker could start on the Ray cluster within {self._start.start_s:g} s: each is to have "
                    f"{self._start.cpus:g} CPUs and {self._start.gpus:g} GPUs, and the cluster has "
                    f"{there.get('CPU', 0):g} and {there.get('GPU', 0):g} in all; ask for less in backend.on",
                )
            )
            raise _Gone


def connect(start: Start) -> None:
    """To the cluster that is there, or to one of our own. Raises whatever Ray does."""
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


def _with_threads(start: Start) -> Start:
    """As many as torch takes here, which only torch knows."""
    if start.work.threads is not None:
        return start
    import torch

    return replace(start, work=replace(start.work, threads=torch.get_num_threads()))


def main(descriptor: int) -> None:
    """Serve the process at the other end of a pipe."""
    connection = Connection(descriptor)
    try:
        start = connection.recv()
        try:
            connect(start)
        except Exception as error:
            said = " ".join(str(error).split())
            where = f"at '{start.address}'" if start.address else "on this machine"
            connection.send(Failure(kind="ExecutorError", text=f"no Ray cluster can be used {where}: {said[:300]}"))
            return
        Driver(connection, _with_threads(start)).run()
    except (EOFError, OSError, _Gone):
        pass
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]))
