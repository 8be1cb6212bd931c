"""The metrics that need an extractor: what each is made of, and how it grows clip by clip."""

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
from avlink.metrics.scores import cosine, inception_score, offset_error, paired_kl

Formula: TypeAlias = Literal["frechet", "inception", "kl", "cosine", "offset"]
Rows: TypeAlias = NDArray[np.floating]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Features of one side of a pair: whose, of what, and under which name the extractor gives them."""

    side: Literal["generated", "reference", "other"]
    """"other" is the reference, unless that medium was generated too."""
    medium: Medium
    feature: str = "embedding"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """`judges` is the medium that must have been generated for it to say something; `better` points that way."""

    name: str
    title: str
    formula: Formula
    extractor: str
    judges: tuple[Medium, ...]
    parts: tuple[Part, ...]
    better: Literal["lower", "higher"]


def _frechet(name: str, title: str, extractor: str, medium: Medium) -> Metric:
    parts = (Part(side="generated", medium=medium), Part(side="reference", medium=medium))
    return Metric(
        name=name,
        title=title,
        formula="frechet",
        extractor=extractor,
        judges=(medium,),
        parts=parts,
        better="lower",
    )


def _inception(name: str, title: str, extractor: str, medium: Medium) -> Metric:
    part = Part(side="generated", medium=medium, feature="logits")
    return Metric(
        name=name,
        title=title,
        formula="inception",
        extractor=extractor,
        judges=(medium,),
        parts=(part,),
        better="higher",
    )


def _kl(name: str, title: str, extractor: str, medium: Medium) -> Metric:
    sides: tuple[Literal["reference", "generated"], ...] = ("reference", "generated")
    parts = tuple(Part(side=side, medium=medium, feature="logits") for side in sides)
    return Metric(
        name=name, title=title, formula="kl", extractor=extractor, judges=(medium,), parts=parts, better="lower"
    )


def _cosine(name: str, title: str, extractor: str, one: Part, other: Part) -> Metric:
    judges = tuple(part.medium for part in (one, other) if part.medium != "text")
    return Metric(
        name=name,
        title=title,
        formula="cosine",
        extractor=extractor,
        judges=judges,
        parts=(one, other),
        better="higher",
    )


_HEARD = Part(side="other", medium="sound")
WEIGHTLESS_METRICS = (
    _frechet("log-mel-frechet", "Fréchet distance of log-mel levels: not FAD", "log-mel", "sound"),
    _frechet(
        "rgb-cells-frechet", "Fréchet distance of colours and changes in 4x4 cells: not FID", "rgb-cells", "pictures"
    ),
)
"""Of `avlink.app.weightless`."""
METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        _frechet("fad", "Fréchet audio distance", "vggish", "sound"),
        _frechet("fd", "Fréchet distance", "panns", "sound"),
        _inception("is", "Inception score", "panns", "sound"),
        _kl("kl", "KL(reference || generated), softmax", "panns", "sound"),
        _cosine(
            "clap", "CLAP score", "clap", Part(side="generated", medium="sound"), Part(side="other", medium="text")
        ),
        _cosine(
            "ib-ai",
            "ImageBind, sound to images",
            "imagebind",
            _HEARD,
            Part(side="other", medium="pictures", feature="image"),
        ),
        _cosine("ib-av", "ImageBind, sound to video", "imagebind", _HEARD, Part(side="other", medium="pictures")),
        Metric(
            name="desync",
            title="DeSync: mean |offset| of sound to pictures in s; chance is 1.05",
            formula="offset",
            extractor="synchformer",
            judges=("sound", "pictures"),
            parts=(Part(side="other", medium="scene", feature="logits"),),
            better="lower",
        ),
        _frechet("fid", "Fréchet inception distance of frames", "inception", "pictures"),
        _frechet("fvd", "Fréchet video distance", "i3d", "pictures"),
    )
}
"""The paper's metrics (section 4.2) and KL, which others report beside them."""

_MAKERS = {"frechet": _frechet, "inception": _inception, "kl": _kl}


def medium_of(extractor: Extractor) -> Medium | None:
    """What a distance by an extractor is one of: the first of sound and pictures that it takes."""
    return next((medium for medium in extractor.takes if medium in ("sound", "pictures")), None)


def find_metric(name: str, registry: Registry) -> Metric:
    """A metric by name, or as formula:extractor ("frechet:passt"). Raises RecipeError that lists what there is."""
    if name in METRICS:
        return METRICS[name]
    formula, colon, extractor = name.partition(":")
    if not colon or formula not in _MAKERS:
        raise RecipeError(
            f"metrics: there is no metric '{name}'; {suggest(name, list(METRICS))}; for another extractor write "
            f"{', '.join(f'{known}:NAME' for known in _MAKERS)}"
        )
    medium = medium_of(registry.extractor(extractor))
    if medium is None:
        raise RecipeError(f"metrics: extractor '{extractor}' of '{name}' takes neither sound nor pictures")
    return _MAKERS[formula](name, f"{formula} of {extractor}", extractor, medium)


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
