"""The moment at which a file says it was recorded."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from avlink.core.store import Store
from avlink.core.values import Waveform
from avlink.media.broadcast import BroadcastInfo
from avlink.media.bwf import write_bwf
from avlink.media.probe import probe
from avlink.media.probe_cache import cached_probe


def film(path: Path, **tags: str) -> Path:
    options = {"movflags": "use_metadata_tags"} if path.suffix == ".mov" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.width = stream.height = 32
        container.metadata.update({name.replace("_dot_", "."): value for name, value in tags.items()})
        for index in range(3):
            frame = av.VideoFrame(32, 32, "yuv420p")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_film_has_its_creation_time(tmp_path: Path, suffix: str) -> None:
    path = film(tmp_path / f"a{suffix}", creation_time="2024-02-29T23:59:58.000000Z")
    assert probe(path).recorded == "2024-02-29T23:59:58"
    store = Store(tmp_path / "store")
    # Remembered as it was found.
    assert [cached_probe(path, store).recorded for _ in range(2)] == ["2024-02-29T23:59:58"] * 2


def test_local_time_of_a_camera_comes_first(tmp_path: Path) -> None:
    local = {"com.apple.quicktime.creationdate": "2024-03-01T00:59:58+0100", "creation_time": "2024-02-29T23:59:58Z"}
    assert probe(film(tmp_path / "a.mov", **local)).recorded == "2024-03-01T00:59:58"


@pytest.mark.parametrize("date", [None, "1904-01-01T00:00:00Z", "1970-01-01T00:00:00Z"])
def test_no_date_and_the_zeros_of_clocks_are_none(tmp_path: Path, date: str | None) -> None:
    path = film(tmp_path / "a.mkv", **({} if date is None else {"creation_time": date}))
    assert probe(path).recorded == ""


def test_broadcast_wave_has_its_date_and_time(tmp_path: Path) -> None:
    sound = Waveform(samples=np.zeros((1, 480), np.float32), sample_rate=48000)
    write_bwf(tmp_path / "a.wav", sound, BroadcastInfo(date="2019-12-31", time="08:30:00"))
    assert probe(tmp_path / "a.wav").recorded == "2019-12-31T08:30:00"
    soundfile.write(tmp_path / "b.wav", np.zeros(480), 48000)
    assert probe(tmp_path / "b.wav").recorded == ""
