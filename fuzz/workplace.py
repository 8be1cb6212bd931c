"""The folders in which one case runs, and all that is in them before and after a command."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from avlink import testing
from avlink.core.values import Waveform
from avlink.media.wave import write_float_wave
from fuzz.case import Case

_FLOAT = re.compile(r"-?\d+\.\d+(?:[eE][-+]?\d+)?")

MOVIES = {"a.mp4": 24, "b.mov": 25, "c d.mp4": 30}
"""Films that lie beside every input, with their frames per second."""
MOVIE_S = 10
SOUND = "voice.wav"
"""A sound that lies beside every input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """A folder of its own for each case: `work` is the working folder; nothing else but cache and home is written."""

    root: Path

    @property
    def work(self) -> Path:
        """The folder of the input, in which commands run."""
        return self.root / "work" / "project"

    @property
    def temporary(self) -> Path:
        """The folder for temporary files, which is empty after each command."""
        return self.root / "tmp"

    @property
    def environment(self) -> dict[str, str]:
        """Variables that keep a command in its place."""
        home = str(self.root / "home")
        return {
            "HOME": home,
            "XDG_CACHE_HOME": home,
            "XDG_CONFIG_HOME": home,
            "AVLINK_CACHE_DIR": str(self.root / "cache"),
            "TMPDIR": str(self.temporary),
        }

    def files(self) -> dict[str, str]:
        """Return the files and links around and in the working folder, with their digests."""
        found = {}
        for path in (self.root / "work").rglob("*"):
            name = path.relative_to(self.root / "work").as_posix()
            if path.is_symlink():
                found[name] = f"link to {os.readlink(path)}"
            elif path.is_file():
                found[name] = hashlib.blake2b(path.read_bytes()).hexdigest()
        return found

    def settled(self) -> dict[str, str]:
        """Return `files` without what differs from one run to the next though nothing has changed.

        OTIO reads some numbers not as it wrote them, by a last digit, and encoders of films are not equal to the bit.
        """
        found = self.files()
        for name in found:
            path = self.root / "work" / name
            if name.endswith(".preview.mp4"):
                found[name] = "a film"
            elif name.endswith(".otio") and path.is_file():
                found[name] = _FLOAT.sub(_rounded, path.read_text("utf-8", "replace"))
            elif name.endswith(".otioz") and zipfile.is_zipfile(path):
                found[name] = _content(path)
        return found


class Site:
    """Everything that cases share: films, a sound, and the plugin with the fake backends."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="avlink-fuzz-"))
        self._count = 0
        self.plugins = self._folder / "plugins"
        _install(self.plugins)
        sys.path.insert(0, str(self.plugins))

    @contextmanager
    def workplace(self, case: Case) -> Iterator[Workplace]:
        """Yield a workplace with the files of a case and the films, which is removed afterwards."""
        # Each case has paths of its own, which no cache of the process knows.
        self._count += 1
        root = self._folder / f"case{self._count}"
        place = Workplace(root=root)
        for folder in (place.work, place.temporary, root / "home"):
            folder.mkdir(parents=True)
        for name, content in media().items():
            (place.work / name).write_bytes(content)
        case.write_files(place.work)
        here = Path.cwd()
        try:
            yield place
        finally:
            os.chdir(here)
            shutil.rmtree(root, ignore_errors=True)

    def close(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _content(path: Path) -> str:
    """Return the timeline in a bundle, and the checksums of the media."""
    try:
        with zipfile.ZipFile(path) as archive:
            text = archive.read("content.otio").decode("utf-8", "replace")
            return str([_FLOAT.sub(_rounded, text), *((one.filename, one.CRC) for one in archive.infolist()[1:])])
    except (zipfile.BadZipFile, zlib.error, LookupError, NotImplementedError, OSError, RuntimeError, ValueError):
        # A bundle that was broken on purpose.
        return hashlib.blake2b(path.read_bytes()).hexdigest()


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.12g}"


def _install(folder: Path) -> None:
    """Make `avlink.testing` a plugin that is installed in a folder."""
    info = folder / "tones-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tones\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[avlink]\ntones = avlink.testing\n")


@cache
def media() -> dict[str, bytes]:
    """Return the contents of the films and of the sound by their names."""
    time_s = np.arange(MOVIE_S * 16000) / 16000
    wave = Waveform(samples=(0.1 * np.sin(2000 * time_s))[None].astype(np.float32), sample_rate=16000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_float_wave(folder / SOUND, wave)
        for seed, (name, rate) in enumerate(MOVIES.items()):
            sound = None if seed else wave
            testing.make_movie(folder / name, seconds=MOVIE_S, rate=rate, size=(48, 32), seed=seed, sound=sound)
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
