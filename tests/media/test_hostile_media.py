"""Media that names other files, claims what cannot be, or is no file: told in a sentence, without opening others."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import av.error
import pytest

from avlink.core.errors import MediaError
from avlink.core.limits import Limit
from avlink.media import container as container_module
from avlink.media.container import open_input
from avlink.media.probe import probe


@pytest.mark.parametrize(
    "head, kind",
    [
        ("ffconcat version 1.0\nfile real.mp4\n", "a concat script"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nreal.mp4\n#EXT-X-ENDLIST\n", r"a playlist \(M3U\)"),
        ("[playlist]\nFile1=real.mp4\nNumberOfEntries=1\n", r"a playlist \(PLS\)"),
        ("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\nm=video 5000 RTP/AVP 96\n", r"description of a stream \(SDP\)"),
        ('<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>', r"a playlist \(DASH\)"),
        ('<?xml version="1.0"?>\n<CompositionPlaylist></CompositionPlaylist>', r"a playlist \(IMF\)"),
    ],
)
@pytest.mark.parametrize("name", ["shot.mp4", "shot.m3u8", "shot.ffconcat", "shot"])
def test_what_names_other_files_is_refused(
    make_movie: Callable[..., Path], tmp_path: Path, head: str, kind: str, name: str
) -> None:
    make_movie("real.mp4", [1] * 5)
    (tmp_path / name).write_text(head)
    with pytest.raises(MediaError, match=f"{kind}, which names other files or addresses; name the media file itself"):
        probe(tmp_path / name)


def test_a_pattern_is_the_name_of_one_file(tmp_path: Path) -> None:
    for name, value in (("f%d.png", 10), ("f1.png", 200)):
        _png(tmp_path / name, value)
    with open_input(tmp_path / "f%d.png") as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert picture[0, 0, 0] == 10


def test_pipes_and_devices_are_no_media(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "shot.mov")
    with pytest.raises(MediaError, match="is a pipe"):
        probe(tmp_path / "shot.mov")
    with pytest.raises(MediaError, match="is a device"):
        probe(Path("/dev/zero"))


def test_a_length_that_no_file_of_its_size_has_is_not_believed(make_movie: Callable[..., Path]) -> None:
    times = [Fraction(0), Fraction(1, 25), Fraction(18000)]
    with pytest.raises(MediaError, match=r"says that it is 5\.00 hours long, in \d kB; files of more than 36 s"):
        probe(make_movie("hours.mkv", [1, 100, 200], times=times))
    # Short films may be as small as they like: a slide that stands for minutes is two pictures.
    assert probe(make_movie("slide.mp4", [1, 100], times=[Fraction(0), Fraction(500)])).duration_s > 500


def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = Limit(subject="pixels of a picture", most=20_000, unit="pixels", advice="render it smaller")
    monkeypatch.setattr(container_module, "PICTURE_PIXELS", few)
    _png(tmp_path / "fits.png", 9)
    _png(tmp_path / "large.png", 9, width=400, height=400)
    with open_input(tmp_path / "fits.png") as container:
        assert next(container.decode(video=0)).width == 32
    with open_input(tmp_path / "large.png") as container, pytest.raises(av.error.FFmpegError):
        next(container.decode(video=0))


def _png(path: Path, value: int, *, width: int = 32, height: int = 32) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress((b"\0" + bytes([value]) * 3 * width) * height)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))
