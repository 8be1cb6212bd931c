"""Failures of plugins as one sentence, which ends with the line of the plugin's own code."""

from __future__ import annotations

import inspect
import os
import traceback
from collections.abc import Sequence
from pathlib import Path

import pluggy

import avlink
from avlink.core.errors import PluginError

# AVLink and pluggy.
_CALLERS = tuple(Path(os.path.realpath(file)).parent for file in (avlink.__file__, pluggy.__file__))


class InvalidPlugin(PluginError):
    """A plugin breaks the contract; `function` is its function that does."""

    def __init__(self, message: str, function: object = None) -> None:
        """Take a message without the name of the plugin, such as "it offers 3, which is no Backend"."""
        super().__init__(message)
        self.function = function


def describe_failure(error: BaseException, places: Sequence[Path] = ()) -> str:
    """Return the error as a sentence; `places` are the folders or files of the plugin itself."""
    if isinstance(error, PluginError):
        text = " ".join(str(error).split())
    else:
        # The text of a SyntaxError ends with a line already, its `msg` does not.
        words = error.msg if isinstance(error, SyntaxError) and _is_own(error.filename, places) else str(error)
        text = ": ".join(filter(None, (type(error).__name__, " ".join(words.split()))))
    return f"{text}{_line(error, places)}"


def checked_text(answer: object, component: str, content: str) -> str:
    """Return what a component answered, if it is text; `content` says of what, such as "its fingerprint".

    Raises PluginError.
    """
    if not isinstance(answer, str):
        raise PluginError(f"{component} gave {type(answer).__name__} as {content}, not text")
    return answer


def describe_call(error: BaseException) -> str:
    """Return the error of a call of a plugin as a sentence, with the innermost line of the plugin's own code."""
    return describe_failure(error, _called_places(error))


def _called_places(error: BaseException) -> list[Path]:
    """Return the folder of the plugin that was called: that of the first file in the traceback that calls none."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        file = Path(os.path.realpath(frame.f_code.co_filename))
        if file.is_file() and not any(file.is_relative_to(place) for place in _CALLERS):
            return [file.parent]
    return []


def format_traceback(error: BaseException) -> str:
    """Return the traceback as Python prints it."""
    return "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()


def _line(error: BaseException, places: Sequence[Path]) -> str:
    """Return the innermost line of the plugin's own code in the traceback, or an empty text."""
    found: tuple[str, int] | None = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        if _is_own(frame.f_code.co_filename, places):
            found = (frame.f_code.co_filename, line)
    if isinstance(error, SyntaxError) and error.filename and _is_own(error.filename, places):
        found = (error.filename, error.lineno or 1)
    if isinstance(error, InvalidPlugin):
        code = getattr(inspect.unwrap(error.function), "__code__", None) if callable(error.function) else None
        found = (code.co_filename, code.co_firstlineno) if code is not None else found
    return "" if found is None else f" ({_short(found[0], places)}, line {found[1]})"


def _is_own(file: str | None, places: Sequence[Path]) -> bool:
    return file is not None and any(Path(os.path.realpath(file)).is_relative_to(_real(place)) for place in places)


def _short(file: str, places: Sequence[Path]) -> str:
    """Return the path from the plugin's package on; the whole path if it lies elsewhere."""
    real = Path(os.path.realpath(file))
    for place in places:
        if real.is_relative_to(_real(place)):
            return real.relative_to(_real(place).parent).as_posix()
    return file


def _real(place: Path) -> Path:
    return Path(os.path.realpath(place))
