"""The generator that AVLink is given: it hands requests to a process that talks to Ray, and waits for answers.

Ray ends the process that uses it when its cluster goes away, prints where it likes, and starts processes that hear
Ctrl-C. So it is kept in a process of its own, which may end at any time: this one then says so.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

import avlink
from avlink import ExecutorError, OnStep, PictureRequest, SoundRequest
from avlink.hooks import ReadyBackend
from avlink_ray.blocks import blocks_of, shape_of, spool
from avlink_ray.messages import Block, Described, Done, Failure, Generate, Request, Start, Step, Want, Work
from avlink_ray.plugin import RayOptions

_GOODBYE_S = 20.0
_LONGEST_PATH = 24
_PATIENT_S = 600
"""A machine that is busy starts Ray's helpers slowly; Ray's own patience is 15 to 60 seconds."""


class RayGenerator:
    """A `SoundGenerator` or `PictureGenerator`, by what its backend is."""

    def __init__(self, backend: ReadyBackend, options: RayOptions, device: str) -> None:
        self.at_once = options.workers
        self._address = options.address
        self._ids = 0
        self._folder = _folder()
        self._connection, self._process = _start(self._folder, options)
        self._finish = weakref.finalize(self, _close, self._connection, self._process, self._folder)
        work = Work(
            backend=backend.name,
            options=backend.options.model_dump_json(),
            fingerprint=backend.fingerprint(),
            version=avlink.__version__,
            device=device,
            folder=str(Path.cwd()),
            threads=options.threads,
        )
        start = Start(
            work=work,
            address=options.address,
            folder=self._folder,
            workers=options.workers,
            cpus=options.cpus,
            gpus=options.gpus,
            start_s=options.start_s,
        )
        try:
            self._send(start)
            described = self._receive()
            assert isinstance(described, Described), described
        except BaseException:
            self._finish()
            raise
        self.sample_rate, self.picture = described.sample_rate, described.picture

    def generate(
        self, requests: Sequence[SoundRequest | PictureRequest], *, on_step: OnStep | None = None
    ) -> tuple[Any, ...]:
        """One answer a request, each as the backend gives it. Raises ExecutorError when the cluster is gone.

        Whatever else is raised, also by `on_step`, ends what the workers are at.
        """
        first = self._ids
        self._ids += len(requests)
        given = {first + index: _given(request) for index, request in enumerate(requests)}
        shapes = {id: shape_of(source) for id, source in given.items()}
        told = [
            Request(id=id, given=shapes[id], duration_s=request.duration_s, prompt=request.prompt, seed=request.seed)
            for id, request in zip(given, requests, strict=True)
        ]
        answers: dict[int, Any] = {}
        steps: dict[int, float] = {}
        try:
            self._send(Generate(requests=tuple(told)))
            while len(answers) < len(requests):
                message = self._receive()
                match message:
                    case Want(id=id):
                        for data in blocks_of(given[id], shapes[id]):
                            self._send(Block(id=id, data=data))
                    case Step(id=id, done=done, total=total):
                        steps[id] = done / max(1, total)
                        _tell(on_step, steps, len(requests), total)
                    case Done(id=id, shape=shape):
                        answers[id] = spool(self._blocks(id, shape.count), shape)
                        steps[id] = 1.0
        except KeyboardInterrupt:
            self._finish()
            raise
        except BaseException:
            # What is under way there is of no use any more.
            if self._process.poll() is None:
                self._send(Generate(requests=()))
                self._drain()
            raise
        return tuple(answers[id] for id in given)

    def _blocks(self, id: int, count: int) -> Iterator[Any]:
        for _ in range(count):
            message = self._receive()
            assert isinstance(message, Block) and message.id == id
            yield message.data

    def _drain(self) -> None:
        """Take what was said before the driver knew that nothing is wanted any more."""
        while not isinstance(self._receive(fail=False), Generate):
            pass

    def _send(self, message: Any) -> None:
        try:
            self._connection.send(message)
        except OSError:
            raise self._gone() from None

    def _receive(self, *, fail: bool = True) -> Any:
        try:
            message = self._connection.recv()
        except (EOFError, OSError):
            raise self._gone() from None
        if isinstance(message, Failure) and fail:
            raise message.error()
        return message

    def _gone(self) -> ExecutorError:
        self._finish()
        where = f" at '{self._address}'" if self._address else ""
        return ExecutorError(
            f"the Ray cluster{where} is gone; start it again and run the same command: finished stems are kept"
        )


def _given(request: SoundRequest | PictureRequest) -> Any:
    return request.frames if isinstance(request, SoundRequest) else request.sound


def _tell(on_step: OnStep | None, steps: dict[int, float], requests: int, total: int) -> None:
    """All requests together, in as many steps as they have in all."""
    if on_step is not None:
        on_step(int(sum(steps.values()) * total), requests * total)


def _start(folder: str, options: RayOptions) -> tuple[Connection, subprocess.Popen[bytes]]:
    ours, theirs = Pipe()
    env = {
        **os.environ,
        # The same modules as here, whatever put them on the path.
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_gcs_rpc_server_reconnect_timeout_s": str(options.lost_s),
        "RAY_agent_register_timeout_ms": str(_PATIENT_S * 1000),
        "RAY_worker_register_timeout_seconds": str(_PATIENT_S),
    }
    if not options.address:
        # On this machine alone: by its loopback, and with a word that only its processes know.
        env |= {
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            # Workers do what this process would do itself: no less of the machine than it gets.
            "RAY_worker_niceness": "0",
        }
    with (Path(folder) / "driver.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "avlink_ray.driver", str(theirs.fileno())],
            env=env,
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C is for this process, which then ends that one.
            start_new_session=True,
        )
    theirs.close()
    return ours, process


def _close(connection: Connection, process: subprocess.Popen[bytes], folder: str) -> None:
    # The driver ends when nobody listens to it any more, and takes its cluster with it.
    connection.close()
    try:
        process.wait(_GOODBYE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def _folder() -> str:
    """A folder for Ray's files; the names of its sockets in there must stay short."""
    base = tempfile.gettempdir()
    return tempfile.mkdtemp(prefix="avlink-ray-", dir=base if len(base) <= _LONGEST_PATH else "/tmp")
