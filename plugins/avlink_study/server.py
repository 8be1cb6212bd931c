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

from avlink import InputError, Override, asked_to_end, find_recipe
from avlink.hooks import Line, Lines, load_registry
from avlink_study.clips import PlayableClip, prepare
from avlink_study.database import StudyDatabase
from avlink_study.folders import StudyFiles, gather, named_folders
from avlink_study.plan import Drawn, StudyPlan, draw_pairs
from avlink_study.rating import Rating
from avlink_study.recipe import StudyRecipe

_INTERRUPTED = 130
_SOME = 5
_REQUEST_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRequest:
    """What the command line says."""

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


def run(wishes: StudyRequest) -> Lines:
    """Set up the study, or take it up again, and serve it until a signal comes; yields what happens."""
    server = import_http_server("avlink study")
    recipe = _recipe(wishes)
    with contextlib.ExitStack() as stack:
        ledger = None
        given = wishes.folders
        if not given and not recipe.methods and wishes.output.is_file():
            ledger = stack.enter_context(contextlib.closing(StudyDatabase(wishes.output, make=False)))
            given = tuple(ledger.folders())
        folders = named_folders(given, recipe)
        material = gather(folders, recipe)
        drawn = draw_pairs(
            dict(zip(material.names, material.stems(), strict=True)),
            compare=recipe.compare,
            samples=None if recipe.samples == "all" else recipe.samples,
            seed=recipe.seed,
        )
        yield from _left_out(material, drawn)
        media = wishes.output.with_name(f"{wishes.output.name}.clips")
        shown = dict(prepare(material, drawn.pairs, folder=media))
        plan = _plan(recipe, material, drawn, shown)
        if ledger is None:
            ledger = stack.enter_context(contextlib.closing(StudyDatabase(wishes.output)))
        ledger.settle(plan, folders=[folder.path for folder in folders], raters=recipe.raters)
        rating = Rating(ledger, plan, raters=recipe.raters, lease_s=recipe.lease_s, clock=time.time)
        listener = stack.enter_context(contextlib.closing(server.listen(wishes.host, wishes.port)))
        base = (wishes.url or _base(server.url_of(listener))).rstrip("/")
        links = [f"{base}/r/{key}" for key in rating.keys(wishes.links)]
        return (
            yield from _serve(server, listener, ledger, rating, shown, links or [_invitation(base, ledger)], wishes)
        )


def _serve(
    server: Any,
    listener: socket.socket,
    ledger: StudyDatabase,
    rating: Rating,
    shown: Mapping[tuple[int, str], PlayableClip],
    links: list[str],
    wishes: StudyRequest,
) -> Lines:
    from avlink_study.routes import StudyApp

    mail: queue.SimpleQueue[Line | int] = queue.SimpleQueue()
    service = StudyApp(
        rating,
        paths={key: one.path for key, one in shown.items()},
        invitation=ledger.about("invitation"),
        tell=lambda event, **more: mail.put(_line(event, **more)),
    )
    serving = server.Serving(service.app(), listener, request_s=_REQUEST_S)
    ready = _ready(rating.plan, links, ledger, wishes, lets_others_in=not server.is_loopback(wishes.host))
    with asked_to_end(mail.put):
        # From here on the ledger is the server's alone.
        serving.start()
        yield ready
        while isinstance(news := mail.get(), Line):
            yield news
    serving.end()
    while not mail.empty():
        if isinstance(late := mail.get(), Line):
            yield late
    yield Line(payload={"event": "stopped"}, text=f"stopped; avlink study -o {wishes.output} goes on")
    return _INTERRUPTED if news == signal.SIGINT else 0


def _recipe(wishes: StudyRequest) -> StudyRecipe:
    named = [
        Override(key=key, value=str(value), label=f"--{key} {value}")
        for key, value in (("task", wishes.task), ("pictures", wishes.pictures), ("sounds", wishes.sounds))
        if value is not None
    ]
    registry = load_registry()
    recipe = find_recipe(wishes.recipe, StudyRecipe, [*wishes.settings, *named], registry=registry)
    from avlink_study.recipe import check_study

    if mistakes := check_study(recipe, registry):
        raise InputError("\n  ".join([f"{recipe.source.label}:", *mistakes]))
    return recipe


def _plan(
    recipe: StudyRecipe, material: StudyFiles, drawn: Drawn, shown: Mapping[tuple[int, str], PlayableClip]
) -> StudyPlan:
    return StudyPlan(
        task=recipe.task,
        no_preference=recipe.no_preference,
        seed=recipe.seed,
        methods=material.names,
        clips={key: one.clip for key, one in shown.items()},
        pairs=drawn.pairs,
    )


def _left_out(material: StudyFiles, drawn: Drawn) -> Lines:
    """What has no partner, or lacks its other half; and how much of the rest was drawn."""
    for number, stems in drawn.alone.items():
        name = material.names[number]
        yield Line(
            payload={"event": "no_partner", "method": name, "clips": list(stems)},
            text=f"{name}: {len(stems)} without a partner in another folder: {_some(stems)}",
        )
    if lacking := material.without_half():
        half = "movie in --pictures" if material.pictures is not None else "sound in --sounds"
        yield Line(
            payload={"event": "no_other_half", "clips": list(lacking)},
            text=f"{len(lacking)} without a {half}: {_some(lacking)}",
        )
    return 0


def _ready(
    plan: StudyPlan, links: list[str], ledger: StudyDatabase, wishes: StudyRequest, *, lets_others_in: bool
) -> Line:
    answers = ledger.count("answers")
    text = [f"{len(plan.pairs)} pairs of {', '.join(plan.methods)}; {answers} answers so far are in {wishes.output}"]
    if lets_others_in and wishes.url is None:
        text.append("other machines can reach it, and what travels is not encrypted")
    text += ["for raters:", *(f"  {link}" for link in links)]
    text.append(f"Ctrl-C ends it; the table: avlink study results {wishes.output}")
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
    more = f" and {len(stems) - _SOME} more" if len(stems) > _SOME else ""
    return ", ".join(stems[:_SOME]) + more


def _base(url: str) -> str:
    """The address to give away: one that means every address of this machine means nothing elsewhere."""
    for everywhere in ("//0.0.0.0:", "//[::]:"):
        url = url.replace(everywhere, f"//{socket.gethostname()}:")
    return url


def _invitation(base: str, ledger: StudyDatabase) -> str:
    return f"{base}/join/{ledger.about('invitation')}"
