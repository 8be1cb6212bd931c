"""The report of `avlink evaluate` over two folders, as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avlink.core.text import first_names
from avlink.evaluation.extractor_metrics import Metric, MetricValue
from avlink.evaluation.features import CachedExtractor
from avlink.evaluation.pairs import RESAMPLER, EvaluationPairs
from avlink.evaluation.section import Cell, Section

METRIC_HEADS = (
    *("metric", "value", "std", "better", "clips", "of", "extractor", "checkpoint", "rate", "resampler"),
    *("what", "note"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderReport:
    """All scores of one run; `clips` are those of each pair, by its name."""

    settings: Mapping[str, Any]
    pairs: EvaluationPairs
    sections: tuple[Section, ...]
    clips: Mapping[str, Mapping[str, Any]]
    left_out: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return one object."""
        return {
            **self.settings,
            "pairs": len(self.pairs.pairs),
            "only_generated": list(self.pairs.only_generated),
            "only_reference": list(self.pairs.only_reference),
            "left_out": dict(self.left_out),
            "sections": {section.key: section.to_json() for section in self.sections},
            "clips": dict(self.clips),
        }

    def lines(self) -> list[str]:
        """Return the settings, a table per section, and the clips without a pair or left out."""
        chosen = ", ".join(f"{key} {value}" for key, value in self.settings.items() if key != "extractors")
        lines = [f"{len(self.pairs.pairs)} pairs: {chosen}", *(section.text() + "\n" for section in self.sections)]
        for side, names in (("generated", self.pairs.only_generated), ("reference", self.pairs.only_reference)):
            if names:
                lines.append(f"no pair, {side} only: {first_names(names, most=10)}")
        lines += [f"left out: {name}: {reason}" for name, reason in self.left_out.items()]
        for name, about in self.settings["extractors"].items():
            lines.append(f"{name}: {about['checkpoint']} (licence: {about['licence'] or 'not told'})")
        return lines


def metric_row(
    metric: Metric, extractor: CachedExtractor, found: MetricValue, pairs: int, skipped: str
) -> tuple[Cell, ...]:
    """Return a metric with everything that its value depends on.

    `skipped` is the reason why it is not defined for some of the `pairs`.
    """
    checkpoint = Path(extractor.ready.options.checkpoint).name or None
    notes = [note for note in (found.note, f"others: {skipped}" if skipped else "") if note]
    media = {one.medium for one in metric.inputs}
    # An extractor may take both media, and a metric only one of them.
    sound = extractor.sample_rate if media & {"sound", "scene"} else None
    rates = [f"{sound} Hz"] if sound else []
    if extractor.frame_rate is not None and media & {"pictures", "scene"}:
        rates.append(f"{float(extractor.frame_rate):g} fps")
    return (
        metric.name,
        found.value,
        found.std,
        metric.better,
        found.clips,
        pairs,
        extractor.ready.name,
        checkpoint,
        ", ".join(rates) or None,
        RESAMPLER if sound else None,
        metric.title,
        "; ".join(notes) or None,
    )
