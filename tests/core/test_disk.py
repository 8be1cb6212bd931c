"""A full disk behind the errors of many writers, and files that are not left half-written."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from avlink.core.disk import disk_full, report_full_disk
from avlink.core.errors import DiskFull, InputError
from avlink.core.paths import atomic_write
from avlink.core.sound import SpooledSound

FULL = Path("/dev/full")


def _chained(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


class _Checkpoint(BaseException):
    """Like torch's, which holds the errors of all processes and is no Exception."""

    @property
    def failures(self) -> dict[int, tuple[OSError, None]]:
        return {0: (OSError(errno.ENOSPC, "No space left on device"), None)}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no space left"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "quota"),
        (OSError(errno.EFBIG, "File too large"), "larger than the system allows"),
        (_chained(RuntimeError("unexpected pos 64 vs 0"), OSError(errno.ENOSPC, "no space")), "no space left"),
        (RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"), "no space left"),
        (OSError("98304 requested and 4096 written"), "no space left"),
        (sqlite3.OperationalError("database or disk is full"), "no space left"),
        (_Checkpoint(), "no space left"),
    ],
)
def test_the_errors_of_all_writers_name_the_folder_and_its_end(
    tmp_path: Path, error: BaseException, words: str
) -> None:
    with pytest.raises(DiskFull, match=words) as caught, report_full_disk(tmp_path):
        raise error
    assert f"'{tmp_path}' is full" in str(caught.value)
    assert caught.value.exit_code == 1 and isinstance(caught.value, InputError)


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    for error in (ValueError("no"), PermissionError(errno.EACCES, "no"), KeyError("x"), KeyboardInterrupt()):
        with pytest.raises(type(error)), report_full_disk(tmp_path):
            raise error
    assert disk_full(RuntimeError("(os error 2)"), tmp_path) is None


def test_the_file_that_an_error_names_says_which_disk(tmp_path: Path) -> None:
    full = disk_full(OSError(errno.ENOSPC, "no space", "/elsewhere/clip.wav"), tmp_path)
    assert full is not None and "'/elsewhere' is full" in str(full)
    # A copy names its source first.
    full = disk_full(OSError(errno.ENOSPC, "no space", "/from/a.mov", None, "/to/a.mov"), tmp_path)
    assert full is not None and "'/to' is full" in str(full)


def test_a_writer_that_hides_the_reason_is_seen_through_by_the_space_that_is_left(full_disk: Path) -> None:
    from safetensors.numpy import save_file

    writers = {
        "array.npy": lambda path: np.save(path, np.zeros(100_000)),
        "weights.safetensors": lambda path: save_file({"a": np.zeros(100_000)}, path),
        "odd.bin": _fill_and_complain,
    }
    for name, write in writers.items():
        with (
            pytest.raises(DiskFull, match=f"{name} cannot be written: '{full_disk}' is full"),
            atomic_write(full_disk / name) as temporary,
        ):
            write(temporary)
        assert list(full_disk.iterdir()) == []


def _fill_and_complain(path: Path) -> None:
    try:
        path.write_bytes(bytes(1_000_000))
    except OSError:
        raise RuntimeError("the encoder stopped") from ZeroDivisionError()


def test_a_full_temporary_folder_is_named_and_nothing_is_said_twice(full_disk: Path) -> None:
    code = (
        "import numpy as np, sys\n"
        "from avlink.core.sound import SpooledSound\n"
        "blocks = (np.zeros((1, 300_000), np.float32) for _ in range(9))\n"
        "try:\n"
        "    SpooledSound(blocks, sample_rate=48000, channels=1)\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(full_disk)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "" and list(full_disk.iterdir()) == []
    assert done.stdout.startswith(f"DiskFull a temporary file of sound cannot be written: '{full_disk}' is full")
    assert "set TMPDIR to another folder" in done.stdout


def test_spooled_sound_is_what_was_given() -> None:
    parts = [np.random.default_rng(n).random((2, 700_000), np.float32) for n in range(3)]
    sound = SpooledSound(iter(parts), sample_rate=48000, channels=2)
    assert np.array_equal(sound.read(600_000, 1_500_000), np.concatenate(parts, axis=1)[:, 600_000:1_500_000])


@pytest.mark.skipif(not FULL.exists(), reason="no device here that is always full")
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_results_that_cannot_be_printed_are_told(more: tuple[str, ...]) -> None:
    with FULL.open("wb") as out:
        done = subprocess.run(
            [sys.executable, "-m", "avlink", "recipes", "list", *more],
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "avlink: the results cannot be written to standard output: No space left on device\n", (
        done.stderr
    )


def test_a_study_on_a_full_disk_is_the_machines_fault(full_disk: Path) -> None:
    from avlink_study.database import StudyDatabase

    from avlink.core.disk import is_disk_full

    (full_disk / "ballast").write_bytes(bytes(60_000))
    with pytest.raises(InputError, match="disk is full") as caught:
        StudyDatabase(full_disk / "study.db")
    assert is_disk_full(caught.value) and not is_disk_full(InputError("there is no such file"))
