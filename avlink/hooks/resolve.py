"""From a checked recipe to the components that it names: the second pass of checking, over the options of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from avlink.core.errors import AvlinkError, PluginError, RecipeError
from avlink.core.events import Listener, ignore
from avlink.core.recipe import (
    EvaluateRecipe,
    Recipe,
    RecipeSource,
    RunRecipe,
    SonifyRecipe,
    SpotRecipe,
    VisualizeRecipe,
    describe_mistakes,
    explain,
)
from avlink.core.recipe.schema import BackendChoice, ComponentChoice
from avlink.hooks.backends import ReadyBackend, ReadyExecutor
from avlink.hooks.descriptors import Direction, Options, TimelineFormat
from avlink.hooks.diagnostics import describe_call
from avlink.hooks.extractors import check_extractors
from avlink.hooks.processors import ReadyProcessor
from avlink.hooks.references import function_of
from avlink.hooks.registry import RecipeKind, Registry
from avlink.hooks.run_hooks import RunHooks, RunPlugin
from avlink.hooks.spotters import check_spotter

Resolved = TypeVar("Resolved")


def resolve_backend(recipe: SonifyRecipe | VisualizeRecipe, registry: Registry) -> ReadyBackend:
    """Return the backend that the recipe names, with its options checked. Raises RecipeError."""
    return _or_raise(recipe, *_backend(recipe, registry))


def resolve_chain(recipe: SonifyRecipe, registry: Registry) -> tuple[ReadyProcessor, ...]:
    """Return the processors of `stems.post`, in order. Raises RecipeError that lists every mistake."""
    return _or_raise(recipe, *_chain(recipe, registry))


def resolve_formats(recipe: SonifyRecipe, registry: Registry) -> tuple[TimelineFormat, ...]:
    """Return the timeline formats of `write.also`, in order. Raises RecipeError that lists every mistake."""
    return _or_raise(recipe, *_formats(recipe, registry))


def resolve_run_hooks(recipe: RunRecipe, registry: Registry, *, listener: Listener = ignore) -> RunHooks:
    """Return the hooks of a run, with the options of `[plugins]` checked. Raises RecipeError that lists every mistake.

    `listener` gets the warnings about plugins that fail while they observe the run.
    """
    return RunHooks(_or_raise(recipe, *_run_plugins(recipe, registry)), listener=listener)


def check_components(recipe: Recipe, registry: Registry) -> None:
    """Check every component that a recipe names and its options. Raises RecipeError that lists every mistake."""
    lines: list[str] = []
    if isinstance(recipe, SonifyRecipe | VisualizeRecipe):
        lines += _backend(recipe, registry)[1]
    if isinstance(recipe, RunRecipe):
        lines += _run_plugins(recipe, registry)[1]
    if isinstance(recipe, SpotRecipe):
        lines += check_spotter(recipe, registry)[1]
    if isinstance(recipe, SonifyRecipe):
        lines += _chain(recipe, registry)[1]
        lines += _formats(recipe, registry)[1]
    if isinstance(recipe, EvaluateRecipe):
        lines += check_extractors(recipe, registry)
    kind = registry.recipe_kinds.get(recipe.kind)
    if kind is not None and kind.check is not None:
        lines += _checked(kind, recipe, registry)
    if lines:
        raise RecipeError(describe_mistakes(recipe.source, lines))


def _checked(kind: RecipeKind, recipe: Recipe, registry: Registry) -> list[str]:
    assert kind.check is not None
    try:
        return list(function_of(kind.check)(recipe, registry))
    except AvlinkError:
        raise
    except Exception as error:
        raise PluginError(f"the check of recipe kind '{kind.name}' failed: {describe_call(error)}") from error


def _or_raise(recipe: Recipe, resolved: Resolved | None, lines: list[str]) -> Resolved:
    if lines or resolved is None:
        raise RecipeError(describe_mistakes(recipe.source, lines))
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


def _executor(
    choice: ComponentChoice | None, registry: Registry, source: RecipeSource
) -> tuple[ReadyExecutor | None, list[str]]:
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


def _processor(
    step: ComponentChoice, key: str, registry: Registry, source: RecipeSource
) -> tuple[ReadyProcessor | None, list[str]]:
    try:
        processor = registry.processor(step.use)
    except RecipeError as error:
        return None, [f"{key}: {error}"]
    # The step is an entry of a list: values are looked up in its own options, and its index is put before their keys.
    own = RecipeSource(label=source.label, values=step.options)
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


def _run_plugins(recipe: RunRecipe, registry: Registry) -> tuple[tuple[tuple[RunPlugin, Options], ...], list[str]]:
    # Every plugin takes part, also those of which the recipe says nothing: their options have defaults.
    known = {plugin.name: plugin for plugin in registry.run_plugins}
    ready, lines = [], []
    for name in recipe.plugins:
        if name not in known:
            lines.append(f"plugins.{name}: {registry.unknown('plugin', name, known)}")
    for name, plugin in known.items():
        options, mistakes = _options(plugin.options, recipe.plugins.get(name, {}), recipe.source, f"plugins.{name}")
        lines += mistakes
        if options is not None:
            ready.append((plugin, options))
    return tuple(ready), lines


def _options(
    model: type[Options], values: Mapping[str, Any], source: RecipeSource, prefix: str
) -> tuple[Options | None, list[str]]:
    try:
        return model.model_validate(dict(values)), []
    except ValidationError as error:
        return None, explain(error, model, source, prefix)
