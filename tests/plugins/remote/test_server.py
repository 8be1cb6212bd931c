"""`avlink serve` as it is asked over HTTP, also by those who should not."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import re
import signal
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import jsonschema
import pytest
from avlink_remote.protocol import JobRequest


def make_request(
    info: Any, seed: int = 1, *, words: str = "", pictures: int = 4, data: bytes | None = None
) -> JobRequest:
    """A job for the tone backend, whose upload is zeros unless it is given."""
    data = bytes(pictures * 8 * 8 * 3) if data is None else data
    return JobRequest.model_validate(
        {
            "direction": "v2a",
            "fingerprint": info["v2a"]["fingerprint"],
            "requests": [{"count": pictures, "duration_s": f"{pictures}/4", "prompt": words, "seed": seed}],
            "upload_bytes": len(data),
            "upload_digest": hashlib.blake2b(data, digest_size=20).hexdigest(),
        }
    )


class Asker:
    """Requests by hand, each answer held against the OpenAPI document."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.document = client.get("/openapi.json").json()
        self.info = self("GET", "/v1/server").json()
        self.met: set[tuple[str, str, int]] = set()

    def __call__(self, method: str, path: str, expected: int = 200, **more: Any) -> httpx.Response:
        answer = self.client.request(method, path, **more)
        assert answer.status_code == expected, answer.text
        route = re.sub(r"[0-9a-f]{40}", "{id}", path.partition("?")[0])
        told = self.document["paths"][route][method.lower()]["responses"][str(expected)]
        media = answer.headers.get("content-type", "").partition(";")[0]
        assert (media in told["content"]) if answer.content and expected != 204 else True
        if media == "application/json":
            schema = {**told["content"][media]["schema"], "components": self.document["components"]}
            jsonschema.Draft202012Validator(schema).validate(answer.json())
        getattr(self, "met", set()).add((route, method, expected))
        return answer

    def ask(self, job: JobRequest, expected: int = 201) -> httpx.Response:
        return self("PUT", f"/v1/jobs/{job.id}", expected, json=job.model_dump(mode="json"))

    def send(
        self, job: JobRequest, data: bytes, offset: int = 0, expected: int = 200, **headers: str
    ) -> httpx.Response:
        path = f"/v1/jobs/{job.id}/upload?offset={offset}"
        return self("PUT", path, expected, content=data, headers=headers)

    def until(self, job: JobRequest, state: str) -> Any:
        status = self("GET", f"/v1/jobs/{job.id}").json()
        while status["state"] != state:
            status = self("GET", f"/v1/jobs/{job.id}?version={status['version']}&wait_s=10").json()
        return status


@pytest.fixture
def ask(server: Any) -> Any:
    with server.client() as client:
        yield Asker(client)


def test_without_the_token_nothing_is_told_but_that_it_lives(server: Any, kit: Any) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        assert client.get("/health").json() == {"status": "ok"}
        almost = kit.token[:-1] + "x"
        for headers in (
            {},
            {"authorization": f"Bearer {almost}"},
            {"authorization": "Bearer"},
            {"authorization": "é"},
        ):
            for path in ("/v1/server", "/docs", "/openapi.json", "/", "/v1/jobs/x"):
                answer = client.get(path, headers=[(k.encode(), v.encode("latin-1")) for k, v in headers.items()])
                assert answer.status_code == 401 and "avlink" not in answer.text.lower()
        # A browser may show the token as a password, but only to read.
        assert client.get("/docs", auth=("", kit.token)).status_code == 200
        assert client.get("/docs", auth=("", almost)).status_code == 401
        assert client.get("/v1/server", auth=("", kit.token)).status_code == 401
        assert client.get("/docs", auth=(kit.token, "")).status_code == 200
        # A link may hold it as well, for the same pages, which are kept by no cache and told to no other site.
        for page in ("/docs", "/openapi.json"):
            assert client.get(f"{page}?token={kit.token}").status_code == 200
            for query in (f"token={almost}", "token=", "token", "a=1&b=2&c=3&d=4&token=x", "token=%ff%00", "token=é"):
                assert client.get(f"{page}?{query}").status_code == 401
            assert client.post(f"{page}?token={kit.token}").status_code == 401
        assert client.get(f"/v1/server?token={kit.token}").status_code == 401
        opened = client.get(f"/docs?token={kit.token}")
        assert f'href="openapi.json?token={kit.token}"' in opened.text
        assert opened.headers["referrer-policy"] == "no-referrer" and opened.headers["cache-control"] == "no-store"
        assert client.get(f"/docs?token={kit.token}&x=%22%3E<script>").text.count("<script") == 0
    # What the server tells on its terminal never has it.
    assert kit.token not in str(server.events)


def test_every_answer_is_as_the_openapi_document_says(ask: Asker) -> None:
    data = bytes(range(192)) * 4
    job, lasting, bad = (
        make_request(ask.info, 11, data=data),
        make_request(ask.info, 12, words="lasts"),
        make_request(ask.info, 13, words="fails"),
    )
    path = f"/v1/jobs/{job.id}"
    assert ask("GET", "/health").json() == {"status": "ok"}
    ask("GET", path, 404)
    assert ask.ask(job).json()["state"] == "uploading"
    assert ask.ask(job, 200).json()["received"] == 0
    ask("GET", f"{path}/result", 409)
    assert ask.send(job, data[:100]).json()["received"] == 100
    # The same chunk again changes nothing; one that leaves a gap is told where to go on.
    assert ask.send(job, data[:100]).json()["received"] == 100
    assert "goes on at byte 100" in ask.send(job, data[200:], 200, 409).text
    packed = gzip.compress(data[100:])
    ask.send(job, packed[:-9], 100, 400, **{"content-encoding": "gzip"})
    ask.send(job, packed, 100, 400, **{"content-encoding": "br"})
    ask.send(job, gzip.compress(bytes(1 << 23)), 100, 413, **{"content-encoding": "gzip"})
    ask.send(job, bytes((4 << 20) + 1), 100, 413)
    ask.send(job, packed, 100, **{"content-encoding": "gzip"})
    parts = ask.until(job, "done")["result"]
    assert [part["count"] for part in parts] == [16_000] and parts[0]["bytes"] == 64_000
    whole = ask("GET", f"{path}/result").content
    assert hashlib.blake2b(whole, digest_size=20).hexdigest() == parts[0]["digest"]
    part = ask("GET", f"{path}/result", 206, headers={"range": "bytes=10-19"})
    assert part.content == whole[10:20] and part.headers["content-range"] == "bytes 10-19/64000"
    for wrong in ("bytes=64000-", "bytes=5-4", "bytes=-5", "lines=1-2", "bytes=0-1,3-4"):
        ask("GET", f"{path}/result", 416, headers={"range": wrong})
    ask("DELETE", path, 204)
    ask("GET", path, 404)
    ask.ask(bad)
    ask.send(bad, bytes(768))
    assert ask.until(bad, "failed")["failure"]["message"] == "RuntimeError: this model does not like it"
    ask.ask(lasting)
    ask.send(lasting, bytes(768))
    running = ask.until(lasting, "running")
    assert running["ahead"] == 0
    ask("DELETE", f"/v1/jobs/{lasting.id}", 204)
    told = {(route, method.upper()) for route, methods in ask.document["paths"].items() for method in methods}
    assert {(route, method) for route, method, _ in ask.met} | {("/v1/server", "GET")} == told
    assert ask.document["openapi"].startswith("3.1")
    page = ask.client.get("/docs").text
    assert all(route in page for route, _ in told)
    assert not re.search(r"(src|href)=.?(https?:)?//|<script", page) and "default-src 'none'" in str(
        ask.client.get("/docs").headers
    )


def test_an_upload_that_arrived_changed_begins_anew(ask: Asker) -> None:
    job = make_request(ask.info, 21)
    ask.ask(job)
    ask.send(job, b"x" + bytes(767), 0, 400)
    assert ask("GET", f"/v1/jobs/{job.id}").json()["received"] == 0
    ask.send(job, bytes(768))
    ask.until(job, "done")


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"upload_bytes": 2_000_000_000}, 413, "an upload may have 1024000000 bytes at most"),
        ({"fingerprint": "another"}, 409, "another model is served"),
        ({"upload_bytes": 767}, 422, "do not add up"),
        ({"requests": [{"count": 4, "duration_s": "3000000000/1", "seed": 1}]}, 422, "do not fit"),
        ({"requests": [{"count": 4, "duration_s": "1/0", "seed": 1}]}, 422, "duration_s"),
        ({"requests": []}, 422, "requests"),
        ({"direction": "a2v"}, 409, "another model"),
        ({"more": 1}, 422, "more"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(ask: Asker, change: Any, status: int, words: str) -> None:
    value = {**make_request(ask.info).model_dump(mode="json"), **change}
    try:
        name = JobRequest.model_validate(value).id
    except ValueError:
        name = "0" * 40
    assert words in ask("PUT", f"/v1/jobs/{name}", status, json=value).json()["error"]["message"]


def test_a_job_has_the_name_of_what_it_asks_for_and_no_path_is_one(ask: Asker) -> None:
    job = make_request(ask.info)
    assert job.id in ask("PUT", f"/v1/jobs/{'0' * 40}", 422, json=job.model_dump(mode="json")).text
    for name in ("..%2f..%2fetc%2fpasswd", "%2e%2e", "x", f"{job.id}%00"):
        assert ask.client.get(f"/v1/jobs/{name}").status_code in {404, 422}


def test_half_requests_hold_nobody_up_and_are_ended(ask: Asker, server: Any, kit: Any) -> None:
    where = (urlsplit(server.url).hostname, urlsplit(server.url).port)
    head = f"PUT /v1/jobs/{'0' * 40} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {kit.token}\r\n"
    half = [b"", b"GET /v1/ser", f"{head}content-length: 100\r\n\r\nhalf".encode()]
    slow = [socket.create_connection(where) for _ in range(60)]
    for index, connection in enumerate(slow):
        connection.sendall(half[index % 3])
    began = time.monotonic()
    job = make_request(ask.info, 51)
    ask.ask(job)
    ask.send(job, bytes(768))
    ask.until(job, "done")
    assert time.monotonic() - began < 10
    for index, connection in enumerate(slow):
        connection.settimeout(20)
        try:
            said = connection.recv(1000)
        except ConnectionResetError:
            said = b""
        # limits.request_s is 1.5: without a head it is just ended, without the rest of a body it is told.
        assert said.startswith(b"HTTP/1.1 408" if index % 3 == 2 else b"") and (index % 3 == 2 or said == b"")
        connection.close()


def test_a_body_is_not_read_before_its_size_is_known_to_be_fine(ask: Asker, server: Any, kit: Any) -> None:
    where = (urlsplit(server.url).hostname, urlsplit(server.url).port)
    for length in ("99999999999", "-1", "many"):
        with socket.create_connection(where) as connection:
            head = f"PUT /v1/jobs/{'0' * 40} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {kit.token}\r\n"
            connection.sendall(f"{head}content-length: {length}\r\n\r\n".encode())
            connection.settimeout(20)
            assert connection.recv(1000).startswith((b"HTTP/1.1 413", b"HTTP/1.1 400"))
    chunks = (bytes(1 << 20) for _ in range(20))
    # It may also hang up while it is still being sent to.
    with contextlib.suppress(httpx.TransportError):
        assert ask.client.put(f"/v1/jobs/{'0' * 40}", content=chunks).status_code == 413


def test_two_clients_want_one_job_and_it_stops_when_both_left(server: Any, ask: Asker) -> None:
    job = make_request(ask.info, 61, words="lasts")
    with server.client(name="another") as client:
        other = Asker(client)
        ask.ask(job)
        ask.send(job, bytes(768))
        assert other.ask(job, 200).json()["id"] == job.id
        ask("DELETE", f"/v1/jobs/{job.id}", 204)
        assert other("GET", f"/v1/jobs/{job.id}").json()["state"] in {"queued", "running"}
        assert not server.of("cancelled", job.id)
        other("DELETE", f"/v1/jobs/{job.id}", 204)
    server.until("started", job.id)
    server.until("cancelled", job.id)


def test_a_token_is_made_and_shown_where_there_is_none_and_a_signal_ends_it_in_the_midst_of_a_job(
    start: Callable[..., Any], bench: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(bench.env, "AVLINK_TOKEN", "")
    server = start("--queue", "1")
    made = server.until("serving")["token"]
    assert len(made) >= 43
    with server.client() as client:
        assert client.get("/v1/server").status_code == 401
    with server.client(token=made) as client:
        ask = Asker(client)
        job = make_request(ask.info, words="lasts")
        ask.ask(job)
        ask.send(job, bytes(768))
        server.until("started")
        full = ask.ask(make_request(ask.info, 2), 429)
        assert 1 <= int(full.headers["retry-after"]) <= 30
        assert server.end(signal.SIGINT) == 130
    told = [event["event"] for event in server.events if "event" in event]
    assert told == ["loaded", "loaded", "serving", "started", "stopping", "cancelled", "stopped"]
    assert kit.token not in str(server.events)


@pytest.mark.parametrize(
    ("words", "token", "expected"),
    [
        (["--host", "0.0.0.0"], "", "lets other machines in, which needs a token that you choose"),
        (["--host", "0.0.0.0"], "short", "must hold one word of at least 16"),
        (["--token-file", "nowhere"], "", "the token file nowhere cannot be read: No such file"),
        (["--host", "256.1.1.1"], "", "is no address of this machine"),
        (["--port", "PORT"], "", "127.0.0.1 port PORT cannot be listened on: Address already in use"),
        (["-r", "evaluate"], "", "only recipes of kind serve, sonify and"),
        (["-s", "sound.name=tune"], "", "sound: "),
        (["-s", "sound.on=false"], "", "nothing is left to serve"),
        (["-s", "sound.options.peek=1.0"], "", "peek"),
    ],
)
def test_what_cannot_be_served_is_said_in_a_sentence(
    avlink: Callable[..., tuple[int, str, str]],
    server: Any,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    token: str,
    expected: str,
) -> None:
    port = str(urlsplit(server.url).port)
    monkeypatch.setenv("AVLINK_TOKEN", token)
    tone = [] if words[0] == "-r" else ["-s", "sound.name=tone", "-s", "picture.on=false", "--device", "cpu"]
    code, out, err = avlink("serve", *tone, *(word.replace("PORT", port) for word in words))
    assert code == 2 and out == "" and expected.replace("PORT", port) in err, err
