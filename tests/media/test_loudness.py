from __future__ import annotations

import numpy as np
import pytest

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


def test_silence_and_short_sounds_have_no_loudness() -> None:
    silent = measure_loudness(Waveform(samples=np.zeros((1, 48000), np.float32), sample_rate=48000))
    assert (silent.lufs, silent.true_peak_dbtp) == (None, SILENT_DBTP)
    short = measure_loudness(sine(1000, level_db=-6, channels=1, seconds=0.39))
    assert (silent.momentary_lufs, silent.short_term_lufs, silent.range_lu) == (None, None, None)
    assert short.lufs is None and short.true_peak_dbtp == pytest.approx(-6, abs=0.3)
    empty = measure_loudness(Waveform(samples=np.zeros((1, 0), np.float32), sample_rate=48000))
    assert (empty.lufs, empty.true_peak_dbtp) == (None, SILENT_DBTP)
