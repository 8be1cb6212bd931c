from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avlink.core.sound import FittedSound, SpooledSound, read_blocks, read_whole
from avlink.core.values import SoundSource, Waveform

RATE = 16000


def noise(channels: int, num_samples: int) -> np.ndarray:
    return np.random.default_rng(num_samples).normal(size=(channels, num_samples)).astype(np.float32)


def spooled(samples: np.ndarray, cuts: list[int]) -> SpooledSound:
    return SpooledSound(np.split(samples, sorted(cuts), axis=1), sample_rate=RATE, channels=samples.shape[0])


@given(
    channels=st.integers(1, 3),
    num_samples=st.integers(0, 5000),
    cuts=st.lists(st.integers(0, 5000), max_size=5),
    start=st.integers(0, 6000),
    length=st.integers(0, 6000),
)
@settings(max_examples=60, deadline=None)
def test_a_spool_gives_back_what_it_took(
    channels: int, num_samples: int, cuts: list[int], start: int, length: int
) -> None:
    samples = noise(channels, num_samples)
    sound = spooled(samples, cuts)
    assert (sound.channels, sound.num_samples) == (channels, num_samples)
    assert np.array_equal(sound.read(start, start + length), samples[:, start : start + length])


def test_a_long_spool_lies_on_the_disk_and_is_the_same() -> None:
    samples = noise(2, 3_000_000)
    sound = spooled(samples, [1_000_000])
    assert np.array_equal(np.concatenate(list(read_blocks(sound)), axis=1), samples)


@given(num_samples=st.integers(0, 300), wanted=st.integers(0, 400), start=st.integers(0, 450), stop=st.integers(0, 450))
@settings(max_examples=60, deadline=None)
def test_fitting_cuts_or_adds_silence(num_samples: int, wanted: int, start: int, stop: int) -> None:
    samples = noise(1, num_samples)
    expected = np.pad(samples, ((0, 0), (0, wanted)))[:, :wanted]
    fitted = FittedSound(Waveform(samples=samples, sample_rate=RATE), wanted)
    assert np.array_equal(read_whole(fitted).samples, expected)
    assert np.array_equal(fitted.read(start, stop), expected[:, start:stop])


@pytest.mark.parametrize("kind", ["wave", "spool", "fitted"])
def test_all_kinds_count_in_the_same_way(kind: str) -> None:
    wave = Waveform(samples=noise(2, 1000), sample_rate=RATE)
    kinds: dict[str, SoundSource] = {
        "wave": wave,
        "spool": spooled(wave.samples, []),
        "fitted": FittedSound(spooled(wave.samples, [7]), 1000),
    }
    sound = kinds[kind]
    assert (sound.sample_rate, sound.channels, sound.num_samples) == (RATE, 2, 1000)
    assert np.array_equal(sound.read(10, 20), wave.samples[:, 10:20])


def test_a_full_disk_is_said_in_words() -> None:
    code = """
import resource, numpy as np
from avlink.core.sound import SpooledSound
from avlink.core.errors import OutputError
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
blocks = (np.zeros((1, 1 << 20), np.float32) for _ in range(3))
try:
    SpooledSound(blocks, sample_rate=16000, channels=1)
except OutputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "temporary file" in done.stdout and "TMPDIR" in done.stdout
