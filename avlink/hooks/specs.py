"""The hooks: everything a plugin can do. A plugin is a module with functions of these names, marked `@hookimpl`.

A plugin is found by an entry point in the group `avlink`:

    [project.entry-points.avlink]
    my_plugin = "my_package.plugin"

All hooks here are providers. They are called once, at start, without arguments, and return a list of descriptions
(`avlink.hooks.descriptors`); an empty list is fine. They must be quick and import nothing heavy: every command that
works runs them, and so does `avlink --help` after something was installed. Two components of one kind must not share a
name. What a component does is decided by the recipe that names it, never by which plugins happen to be installed.

The whole contract, for who writes plugins: docs/plugins.md.
"""

from __future__ import annotations

import pluggy

from avlink.hooks.descriptors import AudioProcessor, Backend, Command, Executor, Extractor, RecipeKind, TimelineFormat

PROJECT = "avlink"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def avlink_backends() -> list[Backend]:  # type: ignore[empty-body]
    """Offer ways to generate sound for pictures (`direction="v2a"`) or pictures for sound (`"a2v"`).

    A recipe chooses one by `backend.name` and gives its options in `[backend.options]`.
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
    """Offer commands for the command line, which then stand beside `avlink sonify`.

    A command of AVLink's own is never replaced, and of two plugins that offer the same name neither is used. A
    command calls AVLink's services by what `avlink` exports, such as `sonify`.
    """


@hookspec
def avlink_recipe_kinds() -> list[RecipeKind]:  # type: ignore[empty-body]
    """Offer kinds of recipes for commands of your own; `avlink recipes list`, `show` and `check` know them too.

    A command reads one with `avlink.find_recipe(name, YourModel, overrides)`.
    """


@hookspec
def avlink_extractors() -> list[Extractor]:  # type: ignore[empty-body]
    """Offer pretrained networks that describe sound, pictures or words by numbers.

    A recipe for `avlink evaluate` gives their checkpoints in `[extractors.<name>]`; metrics name them.
    """
