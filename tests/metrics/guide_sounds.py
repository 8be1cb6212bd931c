"""Sounds for tests of guides: impacts, speech and music, all synthetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from avlink.core.values import Frames, Waveform
from avlink.metrics.guide import SAMPLE_RATE as RATE
from avlink.metrics.seen_motion import HEIGHT, WIDTH
from avlink.metrics.seen_motion import RATE as PICTURES

Sound = NDArray[np.float64]


def impact(rng: np.random.Generator, kind: str) -> Sound:
    """Half a second of a blow, from its first sample on."""
    t = np.arange(RATE // 2) / RATE
    if kind == "noise":
        return rng.standard_normal(len(t)) * np.exp(-t / 0.03)
    if kind == "wood":
        return sum(np.sin(2 * np.pi * hz * t) * np.exp(-t / s) for hz, s in ((400, 0.03), (900, 0.02), (2100, 0.01)))
    return np.sin(2 * np.pi * 90 * t) * np.exp(-t / 0.08) + 0.05 * rng.standard_normal(len(t)) * np.exp(-t / 0.01)


def impacts(
    times_s: list[float], duration_s: float, *, seed: int = 0, kind: str = "noise", floor: float = 1e-4
) -> Sound:
    """Blows of different strength over a quiet room, each begins at the sample nearest to its time."""
    rng = np.random.default_rng(seed)
    sound = rng.standard_normal(round(duration_s * RATE)) * floor
    for time_s in times_s:
        start = round(time_s * RATE)
        blow = impact(rng, kind)[: len(sound) - start] * rng.uniform(0.15, 0.5)
        sound[start : start + len(blow)] += blow
    return sound


def speech(duration_s: float, *, seed: int = 0) -> Sound:
    """Syllables of a gliding voice through two formants, after plosives and hisses, in phrases with pauses."""
    rng = np.random.default_rng(seed)
    out = rng.standard_normal(round(duration_s * RATE)) * 1e-4
    at, pitch = 0.1, 120.0
    while at < duration_s - 0.5:
        length = rng.uniform(0.14, 0.28)
        t = np.arange(round(length * RATE)) / RATE
        bend = rng.uniform(-0.35, 0.35)
        glide = pitch * 2 ** (bend * t / length + 0.02 * np.sin(2 * np.pi * 4 * t))
        voice = np.diff(np.cumsum(glide) / RATE % 1, prepend=0.0)
        voice = lfilter([1], [1, -0.95], voice)
        for hz in (rng.uniform(350, 800), rng.uniform(900, 2200)):
            radius, angle = np.exp(-np.pi * 90 / RATE), 2 * np.pi * hz / RATE
            voice = lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], voice)
        voice *= np.sin(np.pi * t / length) ** 0.5 / np.abs(voice).max()
        sort = rng.integers(3)
        if sort < 2:
            noise = np.diff(rng.standard_normal(round((0.012 if sort else 0.09) * RATE)), prepend=0.0)
            noise *= 0.08 * (np.exp(-np.arange(len(noise)) / (0.006 * RATE)) if sort else np.hanning(len(noise)))
            start = round(at * RATE)
            out[start : start + len(noise)] += noise
            at += len(noise) / RATE
        start = round(at * RATE)
        out[start : start + len(voice)] += 0.3 * voice
        at += length + (rng.uniform(0.2, 0.4) if rng.random() < 0.15 else rng.uniform(0.0, 0.04))
        pitch = float(np.clip(pitch * 2 ** (bend + rng.uniform(-0.2, 0.2)), 90, 220))
    return out


def music(duration_s: float, *, seed: int = 0, beat: bool = False) -> Sound:
    """A melody of harmonic notes with slow attacks over a pad, with a drum on each beat on demand."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(duration_s * RATE)) / RATE
    out = sum(0.05 * np.sin(2 * np.pi * hz * k * t) / k for hz in (130.81, 164.81, 196.0) for k in (1, 2, 3, 4))
    for at in np.arange(0.0, duration_s - 0.1, 0.25):
        hz = 261.63 * 2 ** (int(rng.choice([0, 2, 4, 5, 7, 9, 11])) / 12)
        note = t[: round(0.5 * RATE)]
        note = note[: len(t) - round(at * RATE)]
        swell = np.minimum(1.0, note / 0.03) * np.exp(-note / 0.25)
        tone = sum(np.sin(2 * np.pi * hz * k * note) / k for k in range(1, 9)) * swell * 0.1
        start = round(at * RATE)
        out[start : start + len(tone)] += tone
        if beat and round(at / 0.25) % 2 == 0:
            drum = 0.12 * rng.standard_normal(len(note)) * np.exp(-note / 0.02)
            out[start : start + len(drum)] += drum
    return np.asarray(out)


def wave(sound: Sound) -> Waveform:
    """A sound as a guide takes it."""
    return Waveform(samples=np.asarray(sound, np.float32)[None], sample_rate=RATE)


def pictures(duration_s: float, times_s: list[float] | None = None) -> Frames:
    """Pictures of a square that jumps at each time, or that wanders all the while."""
    count = round(duration_s * PICTURES)
    pixels = np.full((count, HEIGHT, WIDTH, 3), 90, np.uint8)
    for index in range(count):
        moment = index / PICTURES
        steps = index // 2 if times_s is None else sum(1 for time_s in times_s if time_s <= moment)
        x, y = (steps * 7) % (WIDTH - 24), (steps * 3) % (HEIGHT - 24)
        pixels[index, y : y + 24, x : x + 24] = 220
    return Frames(pixels=pixels, rate=Fraction(PICTURES))
