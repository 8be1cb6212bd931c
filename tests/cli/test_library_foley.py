"""`avlink sonify -r library` as a program: a folder of sounds and a cut with markers become stems with credits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import opentimelineio as otio
import pytest

from avlink.media.wave import WaveFile
from avlink.testing import make_timeline
from tests.library.sounds import strikes, write_wav


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """Two clips: hits are marked on the first, and the second has a marker that no sound fits."""
    path = make_timeline(tmp_path, ("a", "b"))
    timeline = otio.adapters.read_from_file(str(path))
    one, other = timeline.tracks[0]
    for clip, frame, name in ((one, 6, "knock wood"), (one, 18, "knock wood"), (other, 12, "xyzzy")):
        at = otio.opentime.RationalTime(frame, 24)
        span = otio.opentime.TimeRange(at, otio.opentime.RationalTime(0, 24))
        clip.markers.append(otio.schema.Marker(name=f"HIT: {name}", marked_range=span))
    otio.adapters.write_to_file(timeline, str(path))
    return path


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    for number in range(3):
        lead = 4000 + 500 * number
        sound = strikes([lead], 14400, seed=number)
        # A click on top of the noise, so that no change of tone moves the loudest sample.
        sound[lead + 1 :] *= 0.3
        write_wav(tmp_path / "sounds" / f"knock wood {number}.wav", sound)
    (tmp_path / "sounds" / "sounds.csv").write_text(
        "file,licence,author\n" + "".join(f"knock wood {n}.wav,CC0-1.0,Ann Onym\n" for n in range(3))
    )
    return tmp_path / "sounds"


def test_without_a_library_it_is_told_how_to_add_one(avlink: Callable[..., object], cut: Path) -> None:
    ran = avlink("sonify", cut, "-r", "library", "--device", "cpu")
    assert ran.code == 2 and "avlink library add" in ran.err
    assert not cut.with_name("cut.foley.otio").exists()


def test_a_folder_of_sounds_and_a_cut_become_stems_with_credits(
    program: Callable[..., object], avlink: Callable[..., object], cut: Path, sounds: Path
) -> None:
    assert program("library", "add", sounds, "--name", "foley").code == 0
    credits_file = cut.with_name("credits.txt")
    asked = ("sonify", cut, "-r", "library", "--device", "cpu", "--credits", credits_file)
    ran = program(*asked, "--json")
    assert ran.code == 0, ran.err
    one, other = ran.json["items"]
    (stem,) = one["stems"]
    sound = WaveFile(Path(stem["path"]))
    heard = np.abs(sound.read(0, sound.num_samples)[0])
    assert sound.sample_rate == 48000
    # Each hit is loudest on its frame, to the sample.
    assert [int(np.argmax(heard[at - 3000 : at + 3000])) for at in (12000, 36000)] == [3000, 3000]
    assert len(stem["sounds"]) == 2 and stem["notes"] == []
    assert {(use["licence"], use["author"]) for use in stem["sounds"]} == {("CC0-1.0", "Ann Onym")}
    assert "xyzzy" in other["stems"][0]["notes"][0] and other["stems"][0]["sounds"] == []
    text = credits_file.read_text(encoding="utf-8")
    assert text.startswith("CC0-1.0, by Ann Onym\n") and all(use["name"] in text for use in stem["sounds"])
    written = otio.adapters.read_from_file(str(cut.with_name("cut.foley.otio")))
    (foley,) = [track for track in written.tracks if track.kind == "Audio"]
    placed = next(clip for clip in foley if isinstance(clip, otio.schema.Clip))
    assert [dict(use)["name"] for use in placed.media_reference.metadata["avlink"]["sounds"]] == [
        use["name"] for use in stem["sounds"]
    ]
    # A sound that fits no words of the cut changes nothing, and cached stems still name their sounds.
    write_wav(sounds / "glass break.wav", strikes([500], 9600, seed=9))
    assert avlink("library", "update", "--processes", "1").code == 0
    again = avlink(*asked)
    assert again.code == 0 and "2 cached" in again.out
    assert "CC0-1.0, Ann Onym" in again.out and "xyzzy" in again.out
    # One that fits them does.
    write_wav(sounds / "knock wood 9.wav", strikes([700], 9600, seed=10))
    assert avlink("library", "update", "--processes", "1").code == 0
    assert "1 generated, 1 cached" in avlink(*asked).out
