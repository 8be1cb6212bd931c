"""Which model a server has, for cache keys: asked for once a run, and remembered for when the server is not there.

A plan is made with what this says, and what is generated is kept under keys that hold it. So it must not change until
the run is over, whatever the server does: it is the same as long as this process lives, goes along with every job, and
a server that has another model by then refuses (`forget` is called, and the next run asks anew). While a server cannot
be reached a run is planned with what it had the last time; so what is in the cache needs no server, and `--dry-run`
works without one. Generating does not, and finds out then if the model is another one.
"""

from __future__ import annotations

import contextlib

from avlink import InputError, OutputError, Store, cache_dir, digest
from avlink.hooks import Direction
from avlink_remote.client import ServerClient, ServerUnreachable
from avlink_remote.options import RemoteOptions
from avlink_remote.protocol import BackendInfo, ServerInfo

_PATIENCE_S = 1.0
NEVER_REACHED = "a server that was never reached"
_planned: dict[tuple[str, Direction], str] = {}


def fingerprint(options: RemoteOptions, direction: Direction) -> str:
    """The fingerprint of a server's model. Raises InputError for a wrong token, and one that does not serve this."""
    key = (options.url, direction)
    if key not in _planned:
        _planned[key] = _ask(options, direction)
    return _planned[key]


def forget(options: RemoteOptions, direction: Direction) -> None:
    """Ask anew the next time."""
    _planned.pop((options.url, direction), None)


def backend_info(info: ServerInfo, options: RemoteOptions, direction: Direction) -> BackendInfo:
    """What a server has in a direction. Raises InputError when that is nothing."""
    offer = info.offer(direction)
    if offer is None:
        made = "sound for pictures" if direction == "v2a" else "pictures for sound"
        raise InputError(f"the server {options.url} makes no {made}; start one whose recipe names such a backend")
    return offer


def _ask(options: RemoteOptions, direction: Direction) -> str:
    store, key = Store(cache_dir()), digest(["avlink_remote", options.url, direction])
    try:
        with contextlib.closing(ServerClient(options)) as link:
            info = link.info(patience_s=min(_PATIENCE_S, options.patience_s))
    except ServerUnreachable:
        return store.text(key) or NEVER_REACHED
    told = backend_info(info, options, direction).fingerprint
    with contextlib.suppress(OutputError):
        store.put_note(key, ".txt", told)
    return told
