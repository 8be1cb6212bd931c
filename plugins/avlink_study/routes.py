"""What a browser may ask: the page, the clips of the pair that it is at, and to keep an answer.

Who asks is told by a key in the path, which only the rater's link has; nothing is told by cookies, so no other site can
ask in a rater's name. Names of methods and files are in no answer.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Callable, Mapping
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from avlink_study.movies import send_movie
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


class StudyApp:
    """The routes over the rules. `paths` are the files of clips; `tell` is called with what is worth telling."""

    def __init__(
        self,
        rating: Rating,
        *,
        paths: Mapping[tuple[int, str], Path],
        invitation: str,
        tell: Callable[..., None],
    ) -> None:
        self._rating, self._paths, self._invitation, self._tell = rating, paths, invitation, tell
        folder = resources.files(__package__)
        self._files = {name: folder.joinpath(name).read_bytes() for name in _FILES}

    def app(self) -> Starlette:
        """The application."""
        routes = [
            Route("/health", self._health),
            Route("/page.css", self._file),
            Route("/page.js", self._file),
            Route("/join/{token}", self._page, methods=["GET"]),
            Route("/join/{token}", self._join, methods=["POST"]),
            Route("/r/{key}", self._page, methods=["GET"]),
            Route("/r/{key}/clip/{place:int}/{side}", self._clip, methods=["GET"]),
            Route("/r/{key}/{act}", self._act, methods=["POST"]),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: _refuse, Exception: self._bug})

    async def _health(self, request: Request) -> Response:
        return _json({"status": "ok"})

    async def _file(self, request: Request) -> Response:
        return self._sent(request.url.path.rpartition("/")[2])

    def _sent(self, name: str) -> Response:
        headers = {**_HEADERS, "cache-control": "no-cache"}
        return Response(self._files[name], media_type=_FILES[name], headers=headers)

    async def _page(self, request: Request) -> Response:
        # Looking at a link makes no rater: chat programs look at all that are sent.
        if "token" in request.path_params:
            self._check_invitation(request)
        else:
            self._rater(request)
        return self._sent("page.html")

    async def _join(self, request: Request) -> Response:
        self._check_invitation(request)
        await _body(request)
        number, key = self._rating.join()
        self._tell("joined", rater=number)
        return _json({"key": key}, 201)

    async def _clip(self, request: Request) -> Response:
        rater, side = self._rater(request), request.path_params["side"]
        showing = self._rating.shown(rater, request.path_params["place"])
        if showing is None or side not in SIDES:
            raise HTTPException(404, "there is no such clip")
        answer = send_movie(self._paths[showing.clips[side]], request.headers.get("range"))
        answer.headers.update(_HEADERS)
        return answer

    async def _act(self, request: Request) -> Response:
        rater, act = self._rater(request), request.path_params["act"]
        body = await _body(request)
        try:
            if act == "pair":
                return self._state(rater, self._rating.current(rater))
            place = body.get("place")
            if not isinstance(place, int) or isinstance(place, bool) or not 0 <= place < 2**31:
                raise HTTPException(422, "place must be the number of what is shown")
            if act == "played":
                return self._state(rater, self._rating.played(rater, place, _word(body, "side", SIDES)))
            if act == "answer":
                question, choice = _word(body, "question"), _word(body, "choice")
                return self._state(rater, self._rating.answer(rater, place, question, choice))
            if act == "trouble":
                showing = self._rating.trouble(rater, place, _word(body, "words"))
                stems = {stem for _, stem in showing.clips.values()}
                self._tell("trouble", rater=rater, clip=next(iter(stems)), words=" ".join(_word(body, "words").split()))
                return self._state(rater, showing)
            if act == "done":
                closed = self._rating.close(rater, place)
                following = self._rating.current(rater)
                far = self._rating.progress(rater)
                if closed.answers:
                    self._tell("rated", rater=rater, done=far.done, answered=far.answered, wanted=far.wanted)
                return self._state(rater, following)
        except RatingRefused as refused:
            return _json({"error": {"code": refused.code, "message": str(refused)}}, 409)
        raise HTTPException(404, "there is no such path")

    def _state(self, rater: int, showing: Trial | None) -> Response:
        plan, far = self._rating.plan, self._rating.progress(rater)
        return _json(
            {
                "progress": {"done": far.done, "left": far.left},
                "questions": [
                    {"name": question.name, "title": question.title, "text": question.text}
                    for question in plan.questions
                ],
                "choices": list(plan.choices),
                "pair": None
                if showing is None
                else {
                    "place": showing.place,
                    "played": dict(showing.played),
                    "answers": dict(showing.answers),
                    "trouble": showing.trouble is not None,
                },
            }
        )

    def _rater(self, request: Request) -> int:
        rater = self._rating.rater(request.path_params["key"])
        if rater is None:
            raise HTTPException(404, "this link is not known here; ask who sent it to you for the whole of it")
        return rater

    def _check_invitation(self, request: Request) -> None:
        if not hmac.compare_digest(request.path_params["token"].encode(), self._invitation.encode()):
            raise HTTPException(404, "this link is not known here; ask who sent it to you for the whole of it")

    async def _bug(self, request: Request, error: Exception) -> Response:
        self._tell("error", words=f"{type(error).__name__}: {' '.join(str(error).split())}")
        return _json({"error": {"code": "bug", "message": "the server could not do that; try again"}}, 500)


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object of a request: small, soon there, and not from another site's form."""
    if request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
        raise HTTPException(403, "another site cannot answer for you")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "the request must be JSON")
    try:
        text = await asyncio.wait_for(_read(request), _BODY_S)
    except asyncio.TimeoutError:
        raise HTTPException(408, "the request did not arrive in time", {"connection": "close"}) from None
    try:
        value = json.loads(text or b"{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise HTTPException(422, "the request must be a JSON object")
    return value


async def _read(request: Request) -> bytes:
    text = b""
    async for block in request.stream():
        text += block
        if len(text) > BODY_BYTES:
            raise HTTPException(413, f"a request may have {BODY_BYTES} bytes at most", {"connection": "close"})
    return text


def _word(body: Mapping[str, Any], key: str, known: tuple[str, ...] | None = None) -> str:
    value = body.get(key)
    if not isinstance(value, str) or (known is not None and value not in known):
        raise HTTPException(422, f"{key} must be {' or '.join(known) if known else 'a text'}")
    return value


def _json(value: object, status: int = 200) -> Response:
    return JSONResponse(value, status, headers={**_HEADERS, "cache-control": "no-store"})


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if request.method in {"GET", "HEAD"} and "text/html" in request.headers.get("accept", ""):
        # Somebody with half a link reads this.
        return Response(
            f"<!doctype html><html lang=en><meta charset=utf-8><title>?</title><p>{escape(str(error.detail))}",
            error.status_code,
            media_type="text/html",
            headers=_HEADERS,
        )
    answer = _json({"error": {"code": "refused", "message": str(error.detail)}}, error.status_code)
    answer.headers.update(error.headers or {})
    return answer
