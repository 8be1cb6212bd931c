from __future__ import annotations

import numpy as np
import pytest

from avlink.metrics.condfoley import average_precision, condfoley_score, condfoley_summary, score_onsets
from avlink.metrics.music_onsets import HOP_SAMPLES, SAMPLE_RATE, music_onsets, onset_strength

LIBROSA_ONSETS = [3584, 9216, 13312, 21504, 26112, 30720]
LIBROSA_STRENGTH = [0.0, 0.0624, 0.0351, 0.0171, 0.0, 0.0, 13.836, 0.0, 0.0]
SILENCE = np.zeros(2 * SAMPLE_RATE)
TRUTH = np.array([4096, 12288, 20480, 28672, 36864])


def clicks(at, levels=None):
    sound = np.zeros(2 * SAMPLE_RATE)
    sound[list(at)] = levels or 0.5
    return sound


@pytest.mark.parametrize(
    "heard, levels, accuracy, precision",
    [
        ([], None, 0.0, 1.0),  # silence is rewarded: this is why AP never stands alone
        ([8192], [1.0], 0.0, 5 / 6),
        ([8192, 16384, 24576, 32768, 40960], [0.5] * 5, 0.0, 0.5),
        (TRUTH[:1], [0.5], 0.2, 1.0),
        (TRUTH, [0.5] * 5, 1.0, 1.0),
        ([*TRUTH, 8192, 16384, 24576, 32768, 40960], [0.5] * 5 + [1.0] * 5, 1.0, 0.5),
    ],
)
def test_accuracy_and_ap_as_published(heard, levels, accuracy, precision):
    heard = np.array(heard, dtype=np.int64)
    sound = clicks(heard, levels) if len(heard) else SILENCE
    order = np.argsort(heard)
    score = score_onsets(TRUTH, heard[order], sound)
    assert score.detection_accuracy == pytest.approx(accuracy)
    assert score.detection_ap == pytest.approx(precision)


def test_clips_without_true_onsets_count_in_the_count_only(modal_sound):
    silent, struck = np.zeros(80000, dtype=np.float32), modal_sound([0.5, 1.2])
    assert condfoley_score(silent, silent, 16000).count_match
    summary = condfoley_summary([silent, silent, struck], [silent, struck, struck], 16000)
    assert summary.count_accuracy == pytest.approx(2 / 3)
    assert (summary.detection_accuracy, summary.detection_ap) == (1.0, 1.0)
    assert (summary.num_clips, summary.num_excluded) == (3, 2)


def test_average_precision_by_hand():
    assert average_precision(np.array([1, 0, 1]), np.array([0.9, 0.8, 0.7])) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.array([1, 0]), np.array([0.5, 0.5])) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="positive"):
        average_precision(np.array([0, 0]), np.array([0.1, 0.2]))


def test_music_onsets_are_near_clear_hits(modal_sound):
    hits_s = np.array([0.3, 0.9, 1.4])
    sound = np.interp(np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE, np.arange(32000) / 16000, modal_sound(hits_s)[:32000])
    onsets = music_onsets(sound, delta=0.3)
    assert len(onsets) == 3
    assert np.abs(onsets / SAMPLE_RATE - hits_s).max() < 0.04
    assert not (onsets % HOP_SAMPLES).any()


def test_music_onsets_equal_librosa(modal_sound):
    """Made once with librosa 0.11.0 from the same samples (onset_detect, units="samples", sr=22050)."""
    hits_s = [0.21, 0.55, 0.8, 1.31, 1.62, 1.9]
    sound = modal_sound(hits_s, voice="bell", levels=[0.9, 0.2, 0.5, 0.1, 0.7, 0.3])[:44100].astype(np.float64)
    assert music_onsets(sound, delta=0.07).tolist() == LIBROSA_ONSETS
    assert music_onsets(sound, delta=0.3).tolist() == LIBROSA_ONSETS
    assert onset_strength(sound)[::10] == pytest.approx(LIBROSA_STRENGTH, abs=2e-3)


def test_silence_has_no_music_onsets():
    assert len(music_onsets(SILENCE)) == 0
