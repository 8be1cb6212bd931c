"""The token that every client of a server needs."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from avlink import InputError

TOKEN_VARIABLE = "AVLINK_TOKEN"
_MIN_LENGTH = 16
_MAKE_ONE = """python -c "import secrets; print(secrets.token_urlsafe(32))" makes one"""


def read_token(file: Path | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the user's token: from `file` if one is given, else from the environment; None if neither has one.

    Raises InputError for a file that cannot be read and for a token that is too short or not one plain word.
    """
    if file is None:
        token, where = environ.get(TOKEN_VARIABLE, ""), f"the environment variable {TOKEN_VARIABLE}"
        if not token:
            return None
    else:
        where = f"the token file {file}"
        try:
            token = file.expanduser().read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"{where} cannot be read: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{where} is no text; its only line must be the token") from error
    token = token.strip()
    # It travels in a header, where other characters would be altered or end the header early.
    if len(token) < _MIN_LENGTH or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(f"{where} must hold one word of at least {_MIN_LENGTH} plain characters; {_MAKE_ONE}")
    return token


def make_token() -> str:
    """Return a new random token of 256 bits."""
    return secrets.token_urlsafe(32)
