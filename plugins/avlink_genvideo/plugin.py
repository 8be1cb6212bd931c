"""The hook implementations of `avlink_genvideo`: `avlink finish`, and prompts from media for clips in an edit.

The command is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import avlink
from avlink import InputError, Options, Prompt, hookimpl
from avlink.hooks import ClipSettings, Command, CommandOption, RunClip
from avlink_genvideo.animated_images import is_animated
from avlink_genvideo.metadata import read_metadata
from avlink_genvideo.prompt import extract_prompt
from avlink_genvideo.provenance import TAG


class GenvideoOptions(Options):
    """The options of `[plugins.avlink_genvideo]`."""

    # The prompt is part of the cache key, so installing the plugin must not turn this on.
    use_metadata: bool = False
    """Take the prompt of a clip without one from the metadata that a generator left with its media."""


@hookimpl
def avlink_commands() -> list[Command]:
    """Add `avlink finish`."""
    return [Command(name="finish", summary="Give generated videos their sound.", load="avlink_genvideo.command:finish")]


@hookimpl
def avlink_command_options() -> list[CommandOption]:
    """Add `--metadata-prompt`."""
    return [
        CommandOption(
            name="metadata-prompt",
            commands=("sonify",),
            sets="plugins.avlink_genvideo.use_metadata",
            type=bool,
            help="Take prompts from the metadata that a video generator left with the media.",
        )
    ]


@hookimpl
def avlink_run_options() -> type[GenvideoOptions]:
    """Return the model of `[plugins.avlink_genvideo]`."""
    return GenvideoOptions


@hookimpl
def avlink_clip_prompt(clip: RunClip, settings: ClipSettings, options: GenvideoOptions) -> ClipSettings | None:
    """Take the prompt that a generator left with the clip's media, as `avlink finish` finds it, if the recipe asks.

    Words in the project come first. Without a negative prompt in the metadata that of the settings stays. Pictures for
    sound get none: the prompt of a movie is cleaned for its sound.
    """
    if not options.use_metadata or clip.has_own_prompt or clip.direction != "v2a":
        return None
    found = extract_prompt(read_metadata(clip.media, _generator_tags(clip.media)), file_name=clip.media.name)
    if not found.text:
        return None
    return replace(settings, prompt=Prompt(text=found.text, negative=found.negative or settings.prompt.negative))


def _generator_tags(path: Path) -> Mapping[str, str]:
    """Return the tags of the container without the provenance that `avlink finish` adds, which holds a prompt, too."""
    if is_animated(path):
        return {}
    try:
        tags = avlink.read_tags(path)
    except InputError:
        # A file that cannot be read fails when it is decoded, with a better reason.
        return {}
    return {name: text for name, text in tags.items() if name.lower() != TAG}
