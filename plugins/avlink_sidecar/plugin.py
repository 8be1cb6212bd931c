"""The hooks of the plugin: each does nothing unless the recipe or a file beside the project asks for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from avlink import InputError, Prompt, hookimpl
from avlink.hooks import ClipSettings, CommandOption, MissingMedia, RunClip, RunProject, RunStem
from avlink_sidecar.checksums import add_stem, write_project
from avlink_sidecar.media_roots import find_media
from avlink_sidecar.options import SidecarOptions

_MAX_PROMPT_CHARS = 4000
_NEGATIVE = "negative:"


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
    """Take the prompt of the text file beside the clip's media, if the recipe asks for it.

    The file of door.mp4 is door.prompt.txt. Its lines are the prompt; those that begin with "negative:" say what it
    should not sound like. Words in the project come first. Raises InputError for a file that cannot be used.
    """
    path = clip.media.with_name(f"{clip.media.stem}.prompt.txt")
    if not options.prompts or clip.has_own_prompt or not path.is_file():
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the prompt in {path} cannot be read: {error}") from None
    if len(text) > _MAX_PROMPT_CHARS:
        raise InputError(f"the prompt in {path} has {len(text)} characters; {_MAX_PROMPT_CHARS} is the most")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    unwanted = [line[len(_NEGATIVE) :].strip() for line in lines if line.lower().startswith(_NEGATIVE)]
    wanted = [line for line in lines if not line.lower().startswith(_NEGATIVE)]
    negative = " ".join(unwanted) if unwanted else settings.prompt.negative
    return replace(settings, prompt=Prompt(text=" ".join(wanted) or settings.prompt.text, negative=negative))


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
