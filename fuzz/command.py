"""Runs of the command line: in this process, which is quick, or apart, as people run it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avlink.cli import main
from fuzz.workplace import Workplace

MAX_CPU_S = 20
"""Processor time that one command may take."""
MAX_MEMORY_MIB = 1200
"""Memory that one command may take on top of what the process has."""
MAX_WRITTEN_BYTES = 200_000_000
"""Bytes that the files of one command may have."""

_KILLED_AFTER_CPU_S, _KILLED_AFTER_S = 60, 240
_ADDRESS_SPACE = 9 << 30
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}
_HARMLESS = {os.devnull, "/dev/tty"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A command that has run: what it said, and what it took. `outside` are paths that it changed outside its place."""

    words: tuple[str, ...]
    code: int
    out: str = ""
    err: str = ""
    cpu_s: float = 0.0
    memory_mib: float = 0.0
    outside: tuple[str, ...] = ()

    @property
    def is_json(self) -> bool:
        """True where one JSON object was asked for."""
        return "--json" in self.words

    @property
    def json(self) -> dict[str, Any]:
        """The JSON object that was printed. Raises ValueError for anything else, and for numbers that JSON lacks."""
        found = json.loads(self.out, parse_constant=_no_number)
        if not isinstance(found, dict):
            raise ValueError("it is no object")
        return found

    @property
    def message(self) -> str | None:
        """The sentence of a refusal, of an object that was asked for."""
        said = self.json.get("error") or self.json.get("refusal")
        return None if said is None else str(said["message"])


def run_here(words: Sequence[str], place: Workplace) -> Ran:
    """Run `avlink` with these words in this process.

    A command that hangs or takes all the processor ends the process by a signal: nothing else ends compiled code.
    """
    out, err = io.StringIO(), io.StringIO()
    os.chdir(place.work)
    _reset_peak()
    memory_mib, cpu_s = _memory_mib(), _cpu_s()
    said = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with _environment(place), _watch(place) as outside, _killed_when_stuck(), said[0], said[1]:
        code = main(list(words))
    return Ran(
        words=tuple(words),
        code=code,
        out=out.getvalue(),
        err=err.getvalue(),
        cpu_s=_cpu_s() - cpu_s,
        memory_mib=max(0.0, _memory_mib() - memory_mib),
        outside=tuple(dict.fromkeys(outside)),
    )


def run_apart(words: Sequence[str], place: Workplace, plugins: Path) -> Ran:
    """Run `avlink` with these words as a process with limits. A signal that ends it is its code, below 0."""
    path = os.pathsep.join([str(plugins), *(entry for entry in sys.path if entry)])
    environment = {**os.environ, **place.environment, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "avlink", *words]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            command,
            cwd=place.work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            preexec_fn=_limit,
        )
        timer_s = time.monotonic() + _KILLED_AFTER_S
        while True:
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > timer_s:
                process.kill()
            time.sleep(0.02)
        process.returncode = os.waitstatus_to_exitcode(status)
        for stream in (out, err):
            stream.seek(0)
        return Ran(
            words=tuple(words),
            code=process.returncode,
            out=out.read().decode("utf-8", "replace"),
            err=err.read().decode("utf-8", "replace"),
            cpu_s=used.ru_utime + used.ru_stime,
            memory_mib=used.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10),
        )


class _Watch:
    """Notes what Python changes outside of a folder, for as long as there is one. Installed once: hooks stay."""

    def __init__(self) -> None:
        self.inside: str | None = None
        self.outside: list[str] = []
        self._installed = False

    def install(self) -> None:
        if not self._installed:
            sys.addaudithook(self._hear)
            self._installed = True

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.inside is None:
            return
        if event == "open":
            path, _, flags = arguments
            paths = [path] if isinstance(flags, int) and flags & _WRITES else []
        else:
            paths = list(arguments[:2]) if event in _CHANGES else []
        for path in paths:
            if isinstance(path, str | bytes | os.PathLike):
                whole = os.path.abspath(os.fsdecode(path))
                if not whole.startswith(self.inside) and whole not in _HARMLESS:
                    self.outside.append(f"{event} {whole}")


_WATCH = _Watch()


@contextlib.contextmanager
def _watch(place: Workplace) -> Iterator[list[str]]:
    _WATCH.install()
    _WATCH.outside = []
    _WATCH.inside = str(place.root) + os.sep
    try:
        yield _WATCH.outside
    finally:
        _WATCH.inside = None


@contextlib.contextmanager
def _environment(place: Workplace) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in place.environment}
    os.environ.update(place.environment)
    # Python asks once where temporary files belong.
    tempfile.tempdir = None
    try:
        yield
    finally:
        tempfile.tempdir = None
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _killed_when_stuck() -> Iterator[None]:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    limits = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + _KILLED_AFTER_CPU_S, limits[1]))
    signal.alarm(_KILLED_AFTER_S)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_CPU, limits)


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (_KILLED_AFTER_CPU_S, _KILLED_AFTER_CPU_S + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))


def _cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _reset_peak() -> None:
    """Let the peak of memory be that of now, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _memory_mib() -> float:
    """Return the peak of memory."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) / 1024
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")
