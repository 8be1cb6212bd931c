"""Fixtures of all tests: shapes are checked while they run, and nothing of the user's machine is touched.

Tests of runs share a tiny project: two generated movies, and a timeline over them with a gap, a trim and a clip at
25 frames per second.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import jaxtyping
import opentimelineio as otio
import pytest
from beartype import BeartypeConf, beartype

from avlink import testing
from avlink.core.events import Event
from avlink.core.recipe import SonifyRecipe, load_recipe
from avlink.session import Session, open_session
from avlink.testing import Shot

# An int is a float, as PEP 484 has it; the hook wants its checker by name.
_CHECKER = types.ModuleType("avlink_type_checker")
_CHECKER.check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # type: ignore[attr-defined]
sys.modules[_CHECKER.__name__] = _CHECKER

# Programs that tests start find what an earlier one has compiled: it is a third of the time that they take to start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# How long an example takes says how busy the machine is, and nothing about the law. The same examples every time: a
# change is not to blame for what another draw finds. `--hypothesis-profile=random` draws others.
hypothesis.settings.register_profile("avlink", deadline=None, derandomize=True)
hypothesis.settings.register_profile("random", deadline=None)
hypothesis.settings.load_profile("avlink")

# Before anything imports the engine: the hook rewrites modules as they are loaded.
jaxtyping.install_import_hook(["avlink.engine", "avlink.training"], f"{_CHECKER.__name__}.check")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has a cache and data of its own; programs that it starts use the same."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("AVLINK_CACHE_DIR", str(folder))
    monkeypatch.setenv("AVLINK_DATA_DIR", str(folder / "data"))
    for name in ("AVLINK_PLUGINS", "AVLINK_TRACE_HOOKS", "AVLINK_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return folder


def clip(url: str, start: int, frames: int, rate: float = 24, name: str = "") -> otio.schema.Clip:
    """A clip over an external file."""
    span = otio.opentime.TimeRange(otio.opentime.RationalTime(start, rate), otio.opentime.RationalTime(frames, rate))
    return otio.schema.Clip(name or Path(url).stem, otio.schema.ExternalReference(url), span)


def timeline_of(*items: otio.core.Item) -> otio.schema.Timeline:
    """A timeline of one video track from 01:00:00:00 on."""
    timeline = otio.schema.Timeline("cut", global_start_time=otio.opentime.RationalTime(86400, 24))
    timeline.tracks.append(otio.schema.Track("V1", list(items)))
    return timeline


def tone_recipe(folder: Path, *settings: str) -> SonifyRecipe:
    """A recipe for the tone backend, with its clips' names as prompts."""
    path = folder / "tone.toml"
    path.write_text('format = 1\nkind = "sonify"\n[backend]\nname = "tone"\n[prompt]\ntemplate = "{clip.name}"\n')
    return load_recipe(path, "sonify", list(settings))


class Kit:
    """The builders above, for test modules: they cannot import this one."""

    movie = staticmethod(testing.make_movie)
    clip = staticmethod(clip)
    timeline_of = staticmethod(timeline_of)
    tone_recipe = staticmethod(tone_recipe)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk on which 128 kB are left."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)]
    # Only root may mount, on Linux.
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a disk of a few kilobytes cannot be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.fixture(scope="session")
def kit() -> type[Kit]:
    return Kit


@pytest.fixture(scope="session")
def movies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    testing.make_movie(folder / "a.mp4", seconds=2)
    testing.make_movie(folder / "b.mp4", seconds=2, rate=25, seed=1)
    return folder


@pytest.fixture
def cut(tmp_path: Path, movies: Path) -> Path:
    (tmp_path / "media").symlink_to(movies)
    shots = [Shot(name="a", first=6, frames=30), Shot(name="b", gap=12, frames=33, rate=25), Shot(name="a", frames=12)]
    return testing.make_timeline(tmp_path, shots, start_s=3600)


@pytest.fixture
def recipe(tmp_path: Path) -> SonifyRecipe:
    return tone_recipe(tmp_path)


@pytest.fixture
def told() -> list[Event]:
    return []


@pytest.fixture
def session(tmp_path: Path, told: list[Event]) -> Session:
    registry = testing.fake_registry()
    return open_session(device="cpu", registry=registry, cache=tmp_path / "cache", listener=told.append)
