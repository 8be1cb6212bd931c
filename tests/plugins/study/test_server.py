"""`avlink study` as raters' browsers use it over HTTP, also when it is killed, and as those who should not."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from avlink_study.database import StudyDatabase
from starlette.exceptions import HTTPException

from avlink import picture_digest, probe, read_audio
from avlink.core.file_digest import file_digest

Choose = Callable[..., Any]


def prefer_quince(bench: Any) -> Choose:
    """A rater who knows quince's clips by their bytes, and prefers them but for the timing."""
    ours = {path.read_bytes() for path in (bench.folder / "quince").glob("*.mp4")}

    def choose(question: str, seen: Any) -> str:
        side = "left" if seen["left"] in ours else "right"
        assert seen["left" if side == "right" else "right"] not in ours
        return side if question != "temporal_alignment" else {"left": "right", "right": "left"}[side]

    return choose


def join(study: Any, meet: Choose) -> Any:
    answer = httpx.post(study.links[0], json={}, trust_env=False)
    assert answer.status_code == 201
    return meet(f"{study.url}/r/{answer.json()['key']}")


def test_a_study_from_the_first_link_to_the_table_with_a_kill_in_between(
    start: Choose, bench: Any, meet: Choose, avlink: Choose
) -> None:
    path = bench.folder / "whole.db"
    study = start("quince", "medlar", "-o", path.name, "-s", "raters=3")
    told = study.events
    assert told[0] == {
        "format": 1,
        "command": "study",
        "event": "no_partner",
        "method": "quince",
        "clips": ["alone"],
    }
    assert (told[-1]["pairs"], told[-1]["answers"]) == (3, 0)
    port = str(urlsplit(study.url).port)
    raters = [join(study, meet) for _ in range(3)]
    choose = prefer_quince(bench)

    def go_on(rater: Any) -> None:
        with pytest.raises((httpx.HTTPError, AssertionError)):
            rater.rate(choose)
            raise AssertionError("it was over before the end came")

    threads = [threading.Thread(target=go_on, args=(rater,)) for rater in raters]
    for thread in threads:
        thread.start()
    while sum(len(rater.kept) for rater in raters) < 7:
        time.sleep(0.005)
    study.process.send_signal(signal.SIGKILL)
    for thread in threads:
        thread.join()

    # Whatever a rater was told is kept, is; of what was under way when the end came, at most one answer each.
    kept = {(number, *answer) for number, rater in enumerate(raters, 1) for answer in rater.kept}
    database = StudyDatabase(path)
    rows = database.rows(
        "SELECT a.rater, s.place, a.question, a.choice FROM answers a JOIN showings s USING (rater, pair)"
    )
    database.close()
    assert kept <= set(rows)
    assert len(set(rows) - kept) <= 3

    study = start("-o", path.name, "--port", port, "-s", "raters=3")
    assert study.events[-1]["answers"] == len(rows)
    for rater in raters:
        state = rater.rate(choose)
        assert state["pair"] is None
        assert state["progress"] == {"done": 3, "left": 0}
    late = join(study, meet)
    assert late.post("pair")["pair"] is None

    # Asked for while it is served.
    code, out, _ = avlink("study", "results", path.name, "--json", "--csv", "table.csv", "--votes", "votes.csv")
    results = json.loads(out)
    assert code == 0
    assert study.end() == 0
    assert {event["event"] for event in study.rest()} == {"rated", "joined", "stopped"}
    assert [(cell["first"], cell["second"], cell["question"]) for cell in results["table"]] == [
        ("quince", "medlar", question)
        for question in ("audio_quality", "audio_video_quality", "semantic_alignment", "temporal_alignment")
    ]
    for cell in results["table"]:
        wanted = 0.0 if cell["question"] == "temporal_alignment" else 1.0
        assert (cell["share"], cell["answers"], cell["clips"], cell["raters"]) == (wanted, 9, 3, 3)
        assert cell["p_clips"] == 0.25
    assert (results["answers"], results["raters"]) == (36, 3)
    assert len((bench.folder / "table.csv").read_text().splitlines()) == 5
    assert len((bench.folder / "votes.csv").read_text().splitlines()) == 37
    _, out, _ = avlink("study", "results", path.name)
    assert re.search(r"quince - medlar +100\.0 \(70\.1 to 100\.0\) .* 0\.0 \(0\.0 to 29\.9\)", out)

    # Another study does not get in between, in words.
    shutil.copytree(bench.folder / "medlar", bench.folder / "sorb", dirs_exist_ok=True)
    code, _, err = avlink("study", "quince", "sorb", "-o", path.name, "-s", "raters=3", "--port", "0")
    assert code == 2
    assert "has answers to another study: it compares quince and medlar, not quince and sorb" in err


@pytest.fixture(scope="module")
def names() -> tuple[str, ...]:
    """Words that no response may hold."""
    return ("quince", "medlar", "walnut")


def test_names_are_never_told_and_every_answer_is_guarded(
    start: Choose, bench: Any, meet: Choose, names: tuple[str, ...]
) -> None:
    study = start("quince", "medlar", "-o", "names.db", "--links", "2", "-s", "no_preference=true")
    assert len(set(study.links)) == 2
    rater = meet(study.links[0])
    answers = []
    rater.client.event_hooks["response"].append(answers.append)
    for path in ("", "/../../page.js", "/../../page.css"):
        assert rater.client.get(study.links[0] + path).status_code == 200
    state = rater.post("pair")
    assert state["choices"] == ["left", "right", "none"]
    rater.post("played", 409, place=1, side="left")
    rater.post("answer", 409, place=1, question="audio_quality", choice="left")
    rater.rate(lambda question, seen: "none", most=1)
    for act, body, status in (
        ("played", {"place": 9, "side": "left"}, 409),
        ("played", {"place": 2, "side": "up"}, 422),
        ("played", {"place": "2"}, 422),
        ("played", {"place": True}, 422),
        ("answer", {"place": 2, "question": 3, "choice": "left"}, 422),
        ("nonsense", {"place": 2}, 404),
    ):
        rater.post(act, status, **body)
    for place, side in ((2, "up"), (77, "left")):
        assert rater.clip(place, side).status_code == 404
    for answer in answers:
        answer.read()
        everything = answer.content + repr(answer.headers).encode()
        assert not [name for name in names if name.encode() in everything], answer.url
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"

    raw = rater.client
    link, wrong = study.links[0], f"{study.url}/r/{'x' * 22}"
    for url in (wrong, f"{study.url}/join/{'x' * 32}", f"{study.url}/r/"):
        assert raw.get(url).status_code == 404
    assert "for the whole of it" in raw.get(wrong, headers={"accept": "text/html"}).text
    assert raw.post(f"{wrong}/pair", json={}).status_code == 404
    assert raw.get(f"{wrong}/clip/1/left").status_code == 404
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert raw.post(f"{link}/pair", content="a=b", headers=form).status_code == 415
    assert raw.post(f"{link}/pair", json={}, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert raw.post(f"{link}/pair", json={}, headers={"sec-fetch-site": "same-origin"}).status_code == 200
    as_json = {"content-type": "application/json"}
    assert raw.post(f"{link}/pair", content=b"[1]", headers=as_json).status_code == 422
    assert raw.post(f"{link}/pair", content=b"{", headers=as_json).status_code == 422
    assert raw.post(f"{link}/pair", json={"much": "x" * 5000}).status_code == 413
    assert raw.get(f"{link}/pair").status_code == 405
    for outside in ("/../../../../etc/passwd", "/%2e%2e/%2e%2e/routes.py", "/..%2f..%2froutes.py"):
        assert raw.get(study.url + outside).status_code == 404

    # Movies in pieces, as browsers want them.
    whole = rater.clip(1, "left")
    assert (whole.status_code, whole.headers["accept-ranges"], whole.headers["content-type"]) == (
        200,
        "bytes",
        "video/mp4",
    )
    size = len(whole.content)
    for wanted, span in (("0-1", (0, 2)), ("10-", (10, size)), ("-7", (size - 7, size)), (f"5-{size * 2}", (5, size))):
        part = rater.clip(1, "left", range=f"bytes={wanted}")
        assert part.status_code == 206
        assert part.content == whole.content[slice(*span)]
        assert part.headers["content-range"] == f"bytes {span[0]}-{span[1] - 1}/{size}"
        assert int(part.headers["content-length"]) == span[1] - span[0]
    past = rater.clip(1, "left", range=f"bytes={size}-")
    assert (past.status_code, past.headers["content-range"]) == (416, f"bytes */{size}")
    assert rater.clip(1, "left", range="bytes=0-1,4-5").content == whole.content
    assert study.end(signal.SIGINT) == 130


def test_ranges_of_every_form(tmp_path: Path) -> None:
    from avlink_study.routes import movie_response

    path = tmp_path / "ten.webm"
    path.write_bytes(b"0123456789")
    transport = httpx.ASGITransport(movie_response(path))  # type: ignore[arg-type]

    async def ask(values: list[str | None]) -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=transport, base_url="http://study") as client:
            return [
                await client.get("/", headers={} if value is None else {"range": value, "if-range": "x"})
                for value in values
            ]

    def all_of(values: list[str | None]) -> list[httpx.Response]:
        return asyncio.run(ask(values))

    spans = list(itertools.product(range(12), repeat=2))
    for (first, last), answer in zip(spans, all_of([f"bytes={a}-{b}" for a, b in spans]), strict=True):
        if first > last:
            assert (answer.status_code, answer.content) == (200, b"0123456789")
        elif first < 10:
            assert (answer.status_code, answer.content) == (206, b"0123456789"[first : last + 1])
            assert answer.headers["content-range"] == f"bytes {first}-{min(last, 9)}/10"
        else:
            assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */10")
    nonsense = [None, "", "bytes", "bytes=-", "lines=0-1", "bytes=a-b", "bytes=0-1, 3-4", "bytes=0-" + "9" * 40]
    for answer in all_of(nonsense):
        assert (answer.status_code, answer.content, answer.headers["content-type"]) == (
            200,
            b"0123456789",
            "video/webm",
        )
        # From the time of a file a rater could guess its method.
        assert not {"last-modified", "etag"} & set(answer.headers)
    assert {answer.status_code for answer in all_of(["bytes=10-", "bytes=10-11", "bytes=-0"])} == {416}
    assert all_of(["bytes=-99"])[0].content == b"0123456789"
    path.unlink()
    with pytest.raises(HTTPException, match="not there any more"):
        movie_response(path)


def test_sounds_are_put_to_pictures_that_stay_as_they_are(bench: Any, tmp_path: Path) -> None:
    import soundfile
    from avlink_study.clips import MethodFolder, find_files, prepare_clips
    from avlink_study.plan import StudyPair
    from avlink_study.recipe import StudyRecipe

    pictures = bench.folder / "medlar"
    for name, method in (("a", "quince"), ("b", "medlar")):
        (tmp_path / name).mkdir()
        for number in range(2):
            wave = read_audio(bench.folder / method / f"walnut_{number}.mp4", sample_rate=48000)
            soundfile.write(tmp_path / name / f"walnut_{number}.wav", wave.samples.T, 48000)
    (tmp_path / "a" / "no_movie.wav").write_bytes((tmp_path / "a" / "walnut_0.wav").read_bytes())
    folders = [MethodFolder(name=name, path=tmp_path / name) for name in ("a", "b")]
    for recipe in (StudyRecipe(pictures=str(pictures)), StudyRecipe(sounds=str(tmp_path / "a"))):
        if recipe.sounds is not None:
            folders = [MethodFolder(name=name, path=bench.folder / name) for name in ("quince", "medlar")]
        material = find_files(folders, recipe)
        assert material.stems() == (frozenset({"walnut_0", "walnut_1"}),) * 2
        pairs = (StudyPair(0, 1, "walnut_0"), StudyPair(0, 1, "walnut_1"))
        shown = dict(prepare_clips(material, pairs, folder=tmp_path / "clips"))
        assert Counter(number for number, _ in shown) == {0: 2, 1: 2}
        for (number, stem), one in shown.items():
            source = pictures if recipe.pictures is not None else folders[number].path
            assert picture_digest(one.path) == picture_digest(source / f"{stem}.mp4")
            assert probe(one.path).audio is not None
            assert stem not in one.path.name
        if recipe.pictures is not None:
            assert material.without_half() == ("no_movie",)
            assert len({file_digest(one.path) for one in shown.values()}) == 4
        made = {one.path: one.path.stat().st_mtime_ns for one in shown.values()}
        assert dict(prepare_clips(material, pairs, folder=tmp_path / "clips")) == shown
        assert {path: path.stat().st_mtime_ns for path in made} == made


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("quince",), "a study compares at least two folders"),
        (("quince", "none"), "the folder none cannot be read: No such file or directory"),
        (("quince", "quince"), "two folders are named 'quince'; give them names of their own: NAME=DIR"),
        (("quince", "empty"), "the folder empty holds no movies"),
        (("quince", "sounds"), "it holds sounds: name the folder of their movies with --pictures"),
        (("quince", "raw"), "it holds movies of other kinds: convert"),
        (("quince", "medlar", "--pictures", "quince"), "the folder quince holds no sounds"),
        (("quince", "medlar", "--pictures", "a", "--sounds", "b"), "only one of them can be given"),
        (("quince", "medlar", "-o", "text.db"), "text.db is no study of avlink"),
        (("quince", "silent"), "walnut_0.mp4' has no sound"),
        (("quince", "medlar", "-s", "samples=0"), "samples"),
        (("results", "missing.db"), "there is no study in missing.db"),
        (("quince", "medlar", "--task", "v3a"), "invalid value for '--task'"),
    ],
)
def test_wrong_input_is_a_sentence(bench: Any, avlink: Choose, words: tuple[str, ...], said: str) -> None:
    from avlink.testing import make_movie

    for name in ("empty", "sounds", "raw"):
        (bench.folder / name).mkdir(exist_ok=True)
    (bench.folder / "sounds" / "walnut_0.wav").touch()
    (bench.folder / "raw" / "walnut_0.mkv").touch()
    (bench.folder / "text.db").write_text("no study")
    if "silent" in words:
        make_movie(bench.folder / "silent" / "walnut_0.mp4", size=(32, 32))
    code, out, err = avlink("study", *words, *(() if words[0] == "results" else ("--port", "0")))
    assert code == 2, err
    assert out == "" or "without a partner" in out
    assert said in err


def test_a_recipe_names_methods_beside_itself(bench: Any, avlink: Choose, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        'format = 1\nkind = "study"\nextends = "study"\ntask = "a2v"\nraters = 2\n'
        f'methods = [{{ name = "one", folder = "{bench.folder / "quince"}" }}, {{ name = "two", folder = "gone" }}]\n'
    )
    code, _, err = avlink("recipes", "check", recipe)
    assert code == 0, err
    code, _, err = avlink("study", "-r", recipe, "-o", tmp_path / "x.db")
    assert code == 2
    assert f"the folder {tmp_path / 'gone'} cannot be read" in err
    code, _, err = avlink("recipes", "check", recipe, "-s", 'methods=[{name="one",folder="a"},{name="one",folder="b"}]')
    assert code == 2
    assert "'one' is there twice" in err
