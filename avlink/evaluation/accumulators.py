"""How the metrics that need an extractor grow, clip by clip."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from avlink.evaluation.metric_registry import Formula, Metric
from avlink.metrics.frechet import Moments, moments_distance
from avlink.metrics.scores import cosine, inception_score, offset_error, paired_kl

Rows: TypeAlias = NDArray[np.floating]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A metric's value over all clips; None where there were too few. `std` and `note` say more where there is more."""

    value: float | None
    clips: int
    rows: int
    std: float | None = None
    note: str = ""


class Tally(Protocol):
    """Grows by the features of each clip, one array a part of the metric."""

    def add(self, *parts: Rows) -> float | None:
        """Take a clip; give its own value, where the metric has one."""
        ...

    def result(self) -> Judgement:
        """What came out."""
        ...


@dataclass(slots=True)
class FrechetTally:
    """Two Gaussians; all rows of all clips count."""

    generated: Moments = field(default_factory=Moments)
    reference: Moments = field(default_factory=Moments)
    clips: int = 0

    def add(self, *parts: Rows) -> float | None:
        """See `Tally`."""
        for moments, rows in zip((self.generated, self.reference), parts, strict=True):
            moments.add(rows)
        self.clips += 1
        return None

    def result(self) -> Judgement:
        """See `Tally`."""
        rows = min(self.generated.count, self.reference.count)
        if rows < 2:
            return Judgement(value=None, clips=self.clips, rows=rows, note="two vectors are needed at least")
        dim = self.generated.dim
        note = f"{rows} vectors of {dim} numbers: biased upwards" if rows <= 2 * dim else ""
        return Judgement(value=moments_distance(self.generated, self.reference), clips=self.clips, rows=rows, note=note)


@dataclass(slots=True)
class InceptionTally:
    """All logits, of which the score needs all: two kilobytes a clip."""

    logits: list[Rows] = field(default_factory=list)

    def add(self, *parts: Rows) -> float | None:
        """See `Tally`."""
        self.logits.append(np.asarray(parts[0].mean(axis=0), dtype=np.float32))
        return None

    def result(self) -> Judgement:
        """See `Tally`."""
        if not self.logits:
            return Judgement(value=None, clips=0, rows=0)
        score = inception_score(np.stack(self.logits))
        count = len(self.logits)
        note = f"{count // score.splits} clips a split: near 1 whatever they are" if count < 20 * score.splits else ""
        return Judgement(value=score.mean, std=score.std, clips=count, rows=count, note=note)


@dataclass(slots=True)
class MeanTally:
    """The mean of one value a clip."""

    formula: Formula
    values: list[float] = field(default_factory=list)

    def add(self, *parts: Rows) -> float | None:
        """See `Tally`."""
        value = self._value(*parts)
        self.values.append(value)
        return value

    def _value(self, *parts: Rows) -> float:
        if self.formula == "offset":
            return offset_error(parts[0])
        one, other = parts
        if self.formula == "kl":
            return float(paired_kl(one.mean(axis=0, keepdims=True), other.mean(axis=0, keepdims=True))[0])
        # Every row of the one against every row of the other: of sound against eight images, the mean of eight.
        return float(np.mean([cosine(a, b) for a in one for b in other]))

    def result(self) -> Judgement:
        """See `Tally`."""
        count = len(self.values)
        if not count:
            return Judgement(value=None, clips=0, rows=0)
        return Judgement(value=float(np.mean(self.values)), std=float(np.std(self.values)), clips=count, rows=count)


def make_tally(metric: Metric) -> Tally:
    """An empty tally for a metric."""
    if metric.formula == "frechet":
        return FrechetTally()
    return InceptionTally() if metric.formula == "inception" else MeanTally(metric.formula)
