"""Names and texts of files never reach a terminal as commands to it."""

from __future__ import annotations

import io
import json
import re
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.cli.console import progress, show
from avlink.cli.terminal import visible, visible_json, visible_line
from avlink.core.answer import Grid
from avlink.core.events import JobDone, JobFailed, JobStarted, Message, PlanReady, StepDone

HOSTILE = "\x1b]0;owned\x07\x1b[31mred \u202egpj\u2066 \x9b2J \x85\u2028 [bold]tag[/] :dog: end"
SHOWN = "\\e]0;owned\\x07\\e[31mred \\u202egpj\\u2066 \\x9b2J \\x85\\u2028 [bold]tag[/] :dog: end"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def obeyed(text: str) -> list[str]:
    """The characters of a text that a terminal obeys, beside line breaks and tabs."""
    marks = {"LRM", "RLM", "ALM", "LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    return [
        c
        for c in text
        if (unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") and c not in "\n\t")
        or unicodedata.bidirectional(c) in marks
        or c in "\u200e\u200f\u061c"
    ]


def test_what_a_terminal_obeys_becomes_visible_and_the_rest_stays() -> None:
    assert visible_line(HOSTILE) == SHOWN
    assert visible("one\ntwo\tthree\rfour\0") == "one\ntwo\tthree\\rfour\\x00"
    assert visible_line("one\ntwo\tthree") == "one\\ntwo\\tthree"
    names = ("Tür 門 שער нота", "👩\u200d👧 👍🏽 e\u0301", "دوست\u200cها", "C:\\new\\table", "[V1] 'a' \"b\"")  # noqa: RUF001
    for name in names:
        assert visible_line(name) == name
    assert visible_line("clip_\udcff\udc80.mp4") == "clip_\\xff\\x80.mp4"


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=40))
def test_no_text_keeps_a_character_that_is_obeyed(text: str) -> None:
    assert not obeyed(visible(text)) and not obeyed(visible_line(text))
    assert not {"\n", "\t"} & set(visible_line(text))
    document = visible_json(json.dumps({text: [text]}, ensure_ascii=False, indent=2))
    assert json.loads(document) == {text: [text]} and not obeyed(document)
    document.encode("utf-8")


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_tables_texts_and_progress_show_hostile_names_as_text(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    show([Grid(heads=(HOSTILE,), rows=[(HOSTILE,), ("a\nb",)]), HOSTILE], stream)
    events = [
        PlanReady(jobs=2),
        JobStarted(job_id="a", name=HOSTILE),
        *(StepDone(job_id="a", done=step, total=20, note=HOSTILE) for step in range(1, 21)),
        JobDone(job_id="a", name=HOSTILE),
        JobFailed(job_id="b", name=HOSTILE, reason=HOSTILE),
        Message(text=HOSTILE, level="warning"),
    ]
    with progress(stream) as tell:
        for event in events:
            tell(event)
    # Rich's own commands: colours and cursor, never a title, a bell or a command of one character.
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue()) if stream.isatty() else stream.getvalue()
    assert not obeyed(said.replace("\r", "")) and "a\\nb" in said
    assert said.count(SHOWN) >= 6 and "\x1b[31mred" not in stream.getvalue()


def test_an_output_without_unicode_gets_escapes() -> None:
    data = io.BytesIO()
    stream = io.TextIOWrapper(data, encoding="ascii")
    show(["Tür"], stream)
    assert data.getvalue() == b"T\\xfcr\n"


def _hostile_timeline(folder: Path) -> Path:
    clip = otio.schema.Clip(
        name=HOSTILE,
        media_reference=otio.schema.ExternalReference("clip.mp4"),
        source_range=otio.opentime.TimeRange(otio.opentime.RationalTime(0, 12), otio.opentime.RationalTime(6, 12)),
    )
    gone = otio.schema.Clip(
        name=f"{HOSTILE} gone",
        media_reference=otio.schema.ExternalReference(f"{HOSTILE[:20]}gone.mp4"),
        source_range=clip.source_range,
    )
    timeline = otio.schema.Timeline("cut")
    timeline.tracks.append(otio.schema.Track("V1", children=[clip, gone]))
    path = folder / "cut.otio"
    otio.adapters.write_to_file(timeline, str(path))
    return path


def test_a_run_on_hostile_names_prints_none_of_them_raw(
    avlink: Callable[..., Any], tone: tuple[str, ...], movie: Path
) -> None:
    cut = _hostile_timeline(movie.parent)
    # Media missing, progress, table, reasons; then the project, its takes and its error messages.
    runs = [avlink("sonify", cut, *tone), avlink("sonify", cut, "--skip-missing", *tone)]
    runs += [avlink("takes", movie.parent / "cut.foley.otio"), avlink("sonify", f"{HOSTILE}.otio")]
    runs += [avlink("sonify", cut, "--skip-missing", "--json", *tone), avlink("--debug", "sonify", f"{HOSTILE}.otio")]
    assert [run.code for run in runs] == [2, 0, 0, 2, 0, 2]
    for run in runs:
        assert not obeyed(run.out) and not obeyed(run.err)
    assert SHOWN[:30] in runs[1].out and SHOWN[:30] in runs[1].err
    assert {item["name"] for item in runs[4].json["items"]} == {HOSTILE, f"{HOSTILE} gone"}


def test_recipes_models_and_plugins_with_hostile_texts(
    avlink: Callable[..., Any], install: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text(
        f'format = 1\nkind = "sonify"\nextends = "foley"\n[prompt]\ntemplate = {json.dumps(HOSTILE)}\n', "utf-8"
    )
    source = (
        "from avlink.hooks import Command, hookimpl\n"
        f"TEXT = {HOSTILE!r}\n"
        "@hookimpl\n"
        "def avlink_commands():\n"
        "    return [Command(name='shout', summary=TEXT, load='loud:shout')]\n"
        "def shout():\n"
        "    raise RuntimeError(TEXT)\n"
    )
    install("loud", "loud", source)
    install("broken", "broken_one", f"raise RuntimeError({HOSTILE!r})\n")
    runs = [avlink("recipes", "show", tmp_path / "mine.toml"), avlink("--help"), avlink("shout")]
    runs += [avlink("plugins", "list", "-v"), avlink("recipes", "check", tmp_path / f"{HOSTILE[:20]}.toml")]
    for run in runs:
        assert run.out + run.err
        assert not obeyed(run.out) and not obeyed(run.err)
    sys.modules.pop("loud", None)
