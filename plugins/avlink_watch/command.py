"""`avlink watch`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from avlink import Override, asked_to_end, find_recipe
from avlink.hooks import Lines, load_registry
from avlink_watch.loop import STOP, now_there
from avlink_watch.recipe import WatchRecipe
from avlink_watch.rules import Rules
from avlink_watch.watcher import Watcher

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
    watcher = Watcher(folders, wanted, Rules(wanted, registry), device=device.value, once=oneshot)
    # SIGIO is sent when a file is opened for writing in the moment in which we ask who has it open.
    with asked_to_end(lambda _: watcher.mail.put(STOP), ignore=("SIGIO",)):
        for event in watcher.run(retry=retry):
            yield event.line(now_there(), verbose=verbose)
    if oneshot and watcher.stopped:
        return _INTERRUPTED
    return _SOME_FAILED if oneshot and watcher.failed else 0
