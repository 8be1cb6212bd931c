"""The generator of the executor: it sends requests to a driver process that uses Ray, and waits for the results.

Ray ends the process that uses it when its cluster is lost, prints to its streams, and starts processes that receive
Ctrl-C. So the driver is a process of its own, which may end at any time; this one then raises ExecutorError.
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
from importlib.util import find_spec
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

import avlink
from avlink import ExecutorError, InputError, OnStep, PictureRequest, SoundRequest
from avlink.hooks import ReadyBackend
from avlink_ray.blocks import blocks_of, layout_of, spool
from avlink_ray.messages import (
    BackendSpec,
    Block,
    Done,
    ErrorReport,
    Generate,
    GeneratorInfo,
    Request,
    SendInput,
    Start,
    StepProgress,
)
from avlink_ray.options import RayOptions

_EXIT_TIMEOUT_S = 20.0
_REGISTER_TIMEOUT_S = 600
"""Ray's own 15 to 60 seconds are too short for a busy machine."""
# `-m` would look for modules in the working folder first, as `-c` does until the empty entry is gone.
_DRIVER = "import sys; sys.path[:] = filter(None, sys.path); from avlink_ray.driver import main; main(int(sys.argv[1]))"
# The path of a socket has at most 107 bytes on Linux, and Ray appends the folder of its session to this one.
_MAX_TEMPORARY_PATH_CHARS = 24


def load(backend: ReadyBackend, options: RayOptions, device: str) -> RayGenerator:
    """Return a generator that runs on the cluster.

    Raises InputError if Ray is not installed, ExecutorError if the cluster cannot be reached.
    """
    if find_spec("ray") is None:
        raise InputError("backend.on = \"ray\" needs Ray, which is not installed here; pip install 'avlink[ray]'")
    return RayGenerator(backend, options, device)


class RayGenerator:
    """A `SoundGenerator` or `PictureGenerator`, depending on its backend."""

    def __init__(self, backend: ReadyBackend, options: RayOptions, device: str) -> None:
        self.at_once = options.workers
        self._address = options.address
        self._ids = 0
        self._folder = _make_folder()
        self._connection, self._process = _start_driver(self._folder, options)
        # Also when the program ends without calling us: a driver must not outlive it.
        self._finish = weakref.finalize(self, _close, self._connection, self._process, self._folder)
        spec = BackendSpec(
            backend=backend.name,
            options=backend.options.model_dump_json(),
            fingerprint=backend.fingerprint(),
            version=avlink.__version__,
            device=device,
            folder=str(Path.cwd()),
            threads=options.threads,
        )
        start = Start(
            backend=spec,
            address=options.address,
            folder=self._folder,
            workers=options.workers,
            cpus=options.cpus,
            gpus=options.gpus,
            start_s=options.start_s,
        )
        try:
            self._send(start)
            info = self._receive()
            assert isinstance(info, GeneratorInfo), info
        except BaseException:
            self._finish()
            raise
        self.sample_rate, self.picture = info.sample_rate, info.picture

    def generate(
        self, requests: Sequence[SoundRequest | PictureRequest], *, on_step: OnStep | None = None
    ) -> tuple[Any, ...]:
        """Return the result of each request, as the backend returns it. Raises ExecutorError when the cluster is lost.

        Any other exception, also one of `on_step`, cancels the requests that are under way.
        """
        first = self._ids
        self._ids += len(requests)
        inputs = {first + index: _input(request) for index, request in enumerate(requests)}
        layouts = {id: layout_of(source) for id, source in inputs.items()}
        messages = [
            Request(
                id=id,
                layout=layouts[id],
                duration_s=request.duration_s,
                prompt=request.prompt,
                seed=request.seed,
                conditions=_conditions(request),
            )
            for id, request in zip(inputs, requests, strict=True)
        ]
        results: dict[int, Any] = {}
        steps: dict[int, float] = {}
        try:
            self._send(Generate(requests=tuple(messages)))
            while len(results) < len(requests):
                message = self._receive()
                match message:
                    case SendInput(id=id):
                        for data in blocks_of(inputs[id], layouts[id]):
                            self._send(Block(id=id, data=data))
                    case StepProgress(id=id, done=done, total=total):
                        steps[id] = done / max(1, total)
                        _report_steps(on_step, steps, len(requests), total)
                    case Done(id=id, layout=layout):
                        results[id] = spool(self._blocks(id, layout.count), layout)
                        steps[id] = 1.0
        except KeyboardInterrupt:
            # The user wants the end of everything now, not of this batch.
            self._finish()
            raise
        except BaseException:
            # An empty list cancels: otherwise workers would finish requests of which nobody reads the results.
            if self._process.poll() is None:
                self._send(Generate(requests=()))
                self._drain()
            raise
        return tuple(results[id] for id in inputs)

    def _blocks(self, id: int, count: int) -> Iterator[Any]:
        for _ in range(count):
            message = self._receive()
            assert isinstance(message, Block) and message.id == id
            yield message.data

    def _drain(self) -> None:
        """Receive the messages that the driver sent before it got the cancellation, which it sends back."""
        while not isinstance(self._receive(fail=False), Generate):
            pass

    def _send(self, message: Any) -> None:
        try:
            self._connection.send(message)
        except OSError:
            raise self._lost() from None

    def _receive(self, *, fail: bool = True) -> Any:
        try:
            message = self._connection.recv()
        except (EOFError, OSError):
            raise self._lost() from None
        if isinstance(message, ErrorReport) and fail:
            raise message.error()
        return message

    def _lost(self) -> ExecutorError:
        self._finish()
        where = f" at '{self._address}'" if self._address else ""
        return ExecutorError(
            f"the Ray cluster{where} is gone; start it again and run the same command: finished stems are kept"
        )


def _input(request: SoundRequest | PictureRequest) -> Any:
    return request.frames if isinstance(request, SoundRequest) else request.sound


def _report_steps(on_step: OnStep | None, steps: dict[int, float], requests: int, total: int) -> None:
    """Report the steps of all requests together."""
    if on_step is not None:
        on_step(int(sum(steps.values()) * total), requests * total)


def _start_driver(folder: str, options: RayOptions) -> tuple[Connection, subprocess.Popen[bytes]]:
    ours, theirs = Pipe()
    env = {
        **os.environ,
        # The driver must import the same modules, also those that are on the path of this process alone.
        "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in sys.path if path),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_gcs_rpc_server_reconnect_timeout_s": str(options.lost_s),
        "RAY_agent_register_timeout_ms": str(_REGISTER_TIMEOUT_S * 1000),
        "RAY_worker_register_timeout_seconds": str(_REGISTER_TIMEOUT_S),
    }
    if not options.address:
        # The cluster is for this run only: it listens on the loopback device and wants a secret token.
        env |= {
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            # Ray lowers the priority of workers by default; they do the work of this process, with its priority.
            "RAY_worker_niceness": "0",
        }
    with (Path(folder) / "driver.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _DRIVER, str(theirs.fileno())],
            env=env,
            # Ray adds the working folder of its driver to the path of its workers.
            cwd=folder,
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C reaches only this process, which then ends the driver in order.
            start_new_session=True,
        )
    theirs.close()
    return ours, process


def _close(connection: Connection, process: subprocess.Popen[bytes], folder: str) -> None:
    # The driver ends at the end of its pipe, and ends its own cluster.
    connection.close()
    try:
        process.wait(_EXIT_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def _make_folder() -> str:
    """Make a folder for Ray's files, with a path that is short enough for its sockets."""
    base = tempfile.gettempdir()
    return tempfile.mkdtemp(prefix="avlink-ray-", dir=base if len(base) <= _MAX_TEMPORARY_PATH_CHARS else "/tmp")


def _conditions(request: SoundRequest | PictureRequest) -> dict[str, Any]:
    if not isinstance(request, SoundRequest):
        return {}
    names = ("hits", "base_hits", "known_s", "is_ambience", "material", "item")
    return {name: getattr(request, name) for name in names}
