"""The web server of the extra `remote`, for the commands that serve."""

from __future__ import annotations

from typing import Any

from avlink import InputError


def import_http_server(command: str) -> Any:
    """The module `avlink_remote.http_server`. Raises InputError that names `command` where its packages are missing."""
    try:
        from avlink_remote import http_server as server
    except ImportError as error:
        raise InputError(
            f"{command} needs the packages of the extra 'remote' ({error.name} is not installed); "
            "install them with: pip install 'avlink[remote]'"
        ) from error
    return server
