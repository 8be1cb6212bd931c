"""Pictures for a sound, by a backend that answers in flat colours."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from avlink.core.errors import InputError, MediaError, OutputError
from avlink.core.recipe import VisualizeRecipe, check_values
from avlink.core.values import PictureSpec
from avlink.edit.visualize import VisualizeReport, VisualizeRequest, visualize
from avlink.media.audio import read_audio
from avlink.media.frames import open_frames
from avlink.media.probe import probe
from avlink.session import Session

RECIPE = check_values(VisualizeRecipe, {"format": 1, "kind": "visualize", "backend": {"name": "flat"}})


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "in.wav"
    soundfile.write(path, np.sin(np.arange(44100) / 20) / 2, 44100)
    return path


def _run(session: Session, path: Path, output: Path | None = None) -> VisualizeReport:
    return visualize(VisualizeRequest(input=path, output=output, recipe=RECIPE, device="cpu"), session)


def test_a_sound_gets_a_movie_of_its_length_with_the_sound_in_it(session: Session, sound: Path) -> None:
    report = _run(session, sound)
    assert report.output == sound.with_name("in.picture.mp4")
    info = probe(report.output)
    assert info.video is not None and (info.video.width, info.video.height) == (64, 48)
    assert info.duration_s == 1 and info.has_audio
    heard = read_audio(report.output, sample_rate=44100)
    assert np.corrcoef(heard.samples[0][:40000], read_audio(sound, sample_rate=44100).samples[0][:40000])[0, 1] > 0.99


def test_pictures_come_from_the_cache_the_second_time(session: Session, sound: Path) -> None:
    first = _run(session, sound)
    payload = first.to_json()
    assert payload["counts"] == {"generated": 1, "cached": 0, "skipped": 0, "failed": 0}
    again = _run(session, sound, sound.with_name("again.mkv"))
    assert again.to_json()["counts"]["cached"] == 1
    spec = PictureSpec(rate=Fraction(12), width=8, height=6)
    for path in (first.output, again.output):
        frames = open_frames(path, start_s=Fraction(0), duration_s=Fraction(1), spec=spec).read(0, 12)
        assert abs(int(frames.mean()) - payload["items"][0]["seed"] % 256) < 8


def test_bad_input_and_places_are_sentences(session: Session, sound: Path, movies: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        _run(session, tmp_path / "gone.wav")
    with pytest.raises(MediaError, match="sound"):
        _run(session, movies / "a.mp4", tmp_path / "x.mp4")
    with pytest.raises(OutputError, match="pictures are written as"):
        _run(session, sound, tmp_path / "x.wav")
    with pytest.raises(OutputError, match="cannot be written"):
        _run(session, sound, sound / "x.mp4")
