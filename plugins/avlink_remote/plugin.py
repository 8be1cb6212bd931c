"""What this plugin offers. The work is in the sibling modules, which are imported when it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from avlink import hookimpl
from avlink.hooks import Backend, Command, RecipeKind
from avlink_remote.options import RemoteOptions
from avlink_remote.recipe import ServeRecipe, check_served

if TYPE_CHECKING:
    from avlink import PictureGenerator, SoundGenerator


def sound_fingerprint(options: RemoteOptions) -> str:
    """What names the server's model for sound; see `avlink_remote.backend`."""
    from avlink_remote.backend import fingerprint

    return fingerprint(options, "v2a")


def picture_fingerprint(options: RemoteOptions) -> str:
    """What names the server's model for pictures."""
    from avlink_remote.backend import fingerprint

    return fingerprint(options, "a2v")


def load_sound(options: RemoteOptions, device: str) -> SoundGenerator:
    """Sound from the server; the device is the server's affair."""
    from avlink_remote.generators import open_sound

    return open_sound(options)


def load_picture(options: RemoteOptions, device: str) -> PictureGenerator:
    """Pictures from the server."""
    from avlink_remote.generators import open_picture

    return open_picture(options)


def load_command() -> Callable[..., Any]:
    """The function behind `avlink serve`."""
    from avlink_remote.command import serve

    return serve


@hookimpl
def avlink_backends() -> list[Backend]:
    """Offer both directions of a server. Nothing of it is asked before a recipe names one."""
    return [
        Backend(name="remote", direction="v2a", options=RemoteOptions, fingerprint=sound_fingerprint, load=load_sound),
        Backend(
            name="remote-a2v",
            direction="a2v",
            options=RemoteOptions,
            fingerprint=picture_fingerprint,
            load=load_picture,
        ),
    ]


@hookimpl
def avlink_commands() -> list[Command]:
    """Offer `avlink serve`."""
    return [Command(name="serve", summary="Generate for other machines.", load=load_command)]


@hookimpl
def avlink_recipe_kinds() -> list[RecipeKind]:
    """Offer recipes of `kind = "serve"`."""
    return [RecipeKind(name="serve", model=ServeRecipe, recipes="avlink_remote", check=check_served)]
