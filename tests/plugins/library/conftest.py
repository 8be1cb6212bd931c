from __future__ import annotations

import contextlib
import shutil
import sqlite3
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from avlink_library.generator import LibraryGenerator
from avlink_library.options import LibraryOptions
from numpy.typing import NDArray

from avlink import Frames, Hit, PictureSpec, Prompt, SoundRequest, read_whole
from avlink.core.events import ignore
from avlink.library.libraries import add_library
from tests.library.sounds import hiss, strikes, write_wav

LEADS = (2000, 3000, 4000, 5000, 6000)
"""Samples before the transient of each recording of a knock."""


class StillSpotter:
    """Sees the hits that it was made with."""

    picture = PictureSpec(rate=Fraction(24), width=64, height=36)

    def __init__(self, *hits: Hit) -> None:
        self.hits = hits

    def spot(self, frames: object) -> tuple[Hit, ...]:
        return self.hits


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five knocks on wood, two steps on gravel, a loop and a bed; with a licence and an author."""
    folder = tmp_path_factory.mktemp("recordings")
    for number, lead in enumerate(LEADS):
        swing = strikes([lead], 14400, seed=number)
        # A click on top of the noise, so that no change of tone moves the loudest sample.
        swing[lead + 1 :] *= 0.3
        swing[lead - 1500 : lead] += 0.02 * np.hanning(1500).astype(np.float32)
        write_wav(folder / f"knock wood {number + 1}.wav", swing)
    for number in range(2):
        write_wav(folder / f"footstep gravel {number + 1}.wav", strikes([1000], 9600, seed=10 + number))
    write_wav(folder / "scrape metal loop.wav", hiss(3, seed=4))
    write_wav(folder / "rain heavy.wav", hiss(11, seed=5))
    (folder / "sounds.csv").write_text(
        "file,licence,author\n" + "".join(f"{path.name},CC0-1.0,Ann Onym\n" for path in sorted(folder.glob("*.wav")))
    )
    return folder


@pytest.fixture(scope="session")
def read_library(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a library of the recordings."""
    data = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVLINK_DATA_DIR", str(data))
        assert add_library(recordings, "foley", ignore, processes=1).faults == ()
    return data


@pytest.fixture
def shared_library(read_library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library as the user's own, for tests that only read it."""
    monkeypatch.setenv("AVLINK_DATA_DIR", str(read_library))


@pytest.fixture
def library(read_library: Path, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the library and its sounds, which a test may change."""
    data = tmp_path / "data"
    shutil.copytree(read_library, data)
    folder = Path(shutil.copytree(recordings, tmp_path / "sounds"))
    with contextlib.closing(sqlite3.connect(data / "library.db")) as index, index:
        index.execute("UPDATE libraries SET root = ?", (str(folder),))
    monkeypatch.setenv("AVLINK_DATA_DIR", str(data))
    return folder


def request(
    hits: tuple[Hit, ...] | None, *, seconds: float = 2, prompt: str = "", seed: int = 1, **more
) -> SoundRequest:
    frames = Frames(pixels=np.zeros((48, 36, 64, 3), np.uint8), rate=Fraction(24))
    return SoundRequest(
        frames=frames, duration_s=Fraction(seconds), prompt=Prompt(text=prompt), seed=seed, hits=hits, **more
    )


def made(asked: SoundRequest, options: LibraryOptions | None = None, spotter: StillSpotter | None = None):
    """The sound of a request."""
    (sound,) = LibraryGenerator(options or LibraryOptions(), spotter or StillSpotter()).generate([asked])
    return sound


def heard(sound) -> NDArray[np.float32]:
    return read_whole(sound).samples[0]


def knock(time_s: float | str, **more) -> Hit:
    return Hit(time_s=Fraction(time_s), words="knock wood", **more)
