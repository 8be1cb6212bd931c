"""Cross-validation of ways to spot: the choice of a way is made without the clips that it is then measured on.

For the figures of a fold, heads are fitted without it, and the way is chosen by heads that were fitted without it and
without each other fold in turn. So a pair of folds needs heads of its own: with four folds, ten fits, and one for the
result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from avlink.engine.learned_spotter import read_head
from avlink.engine.nn.hit_head import HitHead
from avlink.metrics.gain import OnsetGain, onset_gain
from avlink.training.spotting.folds import NUM_FOLDS
from avlink.training.spotting.reading import BUILT_IN, ClipReading
from avlink.training.spotting.ways import WINDOWS_S, HeldClip, Way, all_ways, plain_ways, usual_lateness

BETTER = 0.01
"""A way is taken in place of a simpler one if its gain is higher by more than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyClip:
    """A clip of a cross-validation. `true_s` count from where it is seen first, `before_s` after what is looked at."""

    reading: ClipReading
    true_s: tuple[float, ...]
    before_s: float
    seen_s: float
    fold: int | None


Fit = Callable[[str, Sequence[StudyClip], float], HitHead]
"""Fits heads, by the name of their configuration, to clips whose hits are heard so many seconds after they are seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipScores:
    """Scores of the held-back clips, in their order, by window in seconds."""

    by_window: dict[float, list[OnsetGain]]

    @property
    def gain(self) -> float:
        """Mean gain over all clips and windows."""
        return float(np.mean([[one.gain for one in scores] for scores in self.by_window.values()]))


def held_out_fits(heads: Sequence[str]) -> list[tuple[str, frozenset[int]]]:
    """Return the name and the folds that are left out of every fit of a cross-validation."""
    folds = range(NUM_FOLDS)
    left_out = [frozenset({one}) for one in folds]
    left_out += [frozenset({one, other}) for one in folds for other in folds if one < other]
    return [(name, out) for out in left_out for name in heads]


@dataclass(slots=True, kw_only=True)
class Crossing:
    """A cross-validation of `clips`. `fit` is called once for each set of clips that heads are fitted to."""

    clips: Sequence[StudyClip]
    heads: Sequence[str]
    fit: Fit
    _fitted: dict[tuple[str, frozenset[int]], HitHead] = field(default_factory=dict)
    _late: dict[tuple[str, frozenset[int]], float] = field(default_factory=dict)
    _held: dict[tuple[int, frozenset[int]], HeldClip] = field(default_factory=dict)

    @property
    def held_back(self) -> list[int]:
        """The clips that are measured: those with hits."""
        return [index for index, clip in enumerate(self.clips) if clip.fold is not None]

    def prepare(self, name: str, out: frozenset[int]) -> HitHead:
        """Fit heads to all clips outside of the folds `out`, once."""
        if (name, out) not in self._fitted:
            self._fitted[name, out] = self.fit(name, self._within(out), self.lateness(_HEADS, out))
        return self._fitted[name, out]

    def lateness(self, name: str, out: frozenset[int]) -> float:
        """Return the lateness of the hits of a spotter outside of some folds; of the clearest one for heads."""
        if (name, out) not in self._late:
            spotters = BUILT_IN if name == _HEADS else (name,)
            clips = self._within(out)
            self._late[name, out] = usual_lateness(
                [
                    [((clip.reading.all[one].times_s - clip.before_s).tolist(), clip.true_s) for clip in clips]
                    for one in spotters
                ]
            )
        return self._late[name, out]

    def late_of(self, way: Way, out: frozenset[int]) -> float:
        """Return the delay that a way has where some folds are left out."""
        if way.kind == "as it is":
            return 0.0
        return self.lateness(_HEADS if way.kind == "heads" else way.name, out)

    def chosen(self) -> Way:
        """Return the way for all footage, by its gains on clips that it was not fitted to."""
        return self._best([(index, _fold(self.clips[index])) for index in self.held_back])

    def after(self) -> ClipScores:
        """Return the scores of ways on the folds that neither their heads nor their choice know."""
        ways = {fold: self._best_without(fold) for fold in range(NUM_FOLDS)}
        return self._scores(lambda index: ways[self.clips[index].fold or 0])

    def before(self) -> dict[str, ClipScores]:
        """Return the scores of the built-in spotters, by name."""
        return {way.name: self._scores(lambda index, way=way: way) for way in plain_ways()}  # type: ignore[misc]

    def _within(self, out: frozenset[int]) -> list[StudyClip]:
        return [clip for clip in self.clips if clip.fold not in out]

    def _best_without(self, fold: int) -> Way:
        rows = [index for index in self.held_back if self.clips[index].fold != fold]
        return self._best([(index, _fold(self.clips[index]) | {fold}) for index in rows])

    def _best(self, rows: Sequence[tuple[int, frozenset[int]]]) -> Way:
        best, most = plain_ways()[0], -np.inf
        for way in all_ways(self.heads):
            gain = float(np.mean([self._clip(index, out).gain(way, self.late_of(way, out)) for index, out in rows]))
            if gain > most + BETTER:
                best, most = way, gain
        return best

    def _scores(self, way_of: Callable[[int], Way]) -> ClipScores:
        scores: dict[float, list[OnsetGain]] = {window_s: [] for window_s in WINDOWS_S}
        for index in self.held_back:
            clip, way = self.clips[index], way_of(index)
            found = way.found(self._clip(index, _fold(clip)), self.late_of(way, _fold(clip)))
            for window_s, rows in scores.items():
                rows.append(onset_gain(clip.true_s, found, length_s=clip.seen_s, window_s=window_s))
        return ClipScores(by_window=scores)

    def _clip(self, index: int, out: frozenset[int]) -> HeldClip:
        """Return a clip as heads see it that were fitted without some folds, its own among them."""
        if (index, out) not in self._held:
            clip = self.clips[index]
            self._held[index, out] = HeldClip(
                reading=clip.reading,
                true_s=clip.true_s,
                before_s=clip.before_s,
                seen_s=clip.seen_s,
                curves={name: read_head(self.prepare(name, out), clip.reading.inputs) for name in self.heads},
            )
        return self._held[index, out]


_HEADS = "heads"


def _fold(clip: StudyClip) -> frozenset[int]:
    assert clip.fold is not None
    return frozenset({clip.fold})
