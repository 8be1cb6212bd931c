"""What a command gives back, ours or a plugin's, and the exit codes.

A command that ends returns an `Answer`: one object for `--json`, the same in words and tables for people. One that
goes on for a while is a generator: it yields a `Line` for each thing that happens and returns the exit code.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

FORMAT = 1
"""The version of the JSON objects."""

DONE, BROKEN, WRONG_INPUT, SOME_FAILED, INTERRUPTED = 0, 1, 2, 3, 130
"""The exit codes: all done; a bug or the machine; the user's input; some clips failed; Ctrl-C."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table: the heads of the columns, and rows of as many texts."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


Block: TypeAlias = str | Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`payload` is printed by `--json` behind "format" and "command"; `blocks` are shown otherwise, in order."""

    command: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    blocks: Sequence[Block] = ()
    exit_code: int = DONE

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {"format": FORMAT, "command": self.command, **self.payload}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that happened. `payload` is a line of `--json`; `text`, unless it is empty, is shown otherwise."""

    payload: Mapping[str, Any]
    text: str = ""


Lines: TypeAlias = Generator[Line, None, int]
"""What a command that goes on for a while is."""
