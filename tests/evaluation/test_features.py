from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avlink.core.errors import MediaChanged
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


def _wave(path: Path, level: float) -> Path:
    write_float_wave(path, Waveform(samples=np.full((1, 800), level, np.float32), sample_rate=8000))
    return path


def test_features_of_a_file_that_is_replaced_meanwhile_are_not_kept(tmp_path: Path) -> None:
    store, path = Store(tmp_path / "cache"), _wave(tmp_path / "a.wav", 0.1)

    class Slow(Counter):
        def extract(self, content: Content) -> Mapping[str, Features]:
            if not self.asked:
                _wave(path, 0.2)
            return super().extract(content)

    slow = Slow()
    clip = DecodedClip(ClipFiles(sound=probe(path)), store, max_s=Fraction(9))
    for _ in range(2):
        # Also the second time: what was decoded is the sound of the file before.
        with pytest.raises(MediaChanged, match=r"a\.wav changed while it was read; run again"):
            _extractor(slow, store).clip_features(clip, "sound", max_s=Fraction(9))
    assert ".npz" not in {entry.suffix for entry in store.entries()}
    again = DecodedClip(ClipFiles(sound=probe(path)), store, max_s=Fraction(9))
    _extractor(slow, store).clip_features(again, "sound", max_s=Fraction(9))
    assert slow.asked == 3


def test_a_file_that_was_replaced_since_it_was_listed_is_not_taken_for_it(tmp_path: Path) -> None:
    store, path = Store(tmp_path / "cache"), _wave(tmp_path / "a.wav", 0.1)
    listed = ClipFiles(sound=probe(path))
    write_float_wave(path, Waveform(samples=np.full((1, 900), 0.1, np.float32), sample_rate=8000))
    with pytest.raises(MediaChanged):
        DecodedClip(listed, store, max_s=Fraction(9)).digest("sound")


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("damage", ["flip", "truncate", "nan"])
def test_damaged_features_are_extracted_again(tmp_path: Path, old: bool, damage: str) -> None:
    counter, path = Counter(), _wave(tmp_path / "a.wav", 0.1)

    def asked() -> np.ndarray:
        store = Store(tmp_path / "cache")
        clip = DecodedClip(ClipFiles(sound=probe(path)), store, max_s=Fraction(9))
        return _extractor(counter, store).clip_features(clip, "sound", max_s=Fraction(9))["embedding"].rows

    asked()
    (kept,) = (tmp_path / "cache" / "objects").rglob("*.npz")
    if damage == "nan":
        np.savez(kept, **{"embedding.rows": np.array([[np.nan, 1.0]]), "embedding.rate": np.array([0, 1])})
    elif damage == "flip":
        kept.write_bytes(kept.read_bytes().replace(np.array([[1.0, 1.0]]).tobytes(), np.array([[2.0, 1.0]]).tobytes()))
    else:
        kept.write_bytes(kept.read_bytes()[:-9])
    if old:
        # As earlier versions wrote it: without digests. A zip has checks of its own.
        sidecar = kept.with_suffix(".meta.json")
        fields = json.loads(sidecar.read_text())
        fields = {"object": fields["object"], "size": kept.stat().st_size, "meta": fields["meta"]}
        sidecar.write_text(json.dumps(fields))
    assert asked().tolist() == [[1.0, 2.0]] and counter.asked == 2
    assert asked().tolist() == [[1.0, 2.0]] and counter.asked == 2
