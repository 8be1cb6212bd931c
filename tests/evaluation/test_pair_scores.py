from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avlink.core.store import Store
from avlink.core.values import Frames, Waveform
from avlink.evaluation.pair_scores import PairScores, pair_sections, score_pair
from avlink.evaluation.pairs import ClipFiles, DecodedClip
from avlink.media.movie import write_video
from avlink.media.probe import probe


def _clip(folder: Path) -> DecodedClip:
    """Two seconds with a click and a step of brightness at half a second and at a second."""
    pixels, sound = np.full((48, 36, 64, 3), 30, np.uint8), np.zeros(32000, np.float32)
    burst = np.random.default_rng(1).standard_normal(1600).astype(np.float32) * np.exp(-np.arange(1600) / 250)
    for time_s in (0.5, 1.0):
        pixels[round(24 * time_s) :] += 50
        sound[round(16000 * time_s) :][:1600] += 0.3 * burst
    path = folder / "a.mp4"
    frames = Frames(pixels=pixels, rate=Fraction(24))
    write_video(path, frames, sound=Waveform(samples=sound[None], sample_rate=16000))
    info = probe(path)
    return DecodedClip(ClipFiles(sound=info, pictures=info), Store(folder / "cache"), max_s=Fraction(9))


def test_a_clip_against_itself_is_perfect_and_survives_the_cache(tmp_path: Path) -> None:
    clip = _clip(tmp_path)
    scores = score_pair(clip, clip, ("sound", "pictures"))
    assert scores.times_s["generated sound"] == pytest.approx([0.5, 1.0], abs=0.02)
    assert scores.times_s["generated pictures"] == pytest.approx([0.5, 1.0], abs=0.05)
    numbers = scores.numbers
    assert {numbers[name] for name in ("mr_stft", "log_mel_db", "duration_error_s", "lag_s")} == {0.0}
    assert numbers["envelope_r"] == pytest.approx(1) and numbers["condfoley_accuracy"] == 1
    assert PairScores(**json.loads(json.dumps(scores.to_json()))) == PairScores(**scores.to_json())
    sections = {section.key: section.to_json()["rows"] for section in pair_sections([scores], ("sound", "pictures"))}
    assert sections["onsets"][0]["f1_50ms"] == 1 and sections["pictures"][0]["f1_200ms"] == 1
    # Without its sound among what is judged, nothing of it is scored.
    assert "generated sound" not in score_pair(clip, clip, ("pictures",)).times_s
