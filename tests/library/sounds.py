"""Sounds and sound files for the tests of the library, made from nothing: any format, rate and number of channels."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from avlink.core.values import Waveform
from avlink.media.wave import chunk

RATE = 48000
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 8: "7.1"}


def strikes(
    samples: Sequence[int],
    length: int,
    *,
    rate: int = RATE,
    decay_s: float = 0.06,
    levels: Sequence[float] | None = None,
    noise: float = 0.0,
    seed: int = 0,
) -> NDArray[np.float32]:
    """A mono sound (samples,): noise that begins at full level on each of `samples` and decays; `noise` is a hiss."""
    rng = np.random.default_rng(seed)
    sound = rng.standard_normal(length) * noise
    for number, start in enumerate(samples):
        tail = rng.uniform(-1, 1, length - start) * np.exp(-np.arange(length - start) / (decay_s * rate))
        # The first sample is the transient: nothing of the tail is louder.
        tail[0] = 1.0
        sound[start:] += 0.5 * (levels[number] if levels else 1.0) * tail
    return sound.astype(np.float32)


def wave(sound: NDArray[np.float32], rate: int = RATE) -> Waveform:
    """One channel as a waveform."""
    return Waveform(samples=np.atleast_2d(sound).astype(np.float32), sample_rate=rate)


def hiss(seconds: float, *, rate: int = RATE, level: float = 0.05, seed: int = 1) -> NDArray[np.float32]:
    """Steady noise."""
    return (np.random.default_rng(seed).standard_normal(round(seconds * rate)) * level).astype(np.float32)


def write_wav(
    path: Path, sound: NDArray[np.float32], rate: int = RATE, *, before: bytes = b"", after: bytes = b""
) -> Path:
    """A 16-bit WAV file with chunks before and after the sound."""
    samples = np.atleast_2d(sound)
    data = np.round(np.clip(samples.T, -1, 1) * 32767).astype("<i2").tobytes()
    channels = len(samples)
    fmt = chunk(b"fmt ", struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16))
    body = b"WAVE" + fmt + before + chunk(b"data", data) + after
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def write_encoded(
    path: Path, sound: NDArray[np.float32], rate: int, codec: str, *, tags: Mapping[str, str] | None = None
) -> Path:
    """A file by libav, in the container of its suffix."""
    samples = np.atleast_2d(sound)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"write_id3v2": "1"} if path.suffix == ".aiff" else {}) as container:
        container.metadata.update(tags or {})
        stream = container.add_stream(codec, rate=rate, layout=LAYOUTS[len(samples)])
        wanted = stream.codec_context.format.name
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.T).reshape(1, -1), format="flt", layout=LAYOUTS[len(samples)]
        )
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        size = stream.codec_context.frame_size or 0
        resampler = av.AudioResampler(format=wanted, layout=LAYOUTS[len(samples)], rate=rate, frame_size=size or None)
        for ready in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(ready))
        container.mux(stream.encode(None))
    return path
