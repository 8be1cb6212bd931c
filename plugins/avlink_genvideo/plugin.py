"""The hook implementations of `avlink_genvideo`. The command is imported when it is used."""

from __future__ import annotations

from typing import Any

from avlink import hookimpl
from avlink.hooks import Command


def load_command() -> Any:
    """Return the function behind `avlink finish`."""
    from avlink_genvideo.command import finish

    return finish


@hookimpl
def avlink_commands() -> list[Command]:
    """Add `avlink finish`."""
    return [Command(name="finish", summary="Give generated videos their sound.", load=load_command)]
