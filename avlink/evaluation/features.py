"""Features of clips by extractors, cached by the content of the file and the extractor's fingerprint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

import avlink
from avlink.core.disk import disk_full
from avlink.core.errors import OutputError
from avlink.core.features import AudioVideo, Content, FeatureExtractor, Features
from avlink.core.hashing import JsonValue, digest, fraction_text
from avlink.core.store import Store
from avlink.core.values import FrameSource, SoundSource
from avlink.evaluation.pairs import DecodedClip
from avlink.hooks import Medium, ReadyExtractor

_CODE_VERSION = 1
"""Raised when the same file would be decoded, resampled or scaled to something else."""

FeaturesByName = Mapping[str, Features]


class CachedExtractor:
    """One extractor with its cache; it is loaded for the first clip that the cache does not hold."""

    def __init__(self, ready: ReadyExtractor, store: Store, *, device: str) -> None:
        self._ready, self._store, self._device = ready, store, device
        self._fingerprint = ready.fingerprint()
        self._loaded: FeatureExtractor | None = None
        self.sample_rate: int | None = None
        """Rate of the sound that features were extracted from, in hertz; None before the first."""
        self.frame_rate: Fraction | None = None
        """Rate of the pictures that features were extracted from, per second; None before the first."""

    @property
    def ready(self) -> ReadyExtractor:
        """The extractor with its options."""
        return self._ready

    def clip_features(self, clip: DecodedClip, medium: Medium, *, max_s: Fraction) -> FeaturesByName:
        """Return features of the sound or the pictures of a clip."""
        key: list[str | int] = [
            "features",
            _CODE_VERSION,
            self._fingerprint,
            medium,
            clip.digest(medium),
            fraction_text(max_s),
        ]
        return self._cached(key, lambda: self._content(clip, medium), clip)

    def scene_features(self, heard: DecodedClip, seen: DecodedClip, *, max_s: Fraction) -> FeaturesByName:
        """Return features of the sound of `heard` together with the pictures of `seen`; both may be one clip."""
        parts = [heard.digest("sound"), seen.digest("pictures"), fraction_text(max_s)]

        def content() -> Content:
            sound, frames = self._content(heard, "sound"), self._content(seen, "pictures")
            assert isinstance(sound, SoundSource) and isinstance(frames, FrameSource)
            return AudioVideo(sound=sound, frames=frames)

        return self._cached(["features", _CODE_VERSION, self._fingerprint, "scene", *parts], content, heard, seen)

    def text_features(self, text: str) -> FeaturesByName:
        """Return features of a text."""
        return self._cached(["features", _CODE_VERSION, self._fingerprint, "text", text], lambda: text)

    @property
    def extractor(self) -> FeatureExtractor:
        """The loaded extractor."""
        if self._loaded is None:
            self._loaded = self._ready.load(self._device)
        return self._loaded

    def _content(self, clip: DecodedClip, medium: Medium) -> Content:
        extractor = self.extractor
        if medium == "sound":
            assert extractor.sample_rate is not None
            return clip.sound(extractor.sample_rate)
        assert extractor.frame_rate is not None and extractor.side is not None
        return clip.frames(extractor.frame_rate, extractor.side)

    def _cached(self, parts: list[str | int], content: Callable[[], Content], *clips: DecodedClip) -> FeaturesByName:
        """Return features from the cache, or extract them. Raises MediaChanged for clips that changed meanwhile."""
        # Another version may decode or resample otherwise.
        key = digest([avlink.__version__, *parts])
        path, meta = self._store.get(key, valid=_is_valid), self._store.meta(key) or {}
        cached = None if path is None else _read(path)
        if cached is None:
            extracted = self.extractor.extract(content())
            for clip in clips:
                clip.check_unchanged()
            # Rates are known once the extractor is loaded; reports need them also when all features are cached.
            rates = (self.extractor.sample_rate, self.extractor.frame_rate)
            meta = {"rates": [None if rate is None else fraction_text(Fraction(rate)) for rate in rates]}
            self._store.put_file(key, ".npz", lambda temporary: _write(temporary, extracted), meta)
            cached = extracted
        self._set_rates(meta)
        return cached

    def _set_rates(self, meta: Mapping[str, JsonValue]) -> None:
        rates = meta.get("rates")
        if isinstance(rates, list):
            sound, pictures = (None if rate is None else Fraction(str(rate)) for rate in rates)
            self.sample_rate, self.frame_rate = None if sound is None else int(sound), pictures


def _write(path: Path, features: FeaturesByName) -> None:
    arrays: dict[str, np.ndarray] = {}
    for name, value in features.items():
        # npz holds arrays only; a missing rate is kept as 0/1.
        rate = value.rate or Fraction(0)
        arrays[f"{name}.rows"] = np.asarray(value.rows)
        arrays[f"{name}.rate"] = np.array([rate.numerator, rate.denominator], dtype=np.int64)
    try:
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
    except OSError as error:
        if full := disk_full(error, path.parent, subject="a file of features"):
            raise full from error
        raise OutputError(f"features cannot be kept in the cache at '{path.parent}': {error.strerror}") from error


def _read(path: Path) -> FeaturesByName | None:
    """Return cached features; None for a broken file, which is then written anew."""
    try:
        # Opened here: numpy leaves the file of a broken zip open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            names = [name.removesuffix(".rows") for name in found.files if name.endswith(".rows")]
            return {name: Features(rows=found[f"{name}.rows"], rate=_rate(found[f"{name}.rate"])) for name in names}
    except (OSError, ValueError, KeyError, BadZipFile):
        return None


def _is_valid(path: Path) -> bool:
    found = _read(path)
    return found is not None and all(bool(np.isfinite(one.rows).all()) for one in found.values())


def _rate(parts: np.ndarray) -> Fraction | None:
    return Fraction(int(parts[0]), int(parts[1])) or None
