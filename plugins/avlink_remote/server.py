"""The running server: models, board, worker and HTTP put together."""

from __future__ import annotations

import queue
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import avlink
from avlink import digest, open_session
from avlink.hooks import Direction, Line, ReadyBackend, Registry
from avlink_remote.auth import AuthMiddleware
from avlink_remote.bell import ChangeNotifier
from avlink_remote.checks import CHUNK_BYTES
from avlink_remote.http_server import HttpServer
from avlink_remote.job import ServerJob
from avlink_remote.job_queue import JobQueue
from avlink_remote.protocol import PROTOCOL, BackendInfo, ServerInfo, ServerLimits, State, format_of
from avlink_remote.recipe import Limits
from avlink_remote.routes import BODY_BYTES, AppState, make_app
from avlink_remote.worker import Generator, JobWorker


class Server:
    """Everything that serves. `mail` gets a `Line` for whatever is worth telling."""

    def __init__(
        self,
        backends: Sequence[ReadyBackend],
        *,
        registry: Registry,
        device: str,
        limits: Limits,
        token: str,
        mail: queue.SimpleQueue[Any],
    ) -> None:
        self._backends, self._registry, self._device = backends, registry, device
        self._limits, self._token, self._mail = limits, token, mail
        self.generators: dict[Direction, Generator] = {}
        """What is served, once it is loaded."""
        self._bell = ChangeNotifier()
        self._board = JobQueue(limits, self._bell.ring)
        self._work = JobWorker(self._board, self.generators, on_start=self._tell_start, on_end=self._tell_end)
        self._serving: HttpServer | None = None
        self._offers: dict[str, BackendInfo] = {}

    def load(self) -> Iterator[Line]:
        """Load the models. Raises what they raise: BundleError, PluginError, InputError for the device."""
        for ready in self._backends:
            began = time.monotonic()
            # A session each: one alone keeps a single model loaded.
            session = open_session(device=self._device, registry=self._registry)
            generator: Generator = session.generator(ready)
            direction = ready.backend.direction
            self.generators[direction] = generator
            self._offers[direction] = BackendInfo(
                backend=ready.name,
                fingerprint=digest([ready.name, ready.fingerprint()]),
                sample_rate=generator.sample_rate,
                picture=format_of(generator.picture),
            )
            took_s = time.monotonic() - began
            yield Line(
                payload={"event": "loaded", "backend": ready.name, "direction": direction, "took_s": round(took_s, 3)},
                text=f"loaded {ready.name} in {took_s:.1f} s",
            )

    def start(self, listener: socket.socket) -> None:
        """Serve on a socket."""
        info = ServerInfo(
            protocol=PROTOCOL,
            version=avlink.__version__,
            v2a=self._offers.get("v2a"),
            a2v=self._offers.get("a2v"),
            limits=ServerLimits(
                upload_bytes=round(self._limits.upload_mb * 1e6), chunk_bytes=CHUNK_BYTES, queue=self._limits.queue
            ),
        )
        service = AppState(info=info, board=self._board, bell=self._bell, clock=time.monotonic)
        gate = AuthMiddleware(
            cast(Any, make_app(service)),
            token=self._token,
            body_bytes=BODY_BYTES,
            request_s=self._limits.request_s,
            on_error=self._tell_error,
        )
        self._work.start()
        self._serving = HttpServer(gate, listener, request_s=self._limits.request_s)
        self._serving.start()

    def ready(self, url: str, *, show_token: bool) -> Line:
        """That it serves, and where. A token that the user chose is not shown."""
        payload: dict[str, Any] = {"event": "serving", "url": url, "backends": [one.name for one in self._backends]}
        text = f"serving {', '.join(payload['backends'])} at {url} (its interface: {url}/docs); Ctrl-C ends it"
        if show_token:
            payload["token"] = self._token
            text += f"\nthe token, for this time: {self._token}"
        return Line(payload=payload, text=text)

    def tidy(self) -> Iterator[Line]:
        """Drop what nobody wants any more."""
        for job in self._board.tidy(time.monotonic()):
            yield _line("dropped", job, "nobody wants it any more")

    def close(self) -> None:
        """Take nothing new, and stop the job at work at its next step."""
        self._board.close()

    def ended(self, timeout_s: float) -> bool:
        """Whether the job at work has stopped, after waiting for it; then nothing is served any more either."""
        if not self._work.ended(timeout_s):
            return False
        if self._serving is not None:
            self._serving.end()
            self._serving = None
        return True

    def _tell_start(self, job: ServerJob) -> None:
        self._mail.put(_line("started", job, f"{len(job.wish.requests)} to generate"))

    def _tell_end(self, job: ServerJob, state: State, took_s: float) -> None:
        why = f": {job.failure.message}" if state == "failed" and job.failure is not None else ""
        self._mail.put(_line(state, job, f"{state} in {took_s:.1f} s{why}", took_s=round(took_s, 3)))

    def _tell_error(self, error: Exception) -> None:
        words = f"{type(error).__name__}: {' '.join(str(error).split())}"
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        if where is not None:
            words += f" ({Path(where.tb_frame.f_code.co_filename).name}, line {where.tb_lineno})"
        self._mail.put(Line(payload={"event": "error", "reason": words}, text=f"a request failed: {words}"))


def _line(event: str, job: ServerJob, text: str, **more: Any) -> Line:
    return Line(
        payload={"event": event, "job": job.id, **more}, text=f"{time.strftime('%H:%M:%S')}  {job.id[:8]}: {text}"
    )
