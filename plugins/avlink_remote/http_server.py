"""The HTTP server: a listening socket, uvicorn in a thread, and a time limit for the head of a request."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import threading
import time
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from avlink import InputError

_MAX_CONNECTIONS = 256
_KEEP_ALIVE_S = 30
_HEAD_S = 10.0
_SHUTDOWN_S = 3


class HeadTimeoutProtocol(H11Protocol):
    """HTTP/1.1 by h11, which closes a connection on which no whole head of a request arrives in time.

    uvicorn itself waits without a limit, so that a few clients that send nothing could take all connections.
    """

    head_s = _HEAD_S

    def connection_made(self, transport: Any) -> None:
        """Start the time limit of the first head."""
        super().connection_made(transport)
        self._head_timer: asyncio.TimerHandle | None = self.loop.call_later(self.head_s, self._close)

    def data_received(self, data: bytes) -> None:
        """Handle what arrived; the time limit stays in force until it is a whole head."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_s, self._close)

    def on_response_complete(self) -> None:
        """Stop the time limit: from here on uvicorn's own limit for idle connections applies."""
        self._stop_timer()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time limit of a connection that is gone."""
        self._stop_timer()
        super().connection_lost(exc)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.abort()


def is_loopback(host: str) -> bool:
    """Return True if only this machine can reach that address. Raises InputError for something that is no address."""
    return all(ipaddress.ip_address(address).is_loopback for address in _addresses(host))


def _addresses(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"--host {host} is no address of this machine; 127.0.0.1 is for programs on it alone"
        ) from error
    return [str(entry[4][0]) for entry in found]


def listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to that address; port 0 is any free one. Raises InputError if it cannot be bound."""
    address = _addresses(host)[0]
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        # A server that is started again would else wait for minutes until the system frees its port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{host} port {port} cannot be listened on: {reason}; choose another --port, or 0 for any that is free"
        ) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class HttpServer:
    """uvicorn with an ASGI application, in a thread of its own: signals stay with the main thread."""

    def __init__(self, app: Any, listener: socket.socket, *, request_s: float) -> None:
        """`request_s` is the time in which a request must arrive; its head has ten seconds at most."""
        # It would report every malformed request of a stranger; our own errors are reported by the application.
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
        config = uvicorn.Config(
            app,
            http=type("LimitedProtocol", (HeadTimeoutProtocol,), {"head_s": min(_HEAD_S, request_s)}),
            # Fewer protocols, fewer ways in. asyncio's loop, since uvloop would be another dependency.
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            # Job ids and addresses of clients are nobody else's business.
            access_log=False,
            server_header=False,
            # Anybody can send X-Forwarded-For; nothing here depends on the address of a client.
            proxy_headers=False,
            limit_concurrency=_MAX_CONNECTIONS,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_SHUTDOWN_S,
        )
        self._server = uvicorn.Server(config)
        self._listener = listener
        # A daemon: a hanging connection must not keep the program from ending.
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="avlink-http", daemon=True
        )

    def start(self) -> None:
        """Serve; returns once connections are accepted."""
        self._thread.start()
        # uvicorn tells of its start by this attribute only.
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.01)
        if not self._server.started:
            raise InputError(f"{url_of(self._listener)} cannot be served")

    def stop(self) -> None:
        """Accept no more connections, let responses under way go out, and stop."""
        self._server.should_exit = True
        self._thread.join(_SHUTDOWN_S + 2)
