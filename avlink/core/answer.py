"""Results of commands, AVLink's and plugins', and the exit codes.

A command that ends at once returns an `Answer`: one object for `--json`, the same in texts and tables for people. A
command that runs on, such as `watch`, is a generator: it yields a `Line` per happening and returns the exit code.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

FORMAT = 1
"""Version of the JSON objects."""

DONE, BROKEN, WRONG_INPUT, SOME_FAILED, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes: all done; a bug or the machine; the user's input; some clips failed; Ctrl-C."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table: column heads, and rows of one text per column."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


Block: TypeAlias = str | Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The result of a command. `--json` prints `payload` after "format" and "command"; else `blocks` are shown."""

    command: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    blocks: Sequence[Block] = ()
    exit_code: int = DONE

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {"format": FORMAT, "command": self.command, **self.payload}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One happening of a command that runs on. `--json` prints `payload` as a line; else `text` is shown, if any."""

    payload: Mapping[str, Any]
    text: str = ""


Lines: TypeAlias = Generator[Line, None, int]
"""The return type of a command that runs on."""
