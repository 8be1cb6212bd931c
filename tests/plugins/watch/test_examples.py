"""The example in examples/watch works, and the command line explains it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from avlink_watch.command import watch
from avlink_watch.recipe import Rules, WatchRecipe

from avlink import find_recipe
from avlink.hooks import check_components, load_registry

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples" / "watch"


def test_the_rules_are_good_and_do_what_they_say() -> None:
    registry = load_registry(["avlink_fusion", "avlink_post"])
    recipe = find_recipe(EXAMPLES / "watch.toml", WatchRecipe, registry=load_registry(["avlink_watch"]))
    check_components(recipe, registry)
    rules = Rules(recipe, registry)
    assert rules.recursive and (recipe.done, recipe.scan.every_s) == ("move", 5.0)
    assert not rules.includes("dailies/proxies/a.mov") and not rules.includes("below/a.mov")
    day, top = rules.find("dailies/day 1/a.mov"), rules.find("a.MOV")
    assert day is not None and top is not None and day.digest != top.digest
    assert day.values is not None and day.values["run"]["takes"] == 2


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_the_unit_is_one(tmp_path: Path) -> None:
    text = (EXAMPLES / "avlink-watch.service").read_text()
    unit = tmp_path / "avlink-watch.service"
    unit.write_text(text.replace("/opt/avlink/bin/avlink", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    command = re.search(r"^ExecStart=\S+ (.*)$", text, re.MULTILINE)
    assert command is not None
    _parse(shlex.split(command[1]))


def test_the_image_copies_what_is_there_and_runs_the_command() -> None:
    lines = [line for line in (EXAMPLES / "Dockerfile").read_text().replace("\\\n", " ").splitlines() if line.strip()]
    known = {"FROM", "ARG", "WORKDIR", "COPY", "RUN", "ENV", "VOLUME", "STOPSIGNAL", "ENTRYPOINT", "CMD"}
    for line in lines:
        assert line.startswith("#") or line.split()[0] in known, line
        if line.startswith("COPY ") and "--from" not in line:
            assert all((ROOT / name).exists() for name in line.split()[1:-1]), line
    assert lines[-2:] == ['ENTRYPOINT ["avlink", "watch"]', 'CMD ["/watch"]']


def _parse(arguments: list[str]) -> None:
    app = typer.Typer()
    app.command("watch")(watch)
    app.callback()(lambda: None)
    command = typer.main.get_command(app)
    assert arguments.pop(0) == "watch"
    command.commands["watch"].make_context("watch", arguments)  # type: ignore[attr-defined]


def test_examples_in_help_are_good() -> None:
    found = re.findall(r"^\s+avlink (watch .*)$", watch.__doc__ or "", re.MULTILINE)
    assert len(found) >= 3
    for line in found:
        _parse(shlex.split(line))


def test_options_change_only_on_purpose() -> None:
    app = typer.Typer()
    app.command()(watch)
    options = {name for parameter in typer.main.get_command(app).params for name in parameter.opts}
    wanted = "--device --json --oneshot --output --recipe --retry --set --verbose -o -r -s -v folders"
    assert options - {"--install-completion", "--show-completion"} == set(wanted.split())


def test_it_is_a_plugin_like_any_other() -> None:
    code = (
        "import sys; from avlink.hooks import load_registry; registry = load_registry(['avlink_watch']);"
        "print(registry.failures, *registry.commands, *registry.recipe_kinds, *sys.modules)"
    )
    # Coverage of processes imports modules of its own.
    env = {**os.environ, "COVERAGE_PROCESS_CONFIG": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    said = done.stdout.split()
    assert said[:3] == ["()", "watch", "watch"]
    assert not {"watchdog", "sqlite3", "typer", "numpy", "opentimelineio", "avlink.edit"} & set(said)
