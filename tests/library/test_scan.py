"""Reading a folder: only what is new or changed, whole after a kill, and with a reason for every file left out."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from avlink.core.errors import AvlinkError, LibraryError, OutputError
from avlink.core.events import Event, Message, ignore
from avlink.core.hashing import content_digest
from avlink.library import read_sound
from avlink.library.database import database_path
from avlink.library.index import open_library_index
from avlink.library.libraries import (
    add_library,
    check_libraries,
    find_sound,
    list_libraries,
    remove_library,
    sound_state,
    update_libraries,
)
from avlink.library.scan import ScanReport
from avlink.library.search import search_sounds
from tests.library.conftest import NAMES
from tests.library.sounds import strikes, write_wav


def update() -> ScanReport:
    return update_libraries("foley", ignore, processes=1)[0]


def counts(report: ScanReport) -> tuple[int, int, int, int]:
    return report.new, report.changed, report.unchanged, report.gone


def found(words: str) -> list[str]:
    with open_library_index() as index:
        return [one.sound.name for one in search_sounds(index, words)]


def test_a_folder_is_read_once_and_nothing_in_it_is_written(folder: Path) -> None:
    before = {path: (content_digest(path), path.stat().st_mtime_ns) for path in folder.rglob("*.wav")}
    report = add_library(folder, "foley", ignore, processes=2)
    assert counts(report) == (4, 0, 0, 0) and not report.faults
    assert counts(update()) == (0, 0, 4, 0)
    assert before == {
        path: (content_digest(path), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()
    }
    assert found("door slam")[0] == NAMES[0]
    sound = find_sound(folder / NAMES[3])
    assert (sound.analysis.kind, sound.library) == ("bed", "foley")
    assert sound_state(sound) == ""


def test_only_what_changed_is_read_again(folder: Path, added: Path) -> None:
    os.utime(folder / NAMES[0], (1, 1))
    write_wav(folder / NAMES[1], strikes([100, 4000], 8000, rate=8000, seed=9), 8000)
    (folder / NAMES[2]).unlink()
    write_wav(folder / "new/glass break.wav", strikes([100], 8000, rate=8000, seed=10), 8000)
    # The first has another time only.
    assert counts(update()) == (1, 1, 2, 1)
    assert counts(update()) == (0, 0, 4, 0)
    assert found("clang") == [] and found("glass") == ["new/glass break.wav"]
    assert len(find_sound(folder / NAMES[1]).analysis.hits) == 2


def test_a_file_that_moved_is_not_analysed_again(folder: Path, added: Path) -> None:
    (folder / NAMES[0]).rename(folder / "oak gate.wav")
    # Found by its content: the analysis that is there is marked, and marks itself.
    with contextlib.closing(sqlite3.connect(database_path())) as connection, connection:
        connection.execute("UPDATE analyses SET brightness_hz = 1.25")
    assert counts(update()) == (1, 0, 3, 1)
    assert find_sound(folder / "oak gate.wav").analysis.brightness_hz == 1.25
    assert found("oak") == ["oak gate.wav"]


def test_hits_of_the_first_version_are_read_until_their_library_is_updated(folder: Path, added: Path) -> None:
    before = find_sound(folder / NAMES[0]).analysis.hits
    with contextlib.closing(sqlite3.connect(database_path())) as connection, connection:
        connection.execute("UPDATE analyses SET version = 1, hits = '[[1, 2, 3, -6.5]]'")
        connection.execute("UPDATE sounds SET read_as = ''")
    (hit,) = find_sound(folder / NAMES[0]).analysis.hits
    assert (hit.peak_db, hit.rise_db, hit.clarity) == (-6.5, 0, 0)
    assert counts(update()) == (0, 4, 0, 0)
    assert find_sound(folder / NAMES[0]).analysis.hits == before != (hit,)


def test_a_sheet_that_changed_describes_its_sounds_anew(folder: Path, added: Path) -> None:
    (folder / "list.csv").write_text(f"file,description,licence,author\n{NAMES[0]},barn,CC0,Ann\n")
    assert counts(update()) == (0, 1, 3, 0)
    sound = find_sound(folder / NAMES[0])
    assert (sound.description.licence, sound.description.author) == ("CC0", "Ann")
    assert found("barn") == [NAMES[0]]


def test_files_that_cannot_be_used_are_told_and_the_others_read(
    folder: Path, heard: tuple[list[Event], Callable[[Event], None]]
) -> None:
    events, listen = heard
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("hello")
    whole = write_wav(folder / "cut.wav", strikes([100], 8000, rate=8000), 8000).read_bytes()
    (folder / "cut.flac").write_bytes(b"fLaC" + whole[:500])
    write_wav(folder / "silent.wav", strikes([], 8000, rate=8000), 8000)
    (folder / "folder.wav").mkdir()
    (folder / ".hidden.wav").write_text("x")
    (folder / "._door.wav").write_text("x")
    for name in ("pipe.wav", "LICENSE"):
        os.mkfifo(folder / name)
    report = add_library(folder, "foley", listen, processes=1)
    assert {name for name, _ in report.faults} == {"empty.wav", "text.wav", "cut.flac", "silent.wav"}
    for name, fault in report.faults:
        assert name in fault and len(fault.splitlines()) == 1 and "Error" not in fault
        assert Message(text=fault, level="warning") in events
    assert report.library.sounds == 5 and report.library.faults == 4
    assert len(report.troubles) == 1 and "pipe.wav is a pipe (FIFO)" in report.troubles[0]
    # Read again only when it changes.
    assert update().unchanged == 9
    write_wav(folder / "text.wav", strikes([100], 8000, rate=8000, seed=4), 8000)
    assert (update().library.faults, found("text")) == (3, ["text.wav"])


def test_a_process_that_dies_costs_its_file_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = _add_with(folder, "killer", monkeypatch)
    assert [name for name, _ in report.faults] == [NAMES[2]]
    assert "SIGKILL" in report.faults[0][1] and report.library.sounds == 3


def test_a_process_that_is_ended_once_costs_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avlink.library.scan.read_file", _die_once)
    report = add_library(folder, "foley", ignore, processes=1)
    assert (folder.parent / "died").exists()
    assert counts(report) == (4, 0, 0, 0) and not report.faults


def test_processes_that_all_die_end_the_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avlink.library.scan.read_file", _die)
    with pytest.raises(AvlinkError, match=r"the process that read '.*' ended with exit code 9"):
        add_library(folder, "foley", ignore, processes=1)
    monkeypatch.setattr("avlink.library.scan.read_file", read_sound.read_file)
    # No file was at fault: the next run reads them all.
    assert (update().library.sounds, update().library.faults) == (4, 0)


def test_a_run_that_is_killed_is_continued(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    for number in range(24):
        write_wav(folder / f"hit {number:02}.wav", strikes([800], 150_000, seed=number))
    code = f"import avlink.cli, sys; sys.exit(avlink.cli.main(['library', 'add', {str(folder)!r}, '--processes', '1']))"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while _rows() < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    read = _rows()
    assert 3 <= read < 24
    report = update_libraries("many", ignore, processes=1)[0]
    assert report.unchanged >= read and report.new == 24 - report.unchanged
    assert report.library.sounds == 24


def _rows() -> int:
    try:
        with sqlite3.connect(f"file:{database_path()}?mode=ro", uri=True, timeout=5) as connection:
            return int(connection.execute("SELECT COUNT(*) FROM sounds").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        for number in range(4):
            write_wav(folder / f"hit {number}.wav", strikes([100], 4000, rate=8000, seed=number), 8000)
    command = [sys.executable, "-m", "avlink", "library", "add"]
    running = [subprocess.Popen([*command, str(folder)], stderr=subprocess.PIPE, text=True) for folder in folders]
    assert [(process.communicate()[1], process.returncode)[1] for process in running] == [0, 0]
    assert [(one.name, one.sounds) for one in list_libraries()] == [("one", 4), ("two", 4)]


def test_a_library_is_read_by_one_process_at_a_time(folder: Path, added: Path) -> None:
    def listen(event: Event) -> None:
        with pytest.raises(LibraryError, match="being read by another process"):
            update()
        with pytest.raises(LibraryError, match="being read by another process"):
            remove_library("foley")

    update_libraries("foley", listen, processes=1)


def test_offline_libraries_stay_and_are_told(folder: Path, added: Path) -> None:
    away = folder.with_name("away")
    folder.rename(away)
    assert [(one.sounds, one.is_online) for one in list_libraries()] == [(4, False)]
    assert sound_state(_first("door")) == "its library is offline"
    assert not check_libraries()[0].is_good
    with pytest.raises(LibraryError, match="is not there; connect its drive"):
        update()
    # An empty mount point is no folder whose sounds were all deleted.
    folder.mkdir()
    with pytest.raises(LibraryError, match="holds no sounds now"):
        update()
    folder.rmdir()
    away.rename(folder)
    assert counts(update()) == (0, 0, 4, 0)


def test_files_that_changed_or_went_are_told(folder: Path, added: Path) -> None:
    assert check_libraries()[0].is_good
    write_wav(folder / NAMES[0], strikes([5], 4000, rate=8000), 8000)
    (folder / NAMES[1]).unlink()
    checked = check_libraries()[0]
    assert (checked.changed, checked.gone, checked.is_good) == ((NAMES[0],), (NAMES[1],), False)
    assert "changed" in sound_state(_first("door")) and "gone" in sound_state(_first("gravel"))


def test_a_removed_library_leaves_its_files_and_nothing_in_the_index(folder: Path, added: Path) -> None:
    assert remove_library("FOLEY").sounds == 4
    assert list_libraries() == () and all((folder / name).is_file() for name in NAMES)
    with sqlite3.connect(database_path()) as connection:
        for table in ("sounds", "analyses", "libraries"):
            assert connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (0,)
        connection.execute("INSERT INTO words (words) VALUES ('integrity-check')")
    with pytest.raises(LibraryError, match="no sound library yet"):
        found("door")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("sounds", "is the sound library 'foley' already"),
        ("sounds/doors", "lies in the sound library 'foley'"),
        (".", "contains the sound library 'foley'"),
        ("nothing", "does not exist"),
        ("sounds/doors/door slam wood.wav", "is a file"),
    ],
)
def test_folders_that_are_no_new_library(folder: Path, added: Path, path: str, said: str) -> None:
    with pytest.raises(LibraryError, match=said):
        add_library(folder.parent / path, None, ignore)


def test_a_name_is_used_once_and_an_empty_folder_is_a_library(folder: Path, added: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(LibraryError, match="'foley' already"):
        add_library(tmp_path / "empty", "Foley", ignore)
    assert counts(add_library(tmp_path / "empty", None, ignore)) == (0, 0, 0, 0)
    remove_library("foley")
    with pytest.raises(LibraryError, match="no sound library holds a sound: 'empty'"):
        found("door")


def test_a_damaged_index_is_told_in_one_sentence(folder: Path, added: Path) -> None:
    path = database_path()
    content = path.read_bytes()
    for damaged in (b"no database" * 100, content[:100] + b"\xff" * 4000 + content[4100:], content[:5000]):
        for beside in path.parent.glob("library.db-*"):
            beside.unlink()
        path.write_bytes(damaged)
        with pytest.raises(LibraryError, match=r"is damaged \(.*\); move it away"):
            found("door")
    with sqlite3.connect(path.with_name("new.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    shutil.move(path.with_name("new.db"), path)
    with pytest.raises(LibraryError, match="made by a newer AVLink"):
        list_libraries()


def test_an_index_that_cannot_be_written_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("AVLINK_DATA_DIR", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="cannot be written"):
        add_library(folder, None, ignore)


def _first(words: str):  # type: ignore[no-untyped-def]
    with open_library_index() as index:
        return search_sounds(index, words)[0].sound


def _add_with(folder: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> ScanReport:
    monkeypatch.setattr("avlink.library.scan.read_file", _die_at_the_bell)
    return add_library(folder, "foley", ignore, processes=2)


def _die(task: read_sound.SoundTask) -> read_sound.SoundRead:
    os._exit(9)


def _die_once(task: read_sound.SoundTask) -> read_sound.SoundRead:
    mark = task.root.parent / "died"
    if task.name == NAMES[2] and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return read_sound.read_file(task)


def _die_at_the_bell(task: read_sound.SoundTask) -> read_sound.SoundRead:
    if task.name == NAMES[2]:
        os.kill(os.getpid(), signal.SIGKILL)
    return read_sound.read_file(task)
