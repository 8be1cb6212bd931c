"""Whether a plugin keeps the contract: its hooks are ours, and what they return is what they promise."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any, get_args

from avlink.core.recipe import KINDS, Recipe, suggest
from avlink.hooks.descriptors import (
    AudioProcessor,
    Backend,
    Command,
    Component,
    Direction,
    Executor,
    Extractor,
    ExtractorOptions,
    Medium,
    Options,
    RecipeKind,
    TimelineFormat,
)
from avlink.hooks.faults import Refused
from avlink.hooks.registry import KIND_NAMES, NAME

_PREFIX = "avlink_"
_MARK = "avlink_impl"


def check_hooks(plugin: object, hooks: Sequence[str]) -> None:
    """Raise Refused for a hook that does not exist, one that is not marked, and one that asks for arguments."""
    for name in dir(plugin):
        function = getattr(plugin, name)
        if not inspect.isroutine(function):
            continue
        marked = hasattr(function, _MARK)
        if name in hooks and not marked:
            raise Refused(f"its {name} is not marked with @hookimpl", function)
        if not marked:
            continue
        if name not in hooks:
            raise Refused(f"it has a hook '{name}', which does not exist; {suggest(name, sorted(hooks))}", function)
        for parameter in inspect.signature(function).parameters.values():
            if parameter.default is parameter.empty and parameter.kind < parameter.VAR_POSITIONAL:
                raise Refused(f"its {name} asks for '{parameter.name}', and hooks get no arguments", function)


def check_offers(answer: object, kind: type[Component], hook: str, function: object) -> list[Any]:
    """The components that a hook returned. Raises Refused for what is no list of usable components."""
    if not isinstance(answer, list | tuple):
        raise Refused(f"its {hook} returned {type(answer).__name__}, not a list", function)
    names: set[str] = set()
    for component in answer:
        mistake = _mistake(component, kind)
        if mistake is not None:
            raise Refused(mistake, function)
        if component.name in names:
            raise Refused(f"it offers {KIND_NAMES[kind]} '{component.name}' twice", function)
        names.add(component.name)
    return list(answer)


def _mistake(component: Any, kind: type[Component]) -> str | None:
    """What is wrong with a component, in a sentence that begins with "it"."""
    if not isinstance(component, kind):
        return f"it offers {_shown(component)}, which is no {kind.__name__}"
    name = component.name
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return f"it offers the name {_shown(name)}; names are lower case letters, digits, '-', '_', '.'"
    for field, (is_right, wanted) in _FIELDS[kind].items():
        value = getattr(component, field)
        if not is_right(value):
            return f"{field} of its {KIND_NAMES[kind]} '{name}' is {_shown(value)}, which is no {wanted}"
    return _kind_mistake(component) if isinstance(component, RecipeKind) else None


def _kind_mistake(kind: RecipeKind) -> str | None:
    if kind.name in KINDS:
        return f"it offers the recipe kind '{kind.name}', which AVLink has itself"
    said = kind.model.model_fields.get("kind")
    if said is None or said.default != kind.name:
        return f'{kind.model.__name__} must say kind: Literal["{kind.name}"] = "{kind.name}"'
    if kind.recipes is not None:
        try:
            resources.files(kind.recipes)
        except (ImportError, ValueError, TypeError):
            return f"recipes of its recipe kind '{kind.name}' is {_shown(kind.recipes)}, which is no package"
    return None


def _shown(value: object) -> str:
    try:
        text = " ".join(repr(value).split())
    except Exception:
        # Foreign code again.
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _is_subclass(base: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, type) and issubclass(value, base)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


_OPTIONS = (_is_subclass(Options), "Options")
_FUNCTION = (callable, "function")
_FIELDS: Mapping[type[Component], Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    Backend: {
        "direction": (lambda value: value in get_args(Direction), 'direction: "v2a" or "a2v"'),
        "options": _OPTIONS,
        "fingerprint": _FUNCTION,
        "load": _FUNCTION,
        "licence": (lambda value: isinstance(value, str), "text"),
        "deprecated": (lambda value: isinstance(value, str), "text"),
    },
    Executor: {"options": _OPTIONS, "load": _FUNCTION},
    AudioProcessor: {
        "options": _OPTIONS,
        "apply": _FUNCTION,
        "version": (_is_text, "text"),
        "whole": (lambda value: isinstance(value, bool), "bool"),
    },
    TimelineFormat: {
        "suffix": (lambda value: _is_text(value) and value.startswith("."), "suffix such as '.csv'"),
        "write": _FUNCTION,
    },
    Command: {"summary": (_is_text, "text"), "load": _FUNCTION},
    RecipeKind: {
        "model": (_is_subclass(Recipe), "Recipe"),
        "recipes": (lambda value: value is None or _is_text(value), "name of a package"),
        "check": (lambda value: value is None or callable(value), "function"),
    },
    Extractor: {
        "takes": (
            lambda value: isinstance(value, tuple) and bool(value) and set(value) <= set(get_args(Medium)),
            'tuple of "sound", "pictures", "scene" and "text"',
        ),
        "options": (_is_subclass(ExtractorOptions), "ExtractorOptions"),
        "fingerprint": _FUNCTION,
        "load": _FUNCTION,
        "licence": (lambda value: isinstance(value, str), "text"),
        "source": (lambda value: isinstance(value, str), "text"),
    },
}
