"""The components of this plugin: the executor `remote`, `avlink serve` and its recipes.

Everything else is in the sibling modules, which are imported when a component is used.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from avlink import Options, hookimpl
from avlink.hooks import Backend, Command, Executor, RecipeKind
from avlink_remote.recipe import ServeRecipe, check_served

DEFAULT_PORT = 8765
_DEPRECATED = (
    'write backend.on = { use = "remote", url = "..." } instead, and as backend.name the backend that the server has, '
    'such as "%s"; the cache then knows its results as those of that backend'
)


class RemoteOptions(Options):
    """The server and how it is used. The token comes from `token_file` or the environment variable AVLINK_TOKEN.

    None of these options is part of a cache key: a result depends on the server's model only.
    """

    url: str = f"http://127.0.0.1:{DEFAULT_PORT}"
    """The address that `avlink serve` shows, or that of a reverse proxy in front of it."""
    token_file: str | None = None
    """A file whose only line is the token."""
    timeout_s: float = Field(default=30.0, gt=0)
    """A request that is not answered within this time is repeated."""
    patience_s: float = Field(default=120.0, ge=0)
    """A server that cannot be reached, or fails, is tried again for this long."""
    queue_s: float = Field(default=1800.0, ge=0)
    """The longest wait for a place in a full queue."""
    compress: bool = True
    """Compress uploads, without loss: worth it unless the network is faster than a processor can compress."""

    @field_validator("url")
    @classmethod
    def _plain(cls, url: str) -> str:
        # A recipe and its URL are written into projects and reports, where a secret must not be.
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be like http://render-box:8765 or https://studio.example/avlink")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must not hold a user, password, query or fragment; the token goes into a file")
        return url.rstrip("/")


@hookimpl
def avlink_executors() -> list[Executor]:
    """Offer `remote`, for any backend in both directions."""
    return [Executor(name="remote", options=RemoteOptions, load="avlink_remote.generators:load_on_server")]


@hookimpl
def avlink_backends() -> list[Backend]:
    """Offer `remote` as recipes wrote it before there were executors."""
    return [
        Backend(
            name="remote",
            direction="v2a",
            options=RemoteOptions,
            fingerprint="avlink_remote.backend:sound_fingerprint",
            load="avlink_remote.backend:load_sound",
            deprecated=_DEPRECATED % "fusion-v2a",
        ),
        Backend(
            name="remote-a2v",
            direction="a2v",
            options=RemoteOptions,
            fingerprint="avlink_remote.backend:picture_fingerprint",
            load="avlink_remote.backend:load_picture",
            deprecated=_DEPRECATED % "fusion-a2v",
        ),
    ]


@hookimpl
def avlink_commands() -> list[Command]:
    """Offer `avlink serve`."""
    return [Command(name="serve", summary="Generate for other machines.", load="avlink_remote.command:serve")]


@hookimpl
def avlink_recipe_kinds() -> list[RecipeKind]:
    """Offer recipes of `kind = "serve"`."""
    return [RecipeKind(name="serve", model=ServeRecipe, recipes="avlink_remote", check=check_served)]
