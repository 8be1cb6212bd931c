"""Commands that plugins add: listed without being loaded, run as ours are, and never the end of the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from avlink.cli.command_cache import load_listing, plugins_key
from avlink.testing import make_timeline

COUNTER = """
from typing import Annotated
import typer
from avlink import hookimpl
from avlink.hooks import Answer, Command, Grid, Line


def load_count():
    import {heavy}

    def count(
        number: Annotated[int, typer.Argument(metavar="N", help="How far.")],
        fail_at: Annotated[int, typer.Option("--fail-at", help="Fail there.")] = -1,
        as_json: Annotated[bool, typer.Option("--json", help="Objects, one a line.")] = False,
    ):
        "Count up to N, slowly."
        for index in range(number):
            if index == fail_at:
                raise ZeroDivisionError("cannot count that")
            print("noise of a library")
            yield Line(payload={{"event": "counted", "number": index, "bad": float("nan")}}, text=f"at {{index}}")
        return 3 if number > 2 else 0

    return count


def load_tools():
    app = typer.Typer(help="Tools.")

    @app.command()
    def table(as_json: Annotated[bool, typer.Option("--json", help="One object.")] = False):
        "Show a table."
        return Answer(command="tools table", payload={{"rows": 1}}, blocks=[Grid(heads=("a",), rows=[("b",)])])

    @app.command()
    def odd():
        "Fail."
        raise KeyError("odd")

    return app


@hookimpl
def avlink_commands():
    return [
        Command(name="count", summary="Count slowly.", load=load_count),
        Command(name="tools", summary="Tools of a stranger.", load=load_tools),
        Command(name="sonify", summary="Not ours.", load=load_count),
        Command(name="lost", summary="Cannot be loaded.", load=lambda: 1 / 0),
    ]
"""


@pytest.fixture
def counter(install: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    install("counter", "counter_plugin", COUNTER.format(heavy="wave"))
    monkeypatch.setenv("AVLINK_PLUGINS", "counter")


def test_they_stand_in_help_and_are_loaded_when_used(avlink, counter) -> None:
    text = avlink("--help").out
    assert "count        Count slowly." in text
    assert "Not ours." not in text
    used = avlink("count", "--help").out
    assert "Usage: avlink count [OPTIONS]" in used and "Count up to N, slowly." in used


def test_help_imports_no_plugin_a_second_time(program, counter, own_cache: Path) -> None:
    assert "Count slowly." in program("--help").out
    ran = program("--help", python=("-X", "importtime"))
    imported = {line.rpartition("|")[2].strip() for line in ran.err.splitlines()}
    assert "Count slowly." in ran.out
    assert not imported & {"counter_plugin", "pydantic", "pluggy", "wave"}
    (own_cache / "commands.json").write_text("{")
    assert "Count slowly." in program("--help").out


def test_help_looks_again_when_a_plugin_changes(avlink, counter, install) -> None:
    before = plugins_key()
    assert "Count slowly." in avlink("--help").out
    listing = load_listing(before)
    assert listing is not None and listing.commands["count"] == "Count slowly."
    source = Path(sys.modules["counter_plugin"].__file__ or "")
    source.write_text(source.read_text().replace("Count slowly.", "Count fast."))
    assert load_listing(plugins_key()) is None


def test_lines_are_words_or_objects(avlink, counter) -> None:
    ran = avlink("count", "2")
    assert (ran.code, ran.err) == (0, "")
    assert [line for line in ran.out.splitlines() if "noise" not in line] == ["at 0", "at 1"]
    ran = avlink("count", "3", "--json")
    assert ran.code == 3
    lines = [json.loads(line) for line in ran.out.splitlines()]
    head = {"format": 1, "command": "count", "event": "counted", "bad": None}
    assert lines == [{**head, "number": index} for index in range(3)]
    assert ran.err.count("noise of a library") == 3


def test_a_reader_that_has_enough_ends_it(counter) -> None:
    command = f"{sys.executable} -m avlink count 100000 --json | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False, timeout=60
    )
    assert json.loads(done.stdout)["number"] == 0
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr


def test_what_fails_names_the_plugin(avlink, counter) -> None:
    ran = avlink("count", "3", "--fail-at", "1", "--json")
    first, last = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 1 and first["number"] == 0
    said = "command 'count' of plugin 'counter' failed: ZeroDivisionError: cannot count that"
    assert last["error"].pop("message").startswith(f"{said} (")
    assert last == {"format": 1, "command": "count", "error": {"exit_code": 1}}
    assert "command 'tools' of plugin 'counter' failed: KeyError" in avlink("tools", "odd").err
    assert "command 'lost' of plugin 'counter' failed: ZeroDivisionError" in avlink("lost").err
    assert avlink("count", "x").code == 2


def test_groups_and_answers(avlink, counter) -> None:
    assert avlink("tools", "table").out == "a\nb\n"
    assert avlink("tools", "table", "--json").json == {"format": 1, "command": "tools table", "rows": 1}


def test_a_command_by_name_is_imported_when_it_is_used(avlink, install, monkeypatch) -> None:
    offered = "".join(
        f'Command(name="{name}", summary="By name.", load="named_commands:{attribute}"), '
        for name, attribute in (("say", "say"), ("group", "app"), ("nowhere", "nothing"))
    )
    install(
        "named",
        "named_plugin",
        "from avlink import hookimpl\nfrom avlink.hooks import Command\n\n\n"
        f"@hookimpl\ndef avlink_commands():\n    return [{offered}]\n",
    )
    install(
        "unused",
        "named_commands",
        "import typer\nfrom avlink.hooks import Answer\n\n\n"
        "def say(word: str):\n    return Answer(command='say', payload={}, blocks=[word])\n\n\n"
        "app = typer.Typer()\napp.command('one')(say)\napp.command('two')(say)\n",
    )
    monkeypatch.setenv("AVLINK_PLUGINS", "named")
    assert "By name." in avlink("--help").out and "named_commands" not in sys.modules
    assert avlink("say", "hello").out == "hello\n"
    assert avlink("group", "two", "hello").out == "hello\n"
    assert "plugin 'named' names the function 'named_commands:nothing', which cannot be loaded" in avlink("nowhere").err


def test_ours_are_never_replaced(avlink, counter) -> None:
    assert "The file to read" in avlink("sonify", "--help").out
    listed = avlink("plugins", "list").out
    assert "command 'sonify' of plugin 'counter' is not used: AVLink has one itself" in listed
    assert "avlink count" in listed


def test_a_broken_plugin_is_told_of_and_nothing_else_happens(avlink, install, counter, monkeypatch) -> None:
    install("broken", "broken_plugin", "raise RuntimeError('no licence')\n")
    install("leaving", "leaving_plugin", "import sys\nsys.exit(9)\n")
    monkeypatch.setenv("AVLINK_PLUGINS", "counter,broken,leaving")
    ran = avlink("--help")
    assert ran.code == 0
    assert (
        "broken   RuntimeError: no licence (broken_plugin.py, line 1)" in ran.out
        and "leaving  SystemExit: 9 (leaving_plugin.py, line 2)" in ran.out
    )
    assert "Count slowly." in ran.out and "sonify" in ran.out
    assert load_listing(plugins_key()) is None
    assert "plugin 'broken' could not be used: RuntimeError: no licence" in avlink("brokn").err


def test_a_name_that_two_plugins_offer_is_nobodys(avlink, install, counter, monkeypatch) -> None:
    install("other", "other_plugin", COUNTER.format(heavy="wave"))
    monkeypatch.setenv("AVLINK_PLUGINS", "counter,other")
    said = "command 'count' is offered by the plugins 'counter' and 'other', so none of them is used"
    assert said in avlink("count", "1").err
    assert said in avlink("plugins", "list").out
    assert avlink("--help").code == 0
    assert avlink("recipes", "list").code == 0


def test_plugins_that_clash_leave_help_alone(avlink, install, monkeypatch) -> None:
    for name in ("one", "two"):
        install(name, f"{name}_plugin", "from avlink.testing import avlink_backends as avlink_backends\n")
    monkeypatch.setenv("AVLINK_PLUGINS", "one,two")
    ran = avlink("--help")
    assert ran.code == 0 and "'tone' is offered by the plugins 'one' and 'two', so none" in " ".join(ran.out.split())
    assert "sonify" in ran.out


OPTIONS = """
from pathlib import Path
from avlink import InputError, hookimpl
from avlink.hooks import CommandOption
from avlink.testing import avlink_backends as avlink_backends


def doubled(value):
    if value == 13:
        raise InputError("not 13")
    return 2 * (1 / value and value)


@hookimpl
def avlink_command_options():
    both = ("sonify", "visualize")
    return [
        CommandOption(name="tone", commands=both, sets="backend.name", type=bool, convert=lambda on: "tone",
                      help="Sine."),
        CommandOption(name="double", commands=("sonify",), sets="run.takes", type=int, convert=doubled, metavar="N",
                      help="Twice as many takes.", default="one take"),
        CommandOption(name="only", commands=("sonify",), sets="select.clips", multiple=True, help="Clips of a name."),
        CommandOption(name="some-where.else", commands=("sonify",), sets="select.tracks", type=Path, multiple=True,
                      help="Odd."),
        CommandOption(name="seed", commands=("sonify",), sets="run.seed", type=int, help="Not ours."),
        CommandOption(name="tone2", commands=("doctor", "absent"), sets="run.seed", help="Nowhere."),
    ]
"""


@pytest.fixture
def extended(install: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    install("extended", "extended_plugin", OPTIONS)
    monkeypatch.setenv("AVLINK_PLUGINS", "extended,avlink_post")


class TestOptionsOfPlugins:
    def test_they_stand_in_help_of_their_commands_alone(self, avlink, extended) -> None:
        text = " ".join(avlink("sonify", "--help").out.split())
        assert "--double N Twice as many takes. [default: one take]" in text and "--tone Sine." in text
        assert "Not ours." not in text
        assert "--tone " in avlink("visualize", "--help").out and "--double" not in avlink("visualize", "--help").out
        assert "--tone" not in avlink("doctor", "--help").out
        assert avlink("sonify", "x.otio", "--doubl", "3").code == 2

    def test_they_set_values_of_the_recipe(self, avlink, extended, tmp_path: Path) -> None:
        cut = make_timeline(tmp_path, ["a", "b"])
        ran = avlink("sonify", cut, "--json", "--dry-run", "--tone", "--double", "2", "--only", "a", "--only", "c")
        assert ran.code == 0, ran.err
        made = {item["name"]: item["status"] for item in ran.json["items"]}
        assert made == {"a": "generated"}

    def test_mistakes_name_the_option(self, avlink, extended, tmp_path: Path) -> None:
        cut = make_timeline(tmp_path)
        said = avlink("sonify", cut, "--tone", "--double", "80").err
        assert "foley (with --tone, --double 80): run.takes = 160: must be less than or equal to 99" in said
        assert "not 13" in avlink("sonify", cut, "--double", "13").err
        failed = avlink("sonify", cut, "--double", "0")
        assert "option --double of plugin 'extended' failed: ZeroDivisionError: division by zero" in failed.err
        assert failed.code == 1
        assert "V9" in avlink("sonify", cut, "--tone", "--some-where.else", "V9").err

    def test_ours_come_last(self, avlink, extended, tmp_path: Path) -> None:
        cut = make_timeline(tmp_path)
        asked = ("sonify", cut, "--tone", "--dry-run", "-s", "run.takes=200", "--double")
        assert avlink(*asked, "60").code == 2
        assert avlink(*asked, "40").code == 0
        assert avlink(*asked, "60", "--takes", "2").code == 0

    def test_help_imports_no_plugin_a_second_time(self, program, extended) -> None:
        assert "--double" in program("sonify", "--help").out
        ran = program("sonify", "--help", python=("-X", "importtime"))
        assert "--double" in ran.out
        assert not {"extended_plugin", "pluggy"} & {line.rpartition("|")[2].strip() for line in ran.err.splitlines()}

    def test_two_plugins_with_one_option_have_none(self, avlink, install, extended, monkeypatch) -> None:
        other = OPTIONS.replace("from avlink.testing import avlink_backends as avlink_backends\n", "")
        install("second", "second_plugin", other)
        monkeypatch.setenv("AVLINK_PLUGINS", "extended,second,avlink_post")
        assert "--double" not in avlink("sonify", "--help").out
        said = "command option 'double' is offered by the plugins 'extended' and 'second', so none of them is used"
        assert said in avlink("plugins", "list").out

    def test_plugins_list_them(self, avlink, extended) -> None:
        listed = avlink("plugins", "list", "--json").json
        (plugin,) = [plugin for plugin in listed["plugins"] if plugin["name"] == "extended"]
        assert plugin["command_options"] == ["tone", "double", "only", "some-where.else", "seed", "tone2"]
        assert plugin["hooks"] == []
        assert "--double" in avlink("plugins", "list").out
