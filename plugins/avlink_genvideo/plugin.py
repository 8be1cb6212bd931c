"""What this plugin offers: `avlink finish`. All else is imported when the command is used."""

from __future__ import annotations

from typing import Any

from avlink import hookimpl
from avlink.hooks import Command


def load() -> Any:
    """The command's function."""
    from avlink_genvideo.command import finish

    return finish


@hookimpl
def avlink_commands() -> list[Command]:
    """Offer `avlink finish`."""
    return [Command(name="finish", summary="Give generated videos their sound.", load=load)]
