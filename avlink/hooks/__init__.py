"""The plugin contract: what a plugin may offer, and how plugins are found.

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
from avlink.hooks.components import (
    ReadyBackend,
    ReadyExecutor,
    ReadyProcessor,
    apply_chain,
    check_components,
    resolve_backend,
    resolve_chain,
    resolve_formats,
)
from avlink.hooks.descriptors import (
    AudioProcessor,
    Backend,
    Command,
    Direction,
    Executor,
    Extractor,
    ExtractorOptions,
    Medium,
    Options,
    RecipeKind,
    TimelineFormat,
)
from avlink.hooks.extractors import ReadyExtractor, resolve_extractor, resolve_for_pictures
from avlink.hooks.loader import load_registry, make_registry
from avlink.hooks.recipes import find_recipe, named_recipes
from avlink.hooks.registry import Clash, PluginFailure, PluginInfo, Registry
from avlink.hooks.specs import hookimpl, hookspec

__all__ = [
    "Answer",
    "AudioProcessor",
    "Backend",
    "Clash",
    "Command",
    "Direction",
    "Executor",
    "Extractor",
    "ExtractorOptions",
    "Grid",
    "Line",
    "Lines",
    "Medium",
    "Options",
    "PluginFailure",
    "PluginInfo",
    "ReadyBackend",
    "ReadyExecutor",
    "ReadyExtractor",
    "ReadyProcessor",
    "Recipe",
    "RecipeKind",
    "Registry",
    "TimelineFormat",
    "apply_chain",
    "check_components",
    "find_recipe",
    "hookimpl",
    "hookspec",
    "load_registry",
    "make_registry",
    "named_recipes",
    "resolve_backend",
    "resolve_chain",
    "resolve_extractor",
    "resolve_for_pictures",
    "resolve_formats",
]
