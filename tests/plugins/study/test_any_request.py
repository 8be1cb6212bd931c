"""No request makes the server of a study fail, and no start of a study loses the answers of another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from avlink_study.database import StudyDatabase
from avlink_study.rating import Rating, RatingRefused
from avlink_study.report import check_replaceable
from avlink_study.routes import StudyApp
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from avlink import InputError, OutputError
from avlink.testing import FakeClock, make_movie

INVITATION = "the-invitation"


class App:
    """A study in this process; `errors` are the failures that it reported."""

    def __init__(self, folder: Path, kit: Any) -> None:
        self.clock = FakeClock()
        self.rating: Rating = kit.rating(folder / "study.db", kit.plan(), self.clock)
        movie = make_movie(folder / "clip.mp4", seconds=0.2)
        self.errors: list[dict[str, Any]] = []
        self.key = self.rating.join()[1]
        app = StudyApp(
            self.rating,
            paths=dict.fromkeys(self.rating.plan.clips, movie),
            invitation=INVITATION,
            report=lambda event, **more: self.errors.append(more) if event == "error" else None,
        )
        self.client = TestClient(app.asgi(), raise_server_exceptions=False)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, kit: Any) -> Iterator[App]:
    app = App(tmp_path_factory.mktemp("any"), kit)
    yield app
    assert app.errors == []


ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=12)
NUMBERS = st.one_of(st.integers(), st.integers(min_value=2**62, max_value=2**70), st.sampled_from([0, 1, 10**400]))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.floats(), ANY_TEXT), lambda inner: st.lists(inner, max_size=3)
)
BODIES = st.one_of(
    st.dictionaries(
        st.sampled_from(["place", "side", "question", "choice", "words", "x"]),
        st.one_of(st.sampled_from([1, 2, "left", "right", "audio_quality", "none"]), VALUES),
        max_size=5,
    ).map(lambda value: json.dumps(value).encode()),
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=64),
    st.sampled_from([b"[" * 4000, b'{"place":' * 400, b'{"place":' + b"9" * 4000 + b"}", b"x" * 5000, b""]),
)
SEGMENT = st.one_of(st.sampled_from(["KEY", "1", "left", "right", "clip", "r", "join", INVITATION]), ANY_TEXT)
PATHS = st.one_of(
    st.sampled_from(["pair", "played", "answer", "trouble", "done"]).map(lambda act: f"/r/KEY/{act}"),
    st.tuples(NUMBERS, st.sampled_from(["left", "right", "up"])).map(lambda at: f"/r/KEY/clip/{at[0]}/{at[1]}"),
    st.sampled_from(["/health", "/page.css", "/page.js", "/r/KEY", "/r/KEY/", f"/join/{INVITATION}", "//", "/health/"]),
    st.lists(SEGMENT, max_size=5).map(
        lambda parts: "/" + "/".join(quote(part.encode("utf-8", "surrogatepass"), safe="") for part in parts)
    ),
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "host": st.sampled_from(["evil?", "[", "a/b#c", "x:y:z", "", "é"]),
        "range": st.sampled_from(["bytes=0-", "bytes=-1", "bytes=9-1", "bytes=99999999-", "x", "bytes=0-1,3-4"]),
        "accept": st.sampled_from(["text/html", "*/*", ""]),
        "content-type": st.sampled_from(["application/json", "text/plain", "application/json; charset=utf-16"]),
        "sec-fetch-site": st.sampled_from(["same-origin", "cross-site"]),
    },
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"]),
    path=PATHS,
    body=BODIES,
    headers=HEADERS,
)
@example(method="GET", path=f"/r/KEY/clip/{10**30}/left", body=b"", headers={})
@example(method="GET", path=f"/r/KEY/clip/{'9' * 5000}/left", body=b"", headers={})
@example(method="POST", path="/r/KEY/pair", body=b"[" * 4000, headers={})
@example(method="POST", path="/r/KEY/trouble", body=b'{"place": 1, "words": "\\ud800 \\u202e"}', headers={})
@example(method="GET", path="/page.css", body=b"", headers={"host": "evil?"})
@example(method="GET", path="/health/", body=b"", headers={"host": "["})
def test_every_request_gets_an_answer_that_is_no_failure(
    app: App, method: str, path: str, body: bytes, headers: dict[str, str]
) -> None:
    sent = {"content-type": "application/json", **headers}
    encoded = {name: value.encode("latin-1") for name, value in sent.items()}
    url = "http://testserver" + path.replace("KEY", app.key)
    answer = app.client.request(method, url, content=body, headers=encoded)
    assert answer.status_code < 500, (answer.status_code, answer.text)


def test_words_of_a_browser_are_kept_as_far_as_they_are_characters(app: App) -> None:
    place = app.client.post(f"/r/{app.key}/pair", json={}).json()["pair"]["place"]
    body = json.dumps({"place": place, "words": "no \ud800 codec"})
    answer = app.client.post(f"/r/{app.key}/trouble", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200 and answer.json()["pair"]["trouble"]


def test_another_study_never_replaces_one_that_somebody_has_begun(tmp_path: Path, kit: Any) -> None:
    clock, path, folders = FakeClock(), tmp_path / "study.db", [tmp_path, tmp_path]
    rating = kit.rating(path, kit.plan(), clock)
    rater = rating.join()[0]
    trial = rating.current(rater)
    assert trial is not None
    # Nobody has rated yet: the file takes another plan, and the server of the first one learns of it.
    second = StudyDatabase(path)
    second.save_plan(kit.plan(clips=2), folders=folders, raters=5)
    for act in (lambda: rating.current(rater), lambda: rating.played(rater, trial.place, "left"), rating.join):
        with pytest.raises(RatingRefused, match="another one was begun"):
            act()
    again = Rating(second, kit.plan(clips=2), raters=5, lease_s=600, clock=clock.wall)
    rater, _ = again.join()
    trial = again.current(rater)
    assert trial is not None
    clock.advance(10)
    again.played(rater, trial.place, "left")
    with pytest.raises(InputError, match="has raters of another study: it is about 2 pairs"):
        StudyDatabase(path).save_plan(kit.plan(), folders=folders, raters=5)
    again.played(rater, trial.place, "right")
    again.answer(rater, trial.place, "audio_quality", "left")
    with pytest.raises(InputError, match="has answers to another study"):
        StudyDatabase(path).save_plan(kit.plan(), folders=folders, raters=5)
    # The same study goes on.
    StudyDatabase(path).save_plan(kit.plan(clips=2), folders=folders, raters=5)
    assert second.count("answers") == 1 and again.current(rater) is not None


def test_tables_replace_nothing_but_such_tables(tmp_path: Path) -> None:
    new = "rater,clip\n1,a\n2,b\n"
    table = tmp_path / "votes.csv"
    check_replaceable(table, new)
    for before in ("", "rater,clip\n1,a\n"):
        table.write_text(before)
        check_replaceable(table, new)
    for before in ("rater,clip,notes\n", "my notes", "SQLite format 3\0"):
        table.write_text(before)
        with pytest.raises(OutputError, match="is no such table of a study, and stays as it is"):
            check_replaceable(table, new)
    with pytest.raises(OutputError, match="cannot be written"):
        check_replaceable(tmp_path, new)
