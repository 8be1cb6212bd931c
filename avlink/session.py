"""The session: registry, cache, device and listener, made once at start and passed to every service."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from avlink.core.errors import InputError
from avlink.core.events import Event, Listener, Message, ignore
from avlink.core.outputs import FOLDER as RECEIPTS
from avlink.core.outputs import Outputs
from avlink.core.paths import cache_dir
from avlink.core.store import Store
from avlink.core.values import SoundGenerator
from avlink.hooks import ReadyBackend, ReadyExecutor, Registry, load_registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The surroundings of one run, or of several runs in a row, between which the model stays loaded.

    `device` is as the user asked for it: "auto", "cpu", "cuda" or "mps".
    """

    registry: Registry
    store: Store
    device: str = "auto"
    listener: Listener = ignore
    _loaded: dict[tuple[str, str, ReadyExecutor | None], SoundGenerator] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def cache(self) -> Path:
        """The folder of the cache."""
        return self.store.root

    def outputs(self, *, overwrite: bool = False) -> Outputs:
        """Return the outputs of a run; `overwrite` permits to replace files that AVLink did not write."""
        return Outputs(self.cache / RECEIPTS, overwrite=overwrite)

    def generator(self, backend: ReadyBackend) -> SoundGenerator:
        """Return the model of a backend, loaded unless it was the last one.

        Raises BundleError and PluginError if it cannot be loaded, ExecutorError if its executor cannot be reached.
        """
        key = (backend.name, backend.fingerprint(), backend.executor)
        if key not in self._loaded:
            # One model at a time: two could be too much for the memory of a GPU.
            self._loaded.clear()
            if backend.licence:
                self.tell(Message(text=f"backend '{backend.name}': {backend.licence}", level="warning"))
            if backend.backend.deprecated:
                words = f'backend.name = "{backend.name}" is deprecated: {backend.backend.deprecated}'
                self.tell(Message(text=words, level="warning"))
            # An executor runs on other machines, and resolves "auto" there.
            device = pick_device(self.device) if backend.executor is None else self.device
            self._loaded[key] = cast(SoundGenerator, backend.load(device))
        return self._loaded[key]

    def tell(self, event: Event) -> None:
        """Send an event to the listener."""
        self.listener(event)


def open_session(
    *,
    device: str = "auto",
    listener: Listener = ignore,
    registry: Registry | None = None,
    cache: Path | None = None,
) -> Session:
    """Return a session with the installed plugins and the user's cache, unless others are given."""
    return Session(
        registry=load_registry() if registry is None else registry,
        store=open_store(cache, listener=listener),
        device=device,
        listener=listener,
    )


def open_store(folder: Path | None = None, *, listener: Listener = ignore) -> Store:
    """Return the store of a cache, by default the user's, that tells of damaged entries."""

    def on_damaged(path: Path) -> None:
        listener(Message(text=f"the cache entry {path} is damaged, and is made again", level="detail"))

    return Store(cache_dir() if folder is None else folder, on_damaged=on_damaged)


def pick_device(wanted: str) -> str:
    """Return the device to load a model on; "auto" is the fastest. Raises InputError if this machine lacks it."""
    if wanted == "cpu":
        # Importing torch takes seconds.
        return wanted
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there.get(wanted, False):
        usable = ", ".join(name for name, usable in there.items() if usable)
        raise InputError(f"device '{wanted}' is not on this machine; usable here: auto, {usable}")
    return wanted
