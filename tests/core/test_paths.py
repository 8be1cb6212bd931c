from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import platformdirs
import platformdirs.macos
import platformdirs.unix
import platformdirs.windows
import pytest

from avlink.core.errors import OutputError
from avlink.core.paths import (
    TEMPORARY_PREFIX,
    atomic_write,
    cache_dir,
    check_place,
    data_dir,
    make_folder,
    sweep_leftovers,
    write_text,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_written_is_there_under_its_name_and_nothing_else(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "deep" / "stem.wav") as temporary:
        assert temporary.parent == tmp_path / "deep"
        assert temporary.suffix == ".wav"
        assert temporary.name.startswith(TEMPORARY_PREFIX)
        temporary.write_bytes(b"sound")
    assert names(tmp_path / "deep") == ["stem.wav"]
    assert (tmp_path / "deep" / "stem.wav").read_bytes() == b"sound"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "stem.wav"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic_write(path) as temporary:
        temporary.write_bytes(b"half of the n")
        raise error
    assert names(tmp_path) == ["stem.wav"]
    assert path.read_bytes() == b"old"


def test_a_process_killed_while_it_writes_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "stem.wav"
    path.write_bytes(b"old")
    code = (
        "import os, pathlib, sys\n"
        "from avlink.core.paths import atomic_write\n"
        "with atomic_write(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert killed.returncode == -9
    assert path.read_bytes() == b"old"
    leftovers = [name for name in names(tmp_path) if name != "stem.wav"]
    assert len(leftovers) == 1

    last_touch_s = (tmp_path / leftovers[0]).stat().st_mtime
    assert sweep_leftovers(tmp_path, now_s=last_touch_s + 60) == 0
    assert sweep_leftovers(tmp_path, now_s=last_touch_s + 3601) == 1
    assert names(tmp_path) == ["stem.wav"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here that is always full")
def test_a_full_disk_is_told_in_words(tmp_path: Path) -> None:
    path = tmp_path / "stem.wav"
    refused = pytest.raises(OutputError, match=rf"stem\.wav cannot be written: '{tmp_path}' is full: there is no sp")
    with refused, atomic_write(path), open("/dev/full", "wb", buffering=0) as device:
        os.write(device.fileno(), b"x")
    assert names(tmp_path) == []


def test_a_file_that_may_not_grow_is_told_in_words(tmp_path: Path) -> None:
    code = (
        "import pathlib, resource, signal, sys\n"
        "from avlink.core.paths import atomic_write\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "with atomic_write(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_bytes(bytes(2000))\n"
    )
    pytest.importorskip("resource", reason="limits are a thing of Unix")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "stem.wav")], capture_output=True, text=True, check=False
    )
    assert "DiskFull" in done.stderr
    assert "larger than the system allows" in done.stderr
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EACCES, "no permission"), (errno.EROFS, "read-only"), (errno.EDQUOT, "quota"), (errno.ENOSPC, "no space")],
)
def test_reasons_are_told_in_words(tmp_path: Path, number: int, words: str) -> None:
    with pytest.raises(OutputError, match=words), atomic_write(tmp_path / "stem.wav") as temporary:
        raise OSError(number, os.strerror(number), str(temporary))


def test_an_error_about_another_file_is_not_explained_away(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), atomic_write(tmp_path / "stem.wav"):
        raise PermissionError(errno.EACCES, "Permission denied", "source.mov")


def test_things_in_the_way_are_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="a part of the path is a file"):
        write_text(tmp_path / "file" / "below" / "stem.txt", "")
    with pytest.raises(OutputError, match="in the way"):
        make_folder(tmp_path / "file")
    with pytest.raises(OutputError, match="in the way"):
        write_text(tmp_path / "folder", "")
    with pytest.raises(OutputError, match="too long"):
        write_text(tmp_path / ("x" * 300), "")


@pytest.mark.skipif(os.name != "posix", reason="permissions work otherwise there")
def test_a_folder_without_permission_is_told_in_words(tmp_path: Path) -> None:
    # The administrator may write everywhere, so the process becomes somebody else first.
    code = (
        "import os, pathlib, sys\n"
        "from avlink.core.paths import write_text\n"
        "os.geteuid() == 0 and os.setuid(65534)\n"
        "write_text(pathlib.Path(sys.argv[1]), '')\n"
    )
    tmp_path.chmod(0o500)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "stem.txt")], capture_output=True, text=True, check=False
        )
    finally:
        tmp_path.chmod(0o700)
    assert "OutputError" in done.stderr
    assert "cannot be written: you have no permission to write there" in done.stderr


@pytest.fixture
def no_cache_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home without environment variables that move the cache."""
    for name in ("AVLINK_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/nowhere")
    monkeypatch.setenv("AVLINK_CACHE_DIR", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.setenv("AVLINK_CACHE_DIR", "~/cache")
    assert cache_dir() == Path.home() / "cache"


def test_the_cache_on_linux(monkeypatch: pytest.MonkeyPatch, no_cache_chosen: Path) -> None:
    monkeypatch.setattr(platformdirs, "PlatformDirs", platformdirs.unix.Unix)
    assert cache_dir() == no_cache_chosen / ".cache" / "avlink"
    monkeypatch.setenv("XDG_CACHE_HOME", str(no_cache_chosen / "elsewhere"))
    assert cache_dir() == no_cache_chosen / "elsewhere" / "avlink"


def test_the_cache_on_macos(monkeypatch: pytest.MonkeyPatch, no_cache_chosen: Path) -> None:
    monkeypatch.setattr(platformdirs, "PlatformDirs", platformdirs.macos.MacOS)
    assert cache_dir() == no_cache_chosen / "Library" / "Caches" / "avlink"


def test_the_cache_on_windows(monkeypatch: pytest.MonkeyPatch, no_cache_chosen: Path) -> None:
    monkeypatch.setattr(platformdirs, "PlatformDirs", platformdirs.windows.Windows)
    monkeypatch.setattr(platformdirs.windows, "get_win_folder", lambda name: f"{no_cache_chosen}/{name}")
    assert cache_dir() == no_cache_chosen / "CSIDL_LOCAL_APPDATA" / "avlink" / "Cache"


def test_a_file_that_another_program_holds_open_stays_as_on_windows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Windows refuses to replace or remove a file that is open, with EACCES.
    path = tmp_path / "stem.wav"
    path.write_bytes(b"old")

    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, "The process cannot access the file", str(source), 5, str(target))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OutputError, match="you have no permission"), atomic_write(path) as temporary:
        temporary.write_bytes(b"new")
    assert (names(tmp_path), path.read_bytes()) == (["stem.wav"], b"old")


def test_leftovers_that_the_system_holds_stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    leftover = tmp_path / f"{TEMPORARY_PREFIX}x.wav"
    leftover.write_bytes(b"half")

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EACCES, "in use", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        assert sweep_leftovers(tmp_path, now_s=leftover.stat().st_mtime + 4000) == 0
    assert sweep_leftovers(tmp_path, now_s=leftover.stat().st_mtime + 4000) == 1


class TestPlaces:
    """Places are checked before hours of work, in the words of the writing itself."""

    def test_a_place_that_can_be_written_passes_and_nothing_is_made(self, tmp_path: Path) -> None:
        check_place(tmp_path / "a" / "b" / "c.txt")
        (tmp_path / "there.txt").write_text("x")
        check_place(tmp_path / "there.txt")
        assert [path.name for path in tmp_path.iterdir()] == ["there.txt"]

    @pytest.mark.parametrize("place", ["file/c.txt", "file/b/c.txt", f"{'x' * 300}.txt"])
    def test_other_places_are_refused_as_by_writing(self, tmp_path: Path, place: str) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(OutputError) as told:
            check_place(tmp_path / place)
        with pytest.raises(OutputError) as written, atomic_write(tmp_path / place) as temporary:
            temporary.write_text("x")
        assert str(told.value) == str(written.value)


def test_data_lies_where_the_environment_says_and_else_apart_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVLINK_DATA_DIR", str(tmp_path))
    assert data_dir() == tmp_path
    monkeypatch.delenv("AVLINK_DATA_DIR")
    monkeypatch.delenv("AVLINK_CACHE_DIR")
    assert data_dir().name == "avlink" and data_dir() != cache_dir()
