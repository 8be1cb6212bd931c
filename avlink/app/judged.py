"""The metrics that need an extractor, and what each is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from avlink.core.errors import RecipeError
from avlink.core.recipe import suggest
from avlink.hooks import Extractor, Medium, Registry

Formula: TypeAlias = Literal["frechet", "inception", "kl", "cosine", "offset"]


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
