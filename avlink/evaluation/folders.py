"""Evaluation of a folder of generated clips against true ones, whatever generated them (paper, section 4.2).

Pairs are read one at a time: memory holds one pair, a covariance per Fréchet distance and some numbers per clip.
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
from avlink.core.recipe import EvaluateRecipe
from avlink.core.store import Store
from avlink.evaluation.extractor_metrics import (
    BUILTIN_METRICS,
    METRICS,
    Accumulator,
    Metric,
    MetricInput,
    find_metric,
    make_accumulator,
)
from avlink.evaluation.extractors import BUILTIN_EXTRACTORS
from avlink.evaluation.features import CachedExtractor, FeaturesByName
from avlink.evaluation.folder_report import METRIC_HEADS, FolderReport, metric_row
from avlink.evaluation.pair_scores import VERSION, PairScores, pair_sections, score_pair
from avlink.evaluation.pairs import RESAMPLER, DecodedClip, EvaluationPair, EvaluationPairs, find_pairs
from avlink.evaluation.section import Section
from avlink.hooks import ReadyExtractor, Registry, check_components, resolve_extractor
from avlink.session import open_store


def evaluate_folders(
    recipe: EvaluateRecipe,
    registry: Registry,
    *,
    device: str = "cpu",
    store: Store | None = None,
    listener: Listener = ignore,
) -> FolderReport:
    """Evaluate `recipe.generated` against `recipe.reference`.

    Raises InputError for folders that cannot be used and for missing checkpoints, each with the place to get it;
    RecipeError for metrics and extractors that do not exist.
    """
    if recipe.generated is None or recipe.reference is None:
        lacking = "reference" if recipe.generated is not None else "generated"
        raise InputError(f"two folders are compared: name the other one, -s {lacking}=DIR")
    store = open_store(listener=listener) if store is None else store
    chosen = _chosen(recipe, registry)
    folders = {key: recipe.source.path(key, str(getattr(recipe, key))) for key in ("generated", "reference")}
    pairs = find_pairs(folders["generated"], folders["reference"], store, listener=listener)
    run = _FolderEvaluation(recipe, pairs, chosen, store, device, listener)
    run.evaluate()
    settings = {
        **{key: str(folder) for key, folder in folders.items()},
        "judged": list(run.judge),
        "max_s": recipe.max_s,
        "resampler": RESAMPLER,
        "extractors": {
            ready.name: {"checkpoint": ready.options.checkpoint, "licence": ready.extractor.licence}
            for metric, ready in chosen
            if metric not in BUILTIN_METRICS
        },
    }
    sections = (run.section(), *pair_sections(list(run.scores.values()), run.judge))
    clips = {name: {**scores.to_json(), "metrics": run.values[name]} for name, scores in run.scores.items()}
    return FolderReport(
        settings=settings,
        pairs=pairs,
        sections=tuple(section for section in sections if section.rows),
        clips=clips,
        left_out=run.left_out,
    )


def _chosen(recipe: EvaluateRecipe, registry: Registry) -> list[tuple[Metric, ReadyExtractor]]:
    """Return the metrics with their extractors. All missing checkpoints are reported in one error."""
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
    return [*((metric, BUILTIN_EXTRACTORS[metric.extractor]) for metric in BUILTIN_METRICS), *chosen]


@dataclass(slots=True)
class _RunningMetric:
    """A metric while it accumulates; `skipped` is the reason why the last skipped clip was not counted."""

    metric: Metric
    extractor: CachedExtractor
    accumulator: Accumulator
    skipped: str = ""


@dataclass(slots=True)
class _FolderEvaluation:
    """One pass over all pairs."""

    recipe: EvaluateRecipe
    pairs: EvaluationPairs
    chosen: Sequence[tuple[Metric, ReadyExtractor]]
    store: Store
    device: str
    listener: Listener
    scores: dict[str, PairScores] = field(default_factory=dict)
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    judge: tuple[str, ...] = ()
    metrics: list[_RunningMetric] = field(default_factory=list)

    def evaluate(self) -> None:
        self.judge = self._media_to_judge()
        extractors: dict[str, CachedExtractor] = {}
        for metric, ready in self.chosen:
            if not set(metric.judges) & set(self.judge):
                # The built-in metrics are always chosen: nobody asked for them.
                if metric not in BUILTIN_METRICS:
                    said = f"{metric.name} judges {' and '.join(metric.judges)}, of which nothing was generated"
                    self.listener(Message(text=f"left out: {said}", level="warning"))
                continue
            if ready.name not in extractors:
                extractors[ready.name] = CachedExtractor(ready, self.store, device=self.device)
            self.metrics.append(_RunningMetric(metric, extractors[ready.name], make_accumulator(metric)))
        total = len(self.pairs.pairs)
        self.listener(JobStarted(job_id="pairs", name="pairs"))
        for number, pair in enumerate(self.pairs.pairs, start=1):
            try:
                self._evaluate_pair(pair)
            except MediaError as error:
                self.left_out[pair.name] = str(error)
                self.listener(Message(text=f"left out: {error}", level="warning"))
            self.listener(StepDone(job_id="pairs", done=number, total=total, note=pair.name))
        self.listener(JobDone(job_id="pairs", name="pairs"))

    def section(self) -> Section:
        pairs = len(self.pairs.pairs)
        rows = tuple(
            metric_row(running.metric, running.extractor, running.accumulator.compute(), pairs, running.skipped)
            for running in self.metrics
        )
        title = "Metrics with an extractor; read none without its count, its checkpoint and its resampler"
        return Section(key="metrics", title=title, heads=METRIC_HEADS, rows=rows)

    def _media_to_judge(self) -> tuple[str, ...]:
        made = [pair.generated for pair in self.pairs.pairs]
        heard, seen = any(files.sound for files in made), any(files.pictures for files in made)
        for medium in self.recipe.judge:
            if not (heard if medium == "sound" else seen):
                raise RecipeError(f"judge: none of the generated clips has {medium}")
        # Movies with generated sound usually have the original pictures.
        return self.recipe.judge or (("sound",) if heard else ("pictures",))

    def _evaluate_pair(self, pair: EvaluationPair) -> None:
        max_s = Fraction(self.recipe.max_s).limit_denominator(1000)
        made, true = (DecodedClip(files, self.store, max_s=max_s) for files in (pair.generated, pair.reference))
        try:
            self._evaluate_clips(pair, made, true, max_s)
        except MediaError:
            # A file that is being replaced may also look broken.
            for clip in (made, true):
                clip.check_unchanged()
            raise

    def _evaluate_clips(self, pair: EvaluationPair, made: DecodedClip, true: DecodedClip, max_s: Fraction) -> None:
        scores = self._scores(made, true, max_s)
        # All features first: a clip that cannot be read counts in every metric or in none.
        features = [self._inputs(running, pair, made, true, max_s) for running in self.metrics]
        values = {}
        for running, inputs in zip(self.metrics, features, strict=True):
            if inputs is not None:
                value = _update(running, inputs)
                if value is not None:
                    values[running.metric.name] = value
        self.scores[pair.name], self.values[pair.name] = scores, values

    def _scores(self, made: DecodedClip, true: DecodedClip, max_s: Fraction) -> PairScores:
        names = [clip.digest(medium) if has else None for clip in (made, true) for medium, has in _media(clip)]
        # The name is that of the first version: old caches stay valid.
        key = digest(["pair figures", avlink.__version__, VERSION, *names, list(self.judge), fraction_text(max_s)])
        try:
            return PairScores.from_json(json.loads(self.store.get_text(key) or ""))
        # Nothing in the cache, or a broken entry.
        except (ValueError, TypeError, KeyError, AttributeError):
            scores = score_pair(made, true, self.judge)
            for clip in (made, true):
                clip.check_unchanged()
            self.store.put_text(key, ".txt", json.dumps(scores.to_json()))
            return scores

    def _inputs(
        self, running: _RunningMetric, pair: EvaluationPair, made: DecodedClip, true: DecodedClip, max_s: Fraction
    ) -> list[Any] | None:
        inputs = []
        for wanted in running.metric.inputs:
            found = self._features(running.extractor, wanted, pair, made, true, max_s)
            if isinstance(found, str):
                running.skipped = found
                return None
            if wanted.feature not in found:
                raise RecipeError(
                    f"metrics: extractor '{running.metric.extractor}' gives no '{wanted.feature}' of {wanted.medium}, "
                    f"which {running.metric.name} is made of; it gives {', '.join(found)}"
                )
            inputs.append(found[wanted.feature].rows)
        return inputs

    def _features(
        self,
        extractor: CachedExtractor,
        wanted: MetricInput,
        pair: EvaluationPair,
        made: DecodedClip,
        true: DecodedClip,
        max_s: Fraction,
    ) -> FeaturesByName | str:
        """Return features, or the reason why this clip has none."""
        if wanted.medium == "text":
            return extractor.text_features(pair.caption) if pair.caption else "no caption"
        if wanted.medium == "scene":
            heard, seen = (made if medium in self.judge else true for medium in ("sound", "pictures"))
            if not heard.has_sound or not seen.has_pictures:
                return f"no {'sound' if not heard.has_sound else 'pictures'} to judge"
            return self._or_reason(lambda: extractor.scene_features(heard, seen, max_s=max_s))
        is_made = wanted.side == "generated" or (wanted.side == "other" and wanted.medium in self.judge)
        clip = made if is_made else true
        if not (clip.has_sound if wanted.medium == "sound" else clip.has_pictures):
            return f"no {wanted.medium} in the {'generated' if is_made else 'reference'} clip"
        return self._or_reason(lambda: extractor.clip_features(clip, wanted.medium, max_s=max_s))

    @staticmethod
    def _or_reason(extract: Callable[[], FeaturesByName]) -> FeaturesByName | str:
        try:
            return extract()
        except TooShort as error:
            return str(error)


def _update(running: _RunningMetric, inputs: list[Any]) -> float | None:
    try:
        return running.accumulator.update(*inputs)
    except ValueError as error:
        extractor, metric = running.metric.extractor, running.metric.name
        raise PluginError(f"features of '{extractor}' do not make a {metric}: {error}") from error


def _media(clip: DecodedClip) -> tuple[tuple[str, bool], ...]:
    return (("sound", clip.has_sound), ("pictures", clip.has_pictures))
