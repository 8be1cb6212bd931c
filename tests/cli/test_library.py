"""`avlink library` from the command line: a folder added, searched, changed and removed; bad input in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.library.sounds import hiss, strikes, write_wav


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    folder = tmp_path / "Geräusche 音"
    write_wav(folder / "doors/DOORWood_Slam Heavy_AVL_Lib.wav", strikes([800], 8000, rate=8000), 8000)
    write_wav(folder / "大雨.wav", hiss(11, rate=8000), 8000)
    (folder / "list.csv").write_text("file,licence,author\n大雨.wav,CC-BY-4.0,Ann\n", encoding="utf-8")
    (folder / "broken.wav").write_bytes(b"RIFF" + bytes(100))
    return folder


def test_a_library_from_its_folder_to_its_end(program, avlink, sounds: Path) -> None:
    # One file is damaged: it is named, the others are read, and the exit code says so.
    ran = program("library", "add", sounds, "--name", "foley", "--json")
    assert ran.code == 3, ran.err
    assert ran.json["counts"] == {"new": 3, "changed": 0, "unchanged": 0, "gone": 0}
    assert [Path(one["path"]).name for one in ran.json["faulty"]] == ["broken.wav"]
    assert "broken.wav" in ran.err and "Traceback" not in ran.err

    listed = avlink("library", "list", "--json").json["libraries"]
    assert listed == [{"name": "foley", "root": str(sounds), "sounds": 2, "faults": 1, "online": True}]

    (found,) = avlink("library", "search", "wood", "slam", "--json").json["sounds"]
    assert (found["catid"], found["catid_from"], found["kind"]) == ("DOORWood", "name", "one-shot")
    assert found["hits"][0]["transient_s"] == 0.1 and found["problem"] is None
    assert found["matched"] == ["wood", "slam"]
    assert "大雨.wav" in avlink("library", "search", "雨").out
    assert "DOORWood" not in avlink("library", "search", "雨", "door", "--kind", "bed").out

    ran = avlink("library", "info", sounds / "大雨.wav")
    assert ran.code == 0 and "CC-BY-4.0" in ran.out and "Ann" in ran.out and "bed" in ran.out

    (sounds / "broken.wav").unlink()
    ran = avlink("library", "check")
    assert ran.code == 3 and "gone" in ran.out
    assert avlink("library", "update").code == 0
    assert avlink("library", "check", "--json").json["ok"] is True
    away = sounds.rename(sounds.with_name("away"))
    assert "offline" in avlink("library", "list").out
    assert "offline" in avlink("library", "search", "wood").out
    assert avlink("library", "check").code == 3
    ran = avlink("library", "remove", "foley")
    assert ran.code == 0 and "stay in" in ran.out
    assert len(list(away.rglob("*.wav"))) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("search", "door"), "there is no sound library yet; add a folder of sounds by `avlink library add DIR`"),
        (("update",), "there is no sound library yet"),
        (("update", "x"), "there is no sound library yet"),
        (("check",), "there is no sound library yet"),
        (("remove", "x"), "there is no sound library yet"),
        (("info", "x.wav"), "there is no sound library yet"),
        (("add", "nowhere"), "the folder nowhere does not exist"),
        (("search", "--like", "x.wav"), "there is no sound library yet"),
        (("search", "door", "--kind", "song"), "invalid value for '--kind'"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(avlink, arguments: tuple[str, ...], said: str) -> None:
    ran = avlink("library", *arguments)
    assert ran.code == 2 and said in ran.err and len(ran.err.splitlines()) == 1
    ran = avlink("library", *arguments, "--json")
    assert ran.json["command"] == f"library {arguments[0]}" and said in ran.json["error"]["message"]


def test_unknown_names_and_files_of_no_library(avlink, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert avlink("library", "add", tmp_path / "empty").code == 0
    for arguments, said in (
        (("update", "foly"), "there is no sound library 'foly'; there are 'empty'"),
        (("search", "door", "--library", "foly"), "no sound library holds a sound: 'empty'"),
        (("info", tmp_path / "x.wav"), "is in no sound library"),
        (("info", tmp_path / "empty" / "x.wav"), "is not in the index of the sound library 'empty'"),
    ):
        ran = avlink("library", *arguments)
        assert ran.code == 2 and said in ran.err and len(ran.err.splitlines()) == 1


LEVELS = """
from avlink import Features, hookimpl, read_whole
from avlink.hooks import Extractor, ExtractorOptions
import numpy as np

class LevelOptions(ExtractorOptions):
    bands: int = 8

class Levels:
    sample_rate, frame_rate, side = 8000, None, None

    def __init__(self, bands):
        self.bands = bands

    def extract(self, content):
        spectrum = np.abs(np.fft.rfft(read_whole(content).samples[0]))
        bands = [part.mean() for part in np.array_split(spectrum, self.bands)]
        return {"embedding": Features(rows=np.log(np.array(bands) + 1e-6)[None])}

@hookimpl
def avlink_extractors():
    offered = dict(takes=("sound",), options=LevelOptions, load=lambda o, d: Levels(o.bands))
    return [
        Extractor(name="levels", fingerprint=lambda o: f"levels {o.bands}", **offered),
        Extractor(name="weighted", fingerprint=lambda o: o.checkpoint, source="a shelf", **offered),
    ]
"""


def test_sounds_that_are_alike(avlink, install, sounds: Path, tmp_path: Path) -> None:
    install("levels", "levels_plugin", LEVELS)
    other = write_wav(tmp_path / "other.wav", hiss(9, rate=8000, seed=7), 8000)
    (sounds / "broken.wav").unlink()
    ran = avlink("library", "add", sounds, "--name", "foley", "--embed", "levels", "-s", "extractors.levels.bands=16")
    assert ran.code == 0 and "2 new embeddings by levels" in ran.out
    # The options are kept: the same embeddings, and those of a file outside of the library.
    ran = avlink("library", "update", "--embed", "levels", "--json")
    assert ran.json["libraries"][0]["embeddings"] == {"extractor": "levels", "new": 0, "sounds": 2, "faulty": []}
    first, second = avlink("library", "search", "--like", sounds / "大雨.wav", "--json").json["sounds"]
    assert first["path"].endswith("大雨.wav") and first["similarity"] == 1 > second["similarity"]
    found = avlink("library", "search", "--like", other, "--json").json
    assert found["like"] == str(other) and found["sounds"][0]["path"].endswith("大雨.wav")
    assert "DOORWood" in avlink("library", "search", "wood", "--like", other).out
    assert "大雨" not in avlink("library", "search", "wood", "--like", other).out
    assert avlink("library", "info", sounds / "大雨.wav", "--json").json["sound"]["embeddings"] == ["levels"]
    for arguments, said in (
        (("search", "--like", other, "-s", "extractors.levels.bands=4"), "are those of the extractor that --embed"),
        (("search", "--like", other, "--embed", "levels", "-s", "extractors.levels.bands=4"), "other options than for"),
        (("search", "--like", tmp_path / "none.wav"), "cannot be read"),
        (("search", "--like", tmp_path), "is a folder; name a sound file by --like"),
        (("search", "--like", other, "--embed", "clap"), "no sound has an embedding of 'clap', only of 'levels'"),
        (("search", "wood", "--embed", "levels"), "name one by --like FILE"),
        (("search",), "missing argument 'WORDS...'"),
        (("update", "--embed", "level"), "did you mean 'levels'? known: "),
        (("update", "--embed", "rgb-cells"), "describes pictures, not sound"),
        (("update", "--embed", "weighted"), "the extractor 'weighted' needs its checkpoint: get it from a shelf"),
        (("update", "--embed", "levels", "-s", "extractors.levels.band=4"), "extractors.levels.band: unknown key"),
        (("update", "--embed", "levels", "-s", "clips=4"), "only options of the extractor can be set here"),
        (("update", "-s", "extractors.levels.bands=4"), "are those of the extractor that --embed NAME names"),
    ):
        ran = avlink("library", *arguments)
        assert ran.code == 2 and said in ran.err and len(ran.err.splitlines()) == 1, arguments


def test_a_search_imports_no_decoder_and_no_tensors(program, avlink, sounds: Path) -> None:
    avlink("library", "add", sounds)
    ran = program("library", "search", "wood", python=("-X", "importtime"))
    imported = {line.rpartition("|")[2].strip() for line in ran.err.splitlines()}
    assert ran.code == 0 and "DOORWood" in ran.out
    assert not imported & {"torch", "av", "scipy", "numpy"}
