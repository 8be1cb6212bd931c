from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np

from avlink.core.features import Content, Features
from avlink.core.store import Store
from avlink.core.values import Waveform
from avlink.evaluation.features import CachedExtractor
from avlink.evaluation.pairs import ClipFiles, DecodedClip
from avlink.hooks import Extractor, ExtractorOptions, ReadyExtractor
from avlink.media.probe import probe
from avlink.media.wave import write_float_wave


class Counter:
    """Features that count how often they were asked for."""

    sample_rate, frame_rate, side = 8000, None, None

    def __init__(self) -> None:
        self.asked = 0

    def extract(self, content: Content) -> Mapping[str, Features]:
        self.asked += 1
        return {"embedding": Features(rows=np.array([[1.0, self.asked]]), rate=Fraction(100, 3))}


def _extractor(counter: Counter, store: Store, fingerprint: str = "1") -> CachedExtractor:
    extractor = Extractor(
        name="counter",
        takes=("sound", "text"),
        fingerprint=lambda options: fingerprint,
        load=lambda options, device: counter,
    )
    return CachedExtractor(ReadyExtractor(extractor=extractor, options=ExtractorOptions()), store, device="cpu")


def test_features_are_extracted_once_for_a_content_and_a_fingerprint(tmp_path: Path) -> None:
    store, counter = Store(tmp_path / "cache"), Counter()
    wave = Waveform(samples=np.full((1, 800), 0.1, np.float32), sample_rate=8000)
    for name in ("a", "b"):
        write_float_wave(tmp_path / f"{name}.wav", wave)
    clips = [
        DecodedClip(ClipFiles(sound=probe(tmp_path / f"{name}.wav")), store, max_s=Fraction(9)) for name in ("a", "b")
    ]
    first = _extractor(counter, store)
    one = first.clip_features(clips[0], "sound", max_s=Fraction(9))["embedding"]
    # Another file of the same content, asked for by another process.
    again = _extractor(counter, store)
    other = again.clip_features(clips[1], "sound", max_s=Fraction(9))["embedding"]
    assert counter.asked == 1 and other.rate == one.rate == Fraction(100, 3)
    np.testing.assert_array_equal(one.rows, other.rows)
    assert (again.sample_rate, again.frame_rate) == (first.sample_rate, first.frame_rate) == (8000, None)
    first.clip_features(clips[0], "sound", max_s=Fraction(1))
    _extractor(counter, store, "2").clip_features(clips[0], "sound", max_s=Fraction(9))
    assert counter.asked == 3
    # A broken file of the cache is made anew.
    for path in (tmp_path / "cache").rglob("*.npz"):
        path.write_bytes(b"broken")
    _extractor(counter, store).clip_features(clips[0], "sound", max_s=Fraction(9))
    assert counter.asked == 4
