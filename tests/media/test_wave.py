from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from avlink.core.errors import MediaError, OutputError
from avlink.core.sound import read_whole
from avlink.core.values import Waveform
from avlink.media.resample import resample, resample_spooled
from avlink.media.wave import FLOAT, WaveFile, write_float_wave, write_wave


def noise(channels: int, num_samples: int, rate: int = 48000) -> Waveform:
    samples = np.random.default_rng(num_samples).normal(size=(channels, num_samples)).astype(np.float32)
    return Waveform(samples=samples, sample_rate=rate)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("num_samples", [0, 1, 12345, 200_001])
def test_floating_point_is_kept_bit_for_bit(tmp_path: Path, channels: int, num_samples: int) -> None:
    wave = noise(channels, num_samples)
    write_float_wave(tmp_path / "a.wav", wave)
    sound = WaveFile(tmp_path / "a.wav")
    assert (sound.sample_rate, sound.channels, sound.num_samples) == (48000, channels, num_samples)
    assert np.array_equal(read_whole(sound).samples, wave.samples)
    assert np.array_equal(sound.read(100, 200), wave.samples[:, 100:200])
    assert np.array_equal(soundfile.read(tmp_path / "a.wav", dtype="float32", always_2d=True)[0].T, wave.samples)


def test_beyond_the_limit_it_is_rf64(tmp_path: Path) -> None:
    wave = noise(2, 5000)
    pack = lambda block: block.T.astype("<f4").tobytes()  # noqa: E731
    write_wave(tmp_path / "a.wav", wave, pack, format_tag=FLOAT, bytes_a_sample=4, riff_limit_bytes=1000)
    assert (tmp_path / "a.wav").read_bytes()[:4] == b"RF64"
    assert np.array_equal(read_whole(WaveFile(tmp_path / "a.wav")).samples, wave.samples)


def test_what_is_no_sound_file_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no sound")
    with pytest.raises(MediaError, match="no sound file"):
        WaveFile(tmp_path / "a.wav")
    with pytest.raises(OutputError, match="cannot be written"):
        write_float_wave(tmp_path / "missing" / "a.wav", noise(1, 10))


@pytest.mark.parametrize("rates", [(16000, 48000), (44100, 48000), (48000, 16000)])
def test_resampling_by_way_of_a_file_is_resampling(rates: tuple[int, int]) -> None:
    wave = noise(2, 500_000, rates[0])
    assert np.array_equal(read_whole(resample_spooled(wave, rates[1])).samples, resample(wave, rates[1]).samples)
