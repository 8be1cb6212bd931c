"""The report of a learning: the footage, the gain on held-back clips before and after, and one sentence on both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avlink.metrics.gain import Interval, bootstrap_mean
from avlink.training.spotting.crossing import ClipScores
from avlink.training.spotting.footage import TaughtClip, UntaughtClip
from avlink.training.spotting.ways import WINDOWS_S


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFigures:
    """Mean scores of one way on the held-back clips, within 50 and 100 ms."""

    name: str
    scores: ClipScores

    def mean(self, part: str, window_s: float) -> float:
        """Return the mean of "f1", "chance" or "gain" within a window."""
        return float(np.mean([getattr(one, part) for one in self.scores.by_window[window_s]]))

    def to_json(self) -> dict[str, Any]:
        """Return all means by name."""
        return {
            f"{part}_{round(window_s * 1000)}": round(self.mean(part, window_s), 4)
            for window_s in self.scores.by_window
            for part in ("f1", "chance", "gain")
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedResult:
    """The outcome of a learning. `way` is in words; `kept` where no way was better than a built-in spotter.

    `late_s` is the delay of hits after they are seen, None for that of the built-in spotter.
    """

    before: tuple[HeldFigures, ...]
    after: HeldFigures
    way: str
    kept: bool
    late_s: float | None
    by_film: bool
    steps: int
    seed: int

    @property
    def best_before(self) -> HeldFigures:
        """The better built-in spotter on these clips."""
        return max(self.before, key=lambda one: one.scores.gain)

    def difference(self, *windows_s: float) -> Interval:
        """Return the difference of gains, the mean over windows, to the better built-in spotter, over clips."""
        after, before = (
            np.mean([[one.gain for one in figures.scores.by_window[window_s]] for window_s in windows_s], axis=0)
            for figures in (self.after, self.best_before)
        )
        return bootstrap_mean(after - before)

    def sentence(self, clips: int, hits: int) -> str:
        """Return the outcome in one sentence."""
        best = self.best_before
        gains = ", ".join(
            f"{best.mean('gain', window_s):.2f} -> {self.after.mean('gain', window_s):.2f} at {window_s * 1000:.0f} ms"
            for window_s in WINDOWS_S
        )
        between = self.difference(*WINDOWS_S)
        chance = "beyond chance" if between.low > 0 or between.high < 0 else "within chance"
        counted = f"on {clips} held-back clips with {hits} hits"
        change = f"difference {between.mean:+.2f} [{between.low:+.2f}, {between.high:+.2f}], {chance}"
        kept = f"nothing was gained, keep the built-in {best.name}: " if self.kept else ""
        return f"{kept}gain {gains} {counted}, compared with {best.name} ({change})"

    def to_json(self) -> dict[str, Any]:
        """Return the entries of the report on the result."""
        return {
            "way": self.way,
            "kept": self.kept,
            "late_s": self.late_s,
            "held_back": "films" if self.by_film else "clips",
            "steps": self.steps,
            "seed": self.seed,
            "before": {one.name: one.to_json() for one in self.before},
            "after": self.after.to_json(),
            "difference": {
                "gain": _interval(self.difference(*WINDOWS_S)),
                **{f"gain_{round(window_s * 1000)}": _interval(self.difference(window_s)) for window_s in WINDOWS_S},
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnReport:
    """The footage of a learning, and its result; None for a dry run, which writes nothing."""

    folder: Path
    output: Path | None
    clips: tuple[TaughtClip, ...]
    untaught: tuple[UntaughtClip, ...]
    too_few: str = ""
    """Sentence of a dry run on why nothing could be learned."""
    result: LearnedResult | None = None

    @property
    def hits(self) -> int:
        """Number of true hits."""
        return sum(len(clip.true_s) for clip in self.clips)

    @property
    def seconds(self) -> float:
        """Length of what is seen of all clips."""
        return sum(clip.seen_s for clip in self.clips)

    @property
    def sentence(self) -> str:
        """The outcome in one sentence; "" for a dry run."""
        counted = [clip for clip in self.clips if clip.true_s]
        return "" if self.result is None else self.result.sentence(len(counted), self.hits)

    @property
    def exit_code(self) -> int:
        """0, or 3 if some files could not be used."""
        return 3 if any(one.failed for one in self.untaught) else 0

    def by(self) -> dict[str, int]:
        """Return the number of clips by the origin of their hits."""
        return dict(sorted(Counter(clip.by for clip in self.clips).items()))

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints, without "format" and "command"."""
        return {
            "learn": str(self.folder),
            "output": None if self.output is None else str(self.output),
            "items": [
                {
                    "name": clip.name,
                    "source": str(clip.source.path),
                    "seconds": round(clip.seen_s, 6),
                    "hits": len(clip.true_s),
                    "by": clip.by,
                    "status": "learned" if self.result is not None else "planned",
                    "reason": None,
                }
                for clip in sorted(self.clips, key=lambda clip: clip.name)
            ]
            + [
                {"name": one.name, "status": "failed" if one.failed else "skipped", "reason": one.reason}
                for one in self.untaught
            ],
            "clips": len(self.clips),
            "hits": self.hits,
            "seconds": round(self.seconds, 3),
            "by": self.by(),
            "too_few": self.too_few or None,
            "result": None if self.result is None else self.result.to_json(),
            "sentence": self.sentence or None,
        }


def card(name: str, report: LearnReport, result: LearnedResult, *, version: str, licence: str) -> str:
    """Return the card of a learned spotter, in Markdown."""
    rows = [*result.before, result.after]
    origins = ", ".join(f"{count} by {by}" for by, count in report.by().items())
    late = "" if result.late_s is None else f", hits {result.late_s * 1000:+.0f} ms after they are seen"
    held = "films" if result.by_film else "clips"
    what = "a built-in spotter, as it is" if result.kept else result.way
    lines = [
        f"# {name}",
        "",
        f"A spotter for `avlink spot --spotter {name}`: {what}{late}.",
        f"Made by `avlink spot --learn` of AVLink {version}.",
        "",
        "## Measured",
        "",
        f"{report.sentence[:1].upper()}{report.sentence[1:]}.",
        "",
        "| | F1 at 50 ms | chance | gain | F1 at 100 ms | chance | gain |",
        "|---|---|---|---|---|---|---|",
        *(_row(one) for one in rows),
        "",
        "Chance is the mean over eight circular shifts of what was found. Each clip was measured by heads, and by a",
        f"choice among ways, that knew neither it nor any other of its fold; {held} were held back as a whole. The",
        "interval is that of 90 of 100 draws of as many clips.",
        "",
        "## Learned from",
        "",
        f"{len(report.clips)} clips ({origins}), {report.seconds:.0f} s, {report.hits} hits; "
        f"{result.steps} steps a fit, seed {result.seed}.",
        "",
        "## Limits",
        "",
        "It is fitted to this footage: on footage of another kind the built-in spotters may be better. Times are those",
        "of the sound, or of the markers, that it has learned from.",
        "",
        "## Licence",
        "",
        licence,
        "",
    ]
    return "\n".join(lines)


def figures_rows(rows: Sequence[HeldFigures]) -> list[tuple[str, ...]]:
    """Return a row of texts for each way: its name, then F1, chance and gain at 50 and at 100 ms."""
    return [
        (
            one.name,
            *(f"{one.mean(part, window_s):.2f}" for window_s in WINDOWS_S for part in ("f1", "chance", "gain")),
        )
        for one in rows
    ]


def _row(one: HeldFigures) -> str:
    (cells,) = figures_rows([one])
    return f"| {' | '.join(cells)} |"


def _interval(between: Interval) -> Mapping[str, float]:
    return {"mean": round(between.mean, 4), "low": round(between.low, 4), "high": round(between.high, 4)}
