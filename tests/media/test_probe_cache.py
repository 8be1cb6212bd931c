"""Media files are probed once, and again when they change."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avlink.core.errors import MediaChanged, MediaError
from avlink.core.store import Store
from avlink.core.values import Frames, Waveform
from avlink.media.broadcast import BroadcastInfo
from avlink.media.bwf import write_bwf
from avlink.media.movie import write_video
from avlink.media.probe import MediaInfo, probe
from avlink.media.probe_cache import cached_probe

NOISE = Waveform(samples=np.full((2, 24000), 0.1, np.float32), sample_rate=24000)


def _film(path: Path) -> Path:
    pixels = np.zeros((30, 36, 64, 3), np.uint8)
    write_video(path, Frames(pixels=pixels, rate=Fraction(30000, 1001)), sound=NOISE)
    return path


def _sound(path: Path) -> Path:
    write_bwf(path, NOISE, BroadcastInfo(description="a", time_reference=4801))
    return path


@pytest.mark.parametrize("make, name", [(_film, "a.mp4"), (_film, "a.mov"), (_sound, "a.wav")])
def test_the_note_on_a_file_says_what_looking_into_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any, name: str
) -> None:
    path, store = make(tmp_path / name), Store(tmp_path / "cache")
    info = probe(path)
    assert cached_probe(path, store) == info
    monkeypatch.setattr("avlink.media.probe_cache.probe", None)
    assert cached_probe(path, store) == info
    (tmp_path / "link").symlink_to(path)
    assert cached_probe(tmp_path / "link", store) == replace(info, path=tmp_path / "link")


@pytest.mark.parametrize("broken", [False, True])
def test_a_file_that_is_replaced_while_it_is_looked_into_leaves_no_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: bool
) -> None:
    path, store = _film(tmp_path / "a.mp4"), Store(tmp_path / "cache")
    content = b"" if broken else _sound(tmp_path / "b.wav").read_bytes()

    def slow(read: Path) -> MediaInfo:
        found = None if broken else probe(read)
        path.write_bytes(content)
        return found or probe(read)

    with monkeypatch.context() as patch:
        patch.setattr("avlink.media.probe_cache.probe", slow)
        with pytest.raises(MediaChanged, match=r"a\.mp4 changed while it was read; run again"):
            cached_probe(path, store)
    assert not [*store.entries()]


def test_a_file_that_changes_is_looked_into_again(tmp_path: Path) -> None:
    path, store = _film(tmp_path / "a.mp4"), Store(tmp_path / "cache")
    assert cached_probe(path, store).has_video
    path.write_bytes(_sound(tmp_path / "a.wav").read_bytes())
    assert not cached_probe(path, store).has_video


def test_what_cannot_be_used_is_not_remembered(tmp_path: Path) -> None:
    path, store = tmp_path / "a.mp4", Store(tmp_path / "cache")
    path.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(MediaError, match="is empty"):
            cached_probe(path, store)
    with pytest.raises(MediaError, match="does not exist"):
        cached_probe(tmp_path / "b.mp4", store)
    assert cached_probe(_film(path), store).has_video


def test_a_broken_note_is_as_good_as_none(tmp_path: Path) -> None:
    path, store = _film(tmp_path / "a.mp4"), Store(tmp_path / "cache")
    info = cached_probe(path, store)
    for text in ("", "[]", "{}", '{"duration_s": ["1/0"], "video": null, "audio": null}', '{"video": 3}', "x"):
        for entry in store.entries():
            key = entry.files[0].parent.name + entry.files[0].name.partition(".")[0]
            store.put_file(key, ".txt", lambda target, text=text: target.write_text(text))  # type: ignore[misc]
        assert cached_probe(path, store) == info
