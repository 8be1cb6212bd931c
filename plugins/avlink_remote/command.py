"""`avlink serve`."""

from __future__ import annotations

import contextlib
import queue
import signal
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from avlink import Device, DeviceOption, InputError, find_recipe, on_termination, recipe_overrides
from avlink.hooks import Line, Lines, load_registry
from avlink_remote.access_token import TOKEN_VARIABLE, make_token, read_token
from avlink_remote.plugin import DEFAULT_PORT
from avlink_remote.recipe import ServeRecipe, served_backends

_INTERRUPTED = 130
_POLL_S = 0.5
_STOP_S = 60.0
"""The longest wait for the step at work, which takes long with a large model; a second signal ends the wait."""


Host = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="The address to listen on.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, metavar="N", help="Its port; 0 is any that is free.")]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help=f"A file whose only line is the token. [default: {TOKEN_VARIABLE} of the environment, else one is made]",
        show_default=False,
    ),
]
RecipeName = Annotated[
    str,
    typer.Option(
        "--recipe",
        "-r",
        metavar="RECIPE",
        help="A recipe of kind serve, sonify or visualize: by name, or a .toml file.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="KEY=VALUE",
        help="Change a value of the recipe, such as sound.options.steps=16; repeatable.",
        show_default=False,
    ),
]
MaxUpload = Annotated[
    float | None,
    typer.Option(
        "--max-upload", min=0.001, metavar="MB", help="Megabytes of one upload. [default: 1024]", show_default=False
    ),
]
QueueSize = Annotated[
    int | None,
    typer.Option(
        "--queue", min=1, max=1000, metavar="N", help="Jobs that are taken at a time. [default: 8]", show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print events to standard output, one JSON object a line.")]


def serve(
    host: Host = "127.0.0.1",
    port: Port = DEFAULT_PORT,
    token_file: TokenFile = None,
    recipe: RecipeName = "serve",
    settings: Settings = None,
    device: DeviceOption = Device.auto,
    max_upload: MaxUpload = None,
    queue_size: QueueSize = None,
    as_json: AsJson = False,
) -> Lines:
    """Generate for other machines, which use `backend.on = "remote"`.

    The model is loaded once. Whoever has the token may use it; what is asked for is never read from or written to a
    path, and results are dropped when they were fetched. Other machines reach it with --host and a token of yours;
    what travels is not encrypted: put a reverse proxy with TLS before it where the network is not your own. Ctrl-C
    ends it; what was under way is asked for again by its clients when the server is back.

    \b
    Examples:
      avlink serve
      avlink serve --host 0.0.0.0 --token-file ~/.avlink-token --device cuda
      avlink sonify cut.otio -s 'backend.on={use="remote",url="http://render-box:8765"}'
    """  # noqa: D301
    registry = load_registry()
    # Options of the command line are overrides of the recipe, so both are checked, and explained, alike.
    named = {("--max-upload", "limits.upload_mb"): max_upload, ("--queue", "limits.queue"): queue_size}
    limits = recipe_overrides(None, named)
    wanted = find_recipe(recipe, None, settings or (), registry=registry)
    taken = find_recipe("serve", ServeRecipe, limits, registry=registry).limits
    if isinstance(wanted, ServeRecipe):
        wanted = find_recipe(recipe, ServeRecipe, [*(settings or ()), *limits], registry=registry)
        taken = wanted.limits
    backends = served_backends(wanted, registry)
    token = read_token(token_file)
    http_server = import_http_server("avlink serve")
    if token is None and not http_server.is_loopback(host):
        raise InputError(
            f"--host {host} lets other machines in, which needs a token that you choose: write one into a file and "
            f"give it with --token-file, or set {TOKEN_VARIABLE}"
        )
    events: queue.SimpleQueue[Any] = queue.SimpleQueue()
    # Bound before the models are loaded: a port in use is told at once, not after minutes.
    with contextlib.closing(http_server.listen(host, port)) as listener:
        # Here, since it imports FastAPI, which only the extra `remote` installs.
        from avlink_remote.server import Server

        server = Server(
            backends, registry=registry, device=device.value, limits=taken, token=token or make_token(), events=events
        )
        # While the models are loaded a signal ends the program as it does others: nothing is under way yet.
        yield from server.load()
        with on_termination(events.put):
            server.start(listener)
            yield server.ready(http_server.url_of(listener), show_token=token is None)
            code = yield from _run(server, events)
    return code


def import_http_server(command: str) -> Any:
    """Return the module `avlink_remote.http_server`. Raises InputError if the packages that it needs are missing."""
    try:
        from avlink_remote import http_server
    except ImportError as error:
        raise InputError(
            f"{command} needs the packages of the extra 'remote' ({error.name} is not installed); "
            "install them with: pip install 'avlink[remote]'"
        ) from error
    return http_server


def _run(server: Any, events: queue.SimpleQueue[Any]) -> Lines:
    """Yield what happens until a signal comes, then stop the server. `events` holds lines and numbers of signals."""
    number = None
    while number is None:
        try:
            # The time limit makes `expire` run even if nothing happens.
            event = events.get(timeout=_POLL_S)
        except queue.Empty:
            event = None
        if isinstance(event, Line):
            yield event
        elif event is not None:
            number = int(event)
        yield from server.expire()
    yield Line(payload={"event": "stopping"}, text="stopping; Ctrl-C again does not wait for the step at work")
    server.close()
    deadline = time.monotonic() + _STOP_S
    while not server.join(_POLL_S) and time.monotonic() < deadline:
        while not events.empty():
            event = events.get()
            if isinstance(event, Line):
                yield event
            else:
                deadline = 0.0
    while not events.empty():
        event = events.get()
        if isinstance(event, Line):
            yield event
    yield Line(payload={"event": "stopped"}, text="stopped")
    return _INTERRUPTED if number == signal.SIGINT else 0
