"""Checks of the plugin contract: hooks that exist, and results of the types that they promise."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from avlink.core.recipe import KINDS, Recipe, suggest
from avlink.hooks.backends import Executor
from avlink.hooks.descriptors import (
    AudioProcessor,
    Backend,
    Command,
    CommandOption,
    Direction,
    Extractor,
    ExtractorOptions,
    Medium,
    Options,
    Spotter,
    SpotterOptions,
    TimelineFormat,
)
from avlink.hooks.diagnostics import InvalidPlugin
from avlink.hooks.references import is_reference
from avlink.hooks.registry import KIND_NAMES, NAME, Component, RecipeKind

_MARK = "avlink_impl"
_KEY = re.compile(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*")


def check_hooks(plugin: object, arguments: Mapping[str, tuple[str, ...]]) -> None:
    """Check the functions of a plugin against the names and `arguments` of all hooks.

    Raises InvalidPlugin for a hook that does not exist, is not marked, is a wrapper, or asks for other arguments.
    """
    for name in dir(plugin):
        function = getattr(plugin, name)
        if not inspect.isroutine(function):
            continue
        marks = getattr(function, _MARK, None)
        if name in arguments and marks is None:
            raise InvalidPlugin(f"its {name} is not marked with @hookimpl", function)
        if marks is None:
            continue
        if name not in arguments:
            known = suggest(name, sorted(arguments))
            raise InvalidPlugin(f"it has a hook '{name}', which does not exist; {known}", function)
        if marks.get("wrapper") or marks.get("hookwrapper"):
            raise InvalidPlugin(f"its {name} is a wrapper, and AVLink calls each plugin alone", function)
        for parameter in inspect.signature(function).parameters.values():
            needed = parameter.default is parameter.empty and parameter.kind < parameter.VAR_POSITIONAL
            if needed and parameter.name not in arguments[name]:
                known = f"it gets {', '.join(arguments[name])}" if arguments[name] else "hooks get no arguments"
                raise InvalidPlugin(f"its {name} asks for '{parameter.name}', and {known}", function)


def check_components(answer: object, kind: type[Component], hook: str, function: object) -> list[Any]:
    """Return the components that a hook returned. Raises InvalidPlugin unless it is a list of usable components."""
    if not isinstance(answer, list | tuple):
        raise InvalidPlugin(f"its {hook} returned {type(answer).__name__}, not a list", function)
    names: set[str] = set()
    for component in answer:
        mistake = _mistake(component, kind)
        if mistake is not None:
            raise InvalidPlugin(mistake, function)
        if component.name in names:
            raise InvalidPlugin(f"it offers {KIND_NAMES[kind]} '{component.name}' twice", function)
        names.add(component.name)
    return list(answer)


def check_run_options(answer: object, function: object) -> type[Options]:
    """Return the model that `avlink_run_options` returned. Raises InvalidPlugin unless it is one with defaults."""
    if not (isinstance(answer, type) and issubclass(answer, Options)):
        raise InvalidPlugin(f"its avlink_run_options returned {_shown(answer)}, which is no class of Options", function)
    needed = [name for name, field in answer.model_fields.items() if field.is_required()]
    if needed:
        # Runs whose recipe says nothing of the plugin call its hooks too.
        raise InvalidPlugin(f"'{needed[0]}' of its {answer.__name__} has no default", function)
    return answer


def function_fields(kind: type[Component]) -> frozenset[str]:
    """Return the names of a descriptor's fields that take a function or its dotted name."""
    return frozenset(name for name, check in _FIELDS[kind].items() if check in (_FUNCTION, _OPTIONAL_FUNCTION))


def _mistake(component: Any, kind: type[Component]) -> str | None:
    """Return a sentence that begins with "it", or None for a component that can be used."""
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
    declared = kind.model.model_fields.get("kind")
    if declared is None or declared.default != kind.name:
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
        # repr of an object of the plugin is foreign code, and may fail as well.
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _is_subclass(base: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, type) and issubclass(value, base)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_string(value: Any) -> bool:
    return isinstance(value, str)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


_Check = tuple[Callable[[Any], bool], str]

_OPTIONS: _Check = (_is_subclass(Options), "Options")
_FUNCTION: _Check = (is_reference, 'function, nor a name such as "package.module:function"')
_OPTIONAL_FUNCTION: _Check = (lambda value: value is None or is_reference(value), _FUNCTION[1])
_FIELDS: Mapping[type[Component], Mapping[str, _Check]] = {
    Backend: {
        "direction": (lambda value: value in get_args(Direction), 'direction: "v2a" or "a2v"'),
        "options": _OPTIONS,
        "fingerprint": _FUNCTION,
        "load": _FUNCTION,
        "licence": (_is_string, "text"),
        "deprecated": (_is_string, "text"),
    },
    Executor: {"options": _OPTIONS, "load": _FUNCTION},
    AudioProcessor: {
        "options": _OPTIONS,
        "apply": _FUNCTION,
        "version": (_is_text, "text"),
        "whole": (_is_bool, "bool"),
    },
    TimelineFormat: {
        "suffix": (lambda value: _is_text(value) and value.startswith("."), "suffix such as '.csv'"),
        "write": _FUNCTION,
    },
    Command: {"summary": (_is_text, "text"), "load": _FUNCTION},
    CommandOption: {
        "commands": (
            lambda value: isinstance(value, tuple) and bool(value) and all(map(_is_text, value)),
            "tuple of names of commands",
        ),
        "sets": (lambda value: isinstance(value, str) and bool(_KEY.fullmatch(value)), "key of a recipe"),
        "help": (_is_text, "text"),
        "type": (lambda value: value in (str, int, float, bool, Path), "str, int, float, bool or Path"),
        "default": (_is_string, "text"),
        "metavar": (_is_string, "text"),
        "multiple": (_is_bool, "bool"),
        "convert": _OPTIONAL_FUNCTION,
    },
    RecipeKind: {
        "model": (_is_subclass(Recipe), "Recipe"),
        "recipes": (lambda value: value is None or _is_text(value), "name of a package"),
        "check": _OPTIONAL_FUNCTION,
    },
    Extractor: {
        "takes": (
            lambda value: isinstance(value, tuple) and bool(value) and set(value) <= set(get_args(Medium)),
            'tuple of "sound", "pictures", "scene" and "text"',
        ),
        "options": (_is_subclass(ExtractorOptions), "ExtractorOptions"),
        "fingerprint": _FUNCTION,
        "load": _FUNCTION,
        "licence": (_is_string, "text"),
        "source": (_is_string, "text"),
    },
    Spotter: {
        "options": (_is_subclass(SpotterOptions), "SpotterOptions"),
        "fingerprint": _FUNCTION,
        "load": _FUNCTION,
        "licence": (_is_string, "text"),
    },
}
