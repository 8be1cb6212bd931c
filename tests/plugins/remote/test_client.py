"""Clients against real servers, also such as are killed, full, or behind bad proxies."""

from __future__ import annotations

import http.server
import json
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from avlink_remote.backend import ServedGenerator, fingerprint
from avlink_remote.plugin import RemoteOptions

from avlink.core.errors import AvlinkError, InputError
from avlink.core.sound import read_whole
from avlink.core.values import Frames, PictureRequest, Prompt, SoundRequest, Waveform
from avlink.hooks import make_registry
from avlink.media.movie import write_video
from avlink.testing import FlatGenerator, FlatOptions, ToneGenerator, ToneOptions

LASTING = """
import sys, numpy as np
from fractions import Fraction
from avlink.core.values import Frames, Prompt, SoundRequest
from avlink_remote.backend import ServedGenerator
from avlink_remote.plugin import RemoteOptions
frames = Frames(pixels=np.zeros((4, 8, 8, 3), np.uint8), rate=Fraction(4))
request = SoundRequest(frames=frames, duration_s=Fraction(1), prompt=Prompt(text="lasts"), seed=int(sys.argv[2]))
generator = ServedGenerator(RemoteOptions(url=sys.argv[1]), "v2a")
generator.generate([request], on_step=lambda done, total: print(done, flush=True))
"""


def same(sounds: Any, requests: Any) -> bool:
    """Return True if these are bit for bit the answers of the tone backend itself."""
    own = ToneGenerator(ToneOptions()).generate(requests)
    return [read_whole(one).samples.tobytes() for one in sounds] == [one.samples.tobytes() for one in own]


def test_the_built_in_model_gives_the_same_samples_and_pixels_from_a_server() -> None:
    import avlink_fusion.plugin
    from avlink_remote.generators import load_on_server
    from avlink_remote.http_server import listen, url_of
    from avlink_remote.recipe import ServeRecipe, served_backends
    from avlink_remote.server import Server

    steps = {"steps": 1}
    recipe = ServeRecipe.model_validate(
        {"sound": {"name": "fusion-v2a", "options": steps}, "picture": {"name": "fusion-a2v", "options": steps}}
    )
    registry = make_registry(avlink_fusion.plugin)
    backends = served_backends(recipe, registry)
    served = Server(
        backends,
        registry=registry,
        device="cpu",
        limits=recipe.limits,
        token=os.environ["AVLINK_TOKEN"],
        events=queue.SimpleQueue(),
    )
    assert len(list(served.load())) == 2
    listener = listen("127.0.0.1", 0)
    served.start(listener)
    options = RemoteOptions(url=url_of(listener))
    noise = np.random.default_rng(1)
    seen = served.generators["v2a"].picture
    sights = [
        SoundRequest(
            frames=Frames(
                pixels=noise.integers(0, 256, (count, seen.height, seen.width, 3), dtype=np.uint8), rate=seen.rate
            ),
            duration_s=Fraction(count, seen.rate),
            prompt=Prompt(text="a ball bouncing on wood"),
            seed=2**63 - count,
        )
        for count in (1, 100)
    ]
    sound = Waveform(samples=noise.standard_normal((1, 36_000)).astype(np.float32), sample_rate=48_000)
    sounds = [PictureRequest(sound=sound, duration_s=Fraction(3, 4), prompt=Prompt(), seed=5)]

    own_sounds = [read_whole(one).samples.tobytes() for one in served.generators["v2a"].generate(sights)]  # type: ignore[arg-type]
    own_pictures = served.generators["a2v"].generate(sounds)[0].read(0, 99).tobytes()  # type: ignore[arg-type]
    # The executor, and the backends of older recipes.
    executed = [load_on_server(ready, options, "auto") for ready in backends]
    for v2a, a2v in (executed, [ServedGenerator(options, direction) for direction in ("v2a", "a2v")]):
        assert [read_whole(one).samples.tobytes() for one in v2a.generate(sights)] == own_sounds
        assert a2v.generate(sounds)[0].read(0, 99).tobytes() == own_pictures
    served.close()
    assert served.join(60)


def test_clients_at_the_same_time_get_each_their_own(server: Any, kit: Any) -> None:
    batches = [[kit.request(10 * client + item, pictures=4 + item) for item in range(3)] for client in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda batch: kit.remote(server.url).generate(batch), batches))
    assert all(same(answer, batch) for answer, batch in zip(answers, batches, strict=True))


def test_pictures_come_as_they_are_and_uploads_may_go_uncompressed(server: Any, kit: Any) -> None:
    sound = Waveform(samples=np.zeros((1, 16_000), np.float32), sample_rate=16_000)
    requests = [PictureRequest(sound=sound, duration_s=Fraction(1), prompt=Prompt(), seed=77)]
    frames = ServedGenerator(RemoteOptions(url=server.url, compress=False), "a2v").generate(requests)[0]
    own = FlatGenerator(FlatOptions()).generate(requests)[0]
    assert (frames.rate, frames.num_frames) == (own.rate, own.num_frames)
    assert (frames.read(0, 99) == own.pixels).all()


def test_a_large_upload_and_a_large_result_go_in_chunks(server: Any, kit: Any) -> None:
    frames = kit.request(3, pictures=30_000).frames  # 5.8 MB of noise, and 5.1 MB of sound
    requests = [SoundRequest(frames=frames, duration_s=Fraction(80), prompt=Prompt(), seed=3)]
    assert same(kit.remote(server.url).generate(requests), requests)


def test_a_server_that_is_killed_at_work_and_started_again_gives_the_right_sound(
    start: Callable[..., Any], kit: Any, bench: Any
) -> None:
    first = start()
    port = first.url.rpartition(":")[2]
    requests = [kit.request(4712, "lasts"), kit.request(4713)]
    again: list[threading.Thread] = []

    def kill(done: int, total: int) -> None:
        if not again:
            first.process.kill()
            first.process.wait()
            assert list(bench.temporary.iterdir()) == []
            bench.env["QUICK"] = "1"
            again.append(threading.Thread(target=lambda: start("--port", port)))
            again[0].start()

    assert same(kit.remote(first.url).generate(requests, on_step=kill), requests)
    assert bench.made().count("4712 4713") == 2
    again[0].join()
    del bench.env["QUICK"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_job_of_a_client_that_is_gone_is_stopped(server: Any, bench: Any, number: int) -> None:
    client = bench.python("-c", LASTING, server.url, str(int(number)))
    assert client.stdout is not None and client.stderr is not None
    assert client.stdout.readline()
    began = time.monotonic()
    client.send_signal(number)
    client.wait()
    job = [event for event in server.of("started")][-1]["job"]
    server.until("cancelled", job)
    # Ctrl-C is said; a killed client is missed after limits.client_s.
    assert time.monotonic() - began < 15 and bool(server.of("dropped", job)) == (number == signal.SIGKILL)
    client.stdout.close()
    client.stderr.close()


def test_what_on_step_raises_stops_the_job(server: Any, kit: Any) -> None:
    class Enough(Exception):
        pass

    def enough(done: int, total: int) -> None:
        raise Enough

    with pytest.raises(Enough):
        kit.remote(server.url).generate([kit.request(99, "lasts")], on_step=enough)
    server.until("cancelled", server.of("started")[-1]["job"])


def test_what_the_model_says_is_told_and_may_be_tried_again(server: Any, kit: Any, bench: Any) -> None:
    remote = kit.remote(server.url)
    for _ in range(2):
        with pytest.raises(AvlinkError, match="RuntimeError: this model does not like it"):
            remote.generate([kit.request(31, "fails")])
    with pytest.raises(InputError, match=r"^no such sound$"):
        remote.generate([kit.request(32, "refuses")])
    assert bench.made().count("31") == 2


def test_wrong_tokens_and_missing_ones_are_explained(server: Any, kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVLINK_TOKEN", "not-the-token-of-this-server")
    with pytest.raises(InputError, match="does not take the token") as caught:
        kit.remote(server.url)
    assert "not-the-token" not in str(caught.value)
    monkeypatch.delenv("AVLINK_TOKEN")
    with pytest.raises(InputError, match="wants its token: set AVLINK_TOKEN"):
        kit.remote(server.url)


def test_where_no_server_is_it_says_so_at_once_and_only_when_something_must_be_generated(kit: Any) -> None:
    nowhere = "http://127.0.0.1:9"
    options = RemoteOptions(url=nowhere, patience_s=0.3)
    assert fingerprint(options, "v2a") == "a server that was never reached"
    with pytest.raises(AvlinkError, match=r"cannot be reached \(Connection refused\); start it with avlink serve"):
        kit.remote(nowhere, patience_s=0.3)


def test_a_plan_needs_no_server_once_its_model_is_known_and_another_model_is_noticed(
    start: Callable[..., Any], kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from avlink_remote import backend

    first = start()
    options = RemoteOptions(url=first.url)
    told = fingerprint(options, "v2a")
    remote = kit.remote(first.url)
    assert first.end() == 0
    monkeypatch.setattr(backend, "_planned", {})
    assert fingerprint(options, "v2a") == told
    second = start("--port", first.url.rpartition(":")[2], "-s", "sound.options.peak=0.25")
    with pytest.raises(AvlinkError, match="had another model when this run was planned; start it again"):
        kit.remote(second.url)
    with pytest.raises(AvlinkError, match="another model than when this run began"):
        remote.generate([kit.request(1)])
    assert fingerprint(options, "v2a") != told


class Proxy:
    """A proxy before a server; `spoil` may change an answer, or give None to lose it."""

    def __init__(self, target: str, spoil: Callable[[str, httpx.Response], tuple[int, str, bytes] | None]) -> None:
        proxy = self
        self.asked: list[str] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                proxy.asked.append(f"{self.command} {self.path}")
                with httpx.Client(trust_env=False) as onward:
                    answer = onward.request(self.command, f"{target}{self.path}", headers=headers, content=body)
                spoiled = spoil(proxy.asked[-1], answer)
                if spoiled is None:
                    self.close_connection = True
                    return
                status, kind, data = spoiled
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_DELETE = handle_any

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(poll_interval=0.01))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def proxy(server: Any) -> Iterator[Callable[..., Proxy]]:
    made: list[Proxy] = []

    def one(spoil: Any) -> Proxy:
        made.append(Proxy(server.url, spoil))
        return made[-1]

    yield one
    for each in made:
        each.close()


def plain(answer: httpx.Response) -> tuple[int, str, bytes]:
    return answer.status_code, answer.headers.get("content-type", "text/plain"), answer.content


def test_whatever_is_lost_on_the_way_is_asked_again_and_generated_once(
    proxy: Callable[..., Proxy], kit: Any, bench: Any
) -> None:
    seen: dict[str, int] = {}

    def lossy(asked: str, answer: httpx.Response) -> tuple[int, str, bytes] | None:
        # Every answer is lost the first time; the second time something between says 502 in HTML.
        key = asked.partition("?")[0]
        seen[key] = seen.get(key, 0) + 1
        if seen[key] == 1:
            return None
        if seen[key] == 2 and "/jobs/" in key:
            return 502, "text/html", b"<html><title>Bad Gateway</title></html>"
        return plain(answer)

    requests = [kit.request(5150), kit.request(5151)]
    front = proxy(lossy)
    assert same(kit.remote(front.url).generate(requests), requests)
    assert bench.made().count("5150 5151") == 1 and len(front.asked) >= 12


def test_answers_of_something_else_are_told_apart(proxy: Callable[..., Proxy], kit: Any) -> None:
    page = b"<html><head><title>Please log in</title></head></html>"
    login = proxy(lambda asked, answer: (200, "text/html", page))
    with pytest.raises(AvlinkError, match=r'not from avlink serve \(200, text/html, "Please log in"\)'):
        kit.remote(login.url)
    newer = proxy(lambda asked, answer: (200, "application/json", b'{"protocol": 2}'))
    with pytest.raises(InputError, match=r"another version of the protocol .* install the same version"):
        kit.remote(newer.url)


def test_a_result_that_is_cut_short_or_changed_is_never_taken(proxy: Callable[..., Proxy], kit: Any) -> None:
    def short(asked: str, answer: httpx.Response) -> tuple[int, str, bytes]:
        status, kind, data = plain(answer)
        return (status, kind, b"") if "/result" in asked else (status, kind, data)

    def changed(asked: str, answer: httpx.Response) -> tuple[int, str, bytes]:
        status, kind, data = plain(answer)
        return (status, kind, bytes(len(data))) if "/result" in asked else (status, kind, data)

    with pytest.raises(AvlinkError, match="is cut short: 128000 bytes were announced, and 0 came"):
        kit.remote(proxy(short).url).generate([kit.request(6)])
    with pytest.raises(AvlinkError, match="arrived changed: its digest is not the one"):
        kit.remote(proxy(changed).url).generate([kit.request(6)])


def test_a_full_server_is_waited_for_and_one_that_takes_less_is_not_sent_more(
    start: Callable[..., Any], kit: Any
) -> None:
    server = start("--queue", "1", "--max-upload", "0.01")
    with pytest.raises(InputError, match=r"takes uploads of 0.01 MB at most, .* has 0.2 MB; start it with a larger"):
        kit.remote(server.url).generate([kit.request(1, pictures=1000)])
    stop = threading.Event()

    class Enough(Exception):
        pass

    def until_stopped(done: int, total: int) -> None:
        if stop.is_set():
            raise Enough

    def occupy() -> None:
        with pytest.raises(Enough):
            kit.remote(server.url).generate([kit.request(1, "lasts")], on_step=until_stopped)

    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(occupy)
        server.until("started")
        with pytest.raises(AvlinkError, match="is full, and no place became free; try again later"):
            kit.remote(server.url, queue_s=0.0).generate([kit.request(2)])
        threading.Timer(0.3, stop.set).start()
        requests = [kit.request(2)]
        assert same(kit.remote(server.url).generate(requests), requests)
        busy.result()


def test_sonify_over_a_server_leaves_its_token_nowhere(
    avlink: Callable[..., tuple[int, str, str]], server: Any, own_cache: Path, tmp_path: Path, kit: Any
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 48, 3), dtype=np.uint8)
    write_video(tmp_path / "clip.mp4", Frames(pixels=pixels, rate=Fraction(24)))
    words = ["sonify", str(tmp_path / "clip.mp4"), "--json", "--device", "cpu", "-s", "stems.post=[]"]
    code, out, err = avlink(*words, "-s", "backend.name=remote", "-s", f"backend.options.url={server.url}")
    assert code == 0, err
    assert json.loads(out)["counts"]["generated"] == 1 and (tmp_path / "clip.foley.mp4").exists()
    files = [file for folder in (tmp_path, own_cache) for file in folder.rglob("*") if file.is_file()]
    assert len(files) >= 5 and not [file for file in files if kit.token.encode() in file.read_bytes()]
    assert kit.token not in out + err
    # It is all in the cache now: no server is needed, and none is reached here.
    words[words.index("--json")] = "--dry-run"
    code, out, err = avlink(*words, "-s", "backend.name=remote", "-s", f"backend.options.url={server.url}")
    assert code == 0 and "cached" in out


def test_sounds_of_items_need_no_pictures(server: Any, kit: Any) -> None:
    requests = [replace(kit.request(seed, pictures=0), duration_s=Fraction(1, 3), item="i") for seed in (41, 42)]
    assert same(kit.remote(server.url).generate(requests), requests)
