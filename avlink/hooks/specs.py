"""The hooks: everything that a plugin can do. A plugin is a module with functions of these names, marked `@hookimpl`.

A plugin is found by an entry point in the group `avlink`:

    [project.entry-points.avlink]
    my_plugin = "my_package.plugin"

There are two kinds of hooks. Those that return a list of descriptors (`avlink.hooks.descriptors`) are called once, at
start, without arguments. They must be quick and import nothing heavy: every command that works calls them, and so does
`avlink --help` after something was installed. Two components of one kind must not share a name. The recipe decides
which components are used, never the set of installed plugins.

Those that take part in a run are called while it goes on, one plugin after the other in the order of their names. They
get frozen values (`avlink.hooks.run_values`) and may leave out arguments that they do not need.

The whole contract, for authors of plugins: docs/plugins.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pluggy

from avlink.hooks.backends import Executor
from avlink.hooks.descriptors import (
    AudioProcessor,
    Backend,
    Command,
    CommandOption,
    Extractor,
    Options,
    Spotter,
    TimelineFormat,
)
from avlink.hooks.registry import RecipeKind
from avlink.hooks.run_values import ClipSettings, MissingMedia, RunClip, RunProject, RunStem

PROJECT = "avlink"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def avlink_backends() -> list[Backend]:  # type: ignore[empty-body]
    """Offer ways to generate sound for pictures (`direction="v2a"`) or pictures for sound (`"a2v"`).

    A recipe chooses one by `backend.name` and sets its options in `[backend.options]`.
    """


@hookspec
def avlink_executors() -> list[Executor]:  # type: ignore[empty-body]
    """Offer executors, which run backends elsewhere than on this machine, such as on a cluster.

    A recipe chooses one by `backend.on`, a name or a table of `use` and its options; nothing else in it changes.
    """


@hookspec
def avlink_audio_processors() -> list[AudioProcessor]:  # type: ignore[empty-body]
    """Offer steps that finish stems, from waveform to waveform of the same length.

    A recipe lists them in `stems.post`; they are applied in that order.
    """


@hookspec
def avlink_timeline_formats() -> list[TimelineFormat]:  # type: ignore[empty-body]
    """Offer files to write beside the finished timeline, such as a cue sheet.

    A recipe lists them in `write.also`.
    """


@hookspec
def avlink_commands() -> list[Command]:  # type: ignore[empty-body]
    """Offer commands for the command line, beside `avlink sonify`.

    A command of AVLink's own is never replaced, and of two plugins that offer the same name neither is used. A
    command calls the services that `avlink` exports, such as `sonify`.
    """


@hookspec
def avlink_command_options() -> list[CommandOption]:  # type: ignore[empty-body]
    """Offer options for AVLink's own commands, each of which sets a value of the recipe.

    They are listed under `--help` of the command. An option of AVLink's own is never replaced.
    """


@hookspec
def avlink_recipe_kinds() -> list[RecipeKind]:  # type: ignore[empty-body]
    """Offer kinds of recipes for commands of your own; `avlink recipes list`, `show` and `check` know them too.

    A command reads one with `avlink.find_recipe(name, YourModel, overrides)`.
    """


@hookspec
def avlink_extractors() -> list[Extractor]:  # type: ignore[empty-body]
    """Offer pretrained networks that describe sound, pictures or text by numbers.

    A recipe for `avlink evaluate` sets their checkpoints in `[extractors.<name>]`; metrics name them.
    """


@hookspec
def avlink_spotters() -> list[Spotter]:  # type: ignore[empty-body]
    """Offer ways to find the sounding events of a clip in its picture.

    A recipe for `avlink spot` chooses one by `spotter.name` and sets its options in `[spotter.options]`.
    """


@hookspec
def avlink_run_options() -> type[Options]:  # type: ignore[empty-body]
    """Return the model of this plugin's options, which a recipe sets in `[plugins.<name of the plugin>]`.

    Called once, at start. The hooks below get an instance as their argument `options`, with the defaults of the model
    where the recipe says nothing. Without this hook they get an empty `Options`.
    """


@hookspec
def avlink_resolve_media(media: MissingMedia, options: Any) -> Path | None:
    """Return the file of a reference of which no file was found, or None.

    Called for each clip without a file, after its own references and the folders of `--media-root`, and before the
    clip fails; by `avlink export` for sound. A relative path starts from the folder of the project.

    Order: by name of the plugin; the first path wins, and no other plugin is asked.
    Failure: that clip fails with the name of the plugin, and the others go on.
    Cache key: no. The content of the file is part of it, its path is not.
    """


@hookspec
def avlink_clip_prompt(clip: RunClip, settings: ClipSettings, options: Any) -> ClipSettings | None:
    """Return other settings for a clip: its prompt, its seed, its gain; None leaves them.

    Called for each clip whose media was found, before the run is planned, also for `--dry-run`. `settings` are those of
    the project and the recipe.

    Order: by name of the plugin; each gets the settings that the one before returned.
    Failure: that clip fails with the name of the plugin, and the others go on.
    Cache key: yes, by its result. Prompt and seed name the generated sound, the gain its stem, so the result must
    depend on nothing but the clip, the settings and the options if the cache shall be of use.
    """


@hookspec
def avlink_stem_written(stem: RunStem, options: Any) -> None:
    """React to a finished stem, or to a movie of generated pictures. The result is ignored.

    Called when the file is complete and in its place, for each take, also when it is taken from the cache. The file
    must not be changed.

    Order: by name of the plugin, stem by stem as they are finished.
    Failure: a warning that names the plugin; the stem stays, and the other plugins are called.
    Cache key: no.
    """


@hookspec
def avlink_project_written(project: RunProject, options: Any) -> None:
    """React to a finished project. The result is ignored.

    Called once a run, when all files are in their place; not for `--dry-run`, and not when nothing was written.

    Order: by name of the plugin, after every `avlink_stem_written` of the run.
    Failure: a warning that names the plugin; the files stay, and the other plugins are called.
    Cache key: no.
    """
