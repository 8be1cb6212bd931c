"""Dotted names in descriptors: imported when they are called, and failures name the plugin."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest

import avlink.testing
from avlink.core.errors import BundleError, PluginError
from avlink.core.recipe import SonifyRecipe, check_values
from avlink.core.values import Waveform
from avlink.hooks import (
    AudioProcessor,
    Backend,
    function_of,
    hookimpl,
    make_registry,
    resolve_backend,
    resolve_chain,
)

WAVE = Waveform(samples=np.full((1, 8), 0.5, np.float32), sample_rate=48000)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that is not imported yet."""
    (tmp_path / "lazy_parts.py").write_text(
        "from avlink import BundleError, Waveform\n"
        "from avlink.testing import ToneGenerator, ToneOptions\n"
        "def halve(wave, options): return Waveform(samples=wave.samples / 2, sample_rate=wave.sample_rate)\n"
        "def load(options, device): return ToneGenerator(ToneOptions())\n"
        "def fingerprint(options): return 'lazy'\n"
        "def refuse(options, device): raise BundleError('in words')\n"
        "class Kept:\n"
        "    halve = staticmethod(halve)\n"
        "number = 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "lazy_parts", None)
    del sys.modules["lazy_parts"]
    return "lazy_parts"


def processors(apply: str) -> types.ModuleType:
    plugin = types.ModuleType("lazy")
    plugin.avlink_audio_processors = hookimpl(lambda: [AudioProcessor(name="halve", apply=apply)])  # type: ignore[attr-defined]
    return plugin


def chain_of(apply: str):
    registry = make_registry(avlink.testing, processors(apply))
    return resolve_chain(check_values(SonifyRecipe, {"stems": {"post": ["halve"]}}), registry)


def test_a_name_does_what_its_function_does_and_is_imported_at_the_first_call(module: str) -> None:
    (halve,) = chain_of(f"{module}:halve")
    assert module not in sys.modules
    assert halve(WAVE).samples == pytest.approx(np.full((1, 8), 0.25))
    assert chain_of(f"{module}:Kept.halve")[0](WAVE).samples == pytest.approx(np.full((1, 8), 0.25))


def test_a_function_is_itself() -> None:
    assert function_of(print) is print


def test_every_function_of_a_backend_may_be_a_name(module: str) -> None:
    plugin = types.ModuleType("lazy")
    named = Backend(name="lazy", direction="v2a", load=f"{module}:load", fingerprint=f"{module}:fingerprint")
    plugin.avlink_backends = hookimpl(lambda: [named])  # type: ignore[attr-defined]
    ready = resolve_backend(check_values(SonifyRecipe, {"backend": {"name": "lazy"}}), make_registry(plugin))
    assert ready.fingerprint() == "lazy"
    assert ready.load("cpu").sample_rate == 16000


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lazy_parts:third", "'lazy_parts:third', which cannot be loaded: AttributeError"),
        ("lazy_parts.more:halve", "'lazy_parts.more:halve', which cannot be loaded: ModuleNotFoundError"),
        ("lazy_parts:number", "'lazy_parts:number', which is int, no function"),
    ],
)
def test_what_cannot_be_loaded_names_the_plugin(module: str, name: str, said: str) -> None:
    with pytest.raises(PluginError, match=f"^plugin 'lazy' names the function {said}"):
        chain_of(name)[0](WAVE)


def test_an_error_in_words_stays_as_it_is(module: str) -> None:
    with pytest.raises(BundleError, match=r"^in words$"):
        function_of(f"{module}:refuse")({}, "cpu")


@pytest.mark.parametrize("name", ["halve", "lazy_parts.halve", "lazy parts:halve", ":halve", "lazy_parts:", "a:b:c"])
def test_what_is_no_dotted_name_is_the_plugins_failure(name: str) -> None:
    with pytest.raises(PluginError, match=f"apply of its processor 'halve' is '{name}', which is no function, nor"):
        make_registry(processors(name))
