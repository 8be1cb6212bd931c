"""The composition root: everything that a service needs from its surroundings, gathered once and handed down."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from avlink.core.errors import InputError
from avlink.core.events import Event, Listener, Message, ignore
from avlink.core.paths import cache_dir
from avlink.core.store import Store
from avlink.core.values import SoundGenerator
from avlink.hooks import ReadyBackend, ReadyExecutor, Registry, load_registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The surroundings of a run, or of several that follow each other: the model then stays loaded between them.

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
        """The folder of everything that is kept between runs."""
        return self.store.root

    def generator(self, backend: ReadyBackend) -> SoundGenerator:
        """The model of a backend, loaded unless it was the last that was asked for: two at once could be too much.

        Raises BundleError and PluginError when it cannot be loaded, ExecutorError when its executor cannot be reached.
        """
        key = (backend.name, backend.fingerprint(), backend.executor)
        if key not in self._loaded:
            self._loaded.clear()
            if backend.licence:
                self.tell(Message(text=f"backend '{backend.name}': {backend.licence}", level="warning"))
            if backend.backend.deprecated:
                words = f'backend.name = "{backend.name}" is deprecated: {backend.backend.deprecated}'
                self.tell(Message(text=words, level="warning"))
            # What "auto" is, is to be seen where the model works.
            device = pick_device(self.device) if backend.executor is None else self.device
            self._loaded[key] = cast(SoundGenerator, backend.load(device))
        return self._loaded[key]

    def tell(self, event: Event) -> None:
        """Send an event to whoever listens."""
        self.listener(event)


def open_session(
    *,
    device: str = "auto",
    listener: Listener = ignore,
    registry: Registry | None = None,
    cache: Path | None = None,
) -> Session:
    """Surroundings as the machine gives them, unless they are handed over."""
    return Session(
        registry=load_registry() if registry is None else registry,
        store=Store(cache_dir() if cache is None else cache),
        device=device,
        listener=listener,
    )


def pick_device(wanted: str) -> str:
    """The device to load a model on; "auto" is the fastest there is. Raises InputError when it is not there."""
    if wanted == "cpu":
        # Asking torch takes seconds on a cold disk.
        return wanted
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there.get(wanted, False):
        usable = ", ".join(name for name, usable in there.items() if usable)
        raise InputError(f"device '{wanted}' is not on this machine; usable here: auto, {usable}")
    return wanted
