"""Movies under way: every suffix takes sound at its time, and what cannot be written is told."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avlink.core.errors import InputError, MediaError, OutputError
from avlink.core.values import Waveform
from avlink.media.audio import read_audio
from avlink.media.soundtrack import SoundTrackWriter, open_movie

SUFFIXES = (".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts", ".flv")


def click(rate: int, channels: int) -> Waveform:
    """A second with a burst at one half."""
    samples = np.zeros((channels, rate), np.float32)
    samples[:, rate // 2 : rate // 2 + rate // 100] = 0.5
    return Waveform(samples=samples, sample_rate=rate)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("rate", "channels"), [(48000, 1), (44100, 2), (96000, 2)])
def test_sound_is_heard_at_its_time(tmp_path: Path, suffix: str, rate: int, channels: int) -> None:
    path = tmp_path / f"sound{suffix}"
    with open_movie(path) as movie:
        track = SoundTrackWriter(movie, click(rate, channels), path=path)
        track.mux_until(Fraction(1, 4))
        track.finish()
    heard = read_audio(path, sample_rate=48000).samples[0]
    # Transport streams have no place for the encoder's delay of 1024 samples.
    late = 1024 if suffix in {".ts", ".m2ts", ".mts", ".flv"} else 0
    first = int(np.argmax(np.abs(heard) > 0.2))
    assert abs(first - 24000 - late) <= 1100 if late else abs(first - 24000) <= 160


def test_other_suffixes_and_places_are_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"choose one of these suffixes"), open_movie(tmp_path / "movie.gif"):
        pass
    path = tmp_path / "none" / "movie.mp4"
    with pytest.raises(OutputError, match="cannot be written"), open_movie(path) as movie:
        SoundTrackWriter(movie, click(48000, 1), path=path).finish()


def test_layouts_that_no_movie_has_are_told(tmp_path: Path) -> None:
    path = tmp_path / "movie.mp4"
    with pytest.raises(MediaError, match="sound of 3 channels"), open_movie(path) as movie:
        SoundTrackWriter(movie, click(48000, 3), path=path)


def test_an_error_of_ours_passes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="from within"), open_movie(tmp_path / "movie.mkv") as movie:
        SoundTrackWriter(movie, click(48000, 1), path=tmp_path / "movie.mkv")
        raise InputError("from within")
