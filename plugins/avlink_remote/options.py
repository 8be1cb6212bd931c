"""What a recipe may say to the backends `remote` and `remote-a2v`."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from avlink import Options

DEFAULT_PORT = 8765


class RemoteOptions(Options):
    """Where the server is. Its token comes from `token_file` or the environment variable AVLINK_TOKEN.

    None of this is part of a cache key: what a sound depends on is the server's model.
    """

    url: str = f"http://127.0.0.1:{DEFAULT_PORT}"
    """The address that `avlink serve` shows, or the one of a reverse proxy before it."""
    token_file: str | None = None
    """A file whose only line is the token."""
    timeout_s: float = Field(default=30.0, gt=0)
    """A request that is not answered for so long is made again."""
    patience_s: float = Field(default=120.0, ge=0)
    """A server that cannot be reached, or fails, is tried again for so long."""
    queue_s: float = Field(default=1800.0, ge=0)
    """So long a place in a full queue is waited for."""
    compress: bool = True
    """Compress uploads, without loss: worth it unless the network is faster than a processor can compress."""

    @field_validator("url")
    @classmethod
    def _plain(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be like http://render-box:8765 or https://studio.example/avlink")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must not hold a user, password, query or fragment; the token goes into a file")
        return url.rstrip("/")
