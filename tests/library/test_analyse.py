"""Analyses: transients on their sample, spans without loss, kinds, and the same result for the same sound."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from avlink.core.errors import MediaError
from avlink.library.analyse import analyse_file, analyse_sound
from avlink.library.values import Analysis
from benchmarks.process import run_alone
from tests.library.sounds import RATE, hiss, strikes, wave, write_encoded, write_wav

SOUNDS = Path(__file__).parents[2] / ".." / "shared" / "sounds"


def transients(analysis: Analysis) -> list[int]:
    return [int(hit.transient_s * analysis.sample_rate) for hit in analysis.hits]


@pytest.mark.parametrize(
    ("suffix", "codec", "rate", "channels", "off"),
    [
        (".wav", "pcm_s24le", 44100, 2, 0),
        (".wav", "pcm_f32le", 96000, 6, 0),
        (".wav", "pcm_u8", 8000, 3, 0),
        (".aiff", "pcm_s16be", 22050, 2, 0),
        (".aif", "pcm_s24be", 48000, 4, 0),
        (".flac", "flac", 37800, 1, 0),
        (".flac", "flac", 88200, 8, 0),
        (".ogg", "vorbis", 44100, 2, 4),
        (".opus", "libopus", 48000, 1, 4),
        (".mp3", "libmp3lame", 22050, 1, 4),
        (".m4a", "aac", 32000, 6, 4),
        (".m4a", "alac", 44100, 1, 0),
    ],
)
def test_every_format_has_its_hit_on_the_sample(
    tmp_path: Path, suffix: str, codec: str, rate: int, channels: int, off: int
) -> None:
    at = round(0.3 * rate)
    sound = np.tile(strikes([at], rate, rate=rate), (channels, 1))
    path = tmp_path / f"hit{suffix}"
    if codec == "vorbis":
        soundfile.write(path, sound.T, rate, format="OGG", subtype="VORBIS")
    else:
        write_encoded(path, sound, rate, codec)
    analysis = analyse_file(path)
    assert (analysis.sample_rate, analysis.channels, analysis.kind) == (rate, channels, "one-shot")
    # Encoders that lose something move a rise by samples.
    assert len(analysis.hits) == 1 and abs(transients(analysis)[0] - at) <= off
    assert analysis.lufs is not None and -25 < analysis.lufs < -8


def test_transients_move_with_the_sound_and_not_with_its_gain() -> None:
    at = [9600, 33000, 60011]
    first = analyse_sound(wave(strikes(at, 96000)), "x")
    assert transients(first) == at and first.kind == "hits"
    for shift in (1, 37, 241):
        moved = analyse_sound(wave(strikes([one + shift for one in at], 96000 + shift)), "x")
        assert transients(moved) == [one + shift for one in at]
    quiet = analyse_sound(wave(strikes(at, 96000) * 0.01), "x")
    assert transients(quiet) == at
    assert first.hits[0].peak_db - quiet.hits[0].peak_db == pytest.approx(40, abs=0.1)


@pytest.mark.parametrize("level", [0.02, 0.1, 0.15])
def test_noise_before_a_hit_is_not_taken_for_it(level: float) -> None:
    sound = strikes([60000], 96000) + hiss(2, level=level / 3, seed=5)
    # A peak of 0.5: the noise reaches a good third of it at most. Nor is the start of the file, within noise, a hit.
    assert transients(analyse_sound(wave(sound), "x")) == [60000]


def test_a_hit_on_the_first_sample_is_found() -> None:
    analysis = analyse_sound(wave(strikes([0], 24000)), "x")
    assert transients(analysis) == [0] and analysis.kind == "one-shot"


def test_a_sound_that_swells_has_the_hit_of_its_peak() -> None:
    swell = np.interp(np.arange(48000), [0, 24000, 36000, 48000], [0, 1, 0, 0]) ** 3
    analysis = analyse_sound(wave(0.5 * swell * hiss(1, level=1.0)), "x")
    assert analysis.kind == "one-shot" and len(analysis.hits) == 1
    (hit,) = analysis.hits
    assert 0.4 < hit.transient_s < 0.55 and hit.start_s < 0.2 and 0.6 < hit.end_s <= 1


def test_a_lone_blow_is_clear_and_a_swell_an_echo_and_a_latch_are_not() -> None:
    lone = analyse_sound(wave(strikes([4800], 48000)), "x")
    assert lone.kind == "one-shot" and lone.hits[0].clarity > 0.9
    # 200 ms after the blow, and before it; each 14 dB softer.
    for at, levels in (([4800, 14400], (1, 0.2)), ([4800, 14400], (0.2, 1))):
        twice = analyse_sound(wave(strikes(at, 48000, levels=levels)), "x")
        assert twice.kind == "one-shot"
        assert max(twice.hits, key=lambda hit: hit.peak_db).clarity < 0.7 * lone.hits[0].clarity
    swell = np.interp(np.arange(48000), [0, 24000, 36000, 48000], [0, 1, 0, 0]) ** 3
    assert analyse_sound(wave(0.5 * swell * hiss(1, level=1.0)), "x").hits[0].clarity < 0.5


def test_each_of_several_hits_is_as_clear_as_it_is_alone() -> None:
    apart = analyse_sound(wave(strikes([4800, 60000, 120000], 168000)), "x")
    assert apart.kind == "hits" and all(hit.clarity > 0.9 for hit in apart.hits)


def test_spans_hold_the_pre_roll_and_the_tail_and_do_not_overlap() -> None:
    sound = strikes([24000, 72000], 120000, decay_s=0.05)
    # A swing that leads to the second hit, from 0.2 s before it.
    swing = np.linspace(0, 0.02, 9600) ** 2 * 50
    sound[62400:72000] += (swing * np.random.default_rng(3).standard_normal(9600)).astype(np.float32)
    first, second = analyse_sound(wave(sound), "x").hits
    assert first.start_s <= first.transient_s < first.end_s <= second.start_s < second.transient_s < second.end_s
    # 60 dB of decay take 0.35 s.
    assert first.end_s - first.transient_s >= 0.3
    assert second.transient_s - second.start_s >= 0.12
    assert second.end_s <= 120000 / RATE


@pytest.mark.parametrize(
    ("sound", "says_loop", "kind"),
    [
        (hiss(20), False, "bed"),
        (hiss(4), False, "loop"),
        (hiss(20), True, "loop"),
        (strikes([2400], 48000, decay_s=0.3), False, "one-shot"),
        (strikes([2400, 30000, 60000, 90000], 120000), False, "hits"),
        (strikes([4800 * n for n in range(1, 40)], 200000, decay_s=0.02, noise=0.08), False, "loop"),
    ],
    ids=["long hiss", "short hiss", "said", "one hit", "four hits", "rattle in noise"],
)
def test_kinds(sound: np.ndarray, says_loop: bool, kind: str) -> None:
    assert analyse_sound(wave(sound), "x", says_loop=says_loop).kind == kind


def test_brightness_and_noise_tell_a_tone_from_a_hiss() -> None:
    at = np.arange(RATE) / RATE
    tone = analyse_sound(wave(0.3 * np.sin(2 * np.pi * 440 * at)), "x")
    low = analyse_sound(wave(0.3 * np.sin(2 * np.pi * 110 * at)), "x")
    white = analyse_sound(wave(hiss(1)), "x")
    assert tone.brightness_hz == pytest.approx(440, rel=0.05)
    assert low.brightness_hz < tone.brightness_hz < white.brightness_hz
    assert tone.noise < 0.2 < 0.8 < white.noise


def test_channels_that_cancel_each_other_are_heard() -> None:
    sound = strikes([12000], 48000)
    stereo = np.stack([sound, -sound])
    assert transients(analyse_sound(wave(stereo), "x")) == [12000]


@pytest.mark.parametrize(
    ("sound", "said"),
    [
        (np.zeros(4800, np.float32), "holds only silence"),
        (np.full(4800, np.nan, np.float32), "no numbers"),
        (np.zeros(0, np.float32), "holds no sound"),
    ],
)
def test_sounds_that_cannot_be_used(sound: np.ndarray, said: str) -> None:
    with pytest.raises(MediaError, match=said):
        analyse_sound(wave(sound), "x.wav")


def test_memory_does_not_grow_with_the_length_of_a_file(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from avlink.library.analyse import analyse_file\n"
        "print(len(analyse_file(Path(sys.argv[1])).hits))"
    )
    peaks = []
    for minutes in (1, 3):
        rate, length = 8000, minutes * 60 * 8000
        sound = strikes(range(4000, length - 4000, 3 * rate), length, rate=rate)
        done = run_alone("-c", code, write_wav(tmp_path / f"{minutes}.wav", sound, rate))
        assert int(done.stdout) == minutes * 20
        peaks.append(done.peak_bytes)
    # Two minutes of this sound take 3.8 MB.
    assert peaks[1] - peaks[0] < 3e6


def test_real_sounds_agree_with_their_marks() -> None:
    if not SOUNDS.is_dir():
        pytest.skip("there is no folder shared/sounds beside the checkout")
    with (SOUNDS / "manifest.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    marked = [row for row in rows if row["oneshot"] == "1" and float(row["seconds"]) < 3][::16]
    found = [analyse_file(SOUNDS / row["file"]) for row in marked]
    assert sum(one.kind == "one-shot" for one in found) / len(found) > 0.92
    near = sum(
        bool(one.hits) and abs(float(one.hits[0].transient_s) - float(row["onset_times_s"].split()[0])) < 0.05
        for one, row in zip(found, marked, strict=True)
    )
    assert near / len(found) > 0.9
