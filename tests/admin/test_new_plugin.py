"""Names of plugins, what is refused, and what is written. That it works when installed: tests/packaging."""

from __future__ import annotations

import ast
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from avlink.admin.new_plugin import DEFAULT_KINDS, KINDS, new_plugin, plugin_name
from avlink.cli.plugins import Kind
from avlink.core.errors import InputError, OutputError
from avlink.hooks import PluginFailure, PluginInfo, Registry
from avlink.testing import fake_registry

HOUSE_RULES = ["--select", "E,F,W,I,B,UP,SIM,PIE,RUF,D", "--config", 'lint.pydocstyle.convention="google"']


@pytest.mark.parametrize(
    ("said", "name"),
    [("crunch", "crunch"), ("AVLink-Slap Back", "slap_back"), (" a.b--c_ ", "a_b_c"), ("x" * 30, "x" * 30)],
)
def test_a_name_is_made_sayable(said: str, name: str) -> None:
    assert plugin_name(said) == name


@pytest.mark.parametrize("said", ["", "-", "7zip", "größe", "a/b", "../x", "a b!", "avlink_", "x" * 31, "a\nb;"])
def test_what_is_no_name_is_refused(said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be the name of a plugin; take a letter"):
        new_plugin(said, tmp_path / "new", registry=Registry())
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("tone", "backend", "there is a backend 'tone' already"),
        ("doctor", "command", "there is a command 'doctor' already"),
        ("mine", "processor", "a plugin 'mine' is installed already; choose"),
        ("ours", "processor", "a plugin 'ours' is installed already; choose"),
        ("watch", "processor", "a package avlink_watch is installed already"),
    ],
)
def test_a_name_that_is_taken_is_refused(name: str, kind: str, said: str, tmp_path: Path) -> None:
    fakes = fake_registry()
    registry = Registry(
        backends=fakes.backends,
        plugins=(PluginInfo(name="mine"),),
        failures=(PluginFailure(plugin="ours", reason="it fails"),),
    )
    with pytest.raises(InputError, match=said):
        new_plugin(name, tmp_path / "new", kinds=[kind], registry=registry, commands=["doctor"])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("content", [None, "mine"])
def test_a_folder_that_is_there_is_left_alone(tmp_path: Path, content: str | None) -> None:
    target = tmp_path / "there"
    target.mkdir()
    if content:
        (target / "pyproject.toml").write_text(content)
    with pytest.raises(OutputError, match="there exists already; name a new folder with -o"):
        new_plugin("crunch", target, registry=Registry())
    assert [path.read_text() for path in target.iterdir()] == ([content] if content else [])


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        if path.name == "test_installed.py":
            raise OutputError("the disk is full")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    monkeypatch.setattr("avlink.admin.new_plugin.write_text", full)
    with pytest.raises(OutputError, match="full"):
        new_plugin("crunch", tmp_path / "new", registry=Registry())
    assert list(tmp_path.iterdir()) == []


def test_every_choice_of_kinds_is_clean_code_with_nothing_left_to_fill_in(tmp_path: Path) -> None:
    choices = [kinds for count in range(1, len(KINDS) + 1) for kinds in itertools.combinations(KINDS, count)]
    for number, kinds in enumerate(choices):
        # The longest name and a short one: both must fit into the lines.
        name = f"n{number:02}".ljust(30, "x") if number % 2 else f"n{number:02}"
        made = new_plugin(name, tmp_path / f"{number}", kinds=kinds, registry=Registry())
        modules = {path.stem for path in made.files if path.parts[0] == f"avlink_{name}"}
        assert modules == {"__init__", "plugin", "py", *kinds}
        assert {f"test_{kind}" for kind in kinds} | {"test_installed", "conftest"} == {
            path.stem for path in made.files if path.parts[0] == "tests"
        }
        for path in made.files:
            text = (made.folder / path).read_text(encoding="utf-8")
            assert ("$" not in text and text.endswith("\n")) or not text, path
            if path.suffix == ".py":
                ast.parse(text, feature_version=(3, 10))
    assert tuple(DEFAULT_KINDS) in choices and tuple(kind.value for kind in Kind) == KINDS
    for words in (["check", *HOUSE_RULES, "--per-file-ignores", "**/tests/**:D"], ["format", "--check"]):
        # All at once, so each project's own package must be named, which alone is seen by itself.
        ours = ["--config", 'lint.isort.known-first-party=["avlink_n*"]']
        command = [sys.executable, "-m", "ruff", *words, *ours, "--isolated", "--target-version", "py310", "."]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
