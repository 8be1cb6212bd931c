"""The backends `remote` and `remote-a2v`: the model of a server, whatever it is.

This is the spelling of older recipes. The executor `remote` is preferred, since its results are those of the named
backend and so are its cache keys. Here the server's fingerprint goes into the keys: it is asked for once per run, goes
along with every job, and a server that has another model by then refuses the job. While a server cannot be reached, a
run is planned with the fingerprint of the last time, so that cached clips need no server and `--dry-run` shows its plan
without one. If the model is another one by then, generating finds that out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from avlink import AvlinkError, InputError, OnStep, OutputError, Store, cache_dir, digest
from avlink.hooks import Direction
from avlink_remote.client import FIRST_CONTACT_S, ServerClient, ServerUnreachable
from avlink_remote.generators import make_generator
from avlink_remote.plugin import RemoteOptions
from avlink_remote.protocol import BackendInfo, ServerInfo, direction_text
from avlink_remote.remote_job import ModelChanged

_PATIENCE_S = 1.0
_TABLE = "backend.options"
NEVER_REACHED = "a server that was never reached"
# A run's keys must not change while it lasts, whatever the server does.
_planned: dict[tuple[str, Direction], str] = {}


def fingerprint(options: RemoteOptions, direction: Direction) -> str:
    """Return the fingerprint of a server's model. Raises InputError for a wrong token, or a direction not served."""
    key = (options.url, direction)
    if key not in _planned:
        _planned[key] = _ask(options, direction)
    return _planned[key]


def sound_fingerprint(options: RemoteOptions) -> str:
    """Return the fingerprint of the server's model for sound."""
    return fingerprint(options, "v2a")


def picture_fingerprint(options: RemoteOptions) -> str:
    """Return the fingerprint of the server's model for pictures."""
    return fingerprint(options, "a2v")


def load_sound(options: RemoteOptions, device: str) -> ServedGenerator:
    """Return the server's generator of sound; the server was started with a device of its own."""
    return ServedGenerator(options, "v2a")


def load_picture(options: RemoteOptions, device: str) -> ServedGenerator:
    """Return the server's generator of pictures; the server was started with a device of its own."""
    return ServedGenerator(options, "a2v")


class ServedGenerator:
    """The generator of a server for one direction. Raises AvlinkError when the server cannot be used."""

    def __init__(self, options: RemoteOptions, direction: Direction) -> None:
        self._key = (options.url, direction)
        planned = fingerprint(options, direction)
        client = ServerClient(options, table=_TABLE)
        try:
            info = client.info(patience_s=min(FIRST_CONTACT_S, options.patience_s))
            served = _served(info, options, direction)
            if served.fingerprint != planned:
                before = "could not be reached" if planned == NEVER_REACHED else "had another model"
                raise ModelChanged(f"the server {options.url} {before} when this run was planned; start it again")
        except AvlinkError:
            client.close()
            self._forget()
            raise
        self._generator: Any = make_generator(client, info, served, options, direction)
        self.sample_rate, self.picture = self._generator.sample_rate, self._generator.picture

    def generate(self, requests: Sequence[Any], *, on_step: OnStep | None = None) -> tuple[Any, ...]:
        """Return one answer for each request, bit for bit that of the server's generator to the same batch."""
        try:
            return self._generator.generate(requests, on_step=on_step)
        except ModelChanged:
            self._forget()
            raise

    def _forget(self) -> None:
        # The next run asks again which model there is.
        _planned.pop(self._key, None)


def _served(info: ServerInfo, options: RemoteOptions, direction: Direction) -> BackendInfo:
    served = info.backend_for(direction)
    if served is None:
        raise InputError(
            f"the server {options.url} makes no {direction_text(direction)}; start one whose recipe names such a "
            "backend"
        )
    return served


def _ask(options: RemoteOptions, direction: Direction) -> str:
    store, key = Store(cache_dir()), digest(["avlink_remote", options.url, direction])
    try:
        with contextlib.closing(ServerClient(options, table=_TABLE)) as client:
            info = client.info(patience_s=min(_PATIENCE_S, options.patience_s))
    except ServerUnreachable:
        # Also for a server that was never reached, so that `--dry-run` works; generating then asks again.
        return store.get_text(key) or NEVER_REACHED
    current = _served(info, options, direction).fingerprint
    # A full disk must not end a run here: the note only helps later runs.
    with contextlib.suppress(OutputError):
        store.put_text(key, ".txt", current)
    return current
