"""The contract with scripts and people: quick help, the set of options, exit codes, one JSON object."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys

import pytest
import typer

from avlink.cli.app import build_app
from avlink.cli.main import _show
from avlink.core.answer import Answer

HEAVY = {
    "torch",
    "numpy",
    "av",
    "opentimelineio",
    "scipy",
    "pydantic",
    "watchdog",
    "rich.progress",
    "avlink.ablation",
    "avlink.admin",
    "avlink.edit",
    "avlink.engine",
    "avlink.evaluation",
    "avlink.library",
    "avlink.training",
}

OPTIONS = {
    "sonify": "--credits --device --dry-run --duck --force --help --json --media-root --negative --output --overwrite "
    "--preview --production --prompt --rate --recipe --seed --set --skip-missing --stems --takes --timeline "
    "--tracks --verbose -o -r -s -v INPUT",
    "spot": "--device --dry-run --force --guide --help --json --learn --media-root --min-confidence --minutes --output "
    "--overwrite --preview --rate --recipe --seed --sensitivity --set --skip-missing --spotter --timeline --tracks "
    "--verbose -o -r -s -v INPUT",
    "takes": "--clip --help --json --output --overwrite --use -o TIMELINE",
    "visualize": "--device --dry-run --force --help --json --media-root --negative --output --overwrite "
    "--prompt --rate --recipe --seed --set --skip-missing --timeline --tracks --verbose -o -r -s -v INPUT",
    "generate": "--audio --both --device --help --json --negative --output --overwrite --prompt --recipe --seconds "
    "--seed --set --takes --verbose --video -o -p -r -s -v",
    "export": "--help --json --media-root --output --overwrite --rate --skip-missing --timeline --to -o PROJECT",
    "import-cues": "--help --json --output --overwrite --rate --timeline -o CUES PROJECT",
    "train": "--help --json --output --resume --set --stages -o -s RECIPE",
    "evaluate": "--device --help --json --set --verbose -s -v RECIPE",
    "ablate": "--device --help --jobs --json --only --output --set -j -o -s RECIPE",
    "doctor": "--help --json",
    "demo": "--help --library OUT",
    "models list": "--help --json",
    "models import": "--config --help --json --licence --measure --name --output -o CHECKPOINT...",
    "models info": "--help --json NAME",
    "recipes list": "--help --json",
    "recipes show": "--help --json --origins --set -s RECIPE",
    "recipes check": "--help --json --set -s RECIPE",
    "plugins list": "--help --json --verbose -v",
    "plugins new": "--help --json --kind --output -o NAME",
    "stems prune": "--dry-run --help --json --yes PROJECT...",
    "cache prune": "--dry-run --help --json --max-size --older-than",
    "data prepare": "--device --help --json --output --part --processes --retry-bad --set -o -s RECIPE",
    "data generate": "--device --help --json --model --output --paper --pictures --seed --set --steps -o -s RECIPE",
    "data check": "--help --json --output --sample --set -o -s RECIPE",
    "library add": "--device --embed --help --json --name --processes --set -s DIR",
    "library update": "--device --embed --help --json --processes --set -s NAME",
    "library list": "--help --json",
    "library search": "--category --device --embed --help --json --kind --library --like --limit --set -n -s WORDS...",
    "library info": "--help --json FILE",
    "library check": "--help --json",
    "library remove": "--help --json NAME",
    "foundry sample": "--count --family --help --json --physics --seed --split -n OUT",
}


def commands() -> dict[str, set[str]]:
    """Every command with its options and arguments."""
    found: dict[str, set[str]] = {}

    def walk(command: object, name: str) -> None:
        below = getattr(command, "commands", None)
        if below is None:
            found[name] = {"--help"}
            for parameter in command.params:  # type: ignore[attr-defined]
                is_option = parameter.param_type_name == "option"
                found[name] |= set(parameter.opts) if is_option else {str(parameter.metavar or parameter.name)}
            return
        for word, child in below.items():
            walk(child, f"{name} {word}".strip())

    walk(typer.main.get_command(build_app()), "")
    return found


def cpu_seconds(program, *arguments: str) -> float:
    before = os.times()
    program(*arguments)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def test_help_is_quick_and_imports_nothing_heavy(program) -> None:
    # What the installed plugins offer is looked at once, by importing them, and then remembered.
    for light in ({"pydantic"}, set()):
        ran = program("--help", python=("-X", "importtime"))
        assert ran.code == 0
        assert "sonify" in ran.out
        imported = {line.rpartition("|")[2].strip() for line in ran.err.splitlines()}
        assert not imported & (HEAVY - light)
    # Work, not waiting: the clock on the wall also counts what else this machine does.
    assert min(cpu_seconds(program, "--help") for _ in range(3)) < 0.5


def test_options_change_only_on_purpose() -> None:
    assert {name: " ".join(sorted(options)) for name, options in commands().items()} == {
        name: " ".join(sorted(options.split())) for name, options in OPTIONS.items()
    }


@pytest.mark.parametrize("command", OPTIONS)
def test_every_command_has_help_with_words_for_every_option(avlink, command: str) -> None:
    ran = avlink(*command.split(), "--help")
    assert ran.code == 0
    assert "Usage: avlink " + command in " ".join(ran.out.split())


def test_no_command_is_a_call_for_help(avlink) -> None:
    assert "Commands:" in avlink().out


def test_the_version(avlink) -> None:
    import avlink as package

    assert avlink("--version").out == f"avlink {package.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sonfy",), "no such command 'sonfy'"),
        (("sonify",), "missing argument 'INPUT'; see `avlink sonify --help`"),
        (("sonify", "x.otio", "--sed", "3"), "no such option: --sed"),
        (("sonify", "x.otio", "--seed", "three"), "invalid value for '--seed'"),
        (("sonify", "x.otio", "--device", "tpu"), "invalid value for '--device'"),
        (("sonify", "x.otio", "-r", "foly"), "did you mean 'foley'?"),
        (("sonify", "x.otio", "-s", "run.sed=3"), "did you mean 'run.seed'?"),
        (("sonify", "x.otio", "--takes", "0"), "run.takes = 0: must be greater than or equal to 1 (set by --takes 0)"),
        (("sonify", "x.otio", "--seed", "-1"), "run.seed = -1"),
        (("sonify", "x.otio"), "x.otio does not exist"),
        (("train", "foley"), "is a recipe for `avlink sonify`"),
        (("recipes", "check", "none.toml"), "cannot be read"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(avlink, tone, arguments: tuple[str, ...], said: str) -> None:
    if arguments[0] == "sonify" and "x.otio" in arguments:
        arguments = (*arguments, "-s", "backend.name=tone")
    ran = avlink(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1

    ran = avlink(*arguments, "--json")
    assert ran.code == 2
    assert said in ran.json["error"]["message"]
    assert ran.json["error"]["exit_code"] == 2
    assert ran.json["command"].startswith(arguments[0])


def test_a_bug_is_called_one_and_shown_on_demand(avlink, install, movie) -> None:
    source = (
        "from avlink import hookimpl, Options\nfrom avlink.hooks import Backend\n"
        "class Odd(Options):\n    def model_dump(self, **k): raise ZeroDivisionError('odd')\n"
        "@hookimpl\ndef avlink_backends():\n"
        "    return [Backend(name='odd', direction='v2a', fingerprint=lambda o: 1 / 0, load=lambda o, d: None)]\n"
    )
    install("odd", "odd_plugin", source)
    ran = avlink("sonify", movie, "-s", "backend.name=odd")
    assert ran.code == 1
    said = "avlink: backend 'odd' failed in its fingerprint: ZeroDivisionError: division by zero"
    assert ran.err.startswith(said) and ran.err.endswith("/odd_plugin.py, line 7)\n")
    assert "Traceback" in avlink("--debug", "sonify", movie, "-s", "backend.name=odd").err


def test_a_reader_that_stops_reading_is_no_error(program) -> None:
    command = f"{sys.executable} -m avlink recipes show foley | head -c 5"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout == "key  "


def test_json_has_null_for_what_it_has_no_number_for() -> None:
    stream = io.StringIO()
    answer = Answer(command="x", payload={"lufs": float("-inf"), "rows": [float("nan"), (1.5, None)]})
    _show(answer, stream, as_json=True)
    assert json.loads(stream.getvalue()) == {"format": 1, "command": "x", "lufs": None, "rows": [None, [1.5, None]]}


def examples() -> list[list[str]]:
    """Every command line that a help text shows."""
    runner = typer.main.get_command(build_app())
    found = []
    for name in [*OPTIONS, "cache"]:
        command = runner
        for word in name.split():
            command = command.commands[word]  # type: ignore[attr-defined]
        for text in (command.help or "", command.epilog or ""):
            found += re.findall(r"(?:^\s*|Example: )avlink ([^\n]*?)(?:\. |$)", text, re.MULTILINE)
    return [shlex.split(line) for line in found]


def test_examples_in_help_are_commands_that_there_are() -> None:
    assert len(examples()) >= 8
    for arguments in examples():
        command = typer.main.get_command(build_app())
        while hasattr(command, "commands"):
            command = command.commands[arguments.pop(0)]
        command.make_context("avlink", arguments)


def test_the_list_of_commands_says_whole_sentences(avlink) -> None:
    listed = avlink().out.partition("Commands:")[2]
    assert "sonify" in listed
    assert "..." not in listed
