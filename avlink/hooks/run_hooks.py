"""Calls of the hooks that take part in a run, with their failure rules.

Every plugin is called alone, in the order of plugin names, so that a failure is known to be its own and the order of
installation has no effect. A failure of `avlink_resolve_media` or `avlink_clip_prompt` is raised, for the clip to fail
with it; a failure of an observer is told as a warning, and the other observers are called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avlink.core.errors import AvlinkError, PluginError
from avlink.core.events import Listener, Message, ignore
from avlink.hooks.descriptors import Options
from avlink.hooks.diagnostics import describe_call
from avlink.hooks.run_values import ClipSettings, MissingMedia, RunClip, RunProject, RunStem

RUN_HOOKS = ("avlink_resolve_media", "avlink_clip_prompt", "avlink_stem_written", "avlink_project_written")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlugin:
    """A plugin that takes part in runs: its functions by the name of the hook, and the model of its options.

    The functions take the arguments of the hook by name and return a list of one result, which is empty for None.
    """

    name: str
    functions: Mapping[str, Callable[..., list[Any]]]
    options: type[Options] = Options


class RunHooks:
    """The hooks of one run: plugins with their options as the recipe sets them."""

    def __init__(self, plugins: Sequence[tuple[RunPlugin, Options]] = (), *, listener: Listener = ignore) -> None:
        # By name, and not in pluggy's order of registration: a result must not depend on what was installed last.
        self._plugins = sorted(plugins, key=lambda entry: entry[0].name)
        self._listener = listener

    def resolve_media(self, media: MissingMedia) -> Path | None:
        """Return the file that the first plugin finds for a reference, or None.

        Raises PluginError that names the plugin when one fails or returns a path that is no file. Plugins after it are
        not asked, for they may find another file than the plugin that failed.
        """
        for plugin, options in self._having("avlink_resolve_media"):
            found = _call(plugin, "avlink_resolve_media", media=media, options=options)
            if found is None:
                continue
            if not isinstance(found, str | Path):
                raise _failure(plugin, "avlink_resolve_media", f"it returned {type(found).__name__}, not a path")
            # An absolute path stays what it is.
            path = media.folder / found
            if not path.is_file():
                raise _failure(plugin, "avlink_resolve_media", f"it returned '{path}', which is no file")
            return path
        return None

    def clip_prompt(self, clip: RunClip, settings: ClipSettings) -> ClipSettings:
        """Return the settings of a clip after all plugins; each gets what the one before returned.

        Raises PluginError that names the plugin when one fails.
        """
        for plugin, options in self._having("avlink_clip_prompt"):
            changed = _call(plugin, "avlink_clip_prompt", clip=clip, settings=settings, options=options)
            if changed is not None and not isinstance(changed, ClipSettings):
                kind = type(changed).__name__
                raise _failure(plugin, "avlink_clip_prompt", f"it returned {kind}, not ClipSettings")
            settings = settings if changed is None else changed
        return settings

    def stem_written(self, stem: RunStem) -> None:
        """Tell all plugins of a finished stem; failures become warnings."""
        self._observe("avlink_stem_written", stem=stem)

    def project_written(self, project: RunProject) -> None:
        """Tell all plugins of a finished run; failures become warnings."""
        self._observe("avlink_project_written", project=project)

    def _having(self, hook: str) -> list[tuple[RunPlugin, Options]]:
        return [(plugin, options) for plugin, options in self._plugins if hook in plugin.functions]

    def _observe(self, hook: str, **arguments: Any) -> None:
        for plugin, options in self._having(hook):
            try:
                _call(plugin, hook, **arguments, options=options)
            except PluginError as error:
                self._listener(Message(text=str(error), level="warning"))


def _call(plugin: RunPlugin, hook: str, **arguments: Any) -> Any:
    try:
        results = plugin.functions[hook](**arguments)
    except AvlinkError as error:
        raise _failure(plugin, hook, str(error)) from error
    except Exception as error:
        raise _failure(plugin, hook, describe_call(error)) from error
    # pluggy leaves None out of the list of results.
    return next(iter(results), None)


def _failure(plugin: RunPlugin, hook: str, words: str) -> PluginError:
    return PluginError(f"plugin '{plugin.name}' failed in {hook}: {words}")
