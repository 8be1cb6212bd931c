"""The options of the plugin in `[plugins.avlink_sidecar]`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from avlink import Options


class SidecarOptions(Options):
    """The files that are read and written. A list of media folders is read wherever it lies beside a project."""

    media_roots: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Folders to search for missing media by name; relative ones start from the folder of the project."""
    media_roots_file: str = "media_roots.txt"
    """A file beside the project, or in the folder above, with a folder to search in each line."""
    any_suffix: bool = False
    """Accept a file of the same name with another suffix, such as the proxy A001.mov of A001.mxf."""
    prompts: bool = False
    """Take the prompt of a clip from a text file beside its media: door.prompt.txt for door.mp4."""
    checksums: bool = False
    """Write SHA-256 sums: of stems into SHA256SUMS in their folder, of a project into a .sha256 file beside it."""
