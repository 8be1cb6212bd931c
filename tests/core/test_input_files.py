"""Files that users name: what is no file is told before it is opened, and what parsers raise is the file's."""

from __future__ import annotations

import lzma
import os
import socket
import zlib
from pathlib import Path

import pytest

from avlink.core.errors import InputError, MediaError, TimelineError
from avlink.core.input_files import check_regular, faults_of, read_bytes, read_text
from avlink.core.limits import Limit

SMALL = Limit(subject="size of a note", most=10, unit="bytes", advice="write less")


def test_a_pipe_is_refused_without_opening_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "cut.otio")
    # Opening it would wait for a writer that never comes.
    with pytest.raises(TimelineError, match=r"cut\.otio is a pipe \(FIFO\), not a file; save its content as a file"):
        read_bytes(tmp_path / "cut.otio", SMALL, TimelineError)


def test_sockets_and_devices_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A socket has a short name by the system's rules.
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s.mov")
        with pytest.raises(MediaError, match="is a socket"):
            check_regular(Path("s.mov"), MediaError)
    with pytest.raises(InputError, match="/dev/zero is a device"):
        read_bytes(Path("/dev/zero"), SMALL)


def test_a_name_that_is_no_text_is_told_byte_by_byte() -> None:
    with pytest.raises(InputError, match=r"the name 'clip_\\xff\.mp4' is not text in UTF-8") as told:
        check_regular(Path(os.fsdecode(b"clip_\xff.mp4")))
    str(told.value).encode("utf-8")


def test_size_is_checked_before_reading(tmp_path: Path) -> None:
    (tmp_path / "fits").write_bytes(b"x" * 10)
    (tmp_path / "large").write_bytes(b"x" * 11)
    assert read_bytes(tmp_path / "fits", SMALL) == b"x" * 10
    with pytest.raises(InputError, match="size of a note: 11 bytes of at most 10 bytes; write less"):
        read_bytes(tmp_path / "large", SMALL)


def test_missing_files_and_other_text_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone cannot be read: No such file or directory"):
        read_bytes(tmp_path / "gone", SMALL)
    (tmp_path / "latin").write_bytes("Fuß".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin is no text in UTF-8 \(byte 2\)"):
        read_text(tmp_path / "latin", SMALL)


@pytest.mark.parametrize(
    "fault",
    [
        zlib.error("Error -3 while decompressing data: invalid block type"),
        lzma.LZMAError("Corrupt input data"),
        LookupError("unknown encoding: UF-8"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        RecursionError("maximum recursion depth exceeded"),
        OverflowError("int too large to convert to float"),
        NotImplementedError("compression type 9"),
        EOFError(),
    ],
)
def test_what_parsers_raise_is_the_files_fault(fault: Exception) -> None:
    with pytest.raises(MediaError) as told, faults_of("a.wav", MediaError):
        raise fault
    said = str(told.value)
    assert said.startswith("a.wav is damaged: ") and said.endswith("; copy it again") and "Error:" not in said


def test_errors_in_words_pass() -> None:
    with pytest.raises(TimelineError, match=r"^as it is$"), faults_of("a.otio", MediaError):
        raise TimelineError("as it is")
