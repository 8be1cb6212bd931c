"""Backends that are ready to load: with checked options, on this machine or through an executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from avlink.core.errors import AvlinkError, PluginError
from avlink.hooks.descriptors import Backend, Options
from avlink.hooks.diagnostics import checked_text, describe_call
from avlink.hooks.item_answers import checked_sounds
from avlink.hooks.references import function_of

if TYPE_CHECKING:
    from avlink.core.values import HitSounds, PictureGenerator, SoundGenerator, SoundWish

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """An executor runs any backend somewhere else, such as on a cluster.

    `name` is the value of `backend.on` in recipes. `load(backend, options, device)` returns a generator whose results
    equal those of the backend bit for bit, and loads nothing on this machine. `device` is as the user asked for it;
    "auto" stays "auto", for it may mean another device there. A generator that can work on several batches in parallel
    says how many in an attribute `at_once`. It raises `ExecutorError` when the executor cannot be reached.

    An executor changes no result: it is in no cache key.
    """

    name: str
    options: type[Options] = Options
    load: Callable[[ReadyBackend, Any, str], SoundGenerator | PictureGenerator] | str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyExecutor:
    """An executor with its checked options."""

    executor: Executor
    options: Options


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyBackend:
    """A backend with its checked options, and the executor that runs it; without one it runs on this machine."""

    backend: Backend
    options: Options
    executor: ReadyExecutor | None = None

    @property
    def name(self) -> str:
        """The backend's name."""
        return self.backend.name

    @property
    def licence(self) -> str:
        """The terms of its weights; "" where they restrict nothing."""
        return self.backend.licence

    def fingerprint(self) -> str:
        """Return the text that names everything the result depends on besides the request.

        Raises PluginError if the plugin fails.
        """
        found = self._call("its fingerprint", lambda: function_of(self.backend.fingerprint)(self.options))
        return checked_text(found, f"backend '{self.name}'", "its fingerprint")

    def material(self, wish: SoundWish) -> str:
        """Return the text that names what one clip's sound is made of besides the request; "" for most backends.

        Raises PluginError if the plugin fails.
        """
        function = self.backend.material
        if function is None:
            return ""
        found = self._call("choosing its material", lambda: function_of(function)(self.options, wish))
        return checked_text(found, f"backend '{self.name}'", "its material")

    @property
    def chooses_items(self) -> bool:
        """True for a backend that makes a sound for each hit alone."""
        return self.backend.items is not None

    def items(self, wish: SoundWish, seed: int, takes: int) -> Sequence[HitSounds]:
        """Return the sounds of each hit of a wish, up to `takes` of each.

        Raises PluginError if the plugin fails, or answers for another number of hits.
        """
        function, hits = self.backend.items, wish.hits or ()
        assert function is not None, "only backends that choose items are asked"
        found = self._call("choosing sounds", lambda: function_of(function)(self.options, wish, seed, takes))
        return checked_sounds(found, f"backend '{self.name}'", hits=len(hits), takes=takes)

    def load(self, device: str) -> SoundGenerator | PictureGenerator:
        """Return the generator on "cpu", "cuda" or "mps", with an executor also "auto".

        Raises PluginError if the plugin fails.
        """
        ready = self.executor
        if ready is None:
            generator = self._call("loading", lambda: function_of(self.backend.load)(self.options, device))
        else:
            loading, load = f"loading on '{ready.executor.name}'", function_of(ready.executor.load)
            generator = self._call(loading, lambda: load(self, ready.options, device))
        # A generator of the wrong kind would fail only after minutes of decoding.
        for part in ("generate", "sample_rate", "picture"):
            if not hasattr(generator, part):
                kind = type(generator).__name__
                raise PluginError(f"backend '{self.name}' loaded {kind}, which is no generator: it has no '{part}'")
        return generator

    def _call(self, action: str, function: Callable[[], Result]) -> Result:
        try:
            return function()
        except AvlinkError:
            # Its message is made for the user already.
            raise
        except Exception as error:
            raise PluginError(f"backend '{self.name}' failed in {action}: {describe_call(error)}") from error
