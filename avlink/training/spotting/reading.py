"""Readings of clips: what the built-in spotters find, and what heads will read, looked at once and then cached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avlink.core.hashing import JsonValue, digest
from avlink.core.values import FrameSource, HitSpotter, PictureSpec
from avlink.engine.learned_spotter import RATE, HitInputs, hit_inputs
from avlink.engine.spotter import OnsetNet
from avlink.hooks import ReadySpotter, Registry
from avlink.media.frames import fit_frames, open_frames
from avlink.metrics.change_map import change_map
from avlink.session import Session
from avlink.timeline.plan import made_span
from avlink.timeline.values import Source

BUILT_IN = ("motion-stem", "motion-flow", "motion-peaks")
"""The spotters that a learned one has to beat."""

PICTURE = PictureSpec(rate=Fraction(RATE), width=160, height=90)
"""Pictures of the map of changes; the stem gets them in its own size."""

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTimes:
    """Times that a spotter has found in a clip, in seconds, and its confidence in each."""

    times_s: NDArray[np.float64]
    confidences: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipReading:
    """All that is known of a clip's picture. Times count from the first picture that is looked at.

    `as_is` are the hits of each built-in spotter as it is, `all` those that it finds at the highest sensitivity,
    without a delay.
    """

    inputs: HitInputs
    as_is: Mapping[str, FoundTimes]
    all: Mapping[str, FoundTimes]


class Reader:
    """Looks at clips with the built-in spotters and with the stem of a bundle, whose digest is `weights`."""

    def __init__(self, net: OnsetNet, weights: str, registry: Registry, session: Session) -> None:
        self._net, self._session = net, session
        self._ready: dict[str, dict[str, ReadySpotter]] = {
            name: {
                "as_is": _ready(registry, name, {}),
                "all": _ready(registry, name, {"sensitivity": 1.0, "late_s": 0.0}),
            }
            for name in BUILT_IN
        }
        marks: list[JsonValue] = [
            [name, way, spotter.fingerprint()] for name, ways in self._ready.items() for way, spotter in ways.items()
        ]
        self._key: list[JsonValue] = ["reading", _VERSION, weights, marks]
        self._loaded: dict[tuple[str, str], HitSpotter] = {}

    def read(self, source: Source) -> ClipReading:
        """Return the reading of a clip, from the cache if it is there. Raises MediaError for a broken picture."""
        store, key = self._session.store, digest([*self._key, made_span(source)])
        known = store.get(key)
        if known is None:
            reading = self._look(source)
            known = store.put_file(key, ".safetensors", lambda path: _write(path, reading))
        # Read back in any case: tokens are stored in half precision, and a second run must learn from the same.
        return _read(known)

    def _look(self, source: Source) -> ClipReading:
        frames = _frames(source, PICTURE)
        novelty = change_map(frames).novelty(RATE)
        seen = self._net.read(fit_frames(frames, spec=self._net.picture))
        found: dict[str, dict[str, FoundTimes]] = {"as_is": {}, "all": {}}
        for name, ways in self._ready.items():
            for way, ready in ways.items():
                spotter = self._loaded.get((name, way))
                if spotter is None:
                    spotter = self._loaded[name, way] = ready.load("cpu")
                hits = spotter.spot(frames if spotter.picture == PICTURE else _frames(source, spotter.picture))
                found[way][name] = FoundTimes(
                    times_s=np.array([float(hit.time_s) for hit in hits]),
                    confidences=np.array([hit.confidence for hit in hits], np.float64),
                )
        return ClipReading(inputs=hit_inputs(seen, novelty, frames.num_frames, tokens=True), **found)


def _ready(registry: Registry, name: str, options: Mapping[str, Any]) -> ReadySpotter:
    spotter = registry.spotter(name)
    return ReadySpotter(spotter=spotter, options=spotter.options.model_validate(dict(options)))


def _frames(source: Source, spec: PictureSpec) -> FrameSource:
    return open_frames(
        source.picture, start_s=source.made_start_s, duration_s=source.made_s, spec=spec, speed=source.speed
    )


def _write(path: Path, reading: ClipReading) -> None:
    from safetensors.numpy import save_file

    # Half precision: tokens are normalised, and there are hundreds of them a frame.
    arrays: dict[str, NDArray[Any]] = {
        "curves": reading.inputs.curves,
        "tokens": reading.inputs.tokens.astype(np.float16),
    }
    for way in ("as_is", "all"):
        for name, found in getattr(reading, way).items():
            arrays[f"{way}/{name}"] = np.stack([found.times_s, found.confidences])
    save_file(arrays, path)


def _read(path: Path) -> ClipReading:
    from safetensors.numpy import load_file

    arrays = load_file(path)
    found: dict[str, dict[str, FoundTimes]] = {"as_is": {}, "all": {}}
    for key, rows in arrays.items():
        way, _, name = key.partition("/")
        if name:
            found[way][name] = FoundTimes(times_s=rows[0], confidences=rows[1])
    inputs = HitInputs(curves=arrays["curves"], tokens=arrays["tokens"].astype(np.float32))
    return ClipReading(inputs=inputs, **found)
