"""The running server: its models, the job queue, the worker and HTTP."""

from __future__ import annotations

import queue
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import avlink
from avlink import open_session
from avlink.hooks import Direction, Line, ReadyBackend, Registry
from avlink_remote.auth import AuthMiddleware
from avlink_remote.http_server import HttpServer
from avlink_remote.job import ServerJob
from avlink_remote.job_queue import JobQueue
from avlink_remote.protocol import (
    PROTOCOL,
    BackendInfo,
    ServerInfo,
    ServerLimits,
    State,
    model_fingerprint,
    picture_format,
)
from avlink_remote.recipe import Limits
from avlink_remote.routes import BODY_BYTES, CHUNK_BYTES, AppState, ChangeNotifier, make_app
from avlink_remote.worker import Generator, JobWorker


class Server:
    """A server of `backends`. `events` receives a `Line` for everything that is to be printed."""

    def __init__(
        self,
        backends: Sequence[ReadyBackend],
        *,
        registry: Registry,
        device: str,
        limits: Limits,
        token: str,
        events: queue.SimpleQueue[Any],
    ) -> None:
        self._backends, self._registry, self._device = backends, registry, device
        self._limits, self._token, self._events = limits, token, events
        self.generators: dict[Direction, Generator] = {}
        """The generators of both directions, once they are loaded."""
        self._notifier = ChangeNotifier()
        self._jobs = JobQueue(limits, self._notifier.notify)
        self._worker = JobWorker(self._jobs, self.generators, on_start=self._report_start, on_end=self._report_end)
        self._http: HttpServer | None = None
        self._served: dict[str, BackendInfo] = {}

    def load(self) -> Iterator[Line]:
        """Load the models. Raises BundleError and PluginError when one cannot be loaded, InputError for the device."""
        for ready in self._backends:
            began = time.monotonic()
            # A session each: one session keeps a single model loaded.
            session = open_session(device=self._device, registry=self._registry)
            generator: Generator = session.generator(ready)
            direction = ready.backend.direction
            self.generators[direction] = generator
            self._served[direction] = BackendInfo(
                backend=ready.name,
                fingerprint=model_fingerprint(ready),
                sample_rate=generator.sample_rate,
                picture=picture_format(generator.picture),
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
            v2a=self._served.get("v2a"),
            a2v=self._served.get("a2v"),
            limits=ServerLimits(
                upload_bytes=round(self._limits.upload_mb * 1e6), chunk_bytes=CHUNK_BYTES, queue=self._limits.queue
            ),
        )
        state = AppState(info=info, jobs=self._jobs, notifier=self._notifier, clock=time.monotonic)
        app = AuthMiddleware(
            cast(Any, make_app(state)),
            token=self._token,
            body_bytes=BODY_BYTES,
            request_s=self._limits.request_s,
            on_error=self._report_error,
        )
        # The worker first: a job may arrive as soon as connections are accepted.
        self._worker.start()
        self._http = HttpServer(app, listener, request_s=self._limits.request_s)
        self._http.start()

    def ready(self, url: str, *, show_token: bool) -> Line:
        """Return the line that says where the server is. A token that the user chose is not shown."""
        payload: dict[str, Any] = {"event": "serving", "url": url, "backends": [one.name for one in self._backends]}
        text = f"serving {', '.join(payload['backends'])} at {url} (its interface: {url}/docs); Ctrl-C ends it"
        if show_token:
            payload["token"] = self._token
            text += f"\nthe token, for this time: {self._token}"
            text += f"\nto read in a browser: {url}/docs?token={self._token}"
        else:
            text += "\na browser asks for a password at /docs: that is the token"
        return Line(payload=payload, text=text)

    def expire(self) -> Iterator[Line]:
        """Drop jobs that no client wants any more."""
        for job in self._jobs.expire(time.monotonic()):
            yield _line("dropped", job, "nobody wants it any more")

    def close(self) -> None:
        """Take no new jobs, and stop the running one at its next step."""
        self._jobs.close()

    def join(self, timeout_s: float) -> bool:
        """Wait for the running job after `close`; return True once it has ended and nothing is served any more."""
        if not self._worker.join(timeout_s):
            return False
        if self._http is not None:
            self._http.stop()
            self._http = None
        return True

    def _report_start(self, job: ServerJob) -> None:
        self._events.put(_line("started", job, f"{len(job.request.requests)} to generate"))

    def _report_end(self, job: ServerJob, state: State, took_s: float) -> None:
        why = f": {job.failure.message}" if state == "failed" and job.failure is not None else ""
        self._events.put(_line(state, job, f"{state} in {took_s:.1f} s{why}", took_s=round(took_s, 3)))

    def _report_error(self, error: Exception) -> None:
        words = f"{type(error).__name__}: {' '.join(str(error).split())}"
        # The innermost line: the outer ones are those of Starlette.
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        if trace is not None:
            words += f" ({Path(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno})"
        self._events.put(Line(payload={"event": "error", "reason": words}, text=f"a request failed: {words}"))


def _line(event: str, job: ServerJob, text: str, **more: Any) -> Line:
    return Line(
        payload={"event": event, "job": job.id, **more}, text=f"{time.strftime('%H:%M:%S')}  {job.id[:8]}: {text}"
    )
