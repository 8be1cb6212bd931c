"""The hook implementations of `avlink_genvideo`. The command is imported when it is used."""

from __future__ import annotations

from avlink import hookimpl
from avlink.hooks import ClipSettings, Command, CommandOption, RunClip
from avlink_genvideo.clip_prompt import GenvideoOptions, prompt_from_metadata


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
    """Read the prompt in the metadata of a clip's media, if the recipe asks for it."""
    return prompt_from_metadata(clip, settings) if options.use_metadata else None
