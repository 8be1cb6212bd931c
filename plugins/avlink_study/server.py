"""A study from its folders to the end of its server."""

from __future__ import annotations

import contextlib
import queue
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avlink_remote.command import import_http_server

from avlink import InputError, Override, find_recipe, on_termination
from avlink.hooks import Line, Lines, load_registry
from avlink_study.clips import PlayableClip, StudyFiles, find_files, named_folders, prepare_clips
from avlink_study.database import StudyDatabase
from avlink_study.plan import DrawnPairs, StudyPlan, draw_pairs
from avlink_study.rating import Rating
from avlink_study.recipe import StudyRecipe, check_study

_INTERRUPTED = 130
_NAMED_STEMS = 5
_REQUEST_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRequest:
    """The arguments of `avlink study`."""

    folders: tuple[str, ...]
    output: Path
    recipe: str
    settings: tuple[str, ...]
    task: str | None
    pictures: Path | None
    sounds: Path | None
    links: int
    host: str
    port: int
    url: str | None


def serve_study(request: StudyRequest) -> Lines:
    """Set up the study, or take it up again, and serve it until a signal comes; yields what happens."""
    http_server = import_http_server("avlink study")
    recipe = _recipe(request)
    with contextlib.ExitStack() as stack:
        database = None
        given = request.folders
        # A second start needs no folders: those of the first are in the file.
        if not given and not recipe.methods and request.output.is_file():
            database = stack.enter_context(contextlib.closing(StudyDatabase(request.output, create=False)))
            given = tuple(database.folders())
        folders = named_folders(given, recipe)
        files = find_files(folders, recipe)
        drawn = draw_pairs(
            dict(zip(files.names, files.stems(), strict=True)),
            compare=recipe.compare,
            samples=None if recipe.samples == "all" else recipe.samples,
            seed=recipe.seed,
        )
        yield from _left_out(files, drawn)
        media = request.output.with_name(f"{request.output.name}.clips")
        clips = dict(prepare_clips(files, drawn.pairs, folder=media))
        plan = _plan(recipe, files, drawn, clips)
        if database is None:
            database = stack.enter_context(contextlib.closing(StudyDatabase(request.output)))
        database.save_plan(plan, folders=[folder.path for folder in folders], raters=recipe.raters)
        rating = Rating(database, plan, raters=recipe.raters, lease_s=recipe.lease_s, clock=time.time)
        listener = stack.enter_context(contextlib.closing(http_server.listen(request.host, request.port)))
        # Only now: with port 0 the socket knows which port it got.
        base = (request.url or _base(http_server.url_of(listener))).rstrip("/")
        links = [f"{base}/r/{key}" for key in rating.keys(request.links)]
        links = links or [f"{base}/join/{database.about('invitation')}"]
        return (yield from _serve(http_server, listener, database, rating, clips, links, request))


def _serve(
    http_server: Any,
    listener: socket.socket,
    database: StudyDatabase,
    rating: Rating,
    clips: Mapping[tuple[int, str], PlayableClip],
    links: list[str],
    request: StudyRequest,
) -> Lines:
    from avlink_study.routes import StudyApp

    events: queue.SimpleQueue[Line | int] = queue.SimpleQueue()
    app = StudyApp(
        rating,
        paths={key: clip.path for key, clip in clips.items()},
        invitation=database.about("invitation"),
        report=lambda event, **more: events.put(_line(event, **more)),
    )
    server = http_server.HttpServer(app.asgi(), listener, request_s=_REQUEST_S)
    ready = _ready(rating.plan, links, database, request, lets_others_in=not http_server.is_loopback(request.host))
    with on_termination(events.put):
        # From here on only the thread of the server uses the database: one thread at a time may.
        server.start()
        yield ready
        # Everything that is not a line is the number of a signal.
        while isinstance(event := events.get(), Line):
            yield event
    server.stop()
    while not events.empty():
        if isinstance(late := events.get(), Line):
            yield late
    yield Line(payload={"event": "stopped"}, text=f"stopped; avlink study -o {request.output} goes on")
    return _INTERRUPTED if event == signal.SIGINT else 0


def _recipe(request: StudyRequest) -> StudyRecipe:
    named = [
        Override(key=key, value=str(value), label=f"--{key} {value}")
        for key, value in (("task", request.task), ("pictures", request.pictures), ("sounds", request.sounds))
        if value is not None
    ]
    registry = load_registry()
    recipe = find_recipe(request.recipe, StudyRecipe, [*request.settings, *named], registry=registry)
    if mistakes := check_study(recipe, registry):
        raise InputError("\n  ".join([f"{recipe.source.label}:", *mistakes]))
    return recipe


def _plan(
    recipe: StudyRecipe, files: StudyFiles, drawn: DrawnPairs, clips: Mapping[tuple[int, str], PlayableClip]
) -> StudyPlan:
    return StudyPlan(
        task=recipe.task,
        no_preference=recipe.no_preference,
        seed=recipe.seed,
        methods=files.names,
        clips={key: playable.clip for key, playable in clips.items()},
        pairs=drawn.pairs,
    )


def _left_out(files: StudyFiles, drawn: DrawnPairs) -> Lines:
    """Yield the stems that have no partner, and those that lack their other half."""
    for number, stems in drawn.alone.items():
        name = files.names[number]
        yield Line(
            payload={"event": "no_partner", "method": name, "clips": list(stems)},
            text=f"{name}: {len(stems)} without a partner in another folder: {_some(stems)}",
        )
    if lacking := files.without_half():
        half = "movie in --pictures" if files.pictures is not None else "sound in --sounds"
        yield Line(
            payload={"event": "no_other_half", "clips": list(lacking)},
            text=f"{len(lacking)} without a {half}: {_some(lacking)}",
        )
    return 0


def _ready(
    plan: StudyPlan, links: list[str], database: StudyDatabase, request: StudyRequest, *, lets_others_in: bool
) -> Line:
    answers = database.count("answers")
    text = [f"{len(plan.pairs)} pairs of {', '.join(plan.methods)}; {answers} answers so far are in {request.output}"]
    if lets_others_in and request.url is None:
        text.append("other machines can reach it, and what travels is not encrypted")
    text += ["for raters:", *(f"  {link}" for link in links)]
    text.append(f"Ctrl-C ends it; the table: avlink study results {request.output}")
    return Line(
        payload={
            "event": "serving",
            "links": links,
            "pairs": len(plan.pairs),
            "methods": list(plan.methods),
            "answers": answers,
            "questions": [question.name for question in plan.questions],
        },
        text="\n".join(text),
    )


def _line(event: str, **more: Any) -> Line:
    texts = {
        "joined": "rater {rater} begins",
        "rated": "rater {rater}: {done} done; {answered} of {wanted} in all",
        "trouble": "rater {rater} cannot play '{clip}': {words}",
        "error": "a request failed: {words}",
    }
    return Line(payload={"event": event, **more}, text=f"{time.strftime('%H:%M:%S')}  {texts[event].format(**more)}")


def _some(stems: tuple[str, ...]) -> str:
    more = f" and {len(stems) - _NAMED_STEMS} more" if len(stems) > _NAMED_STEMS else ""
    return ", ".join(stems[:_NAMED_STEMS]) + more


def _base(url: str) -> str:
    """Return a URL that other machines can use: "every address of this machine" means nothing elsewhere."""
    for everywhere in ("//0.0.0.0:", "//[::]:"):
        url = url.replace(everywhere, f"//{socket.gethostname()}:")
    return url
