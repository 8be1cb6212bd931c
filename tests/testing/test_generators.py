from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from avlink.core.values import Frames, PictureRequest, Prompt, SoundRequest, Waveform
from avlink.testing import FlatGenerator, FlatOptions, ToneGenerator, ToneOptions, fake_registry, tone_hz


def sound_request(seed: int, duration_s: Fraction = Fraction(1)) -> SoundRequest:
    frames = Frames(pixels=np.zeros((4, 8, 8, 3), np.uint8), rate=Fraction(4))
    return SoundRequest(frames=frames, duration_s=duration_s, prompt=Prompt(), seed=seed)


@pytest.mark.parametrize("seed", [0, 7, 12345678901234567])
def test_the_pitch_tells_the_seed(seed: int) -> None:
    (wave,) = ToneGenerator(ToneOptions()).generate([sound_request(seed)])
    spectrum = np.abs(np.fft.rfft(wave.samples[0]))
    assert spectrum.argmax() == tone_hz(seed)


def test_a_batch_is_its_requests_one_by_one() -> None:
    generator = ToneGenerator(ToneOptions())
    requests = [sound_request(seed, Fraction(seed + 1, 7)) for seed in range(3)]
    for request, wave in zip(requests, generator.generate(requests), strict=True):
        assert np.array_equal(wave.samples, generator.generate([request])[0].samples)
        assert wave.num_samples == round(request.duration_s * 16000)


def test_the_grey_tells_the_seed() -> None:
    sound = Waveform(samples=np.zeros((1, 16000), np.float32), sample_rate=16000)
    request = PictureRequest(sound=sound, duration_s=Fraction(1, 2), prompt=Prompt(), seed=77)
    (frames,) = FlatGenerator(FlatOptions()).generate([request])
    assert frames.pixels.shape == (6, 6, 8, 3)
    assert (frames.pixels == 77).all()


def test_the_registry_has_both() -> None:
    assert set(fake_registry().backends) == {"flat", "tone"}
