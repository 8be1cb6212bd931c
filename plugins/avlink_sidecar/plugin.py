"""The hooks of the plugin: each does nothing unless the recipe or a file beside the project asks for it."""

from __future__ import annotations

from pathlib import Path

from avlink import hookimpl
from avlink.hooks import ClipSettings, CommandOption, MissingMedia, RunClip, RunProject, RunStem
from avlink_sidecar.checksums import add_stem, write_project
from avlink_sidecar.media_roots import find_media
from avlink_sidecar.options import SidecarOptions
from avlink_sidecar.prompts import prompt_from_file


@hookimpl
def avlink_run_options() -> type[SidecarOptions]:
    """Return the model of `[plugins.avlink_sidecar]`."""
    return SidecarOptions


@hookimpl
def avlink_command_options() -> list[CommandOption]:
    """Offer `--prompt-files` and `--checksums`."""
    return [
        CommandOption(
            name="prompt-files",
            commands=("sonify", "visualize"),
            sets="plugins.avlink_sidecar.prompts",
            type=bool,
            help="Take prompts from text files beside the media: door.prompt.txt for door.mp4.",
        ),
        CommandOption(
            name="checksums",
            commands=("sonify", "visualize"),
            sets="plugins.avlink_sidecar.checksums",
            type=bool,
            help="Write SHA-256 sums of the stems and of the project.",
        ),
    ]


@hookimpl
def avlink_resolve_media(media: MissingMedia, options: SidecarOptions) -> Path | None:
    """Search the folders of the recipe and of the list beside the project."""
    return find_media(media, options)


@hookimpl
def avlink_clip_prompt(clip: RunClip, settings: ClipSettings, options: SidecarOptions) -> ClipSettings | None:
    """Read the prompt file of a clip, if the recipe asks for it."""
    return prompt_from_file(clip, settings) if options.prompts else None


@hookimpl
def avlink_stem_written(stem: RunStem, options: SidecarOptions) -> None:
    """Add the checksum of a stem, if the recipe asks for it."""
    if options.checksums:
        add_stem(stem)


@hookimpl
def avlink_project_written(project: RunProject, options: SidecarOptions) -> None:
    """Write the checksums of a project, if the recipe asks for it."""
    if options.checksums:
        write_project(project)
