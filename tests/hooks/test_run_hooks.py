"""Hooks that take part in a run: call order, failure rules, options of the recipe."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import permutations
from pathlib import Path

import pytest
from pydantic import Field

from avlink.core.errors import InputError, PluginError, RecipeError
from avlink.core.events import Event, Message
from avlink.core.recipe import SonifyRecipe, VisualizeRecipe, check_values
from avlink.core.values import Prompt
from avlink.hooks import (
    ClipSettings,
    MissingMedia,
    Options,
    RunClip,
    RunHooks,
    RunProject,
    RunStem,
    check_components,
    hookimpl,
    load_registry,
    make_registry,
    resolve_run_hooks,
)
from avlink.hooks.run_hooks import RUN_HOOKS


class SuffixOptions(Options):
    suffix: str = "!"
    times: int = Field(default=1, ge=0)


def plugin_of(name: str, **hooks: Callable[..., object]) -> types.ModuleType:
    module = types.ModuleType(name)
    for hook, function in hooks.items():
        setattr(module, hook, hookimpl(function))
    return module


def hooks_of(*plugins: types.ModuleType, listener: Callable[[Event], None] = print, **tables: object) -> RunHooks:
    recipe = check_values(SonifyRecipe, {"plugins": tables} if tables else {})
    return resolve_run_hooks(recipe, make_registry(*plugins), listener=listener)


def clip(name: str = "door", media: Path = Path("door.mp4")) -> RunClip:
    return RunClip(
        id="1",
        name=name,
        track="V1",
        timeline_start_s=Fraction(0),
        timeline_duration_s=Fraction(2),
        media=media,
        media_start_s=Fraction(1),
        media_duration_s=Fraction(2),
        speed=Fraction(1),
        project=Path("cut.otio"),
        has_own_prompt=False,
        direction="v2a",
    )


def missing(folder: Path) -> MissingMedia:
    return MissingMedia(url="media/door.mp4", name="door.mp4", folder=folder, clip="door", track="V1", direction="v2a")


def stem() -> RunStem:
    return RunStem(path=Path("door.wav"), clip=clip(), take=1, prompt=Prompt(text="a door"), seed=3, cached=False)


def appending(letter: str) -> types.ModuleType:
    """A plugin that appends a letter to every prompt."""

    def add(clip: RunClip, settings: ClipSettings) -> ClipSettings:
        return replace(settings, prompt=Prompt(text=settings.prompt.text + letter))

    return plugin_of(letter, avlink_clip_prompt=add)


def failing(name: str, *hooks: str, error: Exception | None = None) -> types.ModuleType:
    def fail(**_: object) -> None:
        raise error or ZeroDivisionError("by zero")

    return plugin_of(name, **{hook: fail for hook in hooks})


SETTINGS = ClipSettings(prompt=Prompt(text="a"))


class TestOrder:
    def test_it_is_by_name_whatever_was_installed_first(self) -> None:
        for order in permutations("bcd"):
            hooks = hooks_of(*map(appending, order))
            assert hooks.clip_prompt(clip(), SETTINGS).prompt.text == "abcd"

    def test_the_first_file_wins_and_no_other_plugin_is_asked(self, tmp_path: Path) -> None:
        for name in ("one.mp4", "two.mp4"):
            (tmp_path / name).touch()
        asked: list[str] = []

        def found(name: str | None) -> Callable[..., object]:
            def resolve(media: MissingMedia) -> Path | None:
                asked.append(str(name))
                return None if name is None else Path(name)

            return resolve

        plugins = [
            plugin_of(letter, avlink_resolve_media=found(name))
            for letter, name in (("c", "two.mp4"), ("a", None), ("b", "one.mp4"))
        ]
        assert hooks_of(*plugins).resolve_media(missing(tmp_path)) == tmp_path / "one.mp4"
        assert asked == ["None", "one.mp4"]

    def test_none_changes_nothing(self, tmp_path: Path) -> None:
        silent = plugin_of("silent", **{hook: lambda: None for hook in RUN_HOOKS})
        hooks = hooks_of(silent, appending("b"))
        assert hooks.resolve_media(missing(tmp_path)) is None
        assert hooks.clip_prompt(clip(), SETTINGS).prompt.text == "ab"
        assert RunHooks().clip_prompt(clip(), SETTINGS) is SETTINGS
        assert RunHooks().resolve_media(missing(tmp_path)) is None

    def test_settings_of_a_clip_are_seed_and_gain_too(self) -> None:
        changed = ClipSettings(prompt=Prompt(text="b", negative="music"), seed=7, gain_db=-6.0)
        hooks = hooks_of(plugin_of("p", avlink_clip_prompt=lambda clip: changed))
        assert hooks.clip_prompt(clip(), SETTINGS) == changed
        assert hooks.clip_prompt(clip(), SETTINGS) is not SETTINGS


class TestFailure:
    @pytest.mark.parametrize(
        ("error", "said"),
        [
            (
                KeyError("x"),
                "plugin 'bad' failed in avlink_clip_prompt: KeyError: 'x' \\(.*test_run_hooks.py, line \\d+\\)",
            ),
            (InputError("say it so"), "plugin 'bad' failed in avlink_clip_prompt: say it so"),
        ],
    )
    def test_a_prompt_that_fails_is_named(self, error: Exception, said: str) -> None:
        hooks = hooks_of(appending("b"), failing("bad", "avlink_clip_prompt", error=error))
        with pytest.raises(PluginError, match=f"^{said}$"):
            hooks.clip_prompt(clip(), SETTINGS)

    def test_a_plugin_that_fails_to_resolve_is_named_and_no_other_is_asked(self, tmp_path: Path) -> None:
        (tmp_path / "other.mp4").touch()
        finder = plugin_of("finder", avlink_resolve_media=lambda: "other.mp4")
        hooks = hooks_of(failing("bad", "avlink_resolve_media"), finder)
        with pytest.raises(
            PluginError, match="plugin 'bad' failed in avlink_resolve_media: ZeroDivisionError: by zero"
        ):
            hooks.resolve_media(missing(tmp_path))

    @pytest.mark.parametrize(
        ("answer", "said"), [("none.mp4", "none.mp4', which is no file"), (3, "it returned int, not a path")]
    )
    def test_a_path_that_is_no_file_is_the_plugins_fault(self, tmp_path: Path, answer: object, said: str) -> None:
        hooks = hooks_of(plugin_of("lost", avlink_resolve_media=lambda: answer))
        with pytest.raises(PluginError, match=f"plugin 'lost' failed in avlink_resolve_media: .*{said}"):
            hooks.resolve_media(missing(tmp_path))

    def test_what_is_no_settings_is_the_plugins_fault(self) -> None:
        hooks = hooks_of(plugin_of("odd", avlink_clip_prompt=lambda: "a door"))
        with pytest.raises(PluginError, match="plugin 'odd' failed in avlink_clip_prompt: it returned str, not Clip"):
            hooks.clip_prompt(clip(), SETTINGS)
        for wrong in ({"seed": -1}, {"seed": 1 << 63}, {"gain_db": float("nan")}):
            with pytest.raises(ValueError, match=r"^(seed|gain_db) = "):
                replace(SETTINGS, **wrong)

    def test_an_observer_that_fails_is_a_warning_and_the_others_are_called(self) -> None:
        told: list[Event] = []
        seen: list[object] = []
        observer = plugin_of(
            "observer",
            avlink_stem_written=lambda stem: seen.append(stem),
            avlink_project_written=lambda project: seen.append(project),
        )
        bad = failing("bad", "avlink_stem_written", "avlink_project_written")
        project = RunProject(input=Path("cut.otio"), outputs=(), stems=(), failed=0, direction="v2a")
        hooks = hooks_of(bad, observer, listener=told.append)
        written = stem()
        hooks.stem_written(written)
        hooks.project_written(project)
        assert seen == [written, project]
        assert [message.level for message in told if isinstance(message, Message)] == ["warning", "warning"]
        for what, message in zip(("stem", "project"), told, strict=True):
            said = f"plugin 'bad' failed in avlink_{what}_written: ZeroDivisionError: by zero (hooks/test_run_hooks.py"
            assert isinstance(message, Message) and message.text.startswith(said)

    def test_what_observers_return_is_ignored(self) -> None:
        hooks_of(plugin_of("chatty", avlink_stem_written=lambda: "thanks")).stem_written(stem())

    def test_ctrl_c_goes_through(self) -> None:
        hooks = hooks_of(failing("bad", "avlink_stem_written", error=KeyboardInterrupt()))  # type: ignore[arg-type]
        with pytest.raises(KeyboardInterrupt):
            hooks.stem_written(stem())


class TestContract:
    @pytest.mark.parametrize(
        ("hooks", "said"),
        [
            ({"avlink_clip_prompt": lambda clip, words: None}, "asks for 'words', and it gets clip, settings, options"),
            ({"avlink_stem_writen": lambda stem: None}, "did you mean 'avlink_stem_written'"),
            (
                {"avlink_run_options": lambda: SuffixOptions()},
                "avlink_run_options returned .*, which is no class of Opt",
            ),
            (
                {"avlink_run_options": lambda: type("O", (Options,), {"__annotations__": {"a": int}})},
                "'a' of its O has no",
            ),
        ],
    )
    def test_what_is_wrong_is_told_when_plugins_are_loaded(self, hooks, said: str) -> None:
        with pytest.raises(PluginError, match=said):
            make_registry(plugin_of("p", **hooks))

    def test_a_wrapper_is_refused(self) -> None:
        module = types.ModuleType("p")

        @hookimpl(wrapper=True)
        def avlink_stem_written(stem):
            return (yield)

        module.avlink_stem_written = avlink_stem_written  # type: ignore[attr-defined]
        with pytest.raises(PluginError, match="its avlink_stem_written is a wrapper"):
            make_registry(module)

    @pytest.fixture
    def install(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
        def put(name: str, source: str) -> None:
            (tmp_path / f"{name}_plugin.py").write_text(f"from avlink import hookimpl\n{source}")
            info = tmp_path / f"{name}-1.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
            (info / "entry_points.txt").write_text(f"[avlink]\n{name} = {name}_plugin\n")
            monkeypatch.syspath_prepend(str(tmp_path))

        return put

    def test_plugins_that_failed_to_load_are_not_called(self, install: Callable[[str, str], None]) -> None:
        install("half", "@hookimpl\ndef avlink_clip_prompt(): 1 / 0\n@hookimpl\ndef avlink_backends(): 1 / 0\n")
        registry = load_registry(["half"])
        assert [failure.plugin for failure in registry.failures] == ["half"] and registry.run_plugins == ()
        hooks = resolve_run_hooks(check_values(SonifyRecipe, {}), registry)
        assert hooks.clip_prompt(clip(), SETTINGS) is SETTINGS

    def test_the_trace_shows_them(self, install: Callable[[str, str], None], capsys) -> None:
        install("traced", "@hookimpl\ndef avlink_stem_written(stem): pass\n")
        registry = load_registry(["traced"], environ={"AVLINK_TRACE_HOOKS": "1"})
        assert "avlink_stem_written" not in capsys.readouterr().err
        resolve_run_hooks(check_values(SonifyRecipe, {}), registry).stem_written(stem())
        assert "avlink: calling avlink_stem_written of traced" in capsys.readouterr().err
        assert [info.hooks for info in registry.plugins] == [("avlink_stem_written",)]


class TestOptions:
    @staticmethod
    def suffixing() -> types.ModuleType:
        def add(settings: ClipSettings, options: SuffixOptions) -> ClipSettings:
            return replace(settings, prompt=Prompt(text=settings.prompt.text + options.suffix * options.times))

        return plugin_of("suffixing", avlink_run_options=lambda: SuffixOptions, avlink_clip_prompt=add)

    @pytest.mark.parametrize(
        ("table", "text"), [(None, "a!"), ({}, "a!"), ({"times": 3}, "a!!!"), ({"suffix": "?", "times": 0}, "a")]
    )
    def test_hooks_get_the_options_of_the_recipe(self, table: object, text: str) -> None:
        tables = {} if table is None else {"suffixing": table}
        assert hooks_of(self.suffixing(), **tables).clip_prompt(clip(), SETTINGS).prompt.text == text

    def test_mistakes_are_told_at_once_with_their_keys(self) -> None:
        registry = make_registry(self.suffixing(), appending("b"))
        values = {"plugins": {"suffixing": {"time": 3, "suffix": 1}, "sufixing": {}, "b": {"x": 1}}}
        for model in (SonifyRecipe, VisualizeRecipe):
            with pytest.raises(RecipeError) as caught:
                resolve_run_hooks(check_values(model, values), registry)
            said = str(caught.value)
            assert "plugins.suffixing.time: unknown key; did you mean 'plugins.suffixing.times'?" in said
            assert "plugins.suffixing.suffix = 1: must be text" in said
            assert "plugins.sufixing: plugin 'sufixing' is not registered; did you mean 'suffixing'?" in said
            assert "plugins.b.x: unknown key" in said
            with pytest.raises(RecipeError, match=r"plugins\.sufixing: plugin 'sufixing' is not registered"):
                check_components(check_values(model, values), registry)

    def test_a_recipe_without_options_is_dumped_as_ever(self) -> None:
        for model in (SonifyRecipe, VisualizeRecipe):
            assert "plugins" not in check_values(model, {}).model_dump(mode="json")
            with_one = check_values(model, {"plugins": {"a": {"b": 1}}})
            assert with_one.model_dump(mode="json")["plugins"] == {"a": {"b": 1}}
            assert with_one.plugins == {"a": {"b": 1}}
