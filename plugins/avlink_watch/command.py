"""`avlink watch`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from avlink import Device, DeviceOption, find_recipe, on_termination, recipe_overrides
from avlink.hooks import Lines, load_registry
from avlink_watch.loop import STOP
from avlink_watch.recipe import Rules, WatchRecipe
from avlink_watch.watcher import Watcher

_SOME_FAILED, _INTERRUPTED = 3, 130

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
        help="The folder of results, in DIR unless it is an absolute path. [default: AVLink]",
        show_default=False,
    ),
]
Oneshot = Annotated[bool, typer.Option("--oneshot", help="Process what is there, and exit.")]
RetryFailed = Annotated[bool, typer.Option("--retry", help="Try again what failed before.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also report files that are still on their way.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print events to standard output, one JSON object a line.")]


def watch(
    folders: Dirs,
    recipe: RecipeName = "watch",
    settings: Settings = None,
    output: Output = None,
    device: DeviceOption = Device.auto,
    oneshot: Oneshot = False,
    retry: RetryFailed = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> Lines:
    """Give movies and timelines their sound as they arrive in folders.

    A file is processed once it is complete: unchanged for a while, and readable to its end; a timeline once its media
    is complete, too. Results go to DIR/AVLink, under the names that `avlink sonify` gives them; originals are never
    changed. AVLink/<name>.error.txt explains why a file failed. Finished content is remembered: neither a restart nor
    another copy repeats it. Ctrl-C ends it at any time, and the next start goes on from there.

    \b
    Examples:
      avlink watch /mnt/dailies
      avlink watch inbox -s done=move -s failed=move
      avlink watch inbox -r rules.toml --oneshot --json
    """  # noqa: D301
    registry = load_registry()
    overrides = recipe_overrides(settings, {("--output", "output"): output})
    loaded = find_recipe(recipe, WatchRecipe, overrides, registry=registry)
    watcher = Watcher(folders, loaded, Rules(loaded, registry), device=device.value, once=oneshot)
    # SIGIO comes when a file is opened for writing while `is_open_for_writing` holds a lease on it.
    with on_termination(lambda _: watcher.messages.put(STOP), ignore=("SIGIO",)):
        for event in watcher.run(retry=retry):
            yield event.line(datetime.now().astimezone(), verbose=verbose)
    if oneshot and watcher.stopped:
        return _INTERRUPTED
    return _SOME_FAILED if oneshot and watcher.failed else 0
