"""Scores of each pair of clips that need no pretrained network, and their tables over all pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avlink.core.values import FrameSource
from avlink.evaluation.extractors import SIDE
from avlink.evaluation.pairs import DecodedClip
from avlink.evaluation.section import Cell, Section, onset_heads, onset_row
from avlink.media.loudness import measure_loudness
from avlink.metrics.alignment import av_align, envelope_lag
from avlink.metrics.condfoley import condfoley_score
from avlink.metrics.levels import clipped_share, dc_offset, silent_share
from avlink.metrics.music_onsets import SAMPLE_RATE as MUSIC_RATE
from avlink.metrics.onsets import detect_onsets
from avlink.metrics.picture_events import change_events, frame_difference
from avlink.metrics.spectral import envelope_correlation, log_mel_distance, multi_resolution_stft

VERSION = 1
"""Raised when the same pair would get other scores: it is part of the cache key."""

RATE = 16000
"""Sample rate, in hertz, at which pairs are compared."""
_BLOCK = 64
_LEVELS = ("silent", "clipped", "offset", "lufs", "true_peak_dbtp")
_DISTANCES = ("mr_stft", "log_mel_db", "envelope_r", "duration_error_s")
_CONDFOLEY = ("condfoley_count", "condfoley_accuracy", "condfoley_ap")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairScores:
    """Event times in seconds by side and medium, such as "generated sound", and scores by name; None: undefined."""

    times_s: Mapping[str, Sequence[float]] = field(default_factory=dict)
    numbers: Mapping[str, float | None] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return one object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PairScores:
        """Return the scores that `to_json` wrote. Raises ValueError, TypeError or others for other values."""
        times = {str(name): [float(time_s) for time_s in found] for name, found in value["times_s"].items()}
        numbers = {str(name): None if one is None else float(one) for name, one in value["numbers"].items()}
        if not all(isfinite(time_s) for found in times.values() for time_s in found):
            raise ValueError("the time of an event is no number")
        return cls(times_s=times, numbers=numbers)


def score_pair(generated: DecodedClip, reference: DecodedClip, judge: Sequence[str]) -> PairScores:
    """Return the scores of one pair. Raises MediaError where a clip cannot be decoded."""
    times: dict[str, Sequence[float]] = {}
    numbers: dict[str, float | None] = {}
    for side, clip in (("generated", generated), ("reference", reference)):
        if clip.has_sound and (side == "reference" or "sound" in judge):
            wave = clip.sound(RATE)
            times[f"{side} sound"] = detect_onsets(wave.samples[0], RATE).times_s.tolist()
            numbers |= {f"{side} {name}": value for name, value in _levels(clip).items()}
        if clip.has_pictures and (side == "reference" or "pictures" in judge):
            frames = clip.native_frames(SIDE)
            times[f"{side} pictures"] = change_events(_change(frames), frames.rate).tolist()
    if "sound" in judge and generated.has_sound and reference.has_sound:
        numbers |= _paired(generated, reference)
    # AV-Align needs both media; the one that was not generated comes from the reference.
    heard = generated if "sound" in judge and generated.has_sound else reference
    seen = generated if "pictures" in judge and generated.has_pictures else reference
    numbers |= _aligned("generated", heard, seen)
    if reference is not heard or reference is not seen:
        numbers |= _aligned("reference", reference, reference)
    return PairScores(times_s=times, numbers=numbers)


def pair_sections(scores: Sequence[PairScores], judge: Sequence[str]) -> list[Section]:
    """Return the tables over all pairs; each row has the number of pairs that it covers."""
    sections = []
    if "sound" in judge:
        rows = _onset_rows(scores, "reference sound", ("generated sound",), (0.1, 0.05))
        title = "Generated sound: onsets against those of the true sound"
        sections.append(Section(key="onsets", title=title, heads=onset_heads(), rows=rows))
        rows = _onset_rows(scores, "reference pictures", ("generated sound", "reference sound"), (0.1, 0.05))
        title = "Sound: onsets against the peaks of frame difference of the true pictures"
        sections.append(Section(key="onsets_to_pictures", title=title, heads=onset_heads(), rows=rows))
        sections.append(
            _means(scores, "condfoley", "CondFoleyGen, first 2 s (AP rewards silence: never alone)", {"": _CONDFOLEY})
        )
        sections.append(
            _means(scores, "distances", "Distance to the true sound", {"": (*_DISTANCES, "lag_s", "lag_r")})
        )
        levels = {side: _LEVELS for side in ("generated", "reference")}
        sections.append(_means(scores, "levels", "Levels", levels))
    if "pictures" in judge:
        rows = _onset_rows(scores, "reference sound", ("generated pictures", "reference pictures"), (0.2, 0.1))
        title = "Pictures: peaks of frame difference against the onsets of the true sound"
        sections.append(Section(key="pictures", title=title, heads=onset_heads((0.2, 0.1)), rows=rows))
    aligned = {side: ("av_align_fd",) for side in ("generated", "reference")}
    title = "AV-Align with frame difference instead of optical flow: not the published number"
    sections.append(_means(scores, "av_align", title, aligned))
    return [section for section in sections if section.rows]


def _levels(clip: DecodedClip) -> dict[str, float | None]:
    wave = clip.sound(RATE)
    sound = wave.samples[0]
    loudness = measure_loudness(wave)
    values = (silent_share(sound, RATE), clipped_share(sound), dc_offset(sound), loudness.lufs, loudness.true_peak_dbtp)
    return dict(zip(_LEVELS, values, strict=True))


def _paired(generated: DecodedClip, reference: DecodedClip) -> dict[str, float | None]:
    true, made = (clip.sound(RATE).samples[0] for clip in (reference, generated))
    # At its own rate, so that scores are comparable with published ones.
    foley = condfoley_score(reference.sound(MUSIC_RATE).samples[0], generated.sound(MUSIC_RATE).samples[0], MUSIC_RATE)
    lag = envelope_lag(true, made, RATE)
    return {
        "condfoley_count": float(foley.count_match),
        "condfoley_accuracy": foley.detection_accuracy,
        "condfoley_ap": foley.detection_ap,
        "mr_stft": multi_resolution_stft(true, made),
        "log_mel_db": log_mel_distance(true, made, RATE),
        "envelope_r": envelope_correlation(true, made, RATE),
        "duration_error_s": float(generated.sound_end_s - reference.sound_end_s),
        "lag_s": None if lag is None else lag[0],
        "lag_r": None if lag is None else lag[1],
    }


def _aligned(side: str, heard: DecodedClip, seen: DecodedClip) -> dict[str, float | None]:
    if not heard.has_sound or not seen.has_pictures:
        return {}
    frames = seen.native_frames(SIDE)
    return {f"{side} av_align_fd": av_align(heard.sound(MUSIC_RATE).samples[0], _change(frames), frames.rate)}


def _change(frames: FrameSource) -> NDArray[np.float64]:
    """Return `frame_difference` of pictures of any length."""
    # In blocks, as a long film would not fit in memory; each takes one frame more, to the next block's first.
    parts = [
        frame_difference(frames.read(start, start + _BLOCK + 1)) for start in range(0, frames.num_frames - 1, _BLOCK)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def _onset_rows(
    scores: Sequence[PairScores], truth: str, found: Sequence[str], windows_s: Sequence[float]
) -> tuple[tuple[Cell, ...], ...]:
    rows = []
    for name in found:
        both = [score.times_s for score in scores if truth in score.times_s and name in score.times_s]
        if both:
            times = [[np.array(one[key], dtype=np.float64) for one in both] for key in (truth, name)]
            rows.append(onset_row(name, times[0], times[1], windows_s))
    return tuple(rows)


def _means(scores: Sequence[PairScores], key: str, title: str, names: Mapping[str, Sequence[str]]) -> Section:
    rows: list[tuple[Cell, ...]] = []
    for side, wanted in names.items():
        for name in wanted:
            values = [score.numbers.get(f"{side} {name}".strip()) for score in scores]
            known = np.array([value for value in values if value is not None], dtype=np.float64)
            if len(known):
                row = (f"{side} {name}".strip(), float(known.mean()), float(np.median(known)), len(known))
                rows.append(row)
    return Section(key=key, title=title, heads=("what", "mean", "median", "clips"), rows=tuple(rows))
