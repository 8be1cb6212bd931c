from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avlink.core.values import Waveform
from avlink.media.loudness import SILENT_DBTP, measure_loudness


def sine(
    hertz: float, *, level_db: float, channels: int, rate: int = 48000, seconds: float = 3.0, phase: float = 0.0
) -> Waveform:
    tone = 10 ** (level_db / 20) * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate + phase)
    return Waveform(samples=np.tile(tone.astype(np.float32), (channels, 1)), sample_rate=rate)


@pytest.mark.parametrize("rate", [16000, 44100, 48000, 96000])
def test_the_reference_tone(rate: int) -> None:
    # BS.1770-4: 997 Hz at 0 dBFS in one channel reads -3.01 LKFS.
    assert measure_loudness(sine(997, level_db=0, channels=1, rate=rate)).lufs == pytest.approx(-3.01, abs=0.05)


def test_ebu_tech_3341_tones() -> None:
    # Cases 1 and 2: stereo sine of 1 kHz at -23 and -33 dBFS reads -23 and -33 LUFS, within 0.1.
    assert measure_loudness(sine(1000, level_db=-23, channels=2)).lufs == pytest.approx(-23, abs=0.1)
    assert measure_loudness(sine(1000, level_db=-33, channels=2)).lufs == pytest.approx(-33, abs=0.1)


def test_the_gate_leaves_quiet_parts_out() -> None:
    # EBU Tech 3341, case 3, shortened: -36, -23, -36 dBFS reads -23 LUFS.
    parts = [
        sine(1000, level_db=level, channels=2, seconds=length).samples
        for level, length in [(-36, 2), (-23, 12), (-36, 2)]
    ]
    wave = Waveform(samples=np.concatenate(parts, axis=1), sample_rate=48000)
    assert measure_loudness(wave).lufs == pytest.approx(-23, abs=0.1)


def test_the_loudest_moments_are_those_of_the_loudest_tone() -> None:
    # EBU Tech 3341: momentary is of 0.4 s, short-term of 3 s; here the tone of -13 dBFS lasts 1.5 s.
    parts = [sine(1000, level_db=level, channels=2, seconds=s).samples for level, s in [(-33, 4), (-13, 1.5), (-33, 4)]]
    level = measure_loudness(Waveform(samples=np.concatenate(parts, axis=1), sample_rate=48000))
    assert level.momentary_lufs == pytest.approx(-13, abs=0.1)
    assert level.short_term_lufs == pytest.approx(10 * np.log10((10**-1.3 + 10**-3.3) / 2), abs=0.1)
    assert measure_loudness(sine(1000, level_db=-23, channels=2, seconds=2.9)).short_term_lufs is None


@pytest.mark.parametrize("levels_db, range_lu", [((-20, -30), 10), ((-20, -15), 5), ((-40, -20), 20)])
def test_ebu_tech_3342_tones(levels_db: tuple[float, ...], range_lu: float) -> None:
    # Cases 1 to 3: two tones of 20 s each, within 1 LU.
    parts = [sine(1000, level_db=level, channels=2, rate=16000, seconds=20).samples for level in levels_db]
    level = measure_loudness(Waveform(samples=np.concatenate(parts, axis=1), sample_rate=16000))
    assert level.range_lu == pytest.approx(range_lu, abs=1)


def test_the_peak_between_samples_is_seen() -> None:
    # Every sample lies 3 dB under the crest of the wave.
    wave = sine(12000, level_db=-6, channels=1, phase=np.pi / 4)
    assert np.abs(wave.samples).max() == pytest.approx(10 ** (-9.01 / 20), rel=1e-3)
    assert measure_loudness(wave).true_peak_dbtp == pytest.approx(-6, abs=0.3)


@pytest.mark.parametrize(
    ("divisor", "phase_deg", "amplitude", "dbtp"),
    [(4, 0, 0.5, -6), (4, 45, 0.5, -6), (6, 60, 0.5, -6), (8, 67.5, 0.5, -6), (4, 45, 1.41, 3)],
)
def test_ebu_tech_3341_true_peaks(divisor: int, phase_deg: float, amplitude: float, dbtp: float) -> None:
    # Cases 15 to 19: tones of a whole part of the sample rate, within +0.2 and -0.4 dB.
    wave = sine(48000 / divisor, level_db=20 * np.log10(amplitude), channels=2, phase=np.deg2rad(phase_deg))
    # The official files fade in and out; a tone that starts at once overshoots.
    wave.samples[:] *= np.minimum(1, np.minimum(np.arange(144000), np.arange(144000)[::-1]) / 4800)
    assert dbtp - 0.4 <= measure_loudness(wave).true_peak_dbtp <= dbtp + 0.2


@pytest.mark.parametrize("level_db", [-40, -70, -100])
def test_true_peaks_of_quiet_sound_are_as_fine_as_of_loud_sound(level_db: float) -> None:
    # The filter's own note of the peak has three digits of full scale, and would read -60 or silence.
    assert measure_loudness(sine(997, level_db=level_db, channels=1)).true_peak_dbtp == pytest.approx(
        level_db, abs=0.01
    )


@pytest.mark.parametrize(
    ("channels", "weights"),
    [
        (1, [1]),
        (2, [1, 1]),
        (3, [1, 1, 1]),
        (4, [1, 1, 1.41, 1.41]),
        (5, [1, 1, 1, 1.41, 1.41]),
        (6, [1, 1, 1, 0, 1.41, 1.41]),
        (7, [1] * 7),
        (8, [1] * 8),
        (10, [1] * 10),
    ],
)
def test_each_channel_weighs_what_bs_1770_says(channels: int, weights: list[float]) -> None:
    # Beyond 5.1 the order of the channels is not known, and all count alike.
    tone = sine(997, level_db=-20, channels=1, seconds=1).samples[0]
    for index, weight in enumerate(weights):
        samples = np.zeros((channels, len(tone)), np.float32)
        samples[index] = tone
        level = measure_loudness(Waveform(samples=samples, sample_rate=48000))
        if weight:
            assert level.lufs == pytest.approx(-23.01 + 10 * np.log10(weight), abs=0.05)
        else:
            assert level.lufs is None
        assert level.true_peak_dbtp == pytest.approx(-20, abs=0.05)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 48000])
def test_exactly_one_window_is_enough(rate: int) -> None:
    # Also where a tenth of a second is no whole number of samples.
    begin = sine(997, level_db=-20, channels=1, rate=rate, seconds=0.4)
    assert measure_loudness(begin).lufs == pytest.approx(-23, abs=0.1)
    short = Waveform(samples=begin.samples[:, : 4 * (rate // 10) - 1], sample_rate=rate)
    assert measure_loudness(short).lufs is None


@pytest.mark.parametrize("silence_s", [0.5, 4.0])
def test_digital_silence_after_a_sound_changes_no_maximum(silence_s: float) -> None:
    rng = np.random.default_rng(0)
    hit = np.exp(-np.arange(9600) / 800) * rng.normal(0, 0.3, 9600)
    sound = np.zeros((6, 4 * 48000), np.float32)
    sound[:, :9600] = hit
    longer = np.concatenate([sound, np.zeros((6, int(silence_s * 48000)), np.float32)], axis=1)
    one, other = (measure_loudness(Waveform(samples=samples, sample_rate=48000)) for samples in (sound, longer))
    assert one.momentary_lufs is not None and one.short_term_lufs is not None
    assert (one.lufs, one.momentary_lufs, one.short_term_lufs) == (
        other.lufs,
        other.momentary_lufs,
        other.short_term_lufs,
    )


def test_a_sound_that_starts_or_ends_loud_is_measured_between_silences() -> None:
    # A step from silence overshoots; the resampler alone would take the sound to go on in its mirror image.
    step = Waveform(samples=np.full((1, 4800), 0.5, np.float32), sample_rate=48000)
    assert measure_loudness(step).true_peak_dbtp > 20 * np.log10(0.5) + 0.5


@given(cuts=st.lists(st.integers(0, 48000), max_size=5), channels=st.integers(1, 8))
@settings(max_examples=10, deadline=None)
def test_the_length_of_blocks_does_not_matter(cuts: list[int], channels: int) -> None:
    class Cut:
        """A source whose reads are as they are asked for, whatever lies behind."""

        sample_rate, num_samples = 48000, 48000

        def __init__(self, samples: np.ndarray) -> None:
            self.samples, self.channels = samples, len(samples)

        def read(self, start: int, stop: int) -> np.ndarray:
            return self.samples[:, start:stop]

    samples = np.random.default_rng(1).normal(0, 0.1, (channels, 48000)).astype(np.float32)
    edges = [0, *sorted(cuts), 48000]
    whole = measure_loudness(Waveform(samples=samples, sample_rate=48000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "avlink.media.loudness.read_blocks",
            lambda sound: (sound.read(start, stop) for start, stop in itertools.pairwise(edges)),
        )
        assert measure_loudness(Cut(samples)) == whole


def test_silence_and_short_sounds_have_no_loudness() -> None:
    silent = measure_loudness(Waveform(samples=np.zeros((1, 48000), np.float32), sample_rate=48000))
    assert (silent.lufs, silent.true_peak_dbtp) == (None, SILENT_DBTP)
    short = measure_loudness(sine(1000, level_db=-6, channels=1, seconds=0.39))
    assert (silent.momentary_lufs, silent.short_term_lufs, silent.range_lu) == (None, None, None)
    assert short.lufs is None and short.true_peak_dbtp == pytest.approx(-6, abs=0.3)
    empty = measure_loudness(Waveform(samples=np.zeros((1, 0), np.float32), sample_rate=48000))
    assert (empty.lufs, empty.true_peak_dbtp) == (None, SILENT_DBTP)
