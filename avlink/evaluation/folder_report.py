"""The answer of `avlink evaluate` over two folders, as words and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avlink.evaluation.accumulators import Judgement
from avlink.evaluation.clip_content import RESAMPLER
from avlink.evaluation.features import Describer
from avlink.evaluation.metric_registry import Metric
from avlink.evaluation.pairs import Pairs
from avlink.evaluation.tables import Section
from avlink.metrics.report import Cell

METRIC_HEADS = (
    *("metric", "value", "std", "better", "clips", "of", "extractor", "checkpoint", "rate", "resampler"),
    *("what", "note"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderReport:
    """All figures of one run; `clips` has those of each pair by its name."""

    settings: Mapping[str, Any]
    pairs: Pairs
    sections: tuple[Section, ...]
    clips: Mapping[str, Mapping[str, Any]]
    left_out: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """One object."""
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
        """What was measured, then a table for each section, then what had no pair."""
        chosen = ", ".join(f"{key} {value}" for key, value in self.settings.items() if key != "extractors")
        lines = [f"{len(self.pairs.pairs)} pairs: {chosen}", *(section.text() + "\n" for section in self.sections)]
        for whose, names in (("generated", self.pairs.only_generated), ("reference", self.pairs.only_reference)):
            if names:
                shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
                lines.append(f"no pair, {whose} only: {shown}")
        lines += [f"left out: {name}: {reason}" for name, reason in self.left_out.items()]
        for name, about in self.settings["extractors"].items():
            lines.append(f"{name}: {about['checkpoint']} (licence: {about['licence'] or 'not told'})")
        return lines


def metric_row(metric: Metric, describer: Describer, found: Judgement, pairs: int, skipped: str) -> tuple[Cell, ...]:
    """A metric with all that its value depends on; `skipped` is why it could not be taken of some of the `pairs`."""
    checkpoint = Path(describer.ready.options.checkpoint).name or None
    notes = [note for note in (found.note, f"others: {skipped}" if skipped else "") if note]
    media = {part.medium for part in metric.parts}
    sound = describer.sample_rate if media & {"sound", "scene"} else None
    rates = [f"{sound} Hz"] if sound else []
    if describer.frame_rate is not None and media & {"pictures", "scene"}:
        rates.append(f"{float(describer.frame_rate):g} fps")
    return (
        metric.name,
        found.value,
        found.std,
        metric.better,
        found.clips,
        pairs,
        describer.ready.name,
        checkpoint,
        ", ".join(rates) or None,
        RESAMPLER if sound else None,
        metric.title,
        "; ".join(notes) or None,
    )
