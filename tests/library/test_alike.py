"""Embeddings: one a content, by any extractor; only new ones are made, and the nearest of a sound is itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avlink.core.errors import LibraryError, PluginError
from avlink.core.events import ignore
from avlink.core.features import Content, Features
from avlink.core.hashing import content_digest
from avlink.core.sound import read_whole
from avlink.core.values import SoundSource
from avlink.evaluation.extractors import LogMelExtractor
from avlink.library.alike import AlikeSound, embedding_of, find_alike
from avlink.library.database import database_path
from avlink.library.embed import EmbedReport, SoundEmbedder, embed_library
from avlink.library.embeddings import choose_extractor, enter_extractor, put_embedding
from avlink.library.index import open_library_index
from avlink.library.libraries import add_library, embedded_by, find_sound, remove_library, update_libraries
from avlink.library.search import WantedSounds
from avlink.media.audio import read_audio
from tests.library.conftest import NAMES
from tests.library.sounds import hiss, strikes, write_wav


class Spectrum(LogMelExtractor):
    """Log mel levels without their mean, so that cosines tell spectra apart; it counts the sounds that it heard."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    def extract(self, content: Content) -> dict[str, Features]:
        assert isinstance(content, SoundSource)
        self.heard.append(content.num_samples)
        rows = super().extract(content)["embedding"].rows
        return {"embedding": Features(rows=rows - rows.mean(axis=1, keepdims=True), rate=Fraction(10))}


class Failing(Spectrum):
    """Fails for every sound."""

    def extract(self, content: Content) -> dict[str, Features]:
        raise PluginError("out of memory")


class Peaks(Spectrum):
    """Has no numbers for the rain."""

    def extract(self, content: Content) -> dict[str, Features]:
        assert isinstance(content, SoundSource)
        peak = np.abs(read_whole(content).samples).max()
        return {"embedding": Features(rows=np.full((1, 2), np.nan if content.num_samples > 100_000 else peak))}


def embed(extractor: LogMelExtractor, *, name: str = "spectrum", fingerprint: str = "1") -> EmbedReport:
    embedder = SoundEmbedder(name=name, fingerprint=fingerprint, options={}, load=lambda: extractor)
    with open_library_index() as index:
        return embed_library(index, index.library("foley"), embedder, ignore)


def alike(path: Path, query: str = "", wanted: WantedSounds | None = None, limit: int = 20) -> tuple[AlikeSound, ...]:
    with open_library_index() as index:
        extractor = choose_extractor(index, None)
        vector = embedding_of(index, extractor, content_digest(path))
        assert vector is not None
        return find_alike(index, extractor, vector, query, wanted, limit=limit)


def names(found: Sequence[AlikeSound]) -> list[str]:
    return [one.sound.name for one in found]


def test_each_content_is_embedded_once_and_the_nearest_of_a_sound_is_itself(folder: Path, added: Path) -> None:
    shutil.copy(folder / NAMES[0], folder / "copy.wav")
    before = {path: content_digest(path) for path in folder.rglob("*.wav")}
    update_libraries("foley", ignore, processes=1)
    heard = Spectrum()
    report = embed(heard)
    # Five files of four contents.
    assert (report.new, report.sounds, report.faults, len(heard.heard)) == (4, 5, (), 4)
    for name in NAMES:
        found = alike(folder / name)
        assert found[0].similarity == pytest.approx(1, abs=1e-6) and len(found) == 5
        assert name in [one.sound.name for one in found if one.similarity == found[0].similarity]
        assert [one.similarity for one in found] == sorted((one.similarity for one in found), reverse=True)
    same = alike(folder / NAMES[0])[:2]
    assert set(names(same)) == {NAMES[0], "copy.wav"} and same[0].similarity == same[1].similarity
    assert before == {path: content_digest(path) for path in folder.rglob("*.wav")}
    assert embedded_by(find_sound(folder / "copy.wav")) == ("spectrum",)
    # Of one content the vector is one, whatever was heard before.
    twice = Spectrum()
    one = SoundEmbedder(name="spectrum", fingerprint="1", options={}, load=lambda: twice)
    assert (one.embed(folder / NAMES[1]) == one.embed(folder / NAMES[1])).all()


def test_only_new_contents_are_embedded_and_those_that_are_gone_leave(folder: Path, added: Path) -> None:
    embed(Spectrum())
    (folder / NAMES[0]).rename(folder / "oak gate.wav")
    (folder / NAMES[2]).unlink()
    write_wav(folder / "new.wav", strikes([100], 8000, rate=8000, seed=10), 8000)
    update_libraries("foley", ignore, processes=1)
    heard = Spectrum()
    assert (embed(heard).new, len(heard.heard)) == (1, 1)
    assert set(names(alike(folder / "oak gate.wav"))) == {"oak gate.wav", NAMES[1], NAMES[3], "new.wav"}
    # Another checkpoint makes all anew, and takes the place of the older one.
    assert embed(Spectrum(), fingerprint="2").new == 4
    assert _count("embeddings") == 4 and _count("embedding_extractors") == 1
    remove_library("foley")
    assert _count("embeddings") == 0
    assert not list((database_path().parent / "embeddings").glob("*"))


def test_filters_hold_for_sounds_that_are_alike(folder: Path, added: Path) -> None:
    embed(Spectrum())
    rain, door = folder / NAMES[3], folder / NAMES[0]
    assert names(alike(rain, wanted=WantedSounds(kinds=("bed",)))) == [NAMES[3]]
    assert names(alike(rain, "door wood")) == [NAMES[0]]
    assert names(alike(rain, "door gravel")) == names(alike(rain, "the")) == []
    assert names(alike(door, limit=1)) == [NAMES[0]]
    with pytest.raises(LibraryError, match="no sound library 'x'"):
        alike(door, wanted=WantedSounds(libraries=("x",)))


def test_a_sound_that_cannot_be_described_is_told_once_and_the_others_are(folder: Path, added: Path) -> None:
    report = embed(Peaks())
    assert (report.new, report.sounds) == (3, 3)
    ((name, fault),) = report.faults
    assert name == NAMES[3] and "no embedding for" in fault and len(fault.splitlines()) == 1
    # It is not heard again, and stays named; a file that went meanwhile is tried again.
    assert embed(Peaks()) == EmbedReport(
        library=report.library, extractor="spectrum", new=0, sounds=3, faults=report.faults
    )
    (folder / NAMES[0]).write_bytes(b"RIFF")
    ((changed, said),) = embed(Spectrum(), name="other").faults
    assert changed == NAMES[0] and "changed since it was read" in said and _count("embedding_faults") == 1


def test_an_extractor_that_always_fails_ends_the_run(folder: Path, added: Path) -> None:
    with pytest.raises(PluginError, match="out of memory"):
        embed(Failing())
    assert embed(Spectrum()).new == 4
    with pytest.raises(PluginError, match="gives vectors of 2 numbers, before 64"):
        write_wav(folder / "new.wav", strikes([100], 8000, rate=8000, seed=10), 8000)
        update_libraries("foley", ignore, processes=1)
        embed(Peaks())


def test_long_sounds_are_described_in_stretches_of_a_minute(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "long.wav", hiss(150, rate=16000), 16000)
    heard = Spectrum()
    vector = SoundEmbedder(name="spectrum", fingerprint="1", options={}, load=lambda: heard).embed(path)
    assert heard.heard == [800_000] * 3
    whole = Spectrum().extract(read_audio(path, sample_rate=16000))["embedding"].rows.mean(axis=0)
    assert np.dot(whole / np.linalg.norm(whole), vector.astype(np.float32)) > 0.999


def test_no_embedding_is_told_with_the_command_that_makes_them(folder: Path, added: Path) -> None:
    with open_library_index() as index, pytest.raises(LibraryError, match="no sound has an embedding yet; `avlink lib"):
        choose_extractor(index, None)
    embed(Spectrum())
    embed(Spectrum(), name="other")
    with open_library_index() as index:
        with pytest.raises(LibraryError, match="several extractors, 'other', 'spectrum'; choose one by --embed NAME"):
            choose_extractor(index, None)
        with pytest.raises(LibraryError, match="no sound has an embedding of 'clap', only of 'other', 'spectrum'"):
            choose_extractor(index, "clap")


def test_an_index_without_embeddings_is_brought_up_to_date(folder: Path, added: Path) -> None:
    with contextlib.closing(sqlite3.connect(database_path())) as connection, connection:
        for table in ("embedding_faults", "embeddings", "embedding_extractors"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("PRAGMA user_version = 1")
    assert update_libraries("foley", ignore, processes=1)[0].unchanged == 4
    assert embed(Spectrum()).new == 4


def test_the_nearest_of_many_are_those_of_a_plain_sort(folder: Path, added: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((6000, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("<f2")
    with open_library_index() as index:
        library, door = index.library("foley"), index.sound("foley", NAMES[0])
        assert door is not None
        record, extractor = index.records(library)[NAMES[0]], enter_extractor(index, "many", "1", {})
        with index.batch():
            for number, vector in enumerate(vectors):
                index.put(
                    library, f"{number}.wav", replace(record, digest=f"{number}"), door.description, door.analysis
                )
                put_embedding(index, extractor, f"{number}", vector.tobytes())
        wide = vectors.astype(np.float32)
        wide /= np.linalg.norm(wide, axis=1, keepdims=True)
        expected = [f"{number}.wav" for number in np.argsort(-(wide @ wide[7]), kind="stable")]
        for limit in (1, 300, 2000):
            for wanted in (WantedSounds(), WantedSounds(kinds=("one-shot",)), WantedSounds(libraries=("foley",))):
                assert names(find_alike(index, extractor, vectors[7], "", wanted, limit=limit)) == expected[:limit]
            assert names(find_alike(index, extractor, vectors[7], "door", limit=limit)) == expected[:limit]


def test_a_run_that_is_killed_keeps_what_is_done(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    for number in range(12):
        write_wav(folder / f"hit {number:02}.wav", strikes([800], 8000, rate=8000, seed=number), 8000)
    add_library(folder, "foley", ignore, processes=1)
    site = install_plugin(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "avlink", "library", "update", "--embed", "slow-means", "--device", "cpu"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)
    deadline = time.monotonic() + 60
    while _count("embeddings") < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = _count("embeddings")
    assert 3 <= done < 12
    heard = Spectrum()
    with open_library_index() as index:
        extractor = choose_extractor(index, "slow-means")
    report = embed(heard, name="slow-means", fingerprint=extractor.fingerprint)
    assert (report.new, report.sounds, len(heard.heard)) == (12 - done, 12, 12 - done)


def install_plugin(site: Path) -> Path:
    info = site / "means-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: means\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[avlink]\nmeans = means_plugin\n")
    (site / "means_plugin.py").write_text(PLUGIN)
    return site


PLUGIN = """
import time
from avlink import Features, hookimpl, read_whole
from avlink.hooks import Extractor
import numpy as np

class Means:
    sample_rate, frame_rate, side = 8000, None, None

    def extract(self, content):
        time.sleep(0.2)
        spectrum = np.abs(np.fft.rfft(read_whole(content).samples[0]))
        return {"embedding": Features(rows=np.log(spectrum[:3968].reshape(64, -1).mean(axis=1) + 1e-6)[None])}

@hookimpl
def avlink_extractors():
    return [Extractor(name="slow-means", takes=("sound",), fingerprint=lambda o: "1", load=lambda o, d: Means())]
"""


def _count(table: str) -> int:
    try:
        with contextlib.closing(sqlite3.connect(f"file:{database_path()}?mode=ro", uri=True, timeout=5)) as connection:
            return int(connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
