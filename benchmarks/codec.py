"""The codec of a model on recordings: distances of a sound to itself after VAE and vocoder, and the cost of decoding.

The recordings are every tenth file by name of `--sounds`, or of shared/sounds beside the checkout, six seconds of each.
Without them there are sounds of the foundry, whose figures say little of recordings.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from avlink.core.bundles import find_bundle
from avlink.core.codec_config import MelSpec
from avlink.core.values import Waveform
from avlink.engine.bundle import load_system, read_bundle
from avlink.engine.codec.mel import LogMel
from avlink.foundry.clip import SAMPLE_RATE
from avlink.foundry.generate import make_clips
from avlink.media.audio import read_audio
from avlink.media.resample import resample
from avlink.metrics.gain import matched_count
from avlink.metrics.onsets import detect_onsets
from avlink.training.objectives import periodicity
from benchmarks.ear import Ear
from benchmarks.figure import Figure, Wanted

_RATE, _HOP = 48000, 480
_MOST_S = 6
_EVERY = 10
_SUFFIXES = (".opus", ".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")
_AT_MOST_MEL_DB, _AT_MOST_BUZZ, _AT_MOST_DECODING = 1.3, 0.05, 0.07
_FLOOR_DB = -80.0
"""Levels are compared down to this, below a full-scale sine."""


def measure(wanted: Wanted) -> list[Figure]:
    """Distances in decibels, onset F1, names that YAMNet gives to both, repetition at the hop rate, and decoding."""
    torch.set_num_threads(1)
    system = load_system(read_bundle(find_bundle(wanted.model)), ("vae", "vocoder"))
    own_rate = system.config.mel.sample_rate
    # A yardstick that is the same for all codecs.
    mel = LogMel(MelSpec(sample_rate=_RATE, n_fft=2048, hop_samples=_HOP, n_mels=128, fmax_hz=_RATE / 2, scaled=False))
    full_scale = mel.amplitudes(mel(torch.sin(torch.arange(_RATE) * 0.13)[None])).amax()
    ear = _ear()
    distances: list[float] = []
    buzzes: list[float] = []
    own_buzzes: list[float] = []
    named: list[bool] = []
    counts = dict.fromkeys(("true", "found", "10", "50"), 0)
    decoding_s = sounding_s = 0.0
    for true in _sounds(wanted):
        given = _as(true, _RATE, own_rate)
        latents = system.codec.encode(torch.from_numpy(given)[None])
        began = time.perf_counter()
        decoded = system.codec.decode(latents)[0].numpy()
        decoding_s += time.perf_counter() - began
        sounding_s += len(decoded) / own_rate
        made = _as(decoded[: len(given)], own_rate, _RATE)
        length = min(len(true), len(made))
        true, made = true[:length], made[:length]
        distances.append(_distance_db(mel, full_scale, true, made))
        for sound, found in ((true, own_buzzes), (made, buzzes)):
            found += periodicity(torch.from_numpy(sound)[None], _RATE, _HOP)[0].tolist()
        onsets, kept = ([float(t) for t in detect_onsets(x, _RATE).times_s] for x in (true, made))
        counts["true"] += len(onsets)
        counts["found"] += len(kept)
        for ms in ("10", "50"):
            counts[ms] += matched_count(onsets, kept, int(ms) / 1000)
        if ear is not None:
            a, b = ear.scores(true, _RATE), ear.scores(made, _RATE)
            named.append(bool(ear.first(a, 3) & ear.first(b, 5)))
    title = f"codec of {wanted.model}, {len(distances)} sounds"
    together = counts["true"] + counts["found"]
    figures = [
        Figure(name=f"{title}, mel distance", value=_mean(distances), unit="dB", at_most=_AT_MOST_MEL_DB),
        Figure(
            name=f"{title}, autocorrelation at 10 ms, 3 to 18 kHz, more than in the recordings",
            value=_mean(buzzes) - _mean(own_buzzes),
            unit="",
            at_most=_AT_MOST_BUZZ,
        ),
        Figure(
            name=f"{title}, decoding on one thread",
            value=decoding_s / sounding_s,
            unit="s/s",
            at_most=_AT_MOST_DECODING,
        ),
    ]
    figures += [
        Figure(name=f"{title}, onsets within {ms} ms", value=2 * counts[ms] / max(1, together), unit="F1")
        for ms in ("10", "50")
    ]
    if named:
        figures.append(Figure(name=f"{title}, named alike by YAMNet", value=_mean(named), unit="of sounds"))
    return figures


def _ear() -> Ear | None:
    try:
        return Ear()
    except (FileNotFoundError, ImportError):
        return None


def _sounds(wanted: Wanted) -> Iterator[NDArray[np.float32]]:
    folder = wanted.sounds or wanted.shared("sounds")
    if folder is None:
        for row in make_clips(range(9000, 9002 if wanted.quick else 9048), split="held_out").sound:
            yield _as(row.numpy(), SAMPLE_RATE, _RATE)
        return
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    for path in files[::_EVERY]:
        yield _read(path)


def _read(path: Path) -> NDArray[np.float32]:
    return np.ascontiguousarray(read_audio(path, sample_rate=_RATE).samples[0, : _MOST_S * _RATE])


def _as(sound: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    return sound if rate == wanted else resample(Waveform(samples=sound[None], sample_rate=rate), wanted).samples[0]


def _distance_db(mel: LogMel, full: torch.Tensor, true: NDArray[np.float32], made: NDArray[np.float32]) -> float:
    levels = [
        (20 * torch.log10(mel.amplitudes(mel(torch.from_numpy(x)[None])) / full)).clamp(min=_FLOOR_DB)
        for x in (true, made)
    ]
    return float((levels[0] - levels[1]).abs().mean())


def _mean(values: list[float] | list[bool]) -> float:
    return float(np.mean(values)) if values else 0.0
