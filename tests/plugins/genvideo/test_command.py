"""`avlink finish` as people and scripts use it: exit codes, one JSON object, sentences, Ctrl-C and kill -9."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from avlink_genvideo.request import LOUDNESS_TARGETS, parse_loudness

from avlink import probe
from avlink.cli import main
from avlink.core.errors import InputError

TONE = ("-s", "backend.name=tone", "--device", "cpu")

SLOW = """
import time
from avlink import hookimpl, testing
from avlink.hooks import Backend

class Slow(testing.ToneGenerator):
    def generate(self, requests, *, on_step=None):
        for step in range(200):
            on_step(step, 200)
            time.sleep(0.05)
        return super().generate(requests)

@hookimpl
def avlink_backends():
    return [Backend(name="slow", direction="v2a", options=testing.ToneOptions, fingerprint=lambda o: "slow",
                    load=lambda o, d: Slow(o))]
"""


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Plugins on the path of this process and of those it starts: ours, the tone, and one that takes its time."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "slow_plugin.py").write_text(SLOW)
    plugins = {"tones": "avlink.testing", "slow": "slow_plugin", "avlink_genvideo": "avlink_genvideo.plugin"}
    for name, module in plugins.items():
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[avlink]\n{name} = {module}\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
    # Whether this checkout is the installed one or not, its plugin counts once.
    monkeypatch.setenv("AVLINK_PLUGINS", "tones,slow,avlink_genvideo,avlink_post")
    yield folder


@pytest.fixture
def avlink(site: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_it_is_listed_and_has_help(avlink: Any) -> None:
    assert "Give generated videos their sound." in avlink("--help")[1]
    code, out, _ = avlink("finish", "--help")
    assert code == 0 and "--no-prompt" in out


def test_a_run_in_words_and_as_json(avlink: Any, clip: Any, tmp_path: Path) -> None:
    source = clip()
    code, out, err = avlink("finish", source, *TONE)
    assert code == 0
    assert "clip_00001_.mp4  generated  a stick strikes wood  -23.0 LUFS" in out and out.endswith("1 generated\n")
    assert "clip_00001_.mp4: generated" in err
    (tmp_path / "bad.mp4").write_text("text")
    code, out, err = avlink("finish", source, tmp_path / "bad.mp4", "-o", tmp_path / "out", "--json", *TONE)
    answer = json.loads(out)
    assert code == 3
    assert (answer["format"], answer["command"]) == (1, "finish")
    assert [item["status"] for item in answer["items"]] == ["cached", "failed"]
    assert answer["items"][0]["output"] == str(tmp_path / "out" / "clip_00001_.mp4")
    assert answer["counts"] == {"generated": 0, "cached": 1, "skipped": 0, "failed": 1}


def test_sonify_takes_the_prompt_too_if_it_is_asked_to(avlink: Any, clip: Any) -> None:
    def prompt(*options: str) -> str:
        code, out, err = avlink("sonify", source, "--dry-run", "--json", *TONE, *options)
        assert code == 0, err
        return json.loads(out)["items"][0]["prompt"]

    source = clip()
    assert "--metadata-prompt" in avlink("sonify", "--help")[1]
    assert prompt() == "" and prompt("--metadata-prompt") == "a stick strikes wood"


def test_a_dry_run_writes_nothing(avlink: Any, clip: Any) -> None:
    source = clip()
    code, out, _ = avlink("finish", source, "--dry-run", *TONE)
    assert code == 0 and "to generate" in out and "nothing was written" in out
    assert [path.name for path in source.parent.glob("*.mp4")] == [source.name]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("missing.mp4",), "does not exist"),
        (("{clip}", "--loudness", "loud"), "it is one of ebu, atsc, netflix, youtube, spotify, apple, none"),
        (("{clip}", "--loudness", "-90"), "from -70 to -5"),
        (("{clip}", "--loudness", "nan"), "from -70 to -5"),
        (("{clip}", "--peak", "3"), "from -30 to 0"),
        (("{clip}", "--replace", "--mix"), "exclude each other"),
        (("{clip}", "--prompt", "x", "--no-prompt"), "exclude each other"),
        (("{clip}", "--in-place", "-o", "x.mp4"), "exclude each other"),
        (("{clip}", "-o", "x.avi"), "a finished video is one of"),
        (("{clip}", "--seed", "-1"), "run.seed = -1"),
        (("{clip}", "-r", "foly"), "did you mean 'foley'?"),
        (("{clip}", "-r", "visualize"), "is a recipe for `avlink visualize`"),
        ((), "missing argument"),
    ],
)
def test_trouble_is_one_sentence_and_exit_code_2(avlink: Any, clip: Any, arguments: tuple[str, ...], said: str) -> None:
    given = [str(clip()) if word == "{clip}" else word for word in arguments]
    code, out, err = avlink("finish", *given, "-s", "backend.name=tone")
    *_, last = err.splitlines()
    assert code == 2 and out == "" and said in last, err


@pytest.mark.parametrize("text", ["-16", "-23.5", " -14 "])
def test_loudness_may_be_a_number(text: str) -> None:
    assert parse_loudness(text) == (float(text), -1.0)


def test_platforms_have_a_loudness_and_a_peak() -> None:
    assert LOUDNESS_TARGETS["ebu"] == (-23.0, -1.0) and parse_loudness("YouTube") == (-14.0, -1.0)
    with pytest.raises(InputError):
        parse_loudness("")


@pytest.mark.parametrize(
    ("end", "code"),
    [(signal.SIGINT, 130), pytest.param(signal.SIGKILL, -signal.SIGKILL, marks=pytest.mark.slow)],
)
def test_what_was_finished_stays_when_the_run_ends_early(
    avlink: Any, clip: Any, tmp_path: Path, end: signal.Signals, code: int
) -> None:
    first, second = clip("a.mp4"), clip("b.mp4")
    assert avlink("finish", first, *TONE, "-o", tmp_path / "out" / "a.mp4")[0] == 0
    done = (tmp_path / "out" / "a.mp4").read_bytes()
    command = [
        sys.executable,
        "-m",
        "avlink",
        "finish",
        str(first),
        str(second),
        "-o",
        str(tmp_path / "out"),
        "--force",
    ]
    process = subprocess.Popen(
        [*command, "-s", "backend.name=slow", "--device", "cpu"],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "a.mp4: 20/200" in line:
            break
    process.send_signal(end)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=30) == code
    if end is signal.SIGINT:
        assert rest.splitlines()[-1] == "avlink: interrupted; what was finished is kept"
    assert (tmp_path / "out" / "a.mp4").read_bytes() == done
    assert [path.name for path in (tmp_path / "out").glob("*.mp4")] == ["a.mp4"]
    assert not probe(second).has_audio


def test_it_takes_its_place_among_the_plugins(avlink: Any) -> None:
    _, out, _ = avlink("plugins", "list", "--json")
    assert json.loads(out)["commands"]["finish"] == "Give generated videos their sound."


@pytest.mark.slow
def test_a_second_of_1080p_is_finished_within_moments(clip: Any, kit: Any, tmp_path: Path, avlink: Any) -> None:
    """16:9, 24 fps, 5 s: the time is printed, for it says more than any bound."""
    source = clip("hd.mp4", frames=kit.strokes(120, (1080, 1920), 24), rate=24)
    begin = time.perf_counter()
    assert avlink("finish", source, *TONE)[0] == 0
    print(f"finished 5 s of 1080p in {time.perf_counter() - begin:.1f} s")
