"""`avlink data generate`: a benchmark of the held-out clips of a folder, as `avlink evaluate` reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avlink.core.values import Waveform
from avlink.media.audio import read_audio
from avlink.media.probe import probe
from avlink.testing import make_movie

WINDOW_S = 5.16
"""A training window of the recipe `vggsound`: 129 tokens of 40 ms."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four films with their sound in two folders, one of them broken, and a manifest; the last three are held out."""
    root, rows = tmp_path / "films", ["path,caption"]
    for number, name in enumerate(("a/one.mp4", "a/two.mp4", "b/two.mp4", "b/bad.mp4")):
        tone = 0.3 * np.sin(np.arange(6 * 48000) / (10 + number)).astype(np.float32)
        make_movie(root / name, seconds=6, flashes=(30, 90), sound=Waveform(samples=tone[None], sample_rate=48000))
        rows.append(f"{name},wood {number}")
    (root / "b" / "bad.mp4").write_bytes(b"no film")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root


def test_held_out_clips_are_generated_beside_the_true_ones_and_kept(avlink, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("data", "generate", "vggsound", "-s", f'data.folder="{folder}"', "-s", "data.held_out=3", "-o", out)
    done = avlink(*command, "--steps", "1", "--device", "cpu", "--json")
    assert done.code == 3 and (done.json["generated"], done.json["kept"]) == (2, 0)
    assert [failure["clip"] for failure in done.json["failed"]] == ["b-bad"]
    # Two films of one name are two clips.
    assert sorted(path.name for path in (out / "generated").iterdir()) == ["a-two.wav", "b-two.wav"]
    assert sorted(path.name for path in (out / "reference").glob("*.mp4")) == ["a-two.mp4", "b-two.mp4"]
    for name in ("a-two", "b-two"):
        made, true = (
            read_audio(out / "generated" / f"{name}.wav", sample_rate=48000),
            probe(out / "reference" / f"{name}.mp4"),
        )
        assert made.num_samples == round(WINDOW_S * 48000) and np.abs(made.samples).max() > 0
        assert float(true.duration_s) == pytest.approx(WINDOW_S, abs=0.05) and true.has_audio
    captions = (out / "reference" / "manifest.csv").read_text().splitlines()
    assert captions == ["path,caption", "a-two.mp4,wood 1", "b-two.mp4,wood 2", "b-bad.mp4,wood 3"]
    # A run that was stopped goes on: what is missing is made again, and is the same.
    before = (out / "generated" / "b-two.wav").read_bytes()
    (out / "generated" / "b-two.wav").unlink()
    again = avlink(*command, "--steps", "1", "--device", "cpu", "--json")
    assert (again.json["generated"], again.json["kept"]) == (1, 1)
    assert (out / "generated" / "b-two.wav").read_bytes() == before
    # Clips of other settings are not mixed with these, and no file of somebody else is replaced.
    other = avlink(*command, "--steps", "2", "--device", "cpu")
    assert other.code == 2 and "another model, direction or setting" in other.err
    measured = avlink("evaluate", "-s", f'generated="{out}/generated"', "-s", f'reference="{out}/reference"')
    assert measured.code == 0 and "2" in measured.out


def test_pictures_for_sound_come_as_movies(avlink, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("data", "generate", "vggsound", "-s", f'data.folder="{folder}"', "-s", "data.held_out=3", "-o", out)
    done = avlink(*command, "--pictures", "--steps", "1", "--device", "cpu", "--json")
    assert done.json["generated"] == 2
    made = probe(out / "generated" / "a-two.mp4")
    assert made.video is not None and made.video.rate == 12 and made.has_audio


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("foley_tiny",), "is made of files"),
        (("vggsound", "-s", "data.folder=/nowhere"), "/nowhere"),
        (("vggsound", "-s", "data.folder={folder}", "-s", "data.held_out=0"), "holds out no clip"),
    ],
)
def test_recipes_without_held_out_files_are_refused(
    settings: tuple[str, ...], said: str, avlink, folder: Path, tmp_path: Path
) -> None:
    given = [word.format(folder=folder) for word in settings]
    done = avlink("data", "generate", *given, "-o", tmp_path / "out", "--device", "cpu")
    assert done.code == 2 and said in done.err and not (tmp_path / "out").exists()


def test_a_folder_of_somebody_else_is_left_alone(avlink, folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine" / "reference" / "manifest.csv"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    done = avlink("data", "generate", "vggsound", "-s", f'data.folder="{folder}"', "-o", tmp_path / "mine")
    assert done.code == 2 and "holds other files" in done.err and mine.read_text() == "mine"
