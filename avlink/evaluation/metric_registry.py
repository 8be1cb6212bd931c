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
    """`judges` is the medium that must have been generated for it to say something."""

    name: str
    title: str
    formula: Formula
    extractor: str
    judges: tuple[Medium, ...]
    parts: tuple[Part, ...]

    @property
    def better(self) -> Literal["lower", "higher"]:
        """Where the figure of the better method lies."""
        return "higher" if self.formula in ("inception", "cosine") else "lower"


_COMPARED: Mapping[Formula, tuple[str, tuple[Literal["generated", "reference"], ...]]] = {
    "frechet": ("embedding", ("generated", "reference")),
    "inception": ("logits", ("generated",)),
    "kl": ("logits", ("reference", "generated")),
}
"""By formula: the feature of one medium that it compares, of which sides in which order."""


def _within(name: str, title: str, formula: Formula, extractor: str, medium: Medium) -> Metric:
    """A metric that stays within one medium."""
    feature, sides = _COMPARED[formula]
    parts = tuple(Part(side=side, medium=medium, feature=feature) for side in sides)
    return Metric(name=name, title=title, formula=formula, extractor=extractor, judges=(medium,), parts=parts)


def _between(name: str, title: str, extractor: str, *parts: Part) -> Metric:
    """The cosine between two media."""
    judges = tuple(part.medium for part in parts if part.medium != "text")
    return Metric(name=name, title=title, formula="cosine", extractor=extractor, judges=judges, parts=parts)


_HEARD = Part(side="other", medium="sound")
WEIGHTLESS_METRICS = (
    _within("log-mel-frechet", "Fréchet distance of log-mel levels: not FAD", "frechet", "log-mel", "sound"),
    _within(
        "rgb-cells-frechet",
        "Fréchet distance of colours and changes in 4x4 cells: not FID",
        "frechet",
        "rgb-cells",
        "pictures",
    ),
)
"""Of `avlink.evaluation.builtin_extractors`."""
METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        _within("fad", "Fréchet audio distance", "frechet", "vggish", "sound"),
        _within("fd", "Fréchet distance", "frechet", "panns", "sound"),
        _within("is", "Inception score", "inception", "panns", "sound"),
        _within("kl", "KL(reference || generated), softmax", "kl", "panns", "sound"),
        _between(
            "clap", "CLAP score", "clap", Part(side="generated", medium="sound"), Part(side="other", medium="text")
        ),
        _between(
            "ib-ai",
            "ImageBind, sound to images",
            "imagebind",
            _HEARD,
            Part(side="other", medium="pictures", feature="image"),
        ),
        _between("ib-av", "ImageBind, sound to video", "imagebind", _HEARD, Part(side="other", medium="pictures")),
        Metric(
            name="desync",
            title="DeSync: mean |offset| of sound to pictures in s; chance is 1.05",
            formula="offset",
            extractor="synchformer",
            judges=("sound", "pictures"),
            parts=(Part(side="other", medium="scene", feature="logits"),),
        ),
        _within("fid", "Fréchet inception distance of frames", "frechet", "inception", "pictures"),
        _within("fvd", "Fréchet video distance", "frechet", "i3d", "pictures"),
    )
}
"""The paper's metrics (section 4.2) and KL, which others report beside them."""


def medium_of(extractor: Extractor) -> Medium | None:
    """What a distance by an extractor is one of: the first of sound and pictures that it takes."""
    return next((medium for medium in extractor.takes if medium in ("sound", "pictures")), None)


def find_metric(name: str, registry: Registry) -> Metric:
    """A metric by name, or as formula:extractor ("frechet:passt"). Raises RecipeError that lists what there is."""
    if name in METRICS:
        return METRICS[name]
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
