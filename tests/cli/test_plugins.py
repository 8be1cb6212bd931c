"""`avlink plugins` beside distributions that are broken in every way: each is named, and nothing else suffers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAD = "from avlink import hookimpl\nfrom avlink.hooks import AudioProcessor\n\n\n"
GOOD = (
    f"{HEAD}@hookimpl\ndef avlink_audio_processors():\n"
    "    return [AudioProcessor(name='{name}', apply=lambda wave, options: wave)]\n"
)

BROKEN: dict[str, tuple[str, str]] = {
    # name of the plugin: its module, and what is said of it
    "imports": ("import not_installed_anywhere\n", "ModuleNotFoundError: No module named 'not_installed_anywhere'"),
    "renamed": ("from avlink import sonificate\n", "ImportError: cannot import name 'sonificate' from 'avlink'"),
    "syntax": ("x = 1\ndef avlink_backends(:\n", "SyntaxError: invalid syntax (avlink_syntax/plugin.py, line 2)"),
    "exits": ("import sys\n\n\nsys.exit('no licence')\n", "SystemExit: no licence (avlink_exits/plugin.py, line 4)"),
    "raises": (
        f"{HEAD}@hookimpl\ndef avlink_audio_processors():\n    return deeper()\n\n\ndef deeper():\n    return 1 / 0\n",
        "ZeroDivisionError: division by zero (avlink_raises/plugin.py, line 11)",
    ),
    "rubbish": (
        f"{HEAD}@hookimpl\ndef avlink_audio_processors():\n    return 'echo'\n",
        "its avlink_audio_processors returned str, not a list (avlink_rubbish/plugin.py, line 5)",
    ),
    "strange": (
        f"{HEAD}@hookimpl\ndef avlink_backends():\n    return [AudioProcessor(name='x', apply=print)]\n",
        "which is no Backend (avlink_strange/plugin.py, line 5)",
    ),
    "mistyped": (
        f"{HEAD}@hookimpl\ndef avlink_audio_procesors():\n    return []\n",
        "it has a hook 'avlink_audio_procesors', which does not exist; did you mean 'avlink_audio_processors'?",
    ),
    "unmarked": (
        "def avlink_backends():\n    return []\n",
        "its avlink_backends is not marked with @hookimpl (avlink_unmarked/plugin.py, line 1)",
    ),
    "curious": (
        f"{HEAD}@hookimpl\ndef avlink_backends(config):\n    return []\n",
        "its avlink_backends asks for 'config', and hooks get no arguments (avlink_curious/plugin.py, line 5)",
    ),
    "twice": (
        f"{HEAD}SAME = AudioProcessor(name='same', apply=print)\n\n\n"
        "@hookimpl\ndef avlink_audio_processors():\n    return [SAME, SAME]\n",
        "it offers processor 'same' twice (avlink_twice/plugin.py, line 8)",
    ),
}


def put(site: Path, name: str, source: str | None, *, point: str | None = None, needs: str = "avlink") -> None:
    """Lay down a distribution as pip does; without `source` the package has no module `plugin`."""
    package = site / f"avlink_{name}"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    if source is not None:
        (package / "plugin.py").write_text(source)
    info = site / f"avlink_{name}-0.{len(name)}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: avlink-{name}\nVersion: 0.{len(name)}\nRequires-Dist: {needs}\n"
    )
    point = f"{name} = avlink_{name}.plugin" if point is None else point
    (info / "entry_points.txt").write_text(f"[avlink]\n{point}\n")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    for name, (source, _) in BROKEN.items():
        put(folder, name, source)
    put(folder, "good", GOOD.format(name="good"))
    put(folder, "one", GOOD.format(name="both"))
    put(folder, "two", GOOD.format(name="both"))
    put(folder, "thief", GOOD.format(name="fades"))
    put(folder, "torchy", "import torch\n" + GOOD.format(name="torchy"))
    put(folder, "newer", GOOD.format(name="newer"), needs="avlink>=98,<99")
    put(folder, "gone", None)
    put(folder, "nowhere", None, point="nowhere = not_a_package.plugin")
    put(folder, "nothing", None, point="nothing = avlink_nothing")
    put(folder, "scribble", None, point="scribble = ...")
    return folder


def run(site: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    paths = [site, ROOT, ROOT / "plugins", ROOT / "otio_adapters"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    command = [sys.executable, "-m", "avlink", *map(str, arguments)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def listed(site: Path) -> dict[str, Any]:
    done = run(site, "plugins", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_each_failure_is_one_sentence_with_its_place(listed: dict[str, Any]) -> None:
    failures = {failure["plugin"]: failure for failure in listed["failures"]}
    assert set(failures) == {*BROKEN, "newer", "gone", "nowhere", "scribble"}
    for name, (_, said) in BROKEN.items():
        failure = failures[name]
        assert said in failure["reason"] and "\n" not in failure["reason"], failure
        assert f"(avlink_{name}/plugin.py, line " in failure["reason"], failure
        assert (failure["distribution"], failure["version"]) == (f"avlink-{name}", f"0.{len(name)}")
        assert failure["file"].endswith(f"avlink_{name}/plugin.py")
    assert "it needs avlink<99,>=98, and this is avlink " in failures["newer"]["reason"]
    assert "no 'avlink_gone.plugin'" in failures["gone"]["reason"] and failures["gone"]["file"] is None
    assert "names the module 'not_a_package.plugin', and there is no 'not_a_package'" in failures["nowhere"]["reason"]
    assert failures["scribble"]["reason"] == "its entry point says '...', which names no module"


def test_what_python_raised_is_there_in_whole(listed: dict[str, Any]) -> None:
    traces = {failure["plugin"]: failure["traceback"] for failure in listed["failures"]}
    assert "return deeper()" in traces["raises"] and traces["raises"].endswith("ZeroDivisionError: division by zero")
    # Where we refuse it, the way to the refusal is our own code, which helps nobody.
    assert traces["rubbish"] is None and traces["newer"] is None


def test_the_others_are_loaded(listed: dict[str, Any]) -> None:
    plugins = {plugin["name"]: plugin for plugin in listed["plugins"]}
    assert plugins["good"]["components"] == ["good"] and {"good", "torchy"} <= set(listed["processors"])
    assert plugins["nothing"]["components"] == []
    assert {"avlink_fusion", "avlink_post", "avlink_watch"} <= set(plugins)
    assert listed["clashes"] == [
        {"kind": "processor", "name": "both", "plugins": ["one", "two"], "kept": None},
        {"kind": "processor", "name": "fades", "plugins": ["avlink_post", "thief"], "kept": "avlink_post"},
    ]
    assert [name for name, plugin in plugins.items() if plugin["heavy"] == ["torch"]] == ["torchy"]


def test_a_recipe_is_told_why_a_name_is_nobodys(site: Path) -> None:
    done = run(site, "recipes", "check", "foley", "-s", 'stems.post=["both", "good"]', "--json")
    said = json.loads(done.stdout)["error"]["message"]
    assert done.returncode == 2 and "stems.post[0]: processor 'both' is offered by the plugins 'one' and 'two'" in said


class TestWords:
    """For people, in this process: only the plugins that a test asks for."""

    @pytest.fixture(autouse=True)
    def only(self, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.setenv("AVLINK_PLUGINS", "good,raises,nothing")

    def test_it_says_what_is_loaded_and_from_where(self, avlink, site: Path) -> None:
        ran = avlink("plugins")
        assert ran.code == 0 and ran.out == avlink("plugins", "list").out
        rows = [line.split() for line in ran.out.splitlines()]
        assert rows[1] == ["good", "avlink-good", "0.4", "good", str(site / "avlink_good" / "plugin.py")]
        assert rows[2] == ["nothing", "avlink-nothing", "0.7", "nothing", str(site / "avlink_nothing" / "__init__.py")]
        where = site / "avlink_raises" / "plugin.py"
        said = "could not be used: ZeroDivisionError: division by zero (avlink_raises/plugin.py, line 11)"
        assert f"plugin 'raises' {said}; it comes with avlink-raises 0.6, {where}\n" in ran.out
        assert "Traceback" not in ran.out

    @pytest.mark.parametrize("words", [("plugins", "-v"), ("plugins", "list", "--verbose"), ("--debug", "plugins")])
    def test_the_whole_traceback_is_there_when_asked_for(self, avlink, words: tuple[str, ...]) -> None:
        out = avlink(*words).out
        assert "Traceback (most recent call last)" in out and "return deeper()" in out
