"""Making embeddings: one vector a sound, the mean of its features, by an extractor that the caller hands over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float16, Float32
from numpy.typing import NDArray

from avlink.core.errors import AvlinkError, InputError, MediaChanged, MediaError, PluginError
from avlink.core.events import JobDone, JobStarted, Listener, Message, StepDone
from avlink.core.features import FeatureExtractor
from avlink.core.file_digest import file_identity
from avlink.core.input_files import faults_of
from avlink.core.limits import CLIP_S
from avlink.core.sound import FittedSound
from avlink.library.embeddings import (
    EmbeddingExtractor,
    any_embedding,
    count_embedded,
    drop_replaced,
    embedding_faults,
    enter_extractor,
    put_embedding,
    put_embedding_fault,
    sounds_to_embed,
)
from avlink.library.index import LibraryIndex
from avlink.library.locks import hold_library
from avlink.library.scan import check_online
from avlink.library.values import Library
from avlink.media.audio import open_audio
from avlink.media.probe import probe

_JOB = "embeddings"
_STRETCH_S = 60
"""Extractors hold in memory what they describe: longer sounds are described in stretches."""
_MOST_FAILURES = 3
"""Failures of the extractor, before it has described a sound, that end the run."""

Vector = Float16[np.ndarray, " dim"]
"""An embedding as the index has it, of norm 1."""


@dataclass(slots=True, kw_only=True)
class SoundEmbedder:
    """An extractor of sounds as the library uses it; `load()` is called when the first sound is described.

    `fingerprint` names everything that embeddings depend on besides the sound; `options` are kept in the index.
    """

    name: str
    fingerprint: str
    options: Mapping[str, Any]
    load: Callable[[], FeatureExtractor]
    _loaded: FeatureExtractor | None = field(default=None, init=False)

    def embed(self, path: Path) -> Vector:
        """Return the embedding of a sound file: the mean of "embedding" rows over time, of norm 1, as float16.

        A sound longer than a minute is described in equal stretches of at most that, whose means count alike. Memory
        holds one of them.

        Raises MediaError for a file that cannot be decoded whole, has no sound, or that the extractor finds too short
        or gives no numbers for; PluginError for one that fails; what `load` raises.
        """
        if self._loaded is None:
            self._loaded = self.load()
        rate = self._loaded.sample_rate
        assert rate is not None
        info = probe(path)
        if info.audio is None:
            raise MediaError(f"'{path}' has no sound")
        CLIP_S.check(float(info.duration_s), f"'{path}'", MediaError)
        sound = open_audio(path, sample_rate=rate)
        if not sound.num_samples:
            raise MediaError(f"'{path}' holds no sound; record or copy it again")
        count = ceil(sound.num_samples / (_STRETCH_S * rate))
        edges = np.linspace(0, sound.num_samples, count + 1).round().astype(int).tolist()
        means = [
            self._mean(self._loaded, FittedSound(sound, stop - start, start), path) for start, stop in pairwise(edges)
        ]
        found = unit_vector(np.mean(means, axis=0))
        if found is None:
            raise MediaError(f"the extractor '{self.name}' has no embedding for '{path}': all is 0, or not finite")
        return found

    def _mean(self, extractor: FeatureExtractor, sound: FittedSound, path: Path) -> NDArray[np.float64]:
        try:
            features = extractor.extract(sound).get("embedding")
        except MediaError as error:
            raise type(error)(f"the extractor '{self.name}' cannot describe '{path}': {error}") from error
        if features is None:
            raise InputError(f"the extractor '{self.name}' gives no 'embedding' of sounds; choose another by --embed")
        if not len(features.rows):
            raise MediaError(f"the extractor '{self.name}' gives no features for '{path}'")
        return features.rows.mean(axis=0, dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedReport:
    """The embeddings of a library after a run: `new` were made in it, `sounds` have one.

    `faults` are (path below the root, sentence) of sounds that the extractor cannot describe, old ones included, and of
    those that failed for another reason, which the next run tries again.
    """

    library: Library
    extractor: str
    new: int
    sounds: int
    faults: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "extractor": self.extractor,
            "new": self.new,
            "sounds": self.sounds,
            "faulty": [{"path": str(self.library.root / name), "reason": fault} for name, fault in self.faults],
        }


def unit_vector(vector: NDArray[Any]) -> Vector | None:
    """Return a vector as an embedding, of norm 1; None where it is 0 or not finite."""
    wide = vector.astype(np.float64)
    norm = float(np.linalg.norm(wide))
    if not np.isfinite(norm) or norm == 0:
        return None
    return (wide / norm).astype("<f2")


def as_float32(vectors: NDArray[np.float16]) -> Float32[np.ndarray, "*rows dim"]:
    """Return embeddings as float32, of norm 1 in that precision."""
    wide = vectors.astype(np.float32)
    wide /= np.linalg.norm(wide, axis=-1, keepdims=True)
    return wide


def embed_library(index: LibraryIndex, library: Library, embedder: SoundEmbedder, listener: Listener) -> EmbedReport:
    """Embed the sounds of a library that have no embedding by this extractor, one for all files of a content.

    Each is entered as soon as it was made: a run that is killed at any moment is continued by the next one. A sound
    that the extractor cannot describe is entered with the reason, and tried again when it changes. No file of the
    library is written. Embeddings by another checkpoint of the extractor go when this one has all of their sounds.

    Raises LibraryError where the folder is not there or another process reads the library; what `embedder.load` raises;
    PluginError where the extractor fails for the first sounds, or gives vectors of different lengths.
    """
    check_online(library)
    with hold_library(index, library):
        extractor = enter_extractor(index, embedder.name, embedder.fingerprint, embedder.options)
        run = _EmbedRun(index, library, embedder, extractor, listener)
        name = f"embeddings of {library.name} by {embedder.name}"
        listener(JobStarted(job_id=_JOB, name=name))
        tasks = sounds_to_embed(index, library, extractor)
        for done, task in enumerate(tasks, start=1):
            fault = run.embed(task.digest, task.name, (task.size_bytes, task.mtime_ns))
            if fault:
                listener(Message(text=fault, level="warning"))
            listener(StepDone(job_id=_JOB, done=done, total=len(tasks)))
        listener(JobDone(job_id=_JOB, name=name))
        drop_replaced(index, extractor)
        faults = dict(embedding_faults(index, library, extractor)) | run.failed
        return EmbedReport(
            library=library,
            extractor=embedder.name,
            new=run.new,
            sounds=count_embedded(index, library, extractor),
            faults=tuple(sorted(faults.items())),
        )


@dataclass(slots=True)
class _EmbedRun:
    index: LibraryIndex
    library: Library
    embedder: SoundEmbedder
    extractor: EmbeddingExtractor
    listener: Listener
    new: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    length: int = 0

    def embed(self, digest: str, name: str, state: tuple[int, int]) -> str:
        """Embed one content and enter it; return "" or the sentence on why it has none."""
        path = self.library.root / name
        try:
            identity = file_identity(path)
            if (identity.size_bytes, identity.mtime_ns) != state:
                raise MediaChanged(f"{path} was changed since it was read; run `avlink library update` again")
            with faults_of(f"'{path}'", MediaError):
                vector = self.embedder.embed(path)
            identity.check()
        except (MediaError, PluginError, OSError) as error:
            return self._failed(digest, name, error)
        self._check_length(len(vector))
        put_embedding(self.index, self.extractor, digest, vector.tobytes())
        self.new += 1
        return ""

    def _failed(self, digest: str, name: str, error: AvlinkError | OSError) -> str:
        # A drive that is gone is no fault of its files.
        check_online(self.library)
        path = self.library.root / name
        said = f"{path} cannot be read: {error.strerror or error}" if isinstance(error, OSError) else str(error)
        if isinstance(error, PluginError):
            said = f"'{path}': {said}"
        if isinstance(error, MediaError) and not isinstance(error, MediaChanged) and path.is_file():
            put_embedding_fault(self.index, self.extractor, digest, said)
            return said
        self.failed[name] = said
        if isinstance(error, PluginError) and not self.new and len(self.failed) >= _MOST_FAILURES:
            # No sound is at fault: the other thousands would fail for the same reason.
            raise error
        return said

    def _check_length(self, length: int) -> None:
        if not self.length:
            known = any_embedding(self.index, self.extractor)
            self.length = length if known is None else len(known) // 2
        if length != self.length:
            raise PluginError(
                f"the extractor '{self.extractor.name}' gives vectors of {length} numbers, before {self.length}"
            )
