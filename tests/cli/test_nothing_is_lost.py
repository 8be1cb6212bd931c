"""The law of every command that writes: no file that was there before is lost.

Afterwards each has the same bytes, or its bytes lie next to it as `.bak`, or it was AVLink's own and nobody had changed
it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import opentimelineio as otio
import pytest
import soundfile

from avlink import Outputs
from avlink.testing import Shot, make_movie, make_timeline

FOREIGN = b"the only copy of something\n"
ALSO = 'write.also=["rpp","aaf","xml","fcpxml","edl","cues"]'
TONE, FLAT = ("-s", "backend.name=tone", "--device", "cpu"), ("-s", "backend.name=flat", "--device", "cpu")
Time = otio.opentime.RationalTime

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "sonify a timeline": ("sonify", "cut.otio", "--takes", "2", "-s", ALSO, "--preview", *TONE),
    "sonify into a zip": ("sonify", "cut.otio", "-o", "out.otioz", *TONE),
    "sonify into a folder": ("sonify", "cut.otio", "-o", "out.otiod", *TONE),
    "sonify a film": ("sonify", "shot.mp4", "--takes", "2", *TONE),
    "sonify into a sound": ("sonify", "shot.mp4", "-o", "sound.wav", *TONE),
    "visualize a timeline": ("visualize", "sounds.otio", *FLAT),
    "visualize a sound": ("visualize", "voice.wav", *FLAT),
    "finish": ("finish", "shot.mp4", *TONE),
    "finish in place": ("finish", "shot.mp4", "--in-place", *TONE),
    "takes": ("takes", "made.otio", "--use", "2"),
    **{f"export {to}": ("export", "made.otio", "--to", to) for to in ("rpp", "aaf", "xml", "fcpxml", "edl", "csv")},
    **{f"export {to}": ("export", "made.otio", "--to", to) for to in ("otioz", "otiod")},
    "export otio": ("export", "list.edl", "--to", "otio"),
    "import-cues": ("import-cues", "cut.otio", "sheet.csv"),
    "foundry sample": ("foundry", "sample", "clips", "-n", "1"),
}
"""Command lines by what they do, in a copy of `project`."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an input for each command."""
    folder = tmp_path_factory.mktemp("project")
    make_movie(folder / "shot.mp4", seconds=1)
    make_timeline(folder, [Shot(name="a", frames=12)], start_s=3600)
    soundfile.write(folder / "voice.wav", np.zeros(24000, np.float32), 48000)
    span = otio.opentime.TimeRange(Time(0, 24), Time(12, 24))
    sound = otio.schema.Clip("voice", otio.schema.ExternalReference("voice.wav"), span)
    sounds = otio.schema.Timeline("sounds", global_start_time=Time(0, 24))
    sounds.tracks.append(otio.schema.Track("A1", [sound], kind="Audio"))
    otio.adapters.write_to_file(sounds, str(folder / "sounds.otio"))
    (folder / "list.edl").write_text(
        "TITLE: list\nFCM: NON-DROP FRAME\n\n"
        "001  AX       V     C        00:00:00:00 00:00:00:12 01:00:00:00 01:00:00:12\n* FROM CLIP NAME: a.mp4\n"
    )
    return folder


@pytest.fixture
def workplace(project: Path, tmp_path: Path, tone: Any, avlink: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project that is the working folder, with a project of ours in it and its sheet."""
    folder = tmp_path / "work"
    shutil.copytree(project, folder)
    monkeypatch.chdir(folder)
    assert avlink("sonify", "cut.otio", "-o", "made.otio", "--takes", "2", "--stems", "made.stems", *TONE).code == 0
    assert avlink("export", "cut.otio", "--to", "csv", "-o", "sheet.csv").code == 0
    return folder


@pytest.mark.parametrize("what", COMMANDS)
def test_no_file_of_anybody_is_lost(what: str, workplace: Path, avlink: Any) -> None:
    start = _files(workplace)
    first = avlink(*COMMANDS[what])
    assert first.code == 0, first.err
    written = [path for path, content in _files(workplace).items() if start.get(path) != content]
    assert written

    # Once more, over its own results: nothing of them is refused.
    if what != "finish in place":
        again = avlink(*COMMANDS[what])
        assert again.code == 0, again.err

    # Each result was replaced by a file of somebody else: refused, or with --overwrite kept.
    for options in ((), ("--overwrite",)):
        for path in written:
            path.write_bytes(FOREIGN)
        _restore(workplace, start)
        before = _files(workplace)
        if options and what == "foundry sample":
            continue
        avlink(*COMMANDS[what], *options)
        lost = _law(before, _files(workplace))
        assert not lost, f"{options}: {lost}"
    assert not [path.name for path in workplace.rglob("*") if ".avlink-tmp" in path.name]


def test_what_avlink_wrote_itself_is_replaced_without_a_copy(workplace: Path, avlink: Any) -> None:
    for seed in ("1", "2"):
        assert avlink("sonify", "cut.otio", "-s", ALSO, "--preview", "--seed", seed, *TONE).code == 0
        assert avlink("sonify", "shot.mp4", "--seed", seed, *TONE).code == 0
    assert not [path.name for path in workplace.rglob("*.bak*")]
    stems = sorted(path.name for path in (workplace / "cut.stems").iterdir())
    assert len(stems) == 2
    assert Outputs().unchanged(workplace / "cut.foley.otio") is not None


@pytest.mark.parametrize(
    "command",
    [
        ("train", "foley_tiny", "-o", "mine"),
        ("ablate", "-o", "mine"),
        ("data", "prepare", "foley_tiny", "-o", "mine"),
        ("plugins", "new", "mine", "-o", "mine"),
        ("models", "import", "weights.safetensors", "-o", "mine"),
    ],
)
def test_a_folder_of_other_files_is_refused_by_commands_that_fill_one(
    command: tuple[str, ...], tmp_path: Path, avlink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_bytes(FOREIGN)
    (tmp_path / "weights.safetensors").write_bytes(FOREIGN)
    before = _files(tmp_path)
    ran = avlink(*command)
    assert ran.code == 2 and "mine" in ran.err, ran.err
    assert _files(tmp_path) == before


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _restore(folder: Path, files: Mapping[Path, bytes]) -> None:
    """Write inputs that a command changed in place as they were."""
    for path, content in files.items():
        if path.read_bytes() == FOREIGN:
            path.write_bytes(content)


def _law(before: Mapping[Path, bytes], after: Mapping[Path, bytes]) -> list[str]:
    """Return the files of which nothing is left."""
    lost = []
    for path, content in before.items():
        kept = [bytes_ for other, bytes_ in after.items() if other.name.startswith(f"{path.name}.bak")]
        if after.get(path) != content and content not in kept:
            lost.append(str(path.name))
    return lost
