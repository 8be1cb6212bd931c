"""docs/plugins.md against the code: nothing is left out, nothing is made up, and every block of code is run."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import re
import sys
import types
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

import avlink
import avlink.hooks as hooks
import avlink.testing
from avlink import SonifyRequest, find_recipe, open_session, read_audio, sonify
from avlink.cli import main
from avlink.cli.app import build_app
from avlink.core import answer, features, values
from avlink.core.recipe import SonifyRecipe, SpotRecipe
from avlink.core.recipe.explain import dotted_keys
from avlink.hooks import registry, run_values, specs
from avlink.testing import fake_registry, make_movie, make_timeline

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROSE = BLOCK.sub("", PAGE)
BLOCKS = {name or language: text for language, name, text in BLOCK.findall(PAGE)}

HOOKS = {name: function for name, function in vars(specs).items() if name.startswith("avlink_")}
TABLES = {
    **{kind.__name__: kind for kind in registry.Component.__args__},
    **{name: kind for name, kind in vars(run_values).items() if getattr(kind, "__module__", "") == run_values.__name__},
    **{name: getattr(values, name) for name in ("SoundRequest", "PictureRequest", "PictureSpec", "Prompt")},
    **{name: getattr(values, name) for name in ("Waveform", "Frames", "HitSounds", "ItemSound")},
    **{name: getattr(features, name) for name in ("Features", "AudioVideo")},
    **{name: getattr(avlink, name) for name in ("FlatTimeline", "FlatTrack", "FlatClip", "FlatMedia", "Marker", "Hit")},
    **{name: getattr(answer, name) for name in ("Answer", "Grid", "Line")},
}
PROTOCOLS = {
    **{name: getattr(values, name) for name in ("SoundGenerator", "PictureGenerator", "SoundSource", "FrameSource")},
    "FeatureExtractor": features.FeatureExtractor,
    "HitSpotter": avlink.HitSpotter,
}
MODULES = (avlink, hooks, avlink.testing)


def section(title: str) -> str:
    """Return the text below a heading in backquotes."""
    found = re.search(rf"^### `{re.escape(title)}`\n(.*?)(?=^##|\Z)", PROSE, re.MULTILINE | re.DOTALL)
    assert found, f"no heading `{title}`"
    return found[1]


def rows(title: str) -> list[list[str]]:
    """The rows of the table below a heading, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def plain(cell: str) -> str:
    return cell.strip("`").replace("\\|", "|")


def signature(function: Callable[..., Any], *, without_self: bool = False) -> str:
    """As it is written in the code: annotations are texts there."""
    whole = inspect.signature(function)
    parameters = list(whole.parameters.values())[without_self:]
    return re.sub(r"'([^']*)'", r"\1", str(whole.replace(parameters=parameters)))


def test_every_hook_has_a_heading_with_its_signature() -> None:
    headings = re.findall(r"^### `(avlink_\w+\(.*)`$", PAGE, re.MULTILINE)
    assert headings == [f"{name}{signature(function)}" for name, function in HOOKS.items()]
    assert {spec.partition("(")[0] for spec in headings} == set(HOOKS)


@pytest.mark.parametrize("name", TABLES)
def test_every_field_stands_in_its_table(name: str) -> None:
    wanted = []
    for field in dataclasses.fields(TABLES[name]):
        default = "" if field.default is dataclasses.MISSING else repr(field.default)
        if isinstance(field.default, type):
            default = field.default.__name__
        if field.default_factory is not dataclasses.MISSING:
            default = repr(field.default_factory())
        wanted.append((field.name, field.type, default))
    assert [(plain(row[0]), plain(row[1]), plain(row[2])) for row in rows(name)] == wanted
    assert all(len(row) == 4 and row[3] for row in rows(name))


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_member_of_a_protocol_is_listed(name: str) -> None:
    protocol = PROTOCOLS[name]
    wanted = {f"{key}: {kind}" for key, kind in protocol.__annotations__.items()}
    for key, member in vars(protocol).items():
        if isinstance(member, property):
            assert member.fget is not None
            wanted.add(f"{key}: {signature(member.fget).rpartition('-> ')[2]}")
        elif inspect.isfunction(member) and not key.startswith("_"):
            wanted.add(f"{key}{signature(member, without_self=True)}")
    assert set(re.findall(r"^- `(.+?)`", section(name), re.MULTILINE)) == wanted


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_public_name_is_listed(module: types.ModuleType) -> None:
    listed = rows(module.__name__)
    assert [plain(row[0]) for row in listed] == list(module.__all__)
    assert all(row[1] for row in listed)
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_there_is_no_heading_for_what_does_not_exist() -> None:
    headings = {title.partition("(")[0] for title in re.findall(r"^### `(.+)`$", PAGE, re.MULTILINE)}
    assert headings == {*HOOKS, *TABLES, *PROTOCOLS, *(module.__name__ for module in MODULES)}


def test_what_stands_in_backquotes_exists() -> None:
    keys = {
        *dotted_keys(SonifyRecipe),
        *dotted_keys(SpotRecipe),
        "spotter.options",
        "stems.post",
        "backend.on",
        "backend.options",
    }
    commands = {*typer.main.get_command(build_app()).commands, "<name>"}  # type: ignore[attr-defined]
    public = {name for module in MODULES for name in module.__all__}
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "avlink").rglob("*.py"))
    for text in re.findall(r"`([^`\n]+)`", PROSE):
        if re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", text) and text not in keys:
            module, _, name = text.rpartition(".")
            known = text in sys.modules or text.startswith(("time.", "typer.", "picture."))
            assert known or hasattr(importlib.import_module(module), name), text
        if words := re.fullmatch(r"avlink ([a-z<>]+).*", text):
            assert words[1] in commands, text
        if re.fullmatch(r"AVLINK_\w+(=.*)?", text):
            assert f'"{text.partition("=")[0]}"' in code, text
        if re.fullmatch(r"avlink_\w+", text):
            assert text in {*HOOKS, *public}, text
        if re.fullmatch(r"[A-Z][a-z]+[A-Z]\w+", text):
            assert text in public or text == "UserWarning", text
    for anchor in re.findall(r"\]\(#([\w-]+)\)", PAGE):
        titles = [title.lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", PAGE, re.MULTILINE)]
        assert anchor in titles


class TestBlocks:
    """Every block of code, run where it is said to lie."""

    RUN = (
        "gain.py",
        "pyproject.toml",
        "quieter.toml",
        "sh",
        "tally.py",
        "tallied.toml",
        "raw_option.py",
        "metronome.py",
        "clicks.py",
        "quiet.py",
        "shots.py",
        "text",
        "test_gain.py",
    )

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        """A folder on the path with all files of the page, and the plugin of the first block installed."""
        for name, text in BLOCKS.items():
            if "." in name:
                (tmp_path / name).write_text(text, encoding="utf-8")
        self.install(tmp_path, tomllib.loads(BLOCKS["pyproject.toml"]))
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.chdir(tmp_path)
        # Helpers of other tests may have the same names.
        ours = [path.stem for path in tmp_path.glob("*.py")]
        before = {name: sys.modules.pop(name) for name in ours if name in sys.modules}
        yield tmp_path
        for name in ours:
            sys.modules.pop(name, None)
        sys.modules.update(before)

    @staticmethod
    def project(module: str) -> dict[str, Any]:
        return {"project": {"name": module, "version": "1", "entry-points": {"avlink": {module: module}}}}

    @staticmethod
    def install(site: Path, project: dict[str, Any]) -> None:
        about = project["project"]
        info = site / f"{about['name'].replace('-', '_')}-{about['version']}.dist-info"
        info.mkdir()
        needs = "".join(f"Requires-Dist: {need}\n" for need in about.get("dependencies", ()))
        head = f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n"
        (info / "METADATA").write_text(head + needs)
        points = about["entry-points"]["avlink"].items()
        (info / "entry_points.txt").write_text("[avlink]\n" + "".join(f"{key} = {value}\n" for key, value in points))

    def test_none_is_left_out(self) -> None:
        assert sorted(BLOCKS) == sorted(self.RUN)
        shells = [text for language, _, text in BLOCK.findall(PAGE) if language == "sh"]
        assert len(BLOCK.findall(PAGE)) == len(BLOCKS) - 1 + len(shells)

    def test_a_whole_plugin_has_twelve_lines_and_is_the_one_of_the_readme(self) -> None:
        lines = [line for line in BLOCKS["gain.py"].splitlines() if line]
        assert len(lines) <= 12
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        (shown,) = re.findall(r"^```python\n(from avlink import Options.*?)^```$", readme, re.MULTILINE | re.DOTALL)
        assert [line for line in shown.splitlines() if line] == lines

    def test_the_commands_do_what_the_page_says(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for shell in (text for language, _, text in BLOCK.findall(PAGE) if language == "sh"):
            for line in shell.splitlines():
                code = main(line.split()[1:])
                said = capsys.readouterr()
                assert code == 0, (line, said.err)
                if line == "avlink plugins":
                    assert re.search(rf"^gain +avlink-gain 1.0 +gain +{folder}/gain.py$", said.out, re.MULTILINE)
        assert (folder / "slap_back" / "avlink_slap_back" / "backend.py").is_file()
        assert {path.stem for path in (folder / "meter" / "avlink_meter").glob("*.py")} >= {"command", "format"}

    def test_a_failure_is_shown_as_on_the_page(
        self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = "from avlink import hookimpl\n\n@hookimpl\ndef avlink_backends():\n    1 / 0\n"
        (folder / "broken.py").write_text(source)
        self.install(folder, self.project("broken"))
        monkeypatch.setenv("AVLINK_PLUGINS", "broken")
        assert main(["plugins"]) == 0
        assert capsys.readouterr().out.splitlines()[-1].partition("; it comes with")[0] == BLOCKS["text"].strip()

    def test_the_backend_clicks_where_it_flashes(self, folder: Path) -> None:
        plugin = importlib.import_module("clicks")
        make_movie(folder / "media" / "a.mp4", seconds=2, rate=12, flashes=[6, 18])
        cut = make_timeline(folder, [avlink.testing.Shot(name="a", frames=24)], rate=12)
        recipe = find_recipe("foley", "sonify", ["backend.name=clicks", "stems.post=[]"])
        session = open_session(device="cpu", registry=fake_registry(plugin), cache=folder / "cache")
        report = sonify(SonifyRequest(input=cut, recipe=recipe), session)
        assert report.exit_code == 0, report.items
        sound = np.abs(read_audio(report.items[0].stems[0].path, sample_rate=48000).samples[0])
        loud = np.flatnonzero(sound > 0.1)
        assert loud[0] == pytest.approx(24000, abs=3) and loud[-1] == pytest.approx(72000, abs=3)

    def test_the_processor_in_constant_memory_halves(self, folder: Path) -> None:
        plugin = importlib.import_module("quiet")
        cut = make_timeline(folder, ["a"])
        session = open_session(device="cpu", registry=fake_registry(plugin), cache=folder / "cache")
        peaks = []
        for post in ("[]", '["halved"]'):
            recipe = find_recipe("foley", "sonify", ["backend.name=tone", f"stems.post={post}"])
            report = sonify(SonifyRequest(input=cut, recipe=recipe), session)
            path = report.items[0].stems[0].path
            peaks.append(np.abs(read_audio(path, sample_rate=48000).samples).max())
        assert peaks[1] == pytest.approx(peaks[0] / 2, rel=1e-4)

    def test_the_plugin_of_a_run_does_what_its_recipe_asks_for(self, folder: Path) -> None:
        registry = fake_registry(tally=importlib.import_module("tally"))
        clip = dict.fromkeys((field.name for field in dataclasses.fields(hooks.RunClip)), Fraction(0))
        clip |= {"track": "V2"}
        project = hooks.RunProject(
            input=folder / "cut.otio", outputs=(), stems=(folder, folder), failed=1, direction="v2a"
        )
        prompt = values.Prompt(text="a door", negative="music")
        for name, text in (("foley", "a door"), (str(folder / "tallied.toml"), "a door (V2)")):
            run = hooks.resolve_run_hooks(find_recipe(name, "sonify"), registry)
            settings = run.clip_prompt(hooks.RunClip(**clip), hooks.ClipSettings(prompt=prompt))
            assert settings.prompt == values.Prompt(text=text, negative="music")
            run.project_written(project)
            assert (folder / "tally.txt").exists() == (name != "foley")
        assert (folder / "tally.txt").read_text() == "2 stems, 1 clips failed\n"

    def test_the_option_sets_the_recipe(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
        self.install(folder, self.project("raw_option"))
        monkeypatch.setenv("AVLINK_PLUGINS", "raw_option,avlink_fusion")
        cut = str(make_timeline(folder, ["a"]))
        assert main(["sonify", cut, "--dry-run"]) == 2
        assert "processor 'declick' is not registered" in capsys.readouterr().err
        assert main(["sonify", cut, "--dry-run", "--raw"]) == 0

    def test_the_spotter_hits_every_second(self, folder: Path) -> None:
        registry = fake_registry(importlib.import_module("metronome"))
        session = open_session(device="cpu", registry=registry, cache=folder / "cache")
        cut = make_timeline(folder, [avlink.testing.Shot(name="a", frames=72)])
        recipe = find_recipe("spot", "spot", ["spotter.name=metronome"], registry=registry)
        (item,) = avlink.spot(avlink.SpotRequest(input=cut, recipe=recipe), session).items
        assert [(hit.time_s, hit.kind) for hit in item.hits] == [(second, "step") for second in range(3)]

    def test_the_command_measures_movies(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
        self.install(folder, self.project("shots"))
        monkeypatch.setenv("AVLINK_PLUGINS", "shots")
        movie = make_movie(folder / "a.mp4", seconds=2)
        assert main(["shots", str(movie)]) == 0
        assert capsys.readouterr().out == "movie  seconds\na.mp4  2.00\n"
        assert main(["shots", str(movie), "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"format": 1, "command": "shots", "a.mp4": 2.0}

    def test_the_test_on_the_page_passes(self, folder: Path, tmp_path: Path) -> None:
        module = importlib.import_module("test_gain")
        tests = {name: function for name, function in vars(module).items() if name.startswith("test_")}
        assert list(tests) == ["test_it_is_heard", "test_time_passes_when_the_test_says_so"]
        for function in tests.values():
            function(*[tmp_path for _ in inspect.signature(function).parameters])
