"""The middleware that every request passes first: it checks the token and limits the request's size and time.

An ASGI application around the real one: nothing of a request is parsed, and no body is read, before it has passed.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

AsgiMessage = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[AsgiMessage]]
Send = Callable[[AsgiMessage], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_MAX_DIGITS = 18
OPEN_PATHS = frozenset({"/health"})
BROWSER_PATHS = frozenset({"/docs", "/openapi.json"})
"""Pages that a browser opens, which cannot send a bearer token; they change nothing and tell no secret.

A browser asks its user for a password instead, or takes the token from the link: `/docs?token=TOKEN`.
"""


class AuthMiddleware:
    """Refuses a request without the token, and one that is too large or too slow, without reading on."""

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
        exchange = _Exchange(receive, send, body_bytes=self._body_bytes, request_s=self._request_s)
        try:
            if scope["path"] not in OPEN_PATHS:
                self._check_token(scope, headers.get("authorization", ""))
            exchange.check_length(headers.get("content-length", "0"))
            await self._app(scope, exchange.receive, exchange.send)
        except HTTPException as error:
            await exchange.refuse(error)
        except asyncio.TimeoutError:
            # The client does not read its response, so another one would not reach it either.
            raise
        except ClientDisconnect:
            # Nobody is left to be answered.
            return
        except Exception as error:
            self._on_error(error)
            await exchange.refuse(HTTPException(500, "this is a bug in avlink serve; it says more on its own terminal"))

    def _check_token(self, scope: MutableMapping[str, Any], header: str) -> None:
        browser = scope["path"] in BROWSER_PATHS
        linked = browser and scope["method"] in {"GET", "HEAD"} and _is_token(_linked_token(scope), self._token)
        if not linked and not has_token(header, self._token, browser=browser):
            scheme = 'Basic realm="avlink", charset="UTF-8"' if browser else "Bearer"
            raise HTTPException(401, "the token is missing or wrong", {"www-authenticate": scheme})


class _Exchange:
    """One request and its response, with the limits of both."""

    def __init__(self, receive: Receive, send: Send, *, body_bytes: int, request_s: float) -> None:
        self._receive, self._send = receive, send
        self._body_bytes, self._request_s = body_bytes, request_s
        self._deadline = asyncio.get_running_loop().time() + request_s
        self._received, self._complete, self._answered = 0, False, False

    def check_length(self, announced: str) -> None:
        if not announced.isdecimal() or len(announced) > _MAX_DIGITS or int(announced) > self._body_bytes:
            raise self._too_large()

    async def receive(self) -> AsgiMessage:
        if self._complete:
            return await self._receive()
        left = self._deadline - asyncio.get_running_loop().time()
        try:
            # One deadline for the whole body: a limit for each message would let a client send one byte at a time.
            message = await asyncio.wait_for(self._receive(), max(0.0, left))
        except asyncio.TimeoutError:
            raise HTTPException(
                408, f"the request did not arrive within {self._request_s:g} s", {"connection": "close"}
            ) from None
        # Counted here too: a chunked body announces no length.
        self._received += len(message.get("body", b""))
        if self._received > self._body_bytes:
            raise self._too_large()
        self._complete = not message.get("more_body", False)
        return message

    async def send(self, message: AsgiMessage) -> None:
        self._answered = True
        await asyncio.wait_for(self._send(message), self._request_s)

    async def refuse(self, error: HTTPException) -> None:
        if self._answered:
            raise error
        body = error_body(error)
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            # The rest of the request was not read, so nothing more can be received on this connection.
            "connection": "close",
            **(error.headers or {}),
        }
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": error.status_code, "headers": encoded})
        await self.send({"type": "http.response.body", "body": body})

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"a request may have {self._body_bytes} bytes at most")


def has_token(header: str, token: str, *, browser: bool = False) -> bool:
    """Return True if an Authorization header holds the token.

    With `browser`, the token may also be the password, or else the user name, that a browser asks for (RFC 7617).
    """
    scheme, _, value = header.partition(" ")
    value = value.strip()
    if browser and scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, ValueError):
            return False
        value = password or user
    elif scheme.lower() != "bearer":
        return False
    return _is_token(value, token)


def _linked_token(scope: MutableMapping[str, Any]) -> str:
    """Return the token of a link, `?token=TOKEN`; empty if there is none."""
    try:
        query = parse_qs(bytes(scope["query_string"]).decode("latin-1"), max_num_fields=4)
    except ValueError:
        return ""
    return query.get("token", [""])[0]


def _is_token(value: str, token: str) -> bool:
    # The time of a plain comparison would tell how many characters are right.
    # `compare_digest` refuses text beyond ASCII, so both sides are bytes.
    return hmac.compare_digest(value.encode("utf-8", "replace"), token.encode())


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


def error_body(error: HTTPException, code: str | None = None) -> bytes:
    """Return the body of an error response; see `avlink_remote.protocol.ErrorResponse`."""
    words = {"code": code or _CODES.get(error.status_code, "refused"), "message": str(error.detail)}
    return json.dumps({"error": words}).encode()
