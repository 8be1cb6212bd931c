"""Functions of plugins by dotted name, imported when they are first called.

A descriptor takes `"package.module:function"` wherever it takes a function, so that a plugin can offer what is heavy
without importing it, and without a function that does nothing but import another.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

from avlink.core.errors import AvlinkError, PluginError

P = ParamSpec("P")
Result = TypeVar("Result")
AnyDescriptor = TypeVar("AnyDescriptor")

_DOTTED_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True, slots=True)
class LazyFunction:
    """A function that is imported at the first call: `name` is "package.module:function", `plugin` its owner.

    Raises PluginError that names the plugin when there is no such function or its module cannot be imported.
    """

    name: str
    plugin: str = ""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the function."""
        return self.load()(*arguments, **named)

    def load(self) -> Callable[..., Any]:
        """Return the function itself. Python remembers the module, so this costs a look-up after the first time."""
        module, _, attribute = self.name.partition(":")
        owner = f"plugin '{self.plugin}'" if self.plugin else "a plugin"
        try:
            found: Any = import_module(module)
            for name in attribute.split("."):
                found = getattr(found, name)
        except AvlinkError:
            raise
        except Exception as error:
            words = " ".join(str(error).split())
            raise PluginError(
                f"{owner} names the function '{self.name}', which cannot be loaded: {type(error).__name__}: {words}"
            ) from error
        if not callable(found):
            raise PluginError(f"{owner} names the function '{self.name}', which is {type(found).__name__}, no function")
        function: Callable[..., Any] = found
        return function


def function_of(reference: Callable[P, Result] | str) -> Callable[P, Result]:
    """Return what a field of a descriptor refers to, as something to call; a name is imported at the first call."""
    return LazyFunction(reference) if isinstance(reference, str) else reference


def is_reference(value: object) -> bool:
    """Tell a function and the dotted name of one from everything else."""
    return callable(value) or (isinstance(value, str) and _DOTTED_NAME.fullmatch(value) is not None)


def with_owner(descriptor: AnyDescriptor, names: frozenset[str], plugin: str) -> AnyDescriptor:
    """Return the descriptor with the dotted names in its fields `names` bound to the plugin, for error messages.

    A descriptor without any is returned as it is.
    """
    given = {field.name: getattr(descriptor, field.name) for field in fields(descriptor) if field.name in names}  # type: ignore[arg-type]
    lazy = {name: LazyFunction(value, plugin) for name, value in given.items() if isinstance(value, str)}
    return replace(descriptor, **lazy) if lazy else descriptor  # type: ignore[type-var]
