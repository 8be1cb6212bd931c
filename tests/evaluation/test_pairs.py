from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avlink.core.errors import InputError, MediaError
from avlink.core.store import Store
from avlink.core.values import Waveform
from avlink.evaluation.pairs import ClipFiles, DecodedClip, find_pairs
from avlink.media.probe import probe
from avlink.media.wave import write_float_wave


def _sound(path: Path, seconds: float = 0.5, rate: int = 8000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.sin(np.arange(round(seconds * rate)) / 10).astype(np.float32)[None]
    write_float_wave(path, Waveform(samples=samples, sample_rate=rate))


def test_clips_of_one_name_are_pairs_and_the_others_are_told(tmp_path: Path) -> None:
    made, true, store = tmp_path / "made", tmp_path / "true", Store(tmp_path / "cache")
    for name in ("a", "deep/take 1.5 final", "only"):
        _sound(made / f"{name}.wav")
    for name in ("a", "deep/take 1.5 final", "alone"):
        _sound(true / f"{name}.wav")
    (true / ".hidden").mkdir()
    _sound(true / ".hidden" / "only.wav")
    (made / "captions.json").write_text(json.dumps({"a.wav": "one", "deep/take 1.5 final": {"caption": "two"}}))
    pairs = find_pairs(made, true, store)
    assert [(pair.name, pair.caption) for pair in pairs.pairs] == [("a", "one"), ("deep/take 1.5 final", "two")]
    assert (pairs.only_generated, pairs.only_reference) == (("only",), ("alone",))
    (made / "captions.json").write_text("[1]")
    with pytest.raises(InputError, match=r"captions in '.*made' cannot be read"):
        find_pairs(made, true, store)
    with pytest.raises(InputError, match="has the name of one in"):
        find_pairs(made / "deep", true / ".hidden", store)


def test_a_clip_is_cut_and_resampled_and_lacks_what_it_has_not(tmp_path: Path) -> None:
    _sound(tmp_path / "a.wav", seconds=2)
    clip = DecodedClip(ClipFiles(sound=probe(tmp_path / "a.wav")), Store(tmp_path / "cache"), max_s=Fraction(3, 2))
    assert clip.has_sound and not clip.has_pictures and clip.sound_end_s == 2
    assert clip.sound(16000).samples.shape == (1, 24000) and clip.sound(8000).samples.shape == (1, 12000)
    assert clip.sound(16000) is clip.sound(16000)
    with pytest.raises(MediaError, match="no pictures"):
        clip.native_frames(64)
