"""Features of clips by extractors, kept in the cache by the content of the file and the extractor's fingerprint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

import avlink
from avlink.core.errors import OutputError
from avlink.core.features import AudioVideo, Content, FeatureExtractor, Features
from avlink.core.hashing import JsonValue, digest, fraction_text
from avlink.core.store import Store
from avlink.core.values import FrameSource, SoundSource
from avlink.evaluation.clip_content import ClipContent
from avlink.hooks import Medium, ReadyExtractor

_CODE_VERSION = 1
"""Raised when the same file would be decoded, resampled or scaled to something else."""

Named = Mapping[str, Features]


class Describer:
    """One extractor with its cache; loaded when the first clip is described that the cache does not know."""

    def __init__(self, ready: ReadyExtractor, store: Store, *, device: str) -> None:
        self._ready, self._store, self._device = ready, store, device
        self._fingerprint = ready.fingerprint()
        self._loaded: FeatureExtractor | None = None
        self.sample_rate: int | None = None
        """Of the sound that was described, in hertz."""
        self.frame_rate: Fraction | None = None
        """Of the pictures that were described, a second."""

    @property
    def ready(self) -> ReadyExtractor:
        """The extractor with its options."""
        return self._ready

    def describe(self, clip: ClipContent, medium: Medium, *, max_s: Fraction) -> Named:
        """Features of the sound or the pictures of a clip."""
        key: list[str | int] = [
            "features",
            _CODE_VERSION,
            self._fingerprint,
            medium,
            clip.digest(medium),
            fraction_text(max_s),
        ]
        return self._known(key, lambda: self._content(clip, medium))

    def describe_scene(self, heard: ClipContent, seen: ClipContent, *, max_s: Fraction) -> Named:
        """Features of the sound of one clip and the pictures of another, or the same."""
        parts = [heard.digest("sound"), seen.digest("pictures"), fraction_text(max_s)]

        def content() -> Content:
            sound, frames = self._content(heard, "sound"), self._content(seen, "pictures")
            assert isinstance(sound, SoundSource) and isinstance(frames, FrameSource)
            return AudioVideo(sound=sound, frames=frames)

        return self._known(["features", _CODE_VERSION, self._fingerprint, "scene", *parts], content)

    def describe_text(self, text: str) -> Named:
        """Features of words."""
        return self._known(["features", _CODE_VERSION, self._fingerprint, "text", text], lambda: text)

    @property
    def extractor(self) -> FeatureExtractor:
        """The loaded extractor."""
        if self._loaded is None:
            self._loaded = self._ready.load(self._device)
        return self._loaded

    def _content(self, clip: ClipContent, medium: Medium) -> Content:
        extractor = self.extractor
        if medium == "sound":
            assert extractor.sample_rate is not None
            return clip.sound(extractor.sample_rate)
        assert extractor.frame_rate is not None and extractor.side is not None
        return clip.frames(extractor.frame_rate, extractor.side)

    def _known(self, parts: list[str | int], content: Callable[[], Content]) -> Named:
        key = digest([avlink.__version__, *parts])
        path, meta = self._store.get(key), self._store.meta(key) or {}
        known = None if path is None else _read(path)
        if known is None:
            known = self.extractor.extract(content())
            rates = (self.extractor.sample_rate, self.extractor.frame_rate)
            meta = {"rates": [None if rate is None else fraction_text(Fraction(rate)) for rate in rates]}
            made = known
            self._store.put_file(key, ".npz", lambda temporary: _write(temporary, made), meta)
        self._note(meta)
        return known

    def _note(self, meta: Mapping[str, JsonValue]) -> None:
        rates = meta.get("rates")
        if isinstance(rates, list):
            sound, pictures = (None if rate is None else Fraction(str(rate)) for rate in rates)
            self.sample_rate, self.frame_rate = None if sound is None else int(sound), pictures


def _write(path: Path, features: Named) -> None:
    arrays: dict[str, np.ndarray] = {}
    for name, value in features.items():
        rate = value.rate or Fraction(0)
        arrays[f"{name}.rows"] = np.asarray(value.rows)
        arrays[f"{name}.rate"] = np.array([rate.numerator, rate.denominator], dtype=np.int64)
    try:
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
    except OSError as error:
        raise OutputError(f"features cannot be kept in the cache at '{path.parent}': {error.strerror}") from error


def _read(path: Path) -> Named | None:
    """Features that were kept; None for a broken file, which is then made anew."""
    try:
        with np.load(path, allow_pickle=False) as found:
            names = [name.removesuffix(".rows") for name in found.files if name.endswith(".rows")]
            return {name: Features(rows=found[f"{name}.rows"], rate=_rate(found[f"{name}.rate"])) for name in names}
    except (OSError, ValueError, KeyError, BadZipFile):
        return None


def _rate(parts: np.ndarray) -> Fraction | None:
    return Fraction(int(parts[0]), int(parts[1])) or None
