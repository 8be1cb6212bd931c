"""Opening media: the right streams are found, and what cannot be opened is told in a sentence."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from avlink.core.errors import MediaError
from avlink.media.container import find_audio, find_video, open_input


def cut(path: Path, size: int) -> Path:
    path.write_bytes(path.read_bytes()[:size])
    return path


def test_streams_are_found(make_movie: Callable[..., Path]) -> None:
    sound = np.zeros((1, 48000), np.float32)
    with open_input(make_movie("both.mp4", [1] * 25, sound=sound)) as container:
        assert find_video(container) is container.streams.video[0]
        assert find_audio(container) is container.streams.audio[0]
    with open_input(make_movie("silent.mp4", [1] * 25)) as container:
        assert find_audio(container) is None


def test_cover_art_is_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuvj420p"
        stream.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_input(path) as container:
        assert len(container.streams.video) == 1 and find_video(container) is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"once upon a time", "is a text file"),
        (bytes(range(256)) * 40, "is damaged or in no media format"),
        (b"\0\0\0\x18ftypisom" + bytes(12) + b"\0\0\0\x10mdat" + bytes(8), "its index .* is missing"),
    ],
)
def test_what_is_no_media_is_told(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "clip.mov"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=words), open_input(path):
        pass


def test_places_that_hold_no_file_are_told(tmp_path: Path) -> None:
    for path, words in [
        (tmp_path, "is a folder"),
        (tmp_path / "none.mov", "does not exist"),
        (tmp_path / ("x" * 300), "cannot be read"),
        (Path("a\0b"), "does not exist|cannot be read"),
    ]:
        with pytest.raises(MediaError, match=words), open_input(path):
            pass


@pytest.mark.parametrize("name", ["-x.mp4", "pipe:1", "concat:a|b"])
@pytest.mark.skipif(os.name != "posix", reason="no such names there")
def test_names_of_protocols_are_names_of_files(
    make_movie: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    make_movie("clip.mp4", [1] * 5).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    with open_input(Path(name)) as container:
        assert find_video(container) is not None


def test_a_playlist_opens_no_address(tmp_path: Path) -> None:
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(MediaError), open_input(path):
        pass
