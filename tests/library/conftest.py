from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from avlink.core.events import Event, ignore
from avlink.library.database import database_path
from avlink.library.libraries import add_library
from tests.library.sounds import hiss, strikes, write_wav

NAMES = ("doors/door slam wood.wav", "steps/footsteps gravel 01.wav", "metal/clang bell.wav", "amb/rain heavy.wav")


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four sounds in folders of their own, and the data folder of a library of them."""
    place = tmp_path_factory.mktemp("original")
    for number, name in enumerate(NAMES):
        sound = hiss(11, rate=8000) if "rain" in name else strikes([800], 8000, rate=8000, seed=number)
        write_wav(place / "sounds" / name, sound, 8000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVLINK_DATA_DIR", str(place / "data"))
        add_library(place / "sounds", "foley", ignore, processes=1)
    return place


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy of the sounds, in no library yet."""
    return shutil.copytree(original / "sounds", tmp_path / "sounds")


@pytest.fixture
def added(original: Path, folder: Path) -> Path:
    """The copy as a library of this test: reading it anew would take seconds in each."""
    shutil.copytree(original / "data", database_path().parent, dirs_exist_ok=True)
    with contextlib.closing(sqlite3.connect(database_path())) as connection, connection:
        connection.execute("UPDATE libraries SET root = ?", (str(folder),))
    return folder


@pytest.fixture
def heard() -> tuple[list[Event], Callable[[Event], None]]:
    events: list[Event] = []
    return events, events.append
