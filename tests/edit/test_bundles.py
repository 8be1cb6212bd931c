"""Bundles as outputs: whoever gets one has the project with its pictures and its stems, and nothing else is needed."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import opentimelineio as otio
import pytest
import soundfile

from avlink.core.errors import OutputError, TimelineError
from avlink.core.events import Event, Message
from avlink.core.recipe import SonifyRecipe
from avlink.edit.cues import import_cues
from avlink.edit.sonify import SonifyReport, SonifyRequest, sonify
from avlink.edit.takes import list_takes, use_take
from avlink.session import Session
from avlink.timeline.formats.collect import write_collected
from avlink.timeline.read import read_timeline


def _run(session: Session, recipe: SonifyRecipe, path: Path, output: Path) -> SonifyReport:
    return sonify(SonifyRequest(input=path, recipe=recipe, device="cpu", output=output), session)


def _unpacked(bundle: Path, folder: Path) -> Path:
    """A bundle as a folder, at another place."""
    if bundle.is_dir():
        return Path(shutil.copytree(bundle, folder))
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    return folder


def _named(folder: Path) -> set[str]:
    timeline = read_timeline(folder / "content.otio").timeline
    return {ref.target_url for clip in timeline.find_clips() for ref in clip.media_references().values()}


@pytest.mark.parametrize("suffix", [".otioz", ".otiod"])
def test_a_bundle_that_is_asked_for_holds_pictures_and_stems(
    session: Session, recipe: SonifyRecipe, cut: Path, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for _ in range(2):
        report = _run(session, recipe, cut, tmp_path / "out" / f"cut{suffix}")
    assert report.output is not None
    folder = _unpacked(report.output, tmp_path / "unpacked")
    stems = {f"media/{stem.path.name}" for item in report.items for stem in item.stems}
    assert _named(folder) == {"media/a.mp4", "media/b.mp4", *stems}
    assert all((folder / name).is_file() for name in _named(folder))
    # A bundle is a project like any other, wherever it lies.
    shutil.rmtree(folder)
    os.rename(report.output, tmp_path / f"moved{suffix}")
    again = _run(session, recipe, tmp_path / f"moved{suffix}", tmp_path / "out" / f"again{suffix}")
    assert again.counts == {"generated": 0, "cached": 3, "skipped": 0, "failed": 0}


def test_a_folder_is_brought_up_to_date_and_no_file_in_it_is_lost(
    session: Session, kit: Any, cut: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.otiod"
    before = _run(session, kit.tone_recipe(tmp_path), cut, output)
    (output / "media" / "notes.txt").write_text("mine", encoding="utf-8")
    after = _run(session, kit.tone_recipe(tmp_path, 'stems.track_name="FX"'), cut, output)
    old, new = ({stem.path.name for item in report.items for stem in item.stems} for report in (before, after))
    assert {path.name for path in (output / "media").iterdir()} == {
        "a.mp4",
        "b.mp4",
        "notes.txt",
        *old,
        *new,
    } and not old & new
    with pytest.raises(OutputError, match="is an input and is never overwritten"):
        _run(session, kit.tone_recipe(tmp_path), output, output)
    (tmp_path / "no_bundle.otiod").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        _run(session, kit.tone_recipe(tmp_path), cut, tmp_path / "no_bundle.otiod")


def test_takes_and_cues_of_a_folder(session: Session, kit: Any, cut: Path, tmp_path: Path) -> None:
    foley = _run(session, kit.tone_recipe(tmp_path, "run.takes=2"), cut, tmp_path / "cut.foley.otiod").output
    assert foley is not None and use_take(foley, 2, output=foley).output == foley
    assert [stem.heard for stem in list_takes(foley).stems] == [2, 2, 2]
    assert all((foley / name).is_file() for name in _named(foley))
    (stem, *_) = list_takes(foley).stems
    sheet = tmp_path / "edit.csv"
    sheet.write_text(f"id,mode,prompt,negative,seed,gain_db\n{stem.id},,rain,,,\n", encoding="utf-8")
    directed = import_cues(foley, sheet, tmp_path / "directed.otiod").output
    assert all((directed / name).is_file() for name in _named(directed))


def test_media_inside_of_a_bundle_is_not_left_there(
    session: Session, recipe: SonifyRecipe, cut: Path, tmp_path: Path
) -> None:
    packed = _run(session, recipe, cut, tmp_path / "cut.otioz").output
    assert packed is not None
    with pytest.raises(TimelineError, match=r"holds its media inside, which becomes \.otioz again, or \.otiod"):
        _run(session, recipe, packed, tmp_path / "out.otio")
    folder = _run(session, recipe, packed, tmp_path / "out.otiod").output
    assert folder is not None and all((folder / name).is_file() for name in _named(folder))
    assert isinstance(otio.adapters.read_from_file(str(folder)), otio.schema.Timeline)


def _with_sound(cut: Path, kit: Any) -> None:
    """Give a timeline a sound track of people."""
    soundfile.write(cut.parent / "voice.wav", np.zeros(48000, np.float32), 48000)
    timeline = otio.adapters.read_from_file(str(cut))
    timeline.tracks.append(otio.schema.Track("A1", [kit.clip("voice.wav", 0, 20)], kind="Audio"))
    otio.adapters.write_to_file(timeline, str(cut))


def _lay_music(bundle: Path, kit: Any) -> None:
    """Lay a piece of music into a bundle as another program would: a track, and a file inside."""
    sound = io.BytesIO()
    soundfile.write(sound, np.zeros(24000, np.float32), 48000, format="WAV")
    timeline = read_timeline(bundle).timeline
    timeline.tracks.append(otio.schema.Track("MX", [kit.clip("media/song.wav", 0, 12)], kind="Audio"))
    content = otio.adapters.write_to_string(timeline, "otio_json")
    if bundle.is_dir():
        (bundle / "content.otio").write_text(content, encoding="utf-8")
        (bundle / "media" / "song.wav").write_bytes(sound.getvalue())
        return
    with zipfile.ZipFile(bundle) as archive:
        others = {name: archive.read(name) for name in archive.namelist() if name != "content.otio"}
    with zipfile.ZipFile(bundle, "w") as archive:
        for name, data in {**others, "content.otio": content, "media/song.wav": sound.getvalue()}.items():
            archive.writestr(name, data)


@pytest.mark.parametrize("suffix", [".otioz", ".otiod"])
@pytest.mark.parametrize("source", [".otio", ".otioz"])
def test_a_bundle_that_is_written_again_holds_what_it_held_and_what_people_laid_into_it(
    session: Session,
    recipe: SonifyRecipe,
    cut: Path,
    tmp_path: Path,
    kit: Any,
    told: list[Event],
    suffix: str,
    source: str,
) -> None:
    _with_sound(cut, kit)
    if source == ".otioz":
        start = tmp_path / "start.otioz"
        write_collected(read_timeline(cut).timeline, start, folder=cut.parent)
        for path in (cut.parent / "voice.wav", cut):
            path.unlink()
        cut = start
    output = tmp_path / "out" / f"cut{suffix}"

    def run(name: str) -> tuple[set[str], str]:
        told.clear()
        _run(session, recipe, cut, output)
        folder = _unpacked(output, tmp_path / name)
        assert all((folder / one).is_file() for one in _named(folder)), name
        return _named(folder), "\n".join(event.text for event in told if isinstance(event, Message))

    first, _ = run("first")
    assert "media/voice.wav" in first
    again, said = run("again")
    assert again == first and "changed" not in said and "not taken along" not in said
    _lay_music(output, kit)
    for name in ("third", "fourth"):
        found, said = run(name)
        assert found == first | {"media/song.wav"}
        assert "track MX was added" in said and "not kept" not in said
