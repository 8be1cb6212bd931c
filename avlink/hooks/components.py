"""From a checked recipe to the components that it names: the second pass of checking, over each one's own options."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from avlink.core.errors import AvlinkError, PluginError, RecipeError
from avlink.core.recipe import EvaluateRecipe, Recipe, SonifyRecipe, Source, VisualizeRecipe, explain, report
from avlink.core.recipe.schema import BackendChoice, Step
from avlink.hooks.descriptors import AudioProcessor, Backend, Direction, Executor, Options, RecipeKind, TimelineFormat
from avlink.hooks.extractors import check_extractors
from avlink.hooks.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from avlink.core.values import PictureGenerator, SoundGenerator, SoundSource

Resolved = TypeVar("Resolved")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyExecutor:
    """An executor with its checked options."""

    executor: Executor
    options: Options


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyBackend:
    """A backend with its checked options, and the executor that runs it; without one it runs here."""

    backend: Backend
    options: Options
    executor: ReadyExecutor | None = None

    @property
    def name(self) -> str:
        """The backend's name."""
        return self.backend.name

    @property
    def licence(self) -> str:
        """What its weights may be used for; "" where that is everything."""
        return self.backend.licence

    def fingerprint(self) -> str:
        """What the result depends on besides the request. Raises PluginError if the plugin fails."""
        fingerprint = self._call("its fingerprint", lambda: self.backend.fingerprint(self.options))
        if not isinstance(fingerprint, str):
            raise PluginError(f"backend '{self.name}' gave {type(fingerprint).__name__} as its fingerprint, not text")
        return fingerprint

    def load(self, device: str) -> SoundGenerator | PictureGenerator:
        """The generator on "cpu", "cuda" or "mps", with an executor also "auto".

        Raises PluginError if the plugin fails.
        """
        executor = self.executor
        if executor is None:
            generator = self._call("loading", lambda: self.backend.load(self.options, device))
        else:
            loading = f"loading on '{executor.executor.name}'"
            generator = self._call(loading, lambda: executor.executor.load(self, executor.options, device))
        for part in ("generate", "sample_rate", "picture"):
            if not hasattr(generator, part):
                kind = type(generator).__name__
                raise PluginError(f"backend '{self.name}' loaded {kind}, which is no generator: it has no '{part}'")
        return generator

    def _call(self, what: str, function: Callable[[], Resolved]) -> Resolved:
        try:
            return function()
        except AvlinkError:
            # An answer in words already.
            raise
        except Exception as error:
            raise PluginError(f"backend '{self.name}' failed in {what}: {type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyProcessor:
    """An audio processor with its checked options: call it on a sound."""

    processor: AudioProcessor
    options: Options

    @property
    def key(self) -> Mapping[str, Any]:
        """What the processed sound depends on, for the stem's cache key."""
        return {
            "use": self.processor.name,
            "version": self.processor.version,
            "options": self.options.model_dump(mode="json"),
        }

    def __call__(self, sound: SoundSource) -> SoundSource:
        """The processed sound. Raises PluginError when the processor fails or breaks its promise.

        What a processor does only when its sound is read fails then, and in the same way.
        """
        from avlink.core.sound import read_whole
        from avlink.core.values import SoundSource

        name = self.processor.name
        with _named(name):
            result = self.processor.apply(read_whole(sound) if self.processor.whole else sound, self.options)
        if not isinstance(result, SoundSource):
            raise PluginError(f"processor '{name}' returned {type(result).__name__}, which is no sound")
        before = (sound.sample_rate, sound.channels, sound.num_samples)
        after = (result.sample_rate, result.channels, result.num_samples)
        if before != after:
            raise PluginError(f"processor '{name}' turned (rate, channels, samples) {before} into {after}")
        return result if self.processor.whole else _NamedSound(result, name)


class _NamedSound:
    """A `SoundSource` whose failures name the processor that it comes from."""

    def __init__(self, sound: SoundSource, processor: str) -> None:
        self._sound, self._processor = sound, processor
        self.sample_rate, self.channels, self.num_samples = sound.sample_rate, sound.channels, sound.num_samples

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        with _named(self._processor):
            return self._sound.read(start, stop)


@contextmanager
def _named(processor: str) -> Iterator[None]:
    try:
        yield
    except AvlinkError:
        # An answer in words already.
        raise
    except Exception as error:
        raise PluginError(f"processor '{processor}' failed: {type(error).__name__}: {error}") from error


def resolve_backend(recipe: SonifyRecipe | VisualizeRecipe, registry: Registry) -> ReadyBackend:
    """The backend that the recipe names, with its options checked. Raises RecipeError."""
    return _or_raise(recipe, *_backend(recipe, registry))


def resolve_chain(recipe: SonifyRecipe, registry: Registry) -> tuple[ReadyProcessor, ...]:
    """The processors of `stems.post`, in order. Raises RecipeError that lists every mistake."""
    return _or_raise(recipe, *_chain(recipe, registry))


def resolve_formats(recipe: SonifyRecipe, registry: Registry) -> tuple[TimelineFormat, ...]:
    """The timeline formats of `write.also`, in order. Raises RecipeError that lists every mistake."""
    return _or_raise(recipe, *_formats(recipe, registry))


def check_components(recipe: Recipe, registry: Registry) -> None:
    """Check all that a recipe names at once. Raises RecipeError that lists every mistake."""
    lines: list[str] = []
    if isinstance(recipe, SonifyRecipe | VisualizeRecipe):
        lines += _backend(recipe, registry)[1]
    if isinstance(recipe, SonifyRecipe):
        lines += _chain(recipe, registry)[1]
        lines += _formats(recipe, registry)[1]
    if isinstance(recipe, EvaluateRecipe):
        lines += check_extractors(recipe, registry)
    kind = registry.recipe_kinds.get(recipe.kind)
    if kind is not None and kind.check is not None:
        lines += _checked(kind, recipe, registry)
    if lines:
        raise RecipeError(report(recipe.source, lines))


def _checked(kind: RecipeKind, recipe: Recipe, registry: Registry) -> list[str]:
    assert kind.check is not None
    try:
        return list(kind.check(recipe, registry))
    except AvlinkError:
        raise
    except Exception as error:
        raise PluginError(f"the check of recipe kind '{kind.name}' failed: {type(error).__name__}: {error}") from error


def apply_chain(sound: SoundSource, chain: Sequence[ReadyProcessor]) -> SoundSource:
    """The sound after every processor of the chain."""
    for processor in chain:
        sound = processor(sound)
    return sound


def _or_raise(recipe: Recipe, resolved: Resolved | None, lines: list[str]) -> Resolved:
    if lines or resolved is None:
        raise RecipeError(report(recipe.source, lines))
    return resolved


def _backend(recipe: SonifyRecipe | VisualizeRecipe, registry: Registry) -> tuple[ReadyBackend | None, list[str]]:
    choice: BackendChoice = recipe.backend
    wanted: Direction = "v2a" if isinstance(recipe, SonifyRecipe) else "a2v"
    try:
        backend = registry.backend(choice.name)
    except RecipeError as error:
        return None, [f"backend.name: {error}"]
    if backend.direction != wanted:
        fitting = ", ".join(name for name, item in registry.backends.items() if item.direction == wanted)
        made = "sound" if wanted == "v2a" else "pictures"
        return None, [f'backend.name = "{choice.name}": does not make {made}; known that do: {fitting or "none"}']
    options, lines = _options(backend.options, choice.options, recipe.source, "backend.options")
    executor, mistakes = _executor(choice.on, registry, recipe.source)
    ready = None if options is None else ReadyBackend(backend=backend, options=options, executor=executor)
    return ready, lines + mistakes


def _executor(choice: Step | None, registry: Registry, source: Source) -> tuple[ReadyExecutor | None, list[str]]:
    if choice is None:
        return None, []
    try:
        executor = registry.executor(choice.use)
    except RecipeError as error:
        return None, [f"backend.on: {error}"]
    options, lines = _options(executor.options, choice.options, source, "backend.on")
    return (None if options is None else ReadyExecutor(executor=executor, options=options)), lines


def _chain(recipe: SonifyRecipe, registry: Registry) -> tuple[tuple[ReadyProcessor, ...], list[str]]:
    ready, lines = [], []
    for index, step in enumerate(recipe.stems.post):
        processor, mistakes = _processor(step, f"stems.post[{index}]", registry, recipe.source)
        lines += mistakes
        if processor is not None:
            ready.append(processor)
    return tuple(ready), lines


def _processor(step: Step, key: str, registry: Registry, source: Source) -> tuple[ReadyProcessor | None, list[str]]:
    try:
        processor = registry.processor(step.use)
    except RecipeError as error:
        return None, [f"{key}: {error}"]
    # The step stands in a list: the mistakes are looked up in its own options, and named after its place.
    own = Source(label=source.label, values=step.options)
    options, lines = _options(processor.options, step.options, own, "")
    lines = [f"{key}.{line}" for line in lines]
    return (ReadyProcessor(processor=processor, options=options) if options is not None else None), lines


def _formats(recipe: SonifyRecipe, registry: Registry) -> tuple[tuple[TimelineFormat, ...], list[str]]:
    ready, lines = [], []
    for index, name in enumerate(recipe.write.also):
        try:
            ready.append(registry.format(name))
        except RecipeError as error:
            lines.append(f"write.also[{index}]: {error}")
    return tuple(ready), lines


def _options(
    model: type[Options], values: Mapping[str, Any], source: Source, prefix: str
) -> tuple[Options | None, list[str]]:
    try:
        return model.model_validate(dict(values)), []
    except ValidationError as error:
        return None, explain(error, model, source, prefix)
