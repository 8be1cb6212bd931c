"""Helpers for the tests of plugins: quick, deterministic, without training or downloads.

    registry = fake_registry(my_plugin)         # your plugin beside `tone` and `flat`, whatever is installed
    cut = make_timeline(tmp_path)               # cut.otio over two small movies
    clock = FakeClock()                         # stands still until clock.advance(5)

`tone` answers every clip with a sine whose pitch encodes the job's seed (`tone_hz`), so that a test can hear which job
a stem came from. `flat` answers every sound with frames of one grey that encodes the seed. This module is a plugin
itself: `make_registry(avlink.testing, my_plugin)` is what `fake_registry(my_plugin)` does.
"""

from avlink.hooks import Registry, make_registry
from avlink.testing.clock import FakeClock
from avlink.testing.footage import Shot, make_movie, make_timeline
from avlink.testing.generators import (
    FlatGenerator,
    FlatOptions,
    ToneGenerator,
    ToneOptions,
    avlink_backends,
    tone_hz,
)

__all__ = [
    "FakeClock",
    "FlatGenerator",
    "FlatOptions",
    "Shot",
    "ToneGenerator",
    "ToneOptions",
    "avlink_backends",
    "fake_registry",
    "make_movie",
    "make_registry",
    "make_timeline",
    "tone_hz",
]


def fake_registry(*plugins: object, **named: object) -> Registry:
    """Return a registry of `tone`, `flat` and the given plugins (modules), whatever is installed.

    A plugin that is given by keyword has that name, as an entry point would give it. Raises PluginError for a plugin
    that cannot be used, with the reason.
    """
    import avlink.testing

    return make_registry(avlink.testing, *plugins, **named)
