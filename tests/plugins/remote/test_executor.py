"""The executor `remote` against real servers: the same results and cache keys as here, and one sentence where not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from avlink.core.values import Waveform
from avlink.media.audio import read_audio
from avlink.media.wave import write_float_wave
from avlink.testing import make_movie, make_timeline

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    return make_timeline(tmp_path, ("a", "b", "c"))


def there(url: str, **options: object) -> str:
    more = "".join(f",{name}={json.dumps(value)}" for name, value in options.items())
    return f'backend.on={{use="remote",url="{url}"{more}}}'


def sonify(avlink: Run, source: Path, *settings: str, more: tuple[str, ...] = ()) -> tuple[int, Any, str]:
    """The exit code, the report, and the messages."""
    words = ("backend.name=noting", "stems.post=[]", *settings)
    code, out, err = avlink("sonify", str(source), "--json", *more, *(word for key in words for word in ("-s", key)))
    report = json.loads(out)
    return code, report, err + report.get("error", {}).get("message", "")


def decoded(movie: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The pictures of a movie, 0 to 255, and its sound in hundredths of full scale."""
    with av.open(str(movie)) as container:
        pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    return pictures.astype(np.float32), read_audio(movie, sample_rate=16_000).samples * 100


def stems(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "cut.stems").glob("[!.]*.wav")}


def test_sound_project_report_and_cache_keys_are_those_of_here(
    avlink: Run, server: Any, own_cache: Path, cut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bench: Any
) -> None:
    code, here, _ = sonify(avlink, cut, more=("--device", "cpu"))
    assert code == 0 and here["counts"]["generated"] == 3
    made, project = stems(tmp_path), (tmp_path / "cut.foley.otio").read_bytes()
    # The sounds; digests of files are kept under keys that know when a file was written.
    keys = sorted(path.name for path in own_cache.rglob("*.wav"))

    shutil.rmtree(tmp_path / "cut.stems")
    (tmp_path / "cut.foley.otio").unlink()
    monkeypatch.setenv("AVLINK_CACHE_DIR", str(tmp_path / "other_cache"))
    calls, jobs = len(bench.made()), len(server.of("done"))
    code, remote, err = sonify(avlink, cut, there(server.url), more=("--device", "auto"))
    assert (code, remote) == (0, here), err
    assert "deprecated" not in err
    # One batch, one job, one call of the generator there, and none here.
    assert len(bench.made()) == calls + 1 and len(server.of("done")) == jobs + 1
    assert stems(tmp_path) == made and (tmp_path / "cut.foley.otio").read_bytes() == project
    assert sorted(path.name for path in (tmp_path / "other_cache").rglob("*.wav")) == keys
    # And the other way round: what a server made is in the cache for this machine.
    code, again, _ = sonify(avlink, cut, more=("--device", "cpu"))
    assert code == 0 and again["counts"]["cached"] == 3


def test_a_single_video_and_pictures_for_sound_work_there_too(
    avlink: Run, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    movie = make_movie(tmp_path / "shot.mp4")
    tone = tmp_path / "tone.wav"
    wave = np.random.default_rng(1).uniform(-0.1, 0.1, (1, 32_000)).astype(np.float32)
    write_float_wave(tone, sound=Waveform(samples=wave, sample_rate=16_000))
    stems_of, movies = {}, {}
    for name in ("here", "there"):
        monkeypatch.setenv("AVLINK_CACHE_DIR", str(tmp_path / name))
        on = [there(server.url)] if name == "there" else []
        # Another cache has no receipts of what the first run wrote.
        assert sonify(avlink, movie, *on, more=("--overwrite",))[0] == 0
        words = [word for key in ["backend.name=flat", *on] for word in ("-s", key)]
        code, out, err = avlink("visualize", str(tone), "--json", *words, "-o", str(tmp_path / f"{name}.mp4"))
        assert code == 0 and json.loads(out)["counts"]["generated"] == 1, err
        stems_of[name], movies[name] = (tmp_path / "shot.foley.wav").read_bytes(), decoded(tmp_path / f"{name}.mp4")
    assert stems_of["here"] == stems_of["there"]
    # Decoded, up to the last bits: encoders do not promise equal bytes.
    for here, there_too in zip(movies["here"], movies["there"], strict=True):
        assert here.shape == there_too.shape and np.abs(here - there_too).max() <= 2


@pytest.mark.parametrize(
    ("served", "settings", "said"),
    [
        (
            ("-s", "sound.options.peak=0.25"),
            (),
            "has another 'noting' than this machine: its weights, the version of its plugin or its options are not the "
            "same; start it with the same ones (-s sound.options...)",
        ),
        (
            ("-s", "sound.name=tone"),
            (),
            "has the backend 'tone', not 'noting'; start one with avlink serve -s sound.name=noting",
        ),
        (("-s", "sound.on=false"), (), "makes no sound for pictures; start one with avlink serve -s sound.name=noting"),
        ((), ("backend.options.steps=3",), "has another 'noting' than this machine"),
    ],
)
def test_a_server_with_another_model_is_refused_in_a_sentence(
    avlink: Run,
    start: Callable[..., Any],
    cut: Path,
    bench: Any,
    tmp_path: Path,
    served: tuple[str, ...],
    settings: tuple[str, ...],
    said: str,
) -> None:
    server, calls = start(*served), len(bench.made())
    code, _, err = sonify(avlink, cut, there(server.url), *settings)
    assert code == 1 and said in err
    assert len(bench.made()) == calls and stems(tmp_path) == {}


def test_another_version_is_refused(avlink: Run, server: Any, cut: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import avlink as package

    monkeypatch.setattr(package, "__version__", "9.9")
    code, _, err = sonify(avlink, cut, there(server.url))
    assert code == 1 and "runs AVLink 0.1.0 and this machine 9.9, which may make another result" in err


def test_a_wrong_token_and_a_missing_one_are_the_users_affair(
    avlink: Run, server: Any, cut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVLINK_TOKEN", "not-the-token-of-this-server")
    code, _, err = sonify(avlink, cut, there(server.url))
    assert code == 2 and "does not take the token" in err and "not-the-token" not in err
    monkeypatch.delenv("AVLINK_TOKEN")
    code, _, err = sonify(avlink, cut, there(server.url))
    assert code == 2 and "or write it into a file that backend.on.token_file names" in err
    code, _, err = sonify(avlink, cut, there(server.url, token_file=str(tmp_path / "nowhere")))
    assert code == 2 and "nowhere cannot be read" in err
    code, _, err = sonify(avlink, cut, there("render-box"))
    assert code == 2 and "must be like http://render-box:8765" in err


def test_a_server_that_is_not_there_is_no_clips_fault(avlink: Run, cut: Path) -> None:
    code, _, err = sonify(avlink, cut, there("http://127.0.0.1:9", patience_s=0.3))
    assert code == 1 and "cannot be reached (Connection refused); start it with avlink serve, or correct back" in err
    assert "backend.on.url" in err


class Kills:
    """Kills a server once it works on its job of that number."""

    def __init__(self, server: Any, then: Callable[[], Any] = lambda: None, *, job: int = 1) -> None:
        self._thread = threading.Thread(target=self._run, args=(server, then, job))
        self._thread.start()

    def _run(self, server: Any, then: Callable[[], Any], job: int) -> None:
        while len(server.of("started")) < job:
            time.sleep(0.01)
        server.process.kill()
        server.process.wait()
        then()

    def join(self) -> None:
        self._thread.join()


@pytest.fixture
def quick(bench: Any) -> Iterator[Callable[[], None]]:
    """Servers that are started after this do not take long for a prompt that says it lasts."""
    yield lambda: bench.env.update(QUICK="1")
    bench.env.pop("QUICK", None)


def test_a_server_that_is_killed_at_work_and_started_again_gives_the_right_sound(
    avlink: Run,
    start: Callable[..., Any],
    cut: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    quick: Callable[[], None],
) -> None:
    server = start()
    port = server.url.rpartition(":")[2]

    def again() -> None:
        quick()
        start("--port", port)

    kills = Kills(server, again)
    code, report, err = sonify(avlink, cut, there(server.url), more=("--prompt", "lasts"))
    kills.join()
    assert code == 0 and report["counts"]["generated"] == 3, err
    made = stems(tmp_path)
    monkeypatch.setenv("AVLINK_CACHE_DIR", str(tmp_path / "other_cache"))
    monkeypatch.setenv("QUICK", "1")
    assert sonify(avlink, cut, more=("--prompt", "lasts"))[0] == 0
    assert stems(tmp_path) == made


def test_a_server_that_stays_away_ends_the_run_and_finished_stems_are_kept(
    avlink: Run, start: Callable[..., Any], tmp_path: Path, quick: Callable[[], None]
) -> None:
    cut = make_timeline(tmp_path, ("a", "b_lasts", "c_lasts"))
    server = start()
    one_by_one = ("run.max_batch_s=0.1", "prompt.template={clip.name}")
    kills = Kills(server, job=2)
    code, _, err = sonify(avlink, cut, there(server.url, patience_s=0.5), *one_by_one)
    kills.join()
    assert code == 1 and "cannot be reached" in err
    kept = stems(tmp_path)
    assert len(kept) == 1
    quick()
    code, report, _ = sonify(avlink, cut, there(start().url), *one_by_one)
    assert code == 0 and (report["counts"]["cached"], report["counts"]["generated"]) == (1, 2)
    assert kept.items() <= stems(tmp_path).items()


def test_ctrl_c_stops_the_work_on_the_server(server: Any, bench: Any, cut: Path) -> None:
    settings = ["-s", "backend.name=noting", "-s", there(server.url), "-s", "stems.post=[]", "--prompt", "lasts"]
    client = bench.python("-m", "avlink", "sonify", str(cut), *settings)
    started = len(server.of("started"))
    while len(server.of("started")) == started:
        assert client.poll() is None, client.communicate()
    client.send_signal(signal.SIGINT)
    client.communicate(timeout=60)
    assert client.returncode == 130
    server.until("cancelled", server.of("started")[-1]["job"])


def test_the_old_spelling_works_with_a_note_and_keeps_its_own_keys(
    avlink: Run, server: Any, cut: Path, tmp_path: Path
) -> None:
    old = ("backend.name=remote", f"backend.options.url={server.url}")
    code, report, err = sonify(avlink, cut, *old)
    assert code == 0 and report["counts"]["generated"] == 3
    assert 'backend.name = "remote" is deprecated: write backend.on = { use = "remote", url = "..." } instead' in err
    made = stems(tmp_path)
    code, report, err = sonify(avlink, cut, *old)
    assert code == 0 and report["counts"]["cached"] == 3 and "deprecated" not in err
    code, report, _ = sonify(avlink, cut, there(server.url))
    assert code == 0 and report["counts"]["generated"] == 3
    # The seeds are those of the clips, so another spelling changes names and keys but no sample.
    assert {len(data) for data in stems(tmp_path).values()} == {len(data) for data in made.values()}


def test_the_protocol_is_that_of_before(server: Any) -> None:
    """Older clients and caches count on these names and digests."""
    from avlink_remote.protocol import JobRequest

    with server.client() as client:
        info = client.get("/v1/server").json()
    assert list(info) == ["protocol", "version", "v2a", "a2v", "limits"]
    assert list(info["v2a"]) == ["backend", "fingerprint", "sample_rate", "picture"]
    request = JobRequest.model_validate(
        {
            "direction": "v2a",
            "fingerprint": "f",
            "requests": [{"count": 4, "duration_s": "1/1", "prompt": "rain", "seed": 7}],
            "upload_bytes": 768,
            "upload_digest": "0" * 40,
        }
    )
    assert request.id == "03d21f6224723568390d71b663a18654bed2e62e"


def test_the_options_of_the_executor_are_no_part_of_a_key_and_no_secret(avlink: Run, server: Any, cut: Path) -> None:
    code, report, _ = sonify(avlink, cut, there(server.url))
    assert code == 0 and report["counts"]["generated"] == 3
    assert os.environ["AVLINK_TOKEN"] not in cut.with_name("cut.foley.otio").read_text()
    other = there("http://127.0.0.1:9", compress=False, timeout_s=3.0)
    code, report, err = sonify(avlink, cut, other)
    # Nothing has to be generated, so no server is needed.
    assert code == 0 and report["counts"]["cached"] == 3, err
    with httpx.Client(trust_env=False) as client, pytest.raises(httpx.ConnectError):
        client.get("http://127.0.0.1:9")
