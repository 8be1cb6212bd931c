"""The token: where it comes from, and how a request shows that it has it."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from avlink import InputError

TOKEN_VARIABLE = "AVLINK_TOKEN"
_SHORTEST = 16
_MAKE_ONE = """python -c "import secrets; print(secrets.token_urlsafe(32))" makes one"""


def read_token(file: Path | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """The user's token: from `file` if there is one, else from the environment; None without either.

    Raises InputError for one that cannot be read or is none.
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
    if len(token) < _SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(f"{where} must hold one word of at least {_SHORTEST} plain characters; {_MAKE_ONE}")
    return token


def make_token() -> str:
    """A token that nobody guesses: 256 bits."""
    return secrets.token_urlsafe(32)


def has_token(header: str, token: str, *, browser: bool = False) -> bool:
    """Whether an Authorization header has the token; compared in a time that does not depend on what is wrong.

    With `browser`, the token may also be the password of what a browser asks its user for (RFC 7617), any user name.
    """
    scheme, _, value = header.partition(" ")
    value = value.strip()
    if browser and scheme.lower() == "basic":
        try:
            value = base64.b64decode(value, validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, ValueError):
            return False
    elif scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(value.encode("utf-8", "replace"), token.encode())
