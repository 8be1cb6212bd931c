from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest
import torch

from avlink.core.values import Waveform
from avlink.foundry import make_clips
from avlink.metrics.onsets import MIN_GAP_S, detect_onsets, find_onsets, strongest_apart
from avlink.metrics.sync import match_onsets, onset_summary

RATE = 16000


@pytest.mark.parametrize("sample_rate", [16000, 22050, 44100, 48000])
def test_an_impulse_is_dated_within_3_ms_at_any_rate(sample_rate):
    times_s = np.array([0.031, 0.5, 1.2, 2.0, 3.3333, 4.7, 4.97])
    sound = np.zeros(5 * sample_rate, dtype=np.float32)
    sound[np.round(times_s * sample_rate).astype(int)] = 0.7
    found = detect_onsets(sound, sample_rate).times_s
    assert len(found) == len(times_s)
    assert np.abs(found - times_s).max() <= 0.003


def test_modal_hits_are_found_once_each_within_10_ms(modal_sound, voice):
    times_s = np.sort(np.random.default_rng(1).permutation(np.arange(0.2, 4.8, 0.2))[:12])
    found = detect_onsets(modal_sound(times_s, voice=voice), RATE).times_s
    assert len(found) == len(times_s)
    assert np.abs(found - times_s).mean() < 0.010


def test_quiet_hits_after_loud_ones_are_heard(modal_sound, voice):
    sound = modal_sound([0.5, 1.1, 2.0, 3.5], voice=voice, levels=[1.0, 0.1, 1.0, 0.1])
    assert match_onsets([0.5, 1.1, 2.0, 3.5], detect_onsets(sound, RATE).times_s, 0.02).f1 == 1.0


def test_noise_40_db_below_hides_and_adds_nothing(modal_sound, voice):
    times_s = [0.3, 0.9, 1.4, 2.2, 3.9]
    sound = modal_sound(times_s, voice=voice, noise=0.005, seed=4)
    assert match_onsets(times_s, detect_onsets(sound, RATE).times_s, 0.03).f1 == 1.0


def test_a_room_adds_no_onsets(modal_sound):
    times_s = [0.3, 0.9, 1.5, 2.2, 3.9]
    rng = np.random.default_rng(2)
    tail = rng.standard_normal(8000) * np.exp(-np.arange(8000) / 1600) * 0.03
    tail[0] = 1.0
    sound = np.convolve(modal_sound(times_s), tail)[: 5 * RATE].astype(np.float32)
    assert match_onsets(times_s, detect_onsets(sound, RATE).times_s, 0.03).f1 == 1.0


@pytest.mark.parametrize("level", [1.0, 0.1, 0.003])
def test_steady_noise_has_none(level):
    sound = np.random.default_rng(3).standard_normal(5 * RATE).astype(np.float32) * level
    assert len(detect_onsets(sound, RATE)) == 0


def test_a_steady_tone_cut_at_both_ends_has_none():
    tone = np.sin(2 * np.pi * 311.1 * np.arange(3 * RATE) / RATE).astype(np.float32)
    assert len(detect_onsets(tone, RATE)) == 0


@pytest.mark.parametrize("samples", [0, 1, 100, 16000])
def test_silence_has_none(samples):
    assert len(detect_onsets(np.zeros(samples, dtype=np.float32), RATE)) == 0


def test_gain_changes_nothing(modal_sound, voice):
    sound = modal_sound([0.4, 0.9, 1.6, 3.0], voice=voice, levels=[1.0, 0.2, 0.5, 0.1])
    loud = detect_onsets(sound, RATE)
    for gain in (0.01, 30.0):
        other = detect_onsets(sound * np.float32(gain), RATE)
        np.testing.assert_allclose(other.times_s, loud.times_s, atol=1e-9)
        np.testing.assert_allclose(other.strengths, loud.strengths, rtol=1e-3)


def test_a_delay_delays_the_onsets(modal_sound):
    sound = modal_sound([0.4, 0.9, 1.6])
    delayed = np.concatenate([np.zeros(round(0.2371 * RATE), dtype=np.float32), sound])
    difference = detect_onsets(delayed, RATE).times_s - detect_onsets(sound, RATE).times_s
    np.testing.assert_allclose(difference, 0.2371, atol=0.003)


def test_onsets_ascend_and_keep_their_distance():
    rng = np.random.default_rng(6)
    sound = rng.standard_normal(5 * RATE) * (rng.random(5 * RATE) < 0.001)
    times_s = detect_onsets(sound.astype(np.float32), RATE).times_s
    assert len(times_s) > 10
    # Each is moved to the exact moment afterwards, by 20 ms at most.
    assert np.diff(times_s).min() >= MIN_GAP_S - 0.03


def test_foundry_clips_are_heard_as_they_were_made():
    batch = make_clips(range(10), split="transfer", device=torch.device("cpu"))
    references = [[event.time_s for event in clip.events] for clip in batch.clips]
    summary = onset_summary(references, [detect_onsets(sound, RATE).times_s for sound in batch.sound.numpy()], 0.02)
    assert summary.f1 > 0.97
    assert summary.mean_abs_offset_s is not None and summary.mean_abs_offset_s < 0.002


def eventful(duration_s, *, seed=0):
    """Hits of all strengths, some nearly at once, in a hiss that comes and goes."""
    rng = np.random.default_rng(seed)
    sound = rng.standard_normal(round(duration_s * RATE)) * 0.002
    sound *= 1 + np.sin(np.arange(len(sound)) / RATE * 2)
    for start in rng.integers(0, len(sound), round(4 * duration_s)):
        t = np.arange(min(8000, len(sound) - start)) / RATE
        sound[start : start + len(t)] += rng.uniform(0.003, 1) * rng.standard_normal(len(t)) * np.exp(-t / 0.05)
    return sound.astype(np.float32)


@pytest.mark.parametrize("block_frames", [1, 37, 500, 2000])
def test_it_does_not_matter_where_blocks_are_cut(block_frames):
    sound = Waveform(samples=eventful(30 if block_frames > 1 else 4)[None], sample_rate=RATE)
    whole = find_onsets(sound, block_frames=10**6)
    assert len(whole) > 10
    found = find_onsets(sound, block_frames=block_frames)
    np.testing.assert_array_equal(found.times_s, whole.times_s)
    # The products of matrices round by how many rows they have.
    np.testing.assert_allclose(found.strengths, whole.strengths, atol=1e-5)


def test_of_two_peaks_that_are_close_the_stronger_one_stays():
    rng = np.random.default_rng(5)
    frames = np.unique(rng.integers(0, 4000, 900))
    rises_db = rng.integers(2, 9, len(frames)).astype(float)
    kept: list[int] = []
    for index in sorted(range(len(frames)), key=lambda one: (-rises_db[one], one)):
        if all(abs(frames[index] - frames[other]) >= 16 for other in kept):
            kept.append(index)
    assert strongest_apart(frames, rises_db, 16).tolist() == sorted(kept)


def test_several_channels_are_heard_as_their_mean(modal_sound):
    left, right = modal_sound([0.5, 2.0]), modal_sound([1.2, 3.1], voice="drum")
    both = find_onsets(Waveform(samples=np.stack([left, right]), sample_rate=RATE))
    np.testing.assert_array_equal(both.times_s, detect_onsets((left + right) / 2, RATE).times_s)


class Endless:
    """A few seconds of hits over and over, which nobody holds in memory."""

    sample_rate, channels = RATE, 1

    def __init__(self, duration_s):
        self.num_samples = duration_s * RATE
        self._loop = eventful(7)

    def read(self, start, stop):
        start, stop, _ = slice(start, stop).indices(self.num_samples)
        return self._loop[np.arange(start, stop) % len(self._loop)][None]


def test_memory_does_not_grow_with_the_sound():
    def peak_bytes(duration_s):
        tracemalloc.start()
        assert len(find_onsets(Endless(duration_s))) > duration_s
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_bytes(30)
    assert peak_bytes(400) < 1.1 * peak_bytes(40)


def test_bad_sounds_are_refused():
    with pytest.raises(ValueError, match="mono"):
        detect_onsets(np.zeros((2, 100), dtype=np.float32), RATE)
    with pytest.raises(ValueError, match="finite"):
        detect_onsets(np.full(100, np.nan, dtype=np.float32), RATE)


def test_five_seconds_take_less_than_a_hundredth_of_their_length(modal_sound):
    sound = modal_sound([1.0, 2.0])
    detect_onsets(sound, RATE)
    start = time.process_time()
    for _ in range(5):
        detect_onsets(sound, RATE)
    assert (time.process_time() - start) / 5 < 0.05
