"""The plugin contract: hooks, descriptors of what plugins offer, and the registry that finds and checks them.

Imports no torch. What a hook registers belongs here; what is done with it belongs to the services above.

A whole plugin:

    from avlink import Options, Waveform, hookimpl
    from avlink.hooks import AudioProcessor

    class Gain(Options):
        gain_db: float = 0.0

    def gain(wave: Waveform, options: Gain) -> Waveform:
        return Waveform(samples=wave.samples * 10 ** (options.gain_db / 20), sample_rate=wave.sample_rate)

    @hookimpl
    def avlink_audio_processors() -> list[AudioProcessor]:
        return [AudioProcessor(name="gain", options=Gain, apply=gain)]
"""

from avlink.core.answer import Answer, Grid, Line, Lines
from avlink.core.recipe import Recipe
from avlink.hooks.backends import Executor, ReadyBackend, ReadyExecutor
from avlink.hooks.descriptors import (
    AudioProcessor,
    Backend,
    Command,
    CommandOption,
    Direction,
    Extractor,
    ExtractorOptions,
    Medium,
    Options,
    OptionType,
    Spotter,
    SpotterOptions,
    TimelineFormat,
)
from avlink.hooks.diagnostics import describe_call
from avlink.hooks.extractors import ReadyExtractor, resolve_extractor, resolve_for_pictures
from avlink.hooks.loader import load_registry, make_registry
from avlink.hooks.processors import ReadyProcessor, apply_chain
from avlink.hooks.recipes import find_recipe, named_recipes
from avlink.hooks.references import function_of
from avlink.hooks.registry import Clash, PluginFailure, PluginInfo, RecipeKind, Registry
from avlink.hooks.resolve import (
    check_components,
    resolve_backend,
    resolve_chain,
    resolve_formats,
    resolve_run_hooks,
)
from avlink.hooks.run_hooks import RunHooks, RunPlugin
from avlink.hooks.run_values import ClipSettings, MissingMedia, RunClip, RunProject, RunStem
from avlink.hooks.specs import hookimpl, hookspec
from avlink.hooks.spotters import ReadySpotter, named_spotter, resolve_spotter

__all__ = [
    "Answer",
    "AudioProcessor",
    "Backend",
    "Clash",
    "ClipSettings",
    "Command",
    "CommandOption",
    "Direction",
    "Executor",
    "Extractor",
    "ExtractorOptions",
    "Grid",
    "Line",
    "Lines",
    "Medium",
    "MissingMedia",
    "OptionType",
    "Options",
    "PluginFailure",
    "PluginInfo",
    "ReadyBackend",
    "ReadyExecutor",
    "ReadyExtractor",
    "ReadyProcessor",
    "ReadySpotter",
    "Recipe",
    "RecipeKind",
    "Registry",
    "RunClip",
    "RunHooks",
    "RunPlugin",
    "RunProject",
    "RunStem",
    "Spotter",
    "SpotterOptions",
    "TimelineFormat",
    "apply_chain",
    "check_components",
    "describe_call",
    "find_recipe",
    "function_of",
    "hookimpl",
    "hookspec",
    "load_registry",
    "make_registry",
    "named_recipes",
    "named_spotter",
    "resolve_backend",
    "resolve_chain",
    "resolve_extractor",
    "resolve_for_pictures",
    "resolve_formats",
    "resolve_run_hooks",
    "resolve_spotter",
]
