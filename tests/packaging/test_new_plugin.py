"""A plugin that `avlink plugins new` begins, installed beside AVLink's wheel: its tests pass as they are."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

MYPY = """
[mypy]
strict = True
[mypy-torch.*,torchaudio.*,scipy.*,av.*,rich.*]
follow_imports = skip
[mypy-opentimelineio.*]
ignore_missing_imports = True
"""


def avlink(python: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", "avlink", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=python.parent)


@pytest.fixture(scope="module")
def begun(user_python: Path, pip_install: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default project and one of all kinds, as the command wrote them and pip installed them."""
    folder = tmp_path_factory.mktemp("new")
    kinds = [word for kind in ("processor", "backend", "command", "format") for word in ("--kind", kind)]
    for name, target, more in (("Slap-Back", "slap", []), ("everything", "all", kinds)):
        done = avlink(user_python, "plugins", "new", name, "-o", folder / target, "--json", *more)
        assert done.returncode == 0, done.stdout
        written = [path for path in (folder / target).rglob("*") if path.is_file()]
        assert sorted(json.loads(done.stdout)["files"]) == sorted(
            path.relative_to(folder / target).as_posix() for path in written
        )
    pip_install(folder / "slap", folder / "all")
    return folder


@pytest.mark.parametrize(
    ("project", "tests", "passed"),
    [("slap", ["tests"], 9), ("all", ["tests/test_command.py", "tests/test_format.py", "tests/test_installed.py"], 4)],
)
def test_its_tests_pass(user_python: Path, begun: Path, project: str, tests: list[str], passed: int) -> None:
    command = [str(user_python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=begun / project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{passed} passed" in done.stdout


def test_avlink_lists_it(user_python: Path, begun: Path) -> None:
    listed = json.loads(avlink(user_python, "plugins", "--json").stdout)
    (info,) = [plugin for plugin in listed["plugins"] if plugin["name"] == "slap_back"]
    assert (info["distribution"], info["version"]) == ("avlink-slap-back", "0.1.0")
    assert info["components"] == ["slap_back", "slap_back"] and info["heavy"] == []
    assert Path(info["file"]).parts[-2:] == ("avlink_slap_back", "plugin.py")


def test_a_second_one_of_that_name_is_refused_in_a_sentence(user_python: Path, begun: Path, tmp_path: Path) -> None:
    for name, folder, said in (
        ("slap_back", tmp_path / "x", "a plugin 'slap_back' is installed already, of avlink-slap-back 0.1.0; choose"),
        ("other", begun / "slap", "exists already; name a new folder with -o"),
        ("9", tmp_path / "x", "'9' cannot be the name of a plugin"),
    ):
        done = avlink(user_python, "plugins", "new", name, "-o", folder)
        assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1


def test_it_is_typed_strictly(user_python: Path, begun: Path, tmp_path: Path) -> None:
    """All kinds at once, against the installed AVLink and its py.typed."""
    (tmp_path / "mypy.ini").write_text(MYPY)
    command = [sys.executable, "-m", "mypy", "--config-file", tmp_path / "mypy.ini", "--cache-dir", tmp_path / "cache"]
    where = ["--python-executable", user_python, "avlink_everything", "tests"]
    done = subprocess.run(
        [*map(str, command), *map(str, where)], cwd=begun / "all", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no issues found in 12 source files" in done.stdout
