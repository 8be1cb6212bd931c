from __future__ import annotations

import sys
import types
from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

import avlink.testing
from avlink.core.errors import MediaError, PluginError, RecipeError
from avlink.core.recipe import SonifyRecipe, VisualizeRecipe, check_values
from avlink.core.sound import FittedSound, read_whole
from avlink.core.values import Waveform
from avlink.hooks import (
    AudioProcessor,
    Backend,
    Executor,
    Options,
    Registry,
    TimelineFormat,
    apply_chain,
    check_components,
    hookimpl,
    load_registry,
    make_registry,
    resolve_backend,
    resolve_chain,
    resolve_formats,
)


class GainOptions(Options):
    gain_db: float = 0.0


def gain(wave: Waveform, options: GainOptions) -> Waveform:
    return Waveform(samples=wave.samples * np.float32(10 ** (options.gain_db / 20)), sample_rate=wave.sample_rate)


def plugin_of(name: str, **hooks: Callable[[], object]) -> types.ModuleType:
    """A plugin as a module, as they all are."""
    module = types.ModuleType(name)
    for hook, function in hooks.items():
        setattr(module, hook, hookimpl(function))
    return module


def processor(name: str = "gain", apply: Callable[..., Waveform] = gain) -> AudioProcessor:
    return AudioProcessor(name=name, options=GainOptions, apply=apply)


BACKEND = partial(Backend, name="b", direction="v2a", fingerprint=str, load=print)
FORMAT = partial(TimelineFormat, name="f", suffix=".f", write=print)
GAIN = plugin_of("gains", avlink_audio_processors=lambda: [processor()])
CUES = plugin_of(
    "cues",
    avlink_timeline_formats=lambda: [TimelineFormat(name="cues", suffix=".csv", write=lambda timeline, path: None)],
)
REGISTRY = make_registry(avlink.testing, GAIN, CUES)
WAVE = Waveform(samples=np.full((1, 8), 0.5, np.float32), sample_rate=48000)


def recipe(**values: object) -> SonifyRecipe:
    return check_values(SonifyRecipe, {"backend": {"name": "tone"}, **values})


class TestRegistry:
    def test_it_holds_what_plugins_offer_by_name(self) -> None:
        assert set(REGISTRY.backends) == {"tone", "flat"}
        assert set(REGISTRY.processors) == {"gain"}
        assert set(REGISTRY.formats) == {"cues"}
        assert [info.name for info in REGISTRY.plugins] == ["avlink.testing", "gains", "cues"]

    def test_the_order_of_plugins_shows_nowhere(self) -> None:
        backwards = make_registry(CUES, GAIN, avlink.testing)
        assert list(backwards.backends) == list(REGISTRY.backends)

    def test_two_of_a_name_are_an_error_that_names_both_plugins(self) -> None:
        other = plugin_of("others", avlink_audio_processors=lambda: [processor()])
        with pytest.raises(PluginError, match="processor 'gain' is offered by the plugins 'gains' and 'others'"):
            make_registry(GAIN, other)

    def test_a_name_that_is_not_there_gets_the_nearest_and_all(self) -> None:
        with pytest.raises(
            RecipeError, match="backend 'tones' is not registered; did you mean 'tone'\\? known: flat, tone"
        ):
            REGISTRY.backend("tones")

    @pytest.mark.parametrize(
        ("plugin", "said"),
        [
            (
                plugin_of("p", avlink_backend=lambda: [processor()]),
                "'avlink_backend', .* mean 'avlink_backends'",
            ),
            (plugin_of("p", avlink_backends=lambda config: []), "asks for 'config', and hooks get no arguments"),
            (plugin_of("p", avlink_backends=lambda: processor()), "not a list"),
            (plugin_of("p", avlink_backends=lambda: [processor()]), "is no Backend"),
            (plugin_of("p", avlink_audio_processors=lambda: [processor("Two Words")]), "names are lower case"),
            (plugin_of("p", avlink_backends=lambda: 1 / 0), "ZeroDivisionError"),
            (plugin_of("p", avlink_audio_processors=lambda: [processor(), processor()]), "'gain' twice"),
            (plugin_of("p", avlink_audio_processors=lambda: [processor(apply=None)]), "is None, which is no function"),
            (plugin_of("p", avlink_backends=lambda: [BACKEND(direction="a2b")]), "'a2b', which is no direction"),
            (plugin_of("p", avlink_backends=lambda: [BACKEND(options=dict)]), "<class 'dict'>, which is no Options"),
            (plugin_of("p", avlink_timeline_formats=lambda: [FORMAT(suffix="csv")]), "'csv', which is no suffix"),
        ],
    )
    def test_what_is_wrong_with_a_plugin_is_told(self, plugin: types.ModuleType, said: str) -> None:
        with pytest.raises(PluginError, match=said):
            make_registry(plugin)


class TestLoader:
    """Discovery, with distributions that are really on the path."""

    @pytest.fixture
    def install(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        def install_plugin(name: str, source: str) -> None:
            (tmp_path / f"{name}_plugin.py").write_text(source)
            info = tmp_path / f"{name}-1.2.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
            (info / "entry_points.txt").write_text(f"[avlink]\n{name} = {name}_plugin\n")
            monkeypatch.setitem(sys.modules, f"{name}_plugin", None)
            del sys.modules[f"{name}_plugin"]

        monkeypatch.syspath_prepend(str(tmp_path))
        return install_plugin

    GOOD = (
        "from avlink import hookimpl\n"
        "from avlink.hooks import AudioProcessor\n"
        "@hookimpl\n"
        "def avlink_audio_processors():\n"
        "    return [AudioProcessor(name='same', apply=lambda wave, options: wave)]\n"
    )

    def test_installed_plugins_are_found(self, install) -> None:
        install("good", self.GOOD)
        registry = load_registry(["good"])
        assert list(registry.processors) == ["same"]
        (info,) = registry.plugins
        assert (info.name, info.origin.package, info.origin.module) == ("good", "good 1.2", "good_plugin")
        assert info.origin.file is not None and info.origin.file.name == "good_plugin.py"

    def test_a_broken_one_is_kept_as_a_failure_and_the_others_work(self, install) -> None:
        install("good", self.GOOD)
        install("broken", "raise RuntimeError('licence server\\nnot reached')\n")
        install("leaves", "import sys\nsys.exit(3)\n")
        install("typo", "from avlink import hookimpl\n@hookimpl\ndef avlink_backend(): return []\n")
        registry = load_registry(["good", "broken", "leaves", "typo", "absent"])
        assert list(registry.processors) == ["same"]
        reasons = {failure.plugin: failure.reason for failure in registry.failures}
        assert reasons["broken"] == "RuntimeError: licence server not reached (broken_plugin.py, line 1)"
        assert reasons["absent"] == "it is not installed"
        assert set(reasons) == {"broken", "leaves", "typo", "absent"}
        with pytest.raises(RecipeError, match="plugin 'broken' failed to load: RuntimeError: licence server"):
            registry.backend("theirs")

    def test_a_plugin_that_fails_half_way_offers_nothing(self, install) -> None:
        install("half", f"{self.GOOD}@hookimpl\ndef avlink_timeline_formats(): raise OSError('no')\n")
        registry = load_registry(["half"])
        assert not registry.processors
        assert [failure.plugin for failure in registry.failures] == ["half"]

    def test_a_name_that_two_offer_is_nobodys_and_the_rest_works(self, install) -> None:
        install("good", self.GOOD)
        install("twin", self.GOOD)
        registry = load_registry(["good", "twin"])
        assert registry.failures == () and list(registry.processors) == []
        with pytest.raises(RecipeError, match="processor 'same' is offered by the plugins 'good' and 'twin', so none"):
            registry.processor("same")

    def test_what_is_ours_stays_ours(self, install) -> None:
        install("a_thief", self.GOOD.replace("same", "fades"))
        registry = load_registry(["a_thief", "avlink_post"])
        assert registry.processors["fades"].options.__name__ == "FadesOptions"
        assert [clash.kept for clash in registry.clashes] == ["avlink_post"]
        assert "so only that of 'avlink_post' is used" in str(registry.clashes[0])

    def test_the_environment_restricts(self, install) -> None:
        install("good", self.GOOD)
        assert list(load_registry(environ={"AVLINK_PLUGINS": "good"}).processors) == ["same"]
        assert load_registry(environ={"AVLINK_PLUGINS": ""}) == Registry()
        assert "same" in load_registry(environ={}).processors

    def test_the_environment_traces(self, install, capsys: pytest.CaptureFixture[str]) -> None:
        install("good", self.GOOD)
        load_registry(["good"], environ={"AVLINK_TRACE_HOOKS": "1"})
        assert "avlink: calling avlink_audio_processors of good" in capsys.readouterr().err
        load_registry(["good"], environ={"AVLINK_TRACE_HOOKS": "0"})
        assert capsys.readouterr().err == ""

    def test_our_own_plugins_come_the_same_way(self) -> None:
        ours = {point.name for point in entry_points(group="avlink") if point.dist and point.dist.name == "avlink"}
        assert "avlink_post" in ours
        assert load_registry(sorted(ours)).failures == ()


class TestComponents:
    def test_options_are_the_components_own(self) -> None:
        ready = resolve_backend(recipe(backend={"name": "tone", "options": {"steps": 7}}), REGISTRY)
        assert ready.options.steps == 7  # type: ignore[attr-defined]
        assert "7" in ready.fingerprint()

    def test_all_mistakes_are_told_at_once(self) -> None:
        wrong = recipe(
            backend={"name": "tone", "options": {"step": 7, "peak": "loud"}},
            stems={"post": ["gaim", {"use": "gain", "gain": 3}, {"use": "gain", "gain_db": "3"}]},
            write={"also": ["cue"]},
        )
        with pytest.raises(RecipeError) as caught:
            check_components(wrong, REGISTRY)
        said = str(caught.value)
        assert "backend.options.step: unknown key; did you mean 'backend.options.steps'?" in said
        assert 'backend.options.peak = "loud": must be a number' in said
        assert "stems.post[0]: processor 'gaim' is not registered; did you mean 'gain'?" in said
        assert "stems.post[1].gain: unknown key; did you mean 'gain_db'?" in said
        assert 'stems.post[2].gain_db = "3": must be a number' in said
        assert "write.also[0]: timeline format 'cue' is not registered; did you mean 'cues'?" in said
        assert len(said.splitlines()) == 7

    def test_an_executor_has_options_of_its_own(self) -> None:
        far = Executor(name="far", options=GainOptions, load=lambda backend, options, device: None)
        registry = make_registry(avlink.testing, plugin_of("far", avlink_executors=lambda: [far]))
        here = resolve_backend(recipe(backend={"name": "tone"}), registry)
        for on in ("far", {"use": "far", "gain_db": 3.0}):
            there = resolve_backend(recipe(backend={"name": "tone", "on": on}), registry)
            assert there.executor is not None and there.executor.executor is far
            assert (there.name, there.fingerprint()) == (here.name, here.fingerprint())
        with pytest.raises(RecipeError) as caught:
            check_components(recipe(backend={"name": "tone", "on": {"use": "far", "gain": 1}}), registry)
        assert "backend.on.gain: unknown key; did you mean 'backend.on.gain_db'?" in str(caught.value)
        with pytest.raises(RecipeError, match=r"backend\.on: executor 'fra' is not registered; did you mean 'far'\?"):
            resolve_backend(recipe(backend={"name": "tone", "on": "fra"}), registry)

    def test_sound_is_not_made_by_what_makes_pictures(self) -> None:
        with pytest.raises(RecipeError, match="does not make sound; known that do: tone"):
            resolve_backend(recipe(backend={"name": "flat"}), REGISTRY)
        pictures = check_values(VisualizeRecipe, {"backend": {"name": "tone"}})
        with pytest.raises(RecipeError, match="does not make pictures; known that do: flat"):
            resolve_backend(pictures, REGISTRY)

    def test_a_chain_is_applied_in_order(self) -> None:
        chain = resolve_chain(recipe(stems={"post": [{"use": "gain", "gain_db": -20.0}, "gain"]}), REGISTRY)
        assert apply_chain(WAVE, chain).samples == pytest.approx(np.full((1, 8), 0.05))
        assert chain[0].key == {"use": "gain", "version": "1", "options": {"gain_db": -20.0}}
        assert chain[0].key != chain[1].key

    def test_formats_are_found(self) -> None:
        assert [found.suffix for found in resolve_formats(recipe(write={"also": ["cues"]}), REGISTRY)] == [".csv"]

    @pytest.mark.parametrize(
        ("apply", "error", "said"),
        [
            (lambda wave, options: Waveform(samples=wave.samples[:, 1:], sample_rate=48000), PluginError, "turned"),
            (lambda wave, options: Waveform(samples=wave.samples, sample_rate=44100), PluginError, "turned"),
            (lambda wave, options: None, PluginError, "processor 'bad' returned NoneType, which is no sound"),
            (lambda wave, options: 1 / 0, PluginError, "processor 'bad' failed: ZeroDivisionError"),
            (lambda wave, options: (_ for _ in ()).throw(MediaError("in words")), MediaError, "^in words$"),
        ],
    )
    def test_a_processor_that_breaks_its_promise_is_named(self, apply, error: type[Exception], said: str) -> None:
        registry = make_registry(plugin_of("bad", avlink_audio_processors=lambda: [processor("bad", apply)]))
        chain = resolve_chain(recipe(stems={"post": ["bad"]}), registry)
        with pytest.raises(error, match=said):
            apply_chain(WAVE, chain)

    def test_a_processor_that_fails_when_its_sound_is_read_is_named(self) -> None:
        class Broken(FittedSound):
            def read(self, start: int, stop: int):
                raise ZeroDivisionError("nothing to divide by")

        lazy = AudioProcessor(name="lazy", apply=lambda sound, options: Broken(sound, sound.num_samples), whole=False)
        registry = make_registry(plugin_of("lazy", avlink_audio_processors=lambda: [lazy]))
        sound = apply_chain(WAVE, resolve_chain(recipe(stems={"post": ["lazy"]}), registry))
        with pytest.raises(PluginError, match="processor 'lazy' failed: ZeroDivisionError: nothing"):
            read_whole(sound)

    def test_a_backend_that_fails_is_named(self) -> None:
        def load(options: Options, device: str):
            raise ImportError("no module named 'cuda_thing'")

        backend = Backend(name="theirs", direction="v2a", fingerprint=lambda options: "1", load=load)
        registry = make_registry(plugin_of("theirs", avlink_backends=lambda: [backend]))
        ready = resolve_backend(recipe(backend={"name": "theirs"}), registry)
        with pytest.raises(PluginError, match="backend 'theirs' failed in loading: ImportError: no module named"):
            ready.load("cpu")

    def test_a_backend_that_gives_something_else_is_named(self) -> None:
        backend = Backend(name="odd", direction="v2a", fingerprint=lambda options: 7, load=lambda options, device: 7)
        ready = resolve_backend(
            recipe(backend={"name": "odd"}), make_registry(plugin_of("odd", avlink_backends=lambda: [backend]))
        )
        with pytest.raises(PluginError, match="backend 'odd' loaded int, which is no generator: it has no 'generate'"):
            ready.load("cpu")
        with pytest.raises(PluginError, match="backend 'odd' gave int as its fingerprint, not text"):
            ready.fingerprint()
