"""What stands before every request: the token, how large it may be, and how long it may take.

An ASGI application around the real one: nothing of a request is parsed, and no body is read, before it has passed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from avlink_remote.token import has_token

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

OPEN_PATHS = frozenset({"/health"})
BROWSER_PATHS = frozenset({"/docs", "/openapi.json"})
"""A browser cannot send a bearer token, but asks for a password; these pages change nothing and tell no secret."""


class AuthMiddleware:
    """Refuses, in words and without reading on, what has no token, is too large or too slow."""

    def __init__(
        self,
        app: App,
        *,
        token: str,
        body_bytes: int,
        request_s: float,
        on_error: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        self._app, self._token, self._on_error = app, token, on_error
        self._body_bytes, self._request_s = body_bytes, request_s

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        passage = _Exchange(receive, send, body_bytes=self._body_bytes, request_s=self._request_s)
        try:
            if scope["path"] not in OPEN_PATHS:
                self._check_token(scope["path"], headers.get("authorization", ""))
            passage.check_length(headers.get("content-length", "0"))
            await self._app(scope, passage.receive, passage.send)
        except HTTPException as error:
            await passage.refuse(error)
        except asyncio.TimeoutError:
            # Whoever does not read its answer gets no other one.
            raise
        except ClientDisconnect:
            # It went away in the midst of what it sent: nobody is there to be answered.
            return
        except Exception as error:
            self._on_error(error)
            await passage.refuse(HTTPException(500, "this is a bug in avlink serve; it says more on its own terminal"))

    def _check_token(self, path: str, header: str) -> None:
        browser = path in BROWSER_PATHS
        if not has_token(header, self._token, browser=browser):
            scheme = 'Basic realm="avlink", charset="UTF-8"' if browser else "Bearer"
            raise HTTPException(401, "the token is missing or wrong", {"www-authenticate": scheme})


class _Exchange:
    """One request on its way in, and its answer on its way out."""

    def __init__(self, receive: Receive, send: Send, *, body_bytes: int, request_s: float) -> None:
        self._receive, self._send = receive, send
        self._body_bytes, self._request_s = body_bytes, request_s
        self._until = asyncio.get_running_loop().time() + request_s
        self._came, self._whole, self._answered = 0, False, False

    def check_length(self, announced: str) -> None:
        if not announced.isdigit() or int(announced) > self._body_bytes:
            raise self._too_large()

    async def receive(self) -> Message:
        if self._whole:
            return await self._receive()
        left = self._until - asyncio.get_running_loop().time()
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, left))
        except asyncio.TimeoutError:
            raise HTTPException(
                408, f"the request did not arrive within {self._request_s:g} s", {"connection": "close"}
            ) from None
        self._came += len(message.get("body", b""))
        if self._came > self._body_bytes:
            raise self._too_large()
        self._whole = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        self._answered = True
        await asyncio.wait_for(self._send(message), self._request_s)

    async def refuse(self, error: HTTPException) -> None:
        if self._answered:
            raise error
        body = refusal(error)
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
            **(error.headers or {}),
        }
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": error.status_code, "headers": encoded})
        await self.send({"type": "http.response.body", "body": body})

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"a request may have {self._body_bytes} bytes at most")


_CODES = {
    400: "bad_request",
    401: "no_token",
    404: "not_found",
    405: "wrong_method",
    408: "too_slow",
    409: "conflict",
    413: "too_large",
    416: "no_such_range",
    422: "invalid",
    429: "full",
    500: "bug",
    503: "closing",
    507: "no_space",
}


def refusal(error: HTTPException, code: str | None = None) -> bytes:
    """The body of a refusal; see `avlink_remote.protocol.ErrorResponse`."""
    words = {"code": code or _CODES.get(error.status_code, "refused"), "message": str(error.detail)}
    return json.dumps({"error": words}).encode()
