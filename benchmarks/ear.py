"""YAMNet's names for sounds, an ear that no part of AVLink has learned from.

It is for measuring alone. Front end and weights are those of a folder beside the checkout; they need ai-edge-litert.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from benchmarks.process import ROOT

YAMNET = ROOT.parent / "shared" / "models" / "yamnet"
_RATE = 16000
_DULL = ("Silence", "Music", "Sound effect", "Inside, small room", "Outside, rural or natural")
"""Classes that say nothing of what is heard."""


class Ear:
    """Scores of sounds by class. Raises FileNotFoundError without its folder, ImportError without its library."""

    def __init__(self, folder: Path = YAMNET) -> None:
        source = folder / "yamnet_np.py"
        if not source.is_file():
            raise FileNotFoundError(f"there is no {source}")
        spec = importlib.util.spec_from_file_location("yamnet_np", source)
        assert spec is not None and spec.loader is not None
        module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self._network = module.Yamnet()
        self.names: list[str] = module.NAMES

    def scores(self, sound: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
        """Return the highest score of each class over a mono sound, brought to a peak of 0.5."""
        divisor = int(np.gcd(sample_rate, _RATE))
        low = resample_poly(sound, _RATE // divisor, sample_rate // divisor).astype(np.float32)
        peak = float(np.abs(low).max(initial=0.0))
        scores: NDArray[np.float32] = self._network(low / peak * 0.5 if peak > 1e-4 else low).max(0)
        return scores

    def first(self, scores: NDArray[np.float32], count: int) -> set[str]:
        """Return the names of the highest `count` classes, without those that say nothing."""
        ranked = (self.names[k] for k in np.argsort(-scores))
        return set([name for name in ranked if name not in _DULL][:count])


def agreement(ear: Ear, true: list[NDArray[np.float32]], made: list[NDArray[np.float32]]) -> tuple[list[bool], float]:
    """Return for each clip if one of the true sound's first three names is among the made one's first five, and chance.

    Chance is the same share against the true sounds of other clips.
    """
    count, steps = len(true), [step for step in (1, 2, 3, 5, 7) if step < len(true)]
    wanted = [ear.first(scores, 3) for scores in true]
    found = [ear.first(scores, 5) for scores in made]
    named = [bool(a & b) for a, b in zip(wanted, found, strict=True)]
    others = [bool(wanted[(k + step) % count] & found[k]) for k in range(count) for step in steps]
    return named, float(np.mean(others)) if others else 0.0
