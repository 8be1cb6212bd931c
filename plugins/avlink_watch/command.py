"""`avlink watch`."""

from __future__ import annotations

import contextlib
import queue
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from avlink import find_recipe
from avlink.core.errors import InputError
from avlink.core.recipe import Override
from avlink.hooks import Line, Lines, load_registry
from avlink_watch.events import Told
from avlink_watch.folder import Folder
from avlink_watch.ledger import Ledger
from avlink_watch.lock import only_one
from avlink_watch.loop import STOP, Loop, now_there
from avlink_watch.places import Places, places_of
from avlink_watch.recipe import WatchRecipe
from avlink_watch.rules import Rules

_SOME_FAILED, _INTERRUPTED = 3, 130


class Device(str, Enum):
    """Where the model runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


Dirs = Annotated[list[Path], typer.Argument(metavar="DIR", help="The folders to watch.", show_default=False)]
RecipeName = Annotated[
    str, typer.Option("--recipe", "-r", metavar="RECIPE", help="A recipe of kind watch: by name, or a .toml file.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="KEY=VALUE",
        help="Change a value of the recipe, such as done=move; repeatable. All keys: avlink recipes show watch.",
        show_default=False,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        help="The folder of results, in DIR unless it is a whole path. [default: AVLink]",
        show_default=False,
    ),
]
DeviceName = Annotated[Device, typer.Option("--device", help="Where the model runs; auto is the fastest there is.")]
Oneshot = Annotated[bool, typer.Option("--oneshot", help="Work off what is there, and end.")]
RetryFailed = Annotated[bool, typer.Option("--retry", help="Try again what failed before.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also tell what is only on its way.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print events to standard output, one JSON object a line.")]


def watch(
    folders: Dirs,
    recipe: RecipeName = "watch",
    settings: Settings = None,
    output: Output = None,
    device: DeviceName = Device.auto,
    oneshot: Oneshot = False,
    retry: RetryFailed = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> Lines:
    """Give movies and timelines their sound as they arrive in folders.

    A file is taken when it is all there: unchanged for a while, and readable to its end; a timeline when its media is
    too. Results go to DIR/AVLink, under the names that `avlink sonify` gives them; originals are never changed. Why a
    file failed stands in AVLink/<name>.error.txt. What was done is remembered by content: neither a restart nor another
    copy repeats it. Ctrl-C ends it at any time, and the next start goes on from there.

    \b
    Examples:
      avlink watch /mnt/dailies
      avlink watch inbox -s done=move -s failed=move
      avlink watch inbox -r rules.toml --oneshot --json
    """  # noqa: D301
    named = [Override(key="output", value=output, label=f"--output {output}")] if output is not None else []
    registry = load_registry()
    wanted = find_recipe(recipe, WatchRecipe, [*(settings or ()), *named], registry=registry)
    rules = Rules(wanted, registry)
    places = _all_places(folders, wanted)
    told: deque[Told] = deque()
    with contextlib.ExitStack() as held:
        watched = []
        for place in places:
            if not place.root.is_dir() and (oneshot or not _state_file(place).exists()):
                raise InputError(f"{place.root} is no folder; make it first, or name another")
            held.enter_context(only_one(place.state.with_name(f"{place.state.name}.lock"), place.root))
            ledger = Ledger(_state_file(place))
            held.callback(ledger.close)
            folder = Folder(place, wanted, rules, ledger, told.append, skip=_own_of(places), once=oneshot)
            for note in ledger.notes:
                folder.say("warning", note)
            again = ledger.retry_failed() if retry else 0
            text = f"watching {place.root}; results go to {place.output}" + (f"; trying {again} again" if again else "")
            folder.say("watching", text, output=str(place.output), recipe=wanted.source.label, retried=again)
            watched.append(folder)
        mail: queue.SimpleQueue[Any] = queue.SimpleQueue()
        loop = Loop(watched, wanted, device=device.value, once=oneshot, mail=mail, told=told)
        with _signals(mail), contextlib.closing(loop.run()) as events:
            for event in events:
                yield _line(event, verbose)
        done, failed = sum(one.results.done for one in watched), sum(one.results.failed for one in watched)
        yield _line(_ended(done, failed, loop), verbose)
    if oneshot and loop.stopped:
        return _INTERRUPTED
    return _SOME_FAILED if oneshot and failed else 0


def _all_places(folders: Sequence[Path], recipe: WatchRecipe) -> list[Places]:
    places = list({place.root: place for place in (places_of(folder, recipe) for folder in folders)}.values())
    whole = Path(recipe.output).expanduser().is_absolute()
    if whole and len(places) > 1:
        raise InputError(
            f"results of {len(places)} folders cannot all go to {recipe.output}, where files of one name would meet; "
            "give a folder that is in each of them, or watch each by itself"
        )
    for place in places:
        for other in places:
            if place is not other and place.root.is_relative_to(other.output):
                raise InputError(
                    f"{place.root} is where results of {other.root} go, and would be watched; leave it out"
                )
    return places


def _own_of(places: Sequence[Places]) -> frozenset[Path]:
    """Folders in which nothing is new for any of them: places of results, and folders that are watched themselves."""
    return frozenset().union(*(place.own for place in places), (place.root for place in places))


def _state_file(place: Places) -> Path:
    return place.state.with_name(f"{place.state.name}.sqlite3")


@contextlib.contextmanager
def _signals(mail: queue.SimpleQueue[Any]) -> Iterator[None]:
    """While this lasts, being asked to end is posted."""
    names = ["SIGINT", "SIGTERM", "SIGHUP"]
    before = {}
    for name in names:
        if (number := getattr(signal, name, None)) is not None:
            before[number] = signal.signal(number, lambda *_: mail.put(STOP))
    if hasattr(signal, "SIGIO"):
        # Sent when a file is opened for writing in the moment in which we ask who has it open.
        before[signal.SIGIO] = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ended(done: int, failed: int, loop: Loop) -> Told:
    how = "stopped" if loop.stopped else "all is done"
    text = f"{how}: {done} done, {failed} failed"
    return Told(event="ended", text=text, more={"done": done, "failed": failed, "stopped": loop.stopped})


def _line(event: Told, verbose: bool) -> Line:
    return event.line(now_there(), verbose=verbose)
