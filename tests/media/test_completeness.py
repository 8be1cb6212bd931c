"""Every real file is complete, and no file is that was cut or only partly filled."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avlink.core.errors import MediaError
from avlink.media.completeness import check_whole, ends_early

SHARED_MEDIA = Path(__file__).resolve().parents[2] / ".." / "shared" / "media"
BROKEN = {
    "derived__text_not_video.mp4",
    "derived__truncated_faststart_hammer.mp4",
    "derived__truncated_hammer.mp4",
    "derived__zero_bytes.mp4",
    "small__AudioVideoInterleave.avi",
}
# A live recording of no known length is whole wherever it ends.
ENDS_ANYWHERE = {"moviepy__no_duration.webm"}
REAL = sorted(path.name for path in SHARED_MEDIA.iterdir() if path.suffix != ".tsv") if SHARED_MEDIA.is_dir() else []


def is_whole(path: Path) -> bool:
    try:
        return check_whole(path) is None
    except MediaError:
        return False


@pytest.mark.parametrize("name", REAL)
def test_real_files_are_whole_unless_they_are_broken(real_media, name: str) -> None:
    assert is_whole(real_media(name)) == (name not in BROKEN)


@pytest.mark.parametrize("share", [0.9])
@pytest.mark.parametrize("filled_up", [False, True], ids=["cut", "preallocated"])
@pytest.mark.parametrize("name", [name for name in REAL if name not in BROKEN | ENDS_ANYWHERE])
def test_a_part_of_a_real_file_is_not(real_media, tmp_path: Path, name: str, filled_up: bool, share: float) -> None:
    content = real_media(name).read_bytes()
    part = content[: int(len(content) * share)]
    path = tmp_path / name
    path.write_bytes(part + bytes(len(content) - len(part)) if filled_up else part)
    assert not is_whole(path)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts", ".flv"])
def test_generated_movies_in_every_container(make_movie, suffix: str) -> None:
    sound = np.random.default_rng(0).uniform(-0.1, 0.1, (1, 96000)).astype(np.float32)
    movie = make_movie(f"film{suffix}", [10, 200] * 25, sound=None if suffix == ".flv" else sound)
    assert is_whole(movie)
    content = movie.read_bytes()
    movie.write_bytes(content[: len(content) // 2 + 1])
    assert not is_whole(movie)
    movie.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    assert not is_whole(movie)
    movie.write_bytes(content)
    assert is_whole(movie)


def test_black_pictures_and_silence_are_not_emptiness(make_movie) -> None:
    silence = np.zeros((1, 48000), np.float32)
    assert is_whole(make_movie("dark.mp4", [0] * 25, sound=silence))
    assert is_whole(make_movie("plain.avi", [np.zeros((48, 64, 3), np.uint8)] * 10, codec="rawvideo"))


def test_it_tells_how_far_it_is(make_movie, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avlink.media.completeness._PACKETS_PER_CALLBACK", 10)
    told: list[float] = []
    check_whole(make_movie("film.mp4", [0, 255] * 25, rate=Fraction(25)), on_part=told.append)
    assert len(told) == 5 and told == sorted(told) and told[-1] <= 2.0


def test_outlines_without_a_rule_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"anything")
    assert ends_early(tmp_path / "x", "mxf") is None
    (tmp_path / "x").write_bytes(bytes(188 * 4))
    assert ends_early(tmp_path / "x", "mpegts") is not None


@pytest.mark.parametrize("format_name", ["mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mpegts", "flv"])
@pytest.mark.parametrize("content", [b"", b"\0", b"\x1a\x45\xdf\xa3", b"RIFF", bytes(3), b"\0\0\0\1moov", b"\xff" * 12])
def test_no_rule_fails_at_rubbish(tmp_path: Path, format_name: str, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    ends_early(tmp_path / "x", format_name)
