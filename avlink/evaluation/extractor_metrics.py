"""Metrics that need an extractor: their definitions, and accumulators that take one clip at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from avlink.core.errors import RecipeError
from avlink.core.recipe import suggest
from avlink.hooks import Extractor, Medium, Registry
from avlink.metrics.frechet import Moments, moments_distance
from avlink.metrics.pretrained_scores import cosine, inception_score, offset_error, paired_kl

Formula: TypeAlias = Literal["frechet", "inception", "kl", "cosine", "offset"]
FeatureRows: TypeAlias = NDArray[np.floating]
"""(rows, dim): features of one clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricInput:
    """Features of one side of a pair: the side, the medium, and their name among the extractor's features."""

    side: Literal["generated", "reference", "other"]
    """"other" is the reference, unless that medium was generated too."""
    medium: Medium
    feature: str = "embedding"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A formula over the features of an extractor.

    `judges` are the media of which one must have been generated; otherwise the value says nothing about the model.
    """

    name: str
    title: str
    formula: Formula
    extractor: str
    judges: tuple[Medium, ...]
    inputs: tuple[MetricInput, ...]

    @property
    def better(self) -> Literal["lower", "higher"]:
        """The direction of better values."""
        return "higher" if self.formula in ("inception", "cosine") else "lower"


_COMPARED: Mapping[Formula, tuple[str, tuple[Literal["generated", "reference"], ...]]] = {
    "frechet": ("embedding", ("generated", "reference")),
    "inception": ("logits", ("generated",)),
    "kl": ("logits", ("reference", "generated")),
}
"""The feature that a formula takes, and the sides in the order of its arguments."""


def _within(name: str, title: str, formula: Formula, extractor: str, medium: Medium) -> Metric:
    """Return a metric of one medium."""
    feature, sides = _COMPARED[formula]
    inputs = tuple(MetricInput(side=side, medium=medium, feature=feature) for side in sides)
    return Metric(name=name, title=title, formula=formula, extractor=extractor, judges=(medium,), inputs=inputs)


def _between(name: str, title: str, extractor: str, *inputs: MetricInput) -> Metric:
    """Return the cosine between two media."""
    judges = tuple(one.medium for one in inputs if one.medium != "text")
    return Metric(name=name, title=title, formula="cosine", extractor=extractor, judges=judges, inputs=inputs)


_SOUND = MetricInput(side="other", medium="sound")
BUILTIN_METRICS = (
    _within("log-mel-frechet", "Fréchet distance of log-mel levels: not FAD", "frechet", "log-mel", "sound"),
    _within(
        "rgb-cells-frechet",
        "Fréchet distance of colours and changes in 4x4 cells: not FID",
        "frechet",
        "rgb-cells",
        "pictures",
    ),
)
"""Metrics by the built-in extractors."""

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        _within("fad", "Fréchet audio distance", "frechet", "vggish", "sound"),
        _within("fd", "Fréchet distance", "frechet", "panns", "sound"),
        _within("is", "Inception score", "inception", "panns", "sound"),
        _within("kl", "KL(reference || generated), softmax", "kl", "panns", "sound"),
        _between(
            "clap",
            "CLAP score",
            "clap",
            MetricInput(side="generated", medium="sound"),
            MetricInput(side="other", medium="text"),
        ),
        _between(
            "ib-ai",
            "ImageBind, sound to images",
            "imagebind",
            _SOUND,
            MetricInput(side="other", medium="pictures", feature="image"),
        ),
        _between(
            "ib-av", "ImageBind, sound to video", "imagebind", _SOUND, MetricInput(side="other", medium="pictures")
        ),
        Metric(
            name="desync",
            title="DeSync: mean |offset| of sound to pictures in s; chance is 1.05",
            formula="offset",
            extractor="synchformer",
            judges=("sound", "pictures"),
            inputs=(MetricInput(side="other", medium="scene", feature="logits"),),
        ),
        _within("fid", "Fréchet inception distance of frames", "frechet", "inception", "pictures"),
        _within("fvd", "Fréchet video distance", "frechet", "i3d", "pictures"),
    )
}
"""The paper's metrics (section 4.2) and KL, which others report beside them."""


def medium_of(extractor: Extractor) -> Medium | None:
    """Return the medium of a distance by an extractor: the first of sound and pictures that it takes."""
    return next((medium for medium in extractor.takes if medium in ("sound", "pictures")), None)


def find_metric(name: str, registry: Registry) -> Metric:
    """Return a metric by name, or by formula:extractor ("frechet:passt"). Raises RecipeError with the known names."""
    if name in METRICS:
        return METRICS[name]
    # Any extractor may be compared by these formulas, not only those of the paper.
    asked, colon, extractor = name.partition(":")
    formula = next((known for known in _COMPARED if known == asked), None)
    if not colon or formula is None:
        raise RecipeError(
            f"metrics: there is no metric '{name}'; {suggest(name, list(METRICS))}; for another extractor write "
            f"{', '.join(f'{known}:NAME' for known in _COMPARED)}"
        )
    medium = medium_of(registry.extractor(extractor))
    if medium is None:
        raise RecipeError(f"metrics: extractor '{extractor}' of '{name}' takes neither sound nor pictures")
    return _within(name, f"{formula} of {extractor}", formula, extractor, medium)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricValue:
    """A metric's value over all clips; None where they are too few. `note` is a caveat about the count."""

    value: float | None
    clips: int
    rows: int
    std: float | None = None
    note: str = ""


class Accumulator(Protocol):
    """State of a metric, updated with the features of one clip at a time."""

    def update(self, *inputs: FeatureRows) -> float | None:
        """Add a clip, one array per input of the metric; returns the clip's own value if the metric has one."""
        ...

    def compute(self) -> MetricValue:
        """Return the value over all clips so far."""
        ...


@dataclass(slots=True)
class FrechetAccumulator:
    """Moments of two Gaussians over all rows of all clips."""

    generated: Moments = field(default_factory=Moments)
    reference: Moments = field(default_factory=Moments)
    clips: int = 0

    def update(self, *inputs: FeatureRows) -> float | None:
        """See `Accumulator`."""
        for moments, rows in zip((self.generated, self.reference), inputs, strict=True):
            moments.add(rows)
        self.clips += 1
        return None

    def compute(self) -> MetricValue:
        """See `Accumulator`."""
        rows = min(self.generated.count, self.reference.count)
        if rows < 2:
            return MetricValue(value=None, clips=self.clips, rows=rows, note="two vectors are needed at least")
        dim = self.generated.dim
        # Covariances of fewer vectors lack rank, and the distance mostly measures the count.
        note = f"{rows} vectors of {dim} numbers: biased upwards" if rows <= 2 * dim else ""
        return MetricValue(
            value=moments_distance(self.generated, self.reference), clips=self.clips, rows=rows, note=note
        )


@dataclass(slots=True)
class InceptionAccumulator:
    """The mean logits of each clip, two kilobytes each: the score needs all at once, for its random splits."""

    logits: list[FeatureRows] = field(default_factory=list)

    def update(self, *inputs: FeatureRows) -> float | None:
        """See `Accumulator`."""
        # Half the memory of float64, without a visible change of the score.
        self.logits.append(np.asarray(inputs[0].mean(axis=0), dtype=np.float32))
        return None

    def compute(self) -> MetricValue:
        """See `Accumulator`."""
        if not self.logits:
            return MetricValue(value=None, clips=0, rows=0)
        score = inception_score(np.stack(self.logits))
        count = len(self.logits)
        note = f"{count // score.splits} clips a split: near 1 whatever they are" if count < 20 * score.splits else ""
        return MetricValue(value=score.mean, std=score.std, clips=count, rows=count, note=note)


@dataclass(slots=True)
class MeanAccumulator:
    """The mean of one value per clip."""

    formula: Formula
    values: list[float] = field(default_factory=list)

    def update(self, *inputs: FeatureRows) -> float | None:
        """See `Accumulator`."""
        value = self._value(*inputs)
        self.values.append(value)
        return value

    def _value(self, *inputs: FeatureRows) -> float:
        if self.formula == "offset":
            return offset_error(inputs[0])
        one, other = inputs
        if self.formula == "kl":
            return float(paired_kl(one.mean(axis=0, keepdims=True), other.mean(axis=0, keepdims=True))[0])
        # Mean over all pairs of rows: a sound against eight images gives the mean of eight cosines.
        return float(np.mean([cosine(a, b) for a in one for b in other]))

    def compute(self) -> MetricValue:
        """See `Accumulator`."""
        count = len(self.values)
        if not count:
            return MetricValue(value=None, clips=0, rows=0)
        return MetricValue(value=float(np.mean(self.values)), std=float(np.std(self.values)), clips=count, rows=count)


def make_accumulator(metric: Metric) -> Accumulator:
    """Return an empty accumulator for a metric."""
    if metric.formula == "frechet":
        return FrechetAccumulator()
    return InceptionAccumulator() if metric.formula == "inception" else MeanAccumulator(metric.formula)
