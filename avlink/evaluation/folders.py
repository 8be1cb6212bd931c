"""Measure a folder of generated clips against true ones, as section 4.2 of the paper does, whatever made them.

Clips go by one at a time: memory holds one pair, a covariance for each Fréchet distance and some numbers a clip.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import avlink
from avlink.core.errors import InputError, MediaError, PluginError, RecipeError, TooShort
from avlink.core.events import JobDone, JobStarted, Listener, Message, StepDone, ignore
from avlink.core.hashing import digest, fraction_text
from avlink.core.paths import cache_dir
from avlink.core.recipe import EvaluateRecipe
from avlink.core.store import Store
from avlink.evaluation.accumulators import Tally, make_tally
from avlink.evaluation.builtin_extractors import WEIGHTLESS
from avlink.evaluation.clip_content import RESAMPLER, ClipContent
from avlink.evaluation.features import Describer, Named
from avlink.evaluation.folder_report import METRIC_HEADS, FolderReport, metric_row
from avlink.evaluation.metric_registry import METRICS, WEIGHTLESS_METRICS, Metric, Part, find_metric
from avlink.evaluation.pair_figures import VERSION, PairFigures, measure_pair, pair_sections
from avlink.evaluation.pairs import Pair, Pairs, find_pairs
from avlink.evaluation.tables import Section
from avlink.hooks import ReadyExtractor, Registry, check_components, resolve_extractor


def evaluate_folders(
    recipe: EvaluateRecipe,
    registry: Registry,
    *,
    device: str = "cpu",
    store: Store | None = None,
    listener: Listener = ignore,
) -> FolderReport:
    """Measure `recipe.generated` against `recipe.reference`.

    Raises InputError for folders that cannot be used and for checkpoints that are missing, each with where to get it;
    RecipeError for metrics and extractors that do not exist.
    """
    if recipe.generated is None or recipe.reference is None:
        lacking = "reference" if recipe.generated is not None else "generated"
        raise InputError(f"two folders are compared: name the other one, -s {lacking}=DIR")
    store = Store(cache_dir()) if store is None else store
    chosen = _chosen(recipe, registry)
    folders = {key: recipe.source.path(key, str(getattr(recipe, key))) for key in ("generated", "reference")}
    pairs = find_pairs(folders["generated"], folders["reference"], store, listener=listener)
    run = _Run(recipe, pairs, chosen, store, device, listener)
    run.measure()
    settings = {
        **{key: str(folder) for key, folder in folders.items()},
        "judged": list(run.judge),
        "max_s": recipe.max_s,
        "resampler": RESAMPLER,
        "extractors": {
            ready.name: {"checkpoint": ready.options.checkpoint, "licence": ready.extractor.licence}
            for metric, ready in chosen
            if metric not in WEIGHTLESS_METRICS
        },
    }
    sections = (run.section(), *pair_sections(list(run.figures.values()), run.judge))
    clips = {name: {**figures.to_json(), "metrics": run.values[name]} for name, figures in run.figures.items()}
    return FolderReport(
        settings=settings,
        pairs=pairs,
        sections=tuple(section for section in sections if section.rows),
        clips=clips,
        left_out=run.left_out,
    )


def _chosen(recipe: EvaluateRecipe, registry: Registry) -> list[tuple[Metric, ReadyExtractor]]:
    """The metrics with their extractors; every checkpoint that is missing is told at once."""
    check_components(recipe, registry)
    metrics = [find_metric(name, registry) for name in recipe.metrics]
    given = {name for name, values in recipe.extractors.items() if values.get("checkpoint")}
    if not metrics:
        metrics = [metric for metric in METRICS.values() if metric.extractor in given]
    chosen = [
        (
            metric,
            resolve_extractor(
                metric.extractor, recipe.extractors.get(metric.extractor, {}), registry, source=recipe.source
            ),
        )
        for metric in metrics
    ]
    lacks = list(dict.fromkeys(ready.lack for _, ready in chosen if ready.lack is not None))
    if lacks:
        raise InputError("\n  ".join(["checkpoints are missing:", *lacks]) if len(lacks) > 1 else lacks[0])
    return [*((metric, WEIGHTLESS[metric.extractor]) for metric in WEIGHTLESS_METRICS), *chosen]


@dataclass(slots=True)
class _Judged:
    """A metric on its way: `skipped` is why the last clip that it could not count did not count."""

    metric: Metric
    describer: Describer
    tally: Tally
    skipped: str = ""


@dataclass(slots=True)
class _Run:
    """One pass over all pairs."""

    recipe: EvaluateRecipe
    pairs: Pairs
    chosen: Sequence[tuple[Metric, ReadyExtractor]]
    store: Store
    device: str
    listener: Listener
    figures: dict[str, PairFigures] = field(default_factory=dict)
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    judge: tuple[str, ...] = ()
    judged: list[_Judged] = field(default_factory=list)

    def measure(self) -> None:
        self.judge = self._judge()
        describers: dict[str, Describer] = {}
        for metric, ready in self.chosen:
            if not set(metric.judges) & set(self.judge):
                if metric not in WEIGHTLESS_METRICS:
                    said = f"{metric.name} judges {' and '.join(metric.judges)}, of which nothing was generated"
                    self.listener(Message(text=f"left out: {said}", level="warning"))
                continue
            if ready.name not in describers:
                describers[ready.name] = Describer(ready, self.store, device=self.device)
            self.judged.append(_Judged(metric, describers[ready.name], make_tally(metric)))
        total = len(self.pairs.pairs)
        self.listener(JobStarted(job_id="pairs", name="pairs"))
        for number, pair in enumerate(self.pairs.pairs, start=1):
            try:
                self._measure(pair)
            except MediaError as error:
                self.left_out[pair.name] = str(error)
                self.listener(Message(text=f"left out: {error}", level="warning"))
            self.listener(StepDone(job_id="pairs", done=number, total=total, note=pair.name))
        self.listener(JobDone(job_id="pairs", name="pairs"))

    def section(self) -> Section:
        pairs = len(self.pairs.pairs)
        rows = tuple(
            metric_row(judged.metric, judged.describer, judged.tally.result(), pairs, judged.skipped)
            for judged in self.judged
        )
        title = "Metrics with an extractor; read none without its count, its checkpoint and its resampler"
        return Section(key="metrics", title=title, heads=METRIC_HEADS, rows=rows)

    def _judge(self) -> tuple[str, ...]:
        made = [pair.generated for pair in self.pairs.pairs]
        heard, seen = any(files.sound for files in made), any(files.pictures for files in made)
        for medium in self.recipe.judge:
            if not (heard if medium == "sound" else seen):
                raise RecipeError(f"judge: none of the generated clips has {medium}")
        return self.recipe.judge or (("sound",) if heard else ("pictures",))

    def _measure(self, pair: Pair) -> None:
        max_s = Fraction(self.recipe.max_s).limit_denominator(1000)
        made, true = (ClipContent(files, self.store, max_s=max_s) for files in (pair.generated, pair.reference))
        figures = self._figures(made, true, max_s)
        # All features first: a clip that cannot be read counts in every metric, or in none.
        features = [self._parts(judged, pair, made, true, max_s) for judged in self.judged]
        values = {}
        for judged, parts in zip(self.judged, features, strict=True):
            if parts is not None:
                value = _add(judged, parts)
                if value is not None:
                    values[judged.metric.name] = value
        self.figures[pair.name], self.values[pair.name] = figures, values

    def _figures(self, made: ClipContent, true: ClipContent, max_s: Fraction) -> PairFigures:
        names = [clip.digest(medium) if has else None for clip in (made, true) for medium, has in _media(clip)]
        key = digest(["pair figures", avlink.__version__, VERSION, *names, list(self.judge), fraction_text(max_s)])
        try:
            return PairFigures(**json.loads(self.store.get_text(key) or ""))
        except (ValueError, TypeError):
            figures = measure_pair(made, true, self.judge)
            self.store.put_text(key, ".txt", json.dumps(figures.to_json()))
            return figures

    def _parts(
        self, judged: _Judged, pair: Pair, made: ClipContent, true: ClipContent, max_s: Fraction
    ) -> list[Any] | None:
        parts = []
        for part in judged.metric.parts:
            found = self._features(judged.describer, part, pair, made, true, max_s)
            if isinstance(found, str):
                judged.skipped = found
                return None
            if part.feature not in found:
                raise RecipeError(
                    f"metrics: extractor '{judged.metric.extractor}' gives no '{part.feature}' of {part.medium}, which "
                    f"{judged.metric.name} is made of; it gives {', '.join(found)}"
                )
            parts.append(found[part.feature].rows)
        return parts

    def _features(
        self, describer: Describer, part: Part, pair: Pair, made: ClipContent, true: ClipContent, max_s: Fraction
    ) -> Named | str:
        """Features, or why there are none of this clip."""
        if part.medium == "text":
            return describer.describe_text(pair.caption) if pair.caption else "no caption"
        if part.medium == "scene":
            heard, seen = (made if medium in self.judge else true for medium in ("sound", "pictures"))
            if not heard.has_sound or not seen.has_pictures:
                return f"no {'sound' if not heard.has_sound else 'pictures'} to judge"
            return self._or_why(lambda: describer.describe_scene(heard, seen, max_s=max_s))
        is_made = part.side == "generated" or (part.side == "other" and part.medium in self.judge)
        clip = made if is_made else true
        if not (clip.has_sound if part.medium == "sound" else clip.has_pictures):
            return f"no {part.medium} in the {'generated' if is_made else 'reference'} clip"
        return self._or_why(lambda: describer.describe(clip, part.medium, max_s=max_s))

    @staticmethod
    def _or_why(describe: Callable[[], Named]) -> Named | str:
        try:
            return describe()
        except TooShort as error:
            return str(error)


def _add(judged: _Judged, parts: list[Any]) -> float | None:
    try:
        return judged.tally.add(*parts)
    except ValueError as error:
        extractor, metric = judged.metric.extractor, judged.metric.name
        raise PluginError(f"features of '{extractor}' do not make a {metric}: {error}") from error


def _media(clip: ClipContent) -> tuple[tuple[str, bool], ...]:
    return (("sound", clip.has_sound), ("pictures", clip.has_pictures))
