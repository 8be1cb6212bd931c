"""Sound as it is heard at a speed: clicks lie where they are heard, and long sounds stay on the disk."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from avlink.core.clock import to_index
from avlink.core.errors import MediaError
from avlink.core.values import SoundSource, Waveform
from avlink.media.audio import open_audio, read_audio
from avlink.media.broadcast import BroadcastInfo
from avlink.media.bwf import write_bwf
from avlink.media.probe import probe

CLICKS_S = (Fraction(1), Fraction(5, 2), Fraction(4), Fraction(6))


@pytest.fixture
def clicks(tmp_path: Path) -> Path:
    """Eight seconds of stereo, with a click at each of CLICKS_S."""
    samples = np.zeros((48000 * 8, 2), np.float32)
    for time_s in CLICKS_S:
        at = to_index(time_s, 48000)
        samples[at - 24 : at + 25] = 0.9 * np.hanning(49)[:, None]
    path = tmp_path / "clicks.wav"
    soundfile.write(path, samples, 48000)
    return path


def heard_at(sound: SoundSource) -> list[float]:
    """The middles of the clicks of a sound, in seconds."""
    energy = sound.read(0, sound.num_samples)[0].astype(float) ** 2
    loud = np.flatnonzero(energy > energy.max() / 100)
    parts = np.split(loud, np.flatnonzero(np.diff(loud) > sound.sample_rate // 50) + 1)
    return [float((energy[part] * part).sum() / energy[part].sum()) / sound.sample_rate for part in parts]


@pytest.mark.parametrize("speed", ["1", "2", "1/2", "-1", "-3/2", "24/25", "1001/1000", "1234567/1000000", "0.037"])
def test_clicks_are_heard_where_the_speed_puts_them(clicks: Path, speed: str) -> None:
    times = Fraction(speed)
    start_s, duration_s = Fraction(1, 2), Fraction(6)
    sound = open_audio(clicks, sample_rate=16000, start_s=start_s, duration_s=duration_s, speed=times)
    assert (sound.sample_rate, sound.channels) == (16000, 1)
    assert sound.num_samples == to_index(duration_s / abs(times), 16000)
    begin_s = start_s if times > 0 else start_s + duration_s
    expected = sorted(float((time_s - begin_s) / times) for time_s in CLICKS_S)
    # Backwards, the last sample before the end comes first: one sample early.
    assert heard_at(sound) == pytest.approx(expected, abs=1.5 / 16000)


def test_at_its_own_speed_it_is_what_read_audio_reads(clicks: Path) -> None:
    stretch = {"sample_rate": 16000, "start_s": Fraction(1, 3), "duration_s": Fraction(9)}
    whole = read_audio(clicks, **stretch)  # type: ignore[arg-type]
    sound = open_audio(clicks, **stretch)  # type: ignore[arg-type]
    np.testing.assert_array_equal(sound.read(0, sound.num_samples), whole.samples)
    both = open_audio(clicks, sample_rate=48000, mono=False)
    assert (both.channels, both.num_samples) == (2, 48000 * 8)


def test_a_stretch_of_reversed_sound_is_that_stretch(clicks: Path) -> None:
    sound = open_audio(clicks, sample_rate=16000, start_s=Fraction(0), duration_s=Fraction(8), speed=Fraction(-1))
    whole = sound.read(0, sound.num_samples)
    for start, stop in ((0, 100), (63900, 64100), (127990, 128000), (5, 5), (9, 3)):
        np.testing.assert_array_equal(sound.read(start, stop), whole[:, start:stop])


def test_what_cannot_be_heard_is_a_sentence(clicks: Path) -> None:
    with pytest.raises(ValueError, match="stands still"):
        open_audio(clicks, sample_rate=16000, duration_s=Fraction(1), speed=Fraction(0))
    with pytest.raises(MediaError, match="so fast or slowly"):
        open_audio(clicks, sample_rate=16000, duration_s=Fraction(1), speed=Fraction(200_000))


def test_a_sound_file_says_how_long_it_is_and_when_it_was(tmp_path: Path, clicks: Path) -> None:
    audio = probe(clicks).audio
    assert audio is not None and (audio.duration_s, audio.time_reference_s) == (8, None)
    stamped = tmp_path / "stamped.wav"
    wave = Waveform(samples=np.zeros((1, 48000), np.float32), sample_rate=48000)
    write_bwf(stamped, wave, BroadcastInfo(time_reference=3600 * 48000 + 24000))
    audio = probe(stamped).audio
    assert audio is not None and (audio.duration_s, audio.time_reference_s) == (1, Fraction(7201, 2))
