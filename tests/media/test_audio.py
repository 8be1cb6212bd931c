from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from avlink.core.clock import to_index
from avlink.core.errors import MediaError
from avlink.core.values import Waveform
from avlink.media.audio import read_audio
from avlink.media.resample import Resampler, resample

RATES = [(44100, 48000), (48000, 16000), (16000, 48000), (22050, 16000), (48000, 44100), (44056, 48000)]


def centre(samples: np.ndarray) -> float:
    energy = samples.astype(float) ** 2
    return float((energy * np.arange(len(samples))).sum() / energy.sum())


@pytest.mark.parametrize(("rate_in", "rate_out"), RATES)
def test_resampling_neither_delays_nor_changes_the_length(rate_in: int, rate_out: int) -> None:
    for num_samples in (1, 7, 1000, 30011):
        wave = Waveform(samples=np.zeros((2, num_samples), np.float32), sample_rate=rate_in)
        assert resample(wave, rate_out).num_samples == to_index(Fraction(num_samples, rate_in), rate_out)
    for position in (0, 5000, 20000, 30010):
        impulse = np.zeros((1, 30011), np.float32)
        impulse[0, position] = 1
        got = resample(Waveform(samples=impulse, sample_rate=rate_in), rate_out).samples[0]
        assert abs(int(np.abs(got).argmax()) - position * rate_out / rate_in) <= 1
        if 1000 < position < 29000:
            assert abs(centre(got) - position * rate_out / rate_in) < 0.01


@pytest.mark.parametrize(("rate_in", "rate_out"), RATES)
def test_a_tone_stays_that_tone(rate_in: int, rate_out: int) -> None:
    hertz = 0.4 * min(rate_in, rate_out)
    tone = np.sin(2 * np.pi * hertz * np.arange(20000) / rate_in).astype(np.float32)
    got = resample(Waveform(samples=tone[None], sample_rate=rate_in), rate_out).samples[0]
    expected = np.sin(2 * np.pi * hertz * np.arange(len(got)) / rate_out)
    assert np.abs(got - expected)[500:-500].max() < 1e-4


def test_what_the_new_rate_cannot_hold_vanishes() -> None:
    tone = np.sin(2 * np.pi * 8400 * np.arange(20000) / 48000).astype(np.float32)
    got = resample(Waveform(samples=tone[None], sample_rate=48000), 16000).samples[0]
    assert np.abs(got[200:-200]).max() < 1e-4


def test_blocks_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    sound = rng.standard_normal((2, 200_003)).astype(np.float32)
    together = resample(Waveform(samples=sound, sample_rate=44100), 48000).samples
    converter, parts, start = Resampler(44100, 48000, channels=2), [], 0
    while start < sound.shape[1]:
        stop = start + int(rng.integers(1, 60_000))
        parts.append(converter.push(sound[:, start:stop]))
        start = stop
    parts.append(converter.flush())
    assert np.allclose(np.concatenate(parts, axis=1), together, atol=1e-6)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "PCM_U8"])
def test_wave_files_come_back_exactly(tmp_path: Path, subtype: str) -> None:
    path = tmp_path / "a.wav"
    rng = np.random.default_rng(1)
    soundfile.write(path, rng.uniform(-0.9, 0.9, (5000, 2)), 32000, subtype=subtype)
    expected, _rate = soundfile.read(path, dtype="float32", always_2d=True)
    got = read_audio(path, sample_rate=32000, mono=False)
    assert np.array_equal(got.samples, expected.T)
    assert np.allclose(read_audio(path, sample_rate=32000).samples[0], expected.mean(axis=1), atol=1e-7)


def test_stretches_equal_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.random.default_rng(2).uniform(-0.5, 0.5, 48000 * 15), 48000, subtype="PCM_16")
    full = read_audio(path, sample_rate=48000).samples
    for start_s, duration_s in [
        (Fraction(1, 3), Fraction(1)),
        (Fraction(12), Fraction(5, 2)),
        (Fraction(14), Fraction(3)),
    ]:
        got = read_audio(path, sample_rate=48000, start_s=start_s, duration_s=duration_s).samples
        first, wanted = to_index(start_s, 48000), to_index(duration_s, 48000)
        expected = np.pad(full[:, first : first + wanted], ((0, 0), (0, max(0, wanted + first - full.shape[1]))))
        assert np.array_equal(got, expected)
    assert not read_audio(path, sample_rate=16000, start_s=Fraction(30), duration_s=Fraction(1)).samples.any()


def write_sound(path: Path, samples: np.ndarray, *, codec: str, rate: int, layout: str) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        for start in range(0, samples.shape[1], 1024):
            block = np.ascontiguousarray(samples[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.wav", "pcm_s64le"),
        ("a.wav", "pcm_f64le"),
        ("a.w64", "pcm_f64le"),
        ("a.mov", "pcm_f64le"),
        ("a.au", "pcm_f64be"),
    ],
)
def test_64_bits_a_sample_come_back_exactly(tmp_path: Path, name: str, codec: str, layout: str) -> None:
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    samples = np.random.default_rng(3).uniform(-1, 1, (channels, 5000)).astype(np.float32)
    write_sound(tmp_path / name, samples, codec=codec, rate=48000, layout=layout)
    got = read_audio(tmp_path / name, sample_rate=48000, mono=False).samples
    assert np.array_equal(got, samples)


@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("codec", ["aac", "libopus", "flac", "pcm_s16le", "libmp3lame"])
def test_stretches_of_matroska_are_those_of_the_whole_to_the_sample(tmp_path: Path, codec: str, rate: int) -> None:
    rate = 48000 if codec == "libopus" else rate
    samples = np.random.default_rng(4).uniform(-0.2, 0.2, (1, 16 * rate)).astype(np.float32)
    write_sound(tmp_path / "a.mkv", samples, codec=codec, rate=rate, layout="mono")
    full = read_audio(tmp_path / "a.mkv", sample_rate=rate).samples
    for start_s in (Fraction(11), Fraction(1237, 100), Fraction(14999, 1000)):
        got = read_audio(tmp_path / "a.mkv", sample_rate=rate, start_s=start_s, duration_s=Fraction(1, 4)).samples
        first = to_index(start_s, rate)
        assert np.abs(got - full[:, first : first + got.shape[1]]).max() < 1e-3


@pytest.mark.parametrize("name", ["auto-editor__example.mp4", "exoplayer__sample.avi", "derived__av1_opus_drum.webm"])
def test_stretches_of_coded_sound(real_media: Callable[[str], Path], name: str) -> None:
    path = real_media(name)
    start_s = Fraction(25) if "example" in name else Fraction(5, 4)
    full = read_audio(path, sample_rate=16000).samples
    got = read_audio(path, sample_rate=16000, start_s=start_s, duration_s=Fraction(2)).samples
    expected = full[:, to_index(start_s, 16000) :][:, :32000]
    assert np.abs(got - expected)[:, 400:-400].max() < 0.01


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("late_s", [Fraction(0), Fraction(1, 2), Fraction(-1, 4)])
def test_sound_lies_where_the_picture_says(make_movie: Callable[..., Path], suffix: str, late_s: Fraction) -> None:
    click = np.zeros((1, 48000 * 2), np.float32)
    click[0, 48000 : 48000 + 32] = np.hanning(32)
    picture_start = Fraction(3, 10)
    times = [picture_start + Fraction(i, 25) for i in range(50)]
    begin = round((picture_start + late_s) * 48000)
    path = make_movie("a" + suffix, [80] * 50, times=times, sound=click, sound_start=begin)
    got = read_audio(path, sample_rate=48000).samples[0]
    # MP4 writes the later start of a stream in milliseconds.
    assert abs(centre(got) - (to_index(1 + late_s, 48000) + 15.5)) <= 48
    if late_s > 0:
        assert np.abs(got[:23000]).max() < 1e-4


def test_a_file_without_sound_says_so(real_media: Callable[[str], Path]) -> None:
    with pytest.raises(MediaError, match="has no sound"):
        read_audio(real_media("derived__noaudio_dog.mp4"), sample_rate=16000)


@pytest.mark.parametrize(
    ("name", "first_onset_s"),
    [("condfoleygen__hitting_bag.mp4", 0.89), ("derived__audio_delay_0p5_bag.mp4", 0.89 + 0.476)],
)
def test_onsets_of_real_files(real_media: Callable[[str], Path], name: str, first_onset_s: float) -> None:
    samples = read_audio(real_media(name), sample_rate=16000).samples[0]
    window = samples[round((first_onset_s - 0.2) * 16000) : round((first_onset_s + 0.1) * 16000)]
    rise = np.diff(np.square(window).reshape(-1, 160).mean(axis=1))
    assert abs(int(rise.argmax()) * 0.01 - 0.2) <= 0.05
