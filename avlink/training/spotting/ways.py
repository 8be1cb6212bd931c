"""Ways to spot that compete for a user's footage: the built-in spotters as they are or retimed, and heads.

All work on readings, so that hundreds of settings are tried in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from avlink.core.motion_config import HitHeadConfig
from avlink.engine.learned_spotter import RATE
from avlink.metrics.gain import onset_gain
from avlink.metrics.peaks import standing_out
from avlink.training.spotting.reading import BUILT_IN, ClipReading

WINDOWS_S = (0.05, 0.1)
"""Scores are the mean of the gains within these windows: the first tells times apart, the second events."""

LEAST_CONFIDENCE, GAP_S = 0.05, 0.1
"""Heights that no hit of heads is below, and the least time between two; those of the spotter `learned`."""

HEADS: dict[str, HitHeadConfig] = {"curves": HitHeadConfig(), "curves and tokens": HitHeadConfig(tokens=16)}
"""Heads by name, the simplest first."""

_TOKENS_FROM = 20
"""Least number of clips for heads that read tokens: of fewer they learn what single clips look like."""

USUAL_LATE_S = 0.02
_MOST_LATE_S, _LATE_STEP_S, _LATE_WINDOW_S = 0.3, 0.005, 0.03
_SIGNIFICANT = 3.0

_CONFIDENCES = (0.05, 0.1, 0.15, 0.25, 0.4, 0.55)
_TIMES = (0.7, 1.0, 1.4, 2.0, 2.8)

WayKind: TypeAlias = Literal["as it is", "retimed", "heads"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to spot: a built-in spotter by `name`, or heads by that of their configuration.

    `least` is a confidence for a retimed spotter, and for heads the spreads that a peak has to exceed. 0 as it is.
    """

    kind: WayKind
    name: str
    least: float = 0.0

    def found(self, clip: HeldClip, late_s: float) -> list[float]:
        """Return the times that it finds in a clip, from where it is seen first, `late_s` later than they are seen."""
        reading = clip.reading
        if self.kind == "as it is":
            times_s = reading.as_is[self.name].times_s
        elif self.kind == "retimed":
            every = reading.all[self.name]
            times_s = every.times_s[every.confidences >= self.least] + late_s
        else:
            peaks = standing_out(clip.curves[self.name], RATE, times=self.least, least=LEAST_CONFIDENCE, gap_s=GAP_S)
            times_s = np.array([(peak.at + 0.5) / RATE for peak in peaks]) + late_s
        return [time_s for time_s in (times_s - clip.before_s).tolist() if 0 <= time_s < clip.seen_s]

    def __str__(self) -> str:
        if self.kind == "heads":
            return f"heads on {self.name}"
        return self.name if self.kind == "as it is" else f"{self.name}, retimed"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldClip:
    """A clip with the truth, as a way sees it that was not fitted to it.

    `curves` are confidences by the name of heads, (bins,). `before_s` is what is looked at before the clip is seen.
    """

    reading: ClipReading
    true_s: Sequence[float]
    before_s: float
    seen_s: float
    curves: dict[str, NDArray[np.float64]]

    def gain(self, way: Way, late_s: float) -> float:
        """Return the mean gain of a way over `WINDOWS_S`."""
        found = way.found(self, late_s)
        gains = [onset_gain(self.true_s, found, length_s=self.seen_s, window_s=window_s).gain for window_s in WINDOWS_S]
        return sum(gains) / len(gains)


def heads_for(clips: int) -> tuple[str, ...]:
    """Return the names of the heads that are tried for a number of clips."""
    return tuple(name for name, config in HEADS.items() if not config.tokens or clips >= _TOKENS_FROM)


def plain_ways() -> list[Way]:
    """Return the built-in spotters as they are."""
    return [Way(kind="as it is", name=name) for name in BUILT_IN]


def all_ways(heads: Sequence[str]) -> list[Way]:
    """Return all ways, the simplest first."""
    retimed = [Way(kind="retimed", name=name, least=least) for name in BUILT_IN for least in _CONFIDENCES]
    return [
        *plain_ways(),
        *retimed,
        *(Way(kind="heads", name=name, least=times) for name in heads for times in _TIMES),
    ]


def usual_lateness(spotters: Sequence[Sequence[tuple[Sequence[float], Sequence[float]]]]) -> float:
    """Return the time by which true hits follow those that are seen, in seconds.

    `spotters` are (seen, true) times of clips, for each spotter. It is where most pairs of one of them lie within 30 ms
    of each other, and `USUAL_LATE_S` unless these are clearly more than there.
    """
    late_s, clearest = USUAL_LATE_S, _SIGNIFICANT
    grid = np.arange(-_MOST_LATE_S, _MOST_LATE_S + _LATE_STEP_S / 2, _LATE_STEP_S)
    for clips in spotters:
        apart = [np.subtract.outer(np.asarray(true_s), np.asarray(seen_s)).ravel() for seen_s, true_s in clips]
        pairs = np.concatenate([np.zeros(0), *apart])
        near = (np.abs(pairs[None] - grid[:, None]) <= _LATE_WINDOW_S).sum(axis=1)
        usual = int((np.abs(pairs - USUAL_LATE_S) <= _LATE_WINDOW_S).sum())
        most = int(near.max(initial=0))
        # Counts of pairs by chance have a deviation of their root.
        clear = (most - usual) / np.sqrt(max(1, most + usual))
        if clear > clearest:
            # The middle of a plateau.
            late_s, clearest = round(float(np.median(grid[near == most])), 3), clear
    return late_s
