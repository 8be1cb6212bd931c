"""The routes of a study: the page, the clips of the open trial, and the requests that store answers.

A key in the path, which only the rater's link has, identifies a rater. There are no cookies, so no other site can send
requests in a rater's name. Names of methods and files are in no response.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import re
from collections.abc import Callable, Mapping
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from avlink import OutputError
from avlink_study.rating import SIDES, Rating, RatingRefused, Trial

BODY_BYTES = 4096
_BODY_S = 10.0
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; media-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
_FILES = {"page.html": "text/html", "page.css": "text/css", "page.js": "text/javascript"}
# .mov holds what .mp4 does, and browsers play it under that name only.
_MOVIE_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/mp4", ".webm": "video/webm"}
_PLACE = re.compile(r"[0-9]{1,9}")
_RANGE = re.compile(rb"\s*bytes=([0-9]{0,18})-([0-9]{0,18})\s*")


class StudyApp:
    """The routes over the rules of `rating`.

    `paths` are the files of clips; `report` is called with an event, and its values, for everything that is to be
    printed.
    """

    def __init__(
        self,
        rating: Rating,
        *,
        paths: Mapping[tuple[int, str], Path],
        invitation: str,
        report: Callable[..., None],
    ) -> None:
        self._rating, self._paths, self._invitation, self._report = rating, paths, invitation, report
        folder = resources.files(__package__)
        self._files = {name: folder.joinpath(name).read_bytes() for name in _FILES}

    def asgi(self) -> Starlette:
        """Return the ASGI application."""
        routes = [
            Route("/health", self._health),
            Route("/page.css", self._file),
            Route("/page.js", self._file),
            Route("/join/{token}", self._page, methods=["GET"]),
            Route("/join/{token}", self._join, methods=["POST"]),
            Route("/r/{key}", self._page, methods=["GET"]),
            Route("/r/{key}/clip/{place}/{side}", self._clip, methods=["GET"]),
            Route("/r/{key}/{act}", self._act, methods=["POST"]),
        ]
        app = Starlette(
            routes=routes,
            exception_handlers={
                HTTPException: _refuse,
                RatingRefused: _refuse_rating,
                OutputError: self._unwritten,
                Exception: self._bug,
            },
        )
        # A redirect repeats the Host header, which may hold anything.
        app.router.redirect_slashes = False
        return app

    async def _health(self, request: Request) -> Response:
        return _json({"status": "ok"})

    async def _file(self, request: Request) -> Response:
        # Not `request.url`: that is parsed from the Host header, which may hold anything.
        return self._sent(request.scope["path"].rpartition("/")[2])

    def _sent(self, name: str) -> Response:
        headers = {**_HEADERS, "cache-control": "no-cache"}
        return Response(self._files[name], media_type=_FILES[name], headers=headers)

    async def _page(self, request: Request) -> Response:
        # A GET makes no rater: chat programs fetch every link that is sent.
        if "token" in request.path_params:
            self._check_invitation(request)
        else:
            self._rater(request)
        return self._sent("page.html")

    async def _join(self, request: Request) -> Response:
        self._check_invitation(request)
        await _body(request)
        number, key = self._rating.join()
        self._report("joined", rater=number)
        return _json({"key": key}, 201)

    async def _clip(self, request: Request) -> Response:
        rater, side, place = self._rater(request), request.path_params["side"], request.path_params["place"]
        known = _PLACE.fullmatch(place) is not None and side in SIDES
        trial = self._rating.shown(rater, int(place)) if known else None
        if trial is None:
            raise HTTPException(404, "there is no such clip")
        return movie_response(self._paths[trial.clips[side]])

    async def _act(self, request: Request) -> Response:
        rater, act = self._rater(request), request.path_params["act"]
        body = await _body(request)
        if act == "pair":
            return self._state(rater, self._rating.current(rater))
        if act not in ("played", "answer", "trouble", "done"):
            raise HTTPException(404, "there is no such path")
        place = body.get("place")
        # True is an int in Python, and SQLite's integers have an end.
        if not isinstance(place, int) or isinstance(place, bool) or not 0 <= place < 2**31:
            raise HTTPException(422, "place must be the number of what is shown")
        if act == "played":
            return self._state(rater, self._rating.played(rater, place, _word(body, "side", SIDES)))
        if act == "answer":
            question, choice = _word(body, "question"), _word(body, "choice")
            return self._state(rater, self._rating.answer(rater, place, question, choice))
        if act == "trouble":
            words = " ".join(_word(body, "words").split())
            trial = self._rating.trouble(rater, place, words)
            self._report("trouble", rater=rater, clip=min(stem for _, stem in trial.clips.values()), words=words)
            return self._state(rater, trial)
        closed = self._rating.close(rater, place)
        following = self._rating.current(rater)
        progress = self._rating.progress(rater)
        if closed.answers:
            self._report("rated", rater=rater, done=progress.done, answered=progress.answered, wanted=progress.wanted)
        return self._state(rater, following)

    def _state(self, rater: int, trial: Trial | None) -> Response:
        plan, progress = self._rating.plan, self._rating.progress(rater)
        return _json(
            {
                "progress": {"done": progress.done, "left": progress.left},
                "questions": [
                    {"name": question.name, "title": question.title, "text": question.text}
                    for question in plan.questions
                ],
                "choices": list(plan.choices),
                "pair": None
                if trial is None
                else {
                    "place": trial.place,
                    "played": dict(trial.played),
                    "answers": dict(trial.answers),
                    "trouble": trial.trouble is not None,
                },
            }
        )

    def _rater(self, request: Request) -> int:
        rater = self._rating.rater(request.path_params["key"])
        if rater is None:
            raise HTTPException(404, "this link is not known here; ask who sent it to you for the whole of it")
        return rater

    def _check_invitation(self, request: Request) -> None:
        # The time of a plain comparison would tell how many characters are right.
        if not hmac.compare_digest(request.path_params["token"].encode(), self._invitation.encode()):
            raise HTTPException(404, "this link is not known here; ask who sent it to you for the whole of it")

    async def _unwritten(self, request: Request, error: Exception) -> Response:
        self._report("error", words=" ".join(str(error).split()))
        message = "the answers cannot be kept at the moment; tell who sent you the link, and try again later"
        return _json({"error": {"code": "unwritten", "message": message}}, 503)

    async def _bug(self, request: Request, error: Exception) -> Response:
        self._report("error", words=f"{type(error).__name__}: {' '.join(str(error).split())}")
        return _json({"error": {"code": "bug", "message": "the server could not do that; try again"}}, 500)


class MovieResponse(FileResponse):
    """A file, whole or one range of its bytes (RFC 9110, section 14).

    Browsers need that: Safari plays nothing from a server without ranges, others cannot seek. Anything else that a
    Range header may hold, such as several ranges, is ignored, and the whole file is sent.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        kept = [
            (name, value)
            for name, value in scope["headers"]
            if name != b"if-range" and (name != b"range" or _is_single_range(value))
        ]
        await super().__call__({**scope, "headers": kept}, receive, send)


def movie_response(path: Path) -> Response:
    """Return the response that sends a movie. Raises HTTPException 404 for a file that is gone."""
    try:
        stat = os.stat(path)
    except OSError:
        raise HTTPException(404, "this clip is not there any more") from None
    # A place is never given to another clip, so what was loaded once can be played again.
    headers = {**_HEADERS, "cache-control": "private, max-age=3600"}
    media_type = _MOVIE_TYPES.get(path.suffix.lower(), "application/octet-stream")
    response = MovieResponse(path, headers=headers, media_type=media_type, stat_result=stat)
    # Both tell when the file was written, from which raters could guess its method.
    for name in ("last-modified", "etag"):
        del response.headers[name]
    return response


def _is_single_range(value: bytes) -> bool:
    match = _RANGE.fullmatch(value)
    if match is None or not (match[1] or match[2]):
        return False
    return not (match[1] and match[2]) or int(match[1]) <= int(match[2])


async def _body(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request. Raises HTTPException for one that is large, slow, or of another site."""
    # Browsers send this with every request, and no script can change it.
    if request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
        raise HTTPException(403, "another site cannot answer for you")
    # A form of another site cannot send JSON without a preflight request, which is never granted here.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "the request must be JSON")
    try:
        text = await asyncio.wait_for(_read(request), _BODY_S)
    except asyncio.TimeoutError:
        raise HTTPException(408, "the request did not arrive in time", {"connection": "close"}) from None
    try:
        value = json.loads(text or b"{}")
    except (ValueError, RecursionError):
        # Thousands of brackets are deeper than Python's parser goes.
        value = None
    if not isinstance(value, dict):
        raise HTTPException(422, "the request must be a JSON object")
    return value


async def _read(request: Request) -> bytes:
    text = b""
    # `request.body()` has no limit.
    try:
        async for block in request.stream():
            text += block
            if len(text) > BODY_BYTES:
                raise HTTPException(413, f"a request may have {BODY_BYTES} bytes at most", {"connection": "close"})
    except ClientDisconnect:
        # Nobody is left to read this.
        raise HTTPException(400, "the request ended before its end") from None
    return text


def _word(body: Mapping[str, Any], key: str, known: tuple[str, ...] | None = None) -> str:
    value = body.get(key)
    if not isinstance(value, str) or (known is not None and value not in known):
        raise HTTPException(422, f"{key} must be {' or '.join(known) if known else 'a text'}")
    # JSON can escape half of a surrogate pair, which is no character and can be stored nowhere.
    return value.encode("utf-8", "replace").decode("utf-8")


def _json(value: object, status: int = 200) -> Response:
    return JSONResponse(value, status, headers={**_HEADERS, "cache-control": "no-store"})


async def _refuse_rating(request: Request, error: Exception) -> Response:
    assert isinstance(error, RatingRefused)
    return _json({"error": {"code": error.code, "message": str(error)}}, 409)


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if request.method in {"GET", "HEAD"} and "text/html" in request.headers.get("accept", ""):
        # Read by people whose link is incomplete.
        return Response(
            f"<!doctype html><html lang=en><meta charset=utf-8><title>?</title><p>{escape(str(error.detail))}",
            error.status_code,
            media_type="text/html",
            headers=_HEADERS,
        )
    answer = _json({"error": {"code": "refused", "message": str(error.detail)}}, error.status_code)
    answer.headers.update(error.headers or {})
    return answer
