"""The results of a study in words, JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from avlink import OutputError
from avlink.hooks import Answer, Grid
from avlink_study.questions import Question, Task
from avlink_study.stats import RESAMPLES, Interval, sign_test
from avlink_study.table import Cell, StudyResults
from avlink_study.votes import Vote

_RESAMPLED = {"clips": "clips", "raters": "raters", "both": "clips and raters"}


def answer_for(results: StudyResults, questions: Sequence[Question], *, task: Task, name: str) -> Answer:
    """Return the answer of `avlink study results`."""
    left, preferences = results.left
    payload = {
        "study": name,
        "task": task,
        "level": results.level,
        "resampled": results.clusters,
        "resamples": RESAMPLES,
        "raters": results.raters,
        "answers": sum(cell.answers for cell in results.cells),
        "left": {"preferred": left, "of": preferences, "p": sign_test(left, preferences - left)},
        "agreement": dict(results.agreement),
        "table": [cell_json(cell) for cell in results.cells],
    }
    if not results.cells:
        return Answer(command="study results", payload=payload, blocks=["no answers yet"])
    percent = f"{100 * results.level:g} %"
    blocks: list[str | Grid] = [
        f"{name}: % of votes for the first of two methods, with {percent} intervals; - is not asked",
        _table_4(results.cells, questions),
        "",
        _details(results.cells, questions, resampled=f"over {_RESAMPLED[results.clusters]}"),
        "",
        "An interval in the first table is the wider of two at each end: Wilson's, which takes votes as independent, "
        f"and that of {RESAMPLES} drawn studies with other {_RESAMPLED[results.clusters]}. "
        "p: two-sided sign test over clips, each by its majority; many tests, no correction.",
        _agreement_text(results, questions),
        f"Sides: of {preferences} pairs that a rater leaned to one side of, {left} to the left "
        f"(p = {_p(sign_test(left, preferences - left))})",
    ]
    return Answer(command="study results", payload=payload, blocks=blocks)


def cell_json(cell: Cell) -> dict[str, Any]:
    """Return a cell as an object of `--json`."""
    return {
        "first": cell.first,
        "second": cell.second,
        "question": cell.question,
        "share": cell.share,
        "interval": list(cell.interval),
        "wilson": list(cell.wilson),
        "resampled": None if cell.resampled is None else list(cell.resampled),
        "answers": cell.answers,
        "for_first": cell.for_first,
        "for_second": cell.for_second,
        "no_preference": cell.neither,
        "clips": cell.clips,
        "raters": cell.raters,
        "p_clips": cell.p_clips,
        "p_votes": cell.p_votes,
    }


def table_csv(results: StudyResults) -> str:
    """Return the cells as CSV with a head (RFC 4180), one a line."""
    rows = []
    for cell in results.cells:
        row = cell_json(cell)
        for key in ("interval", "wilson", "resampled"):
            # Two columns each: CSV has no lists.
            low, high = row.pop(key) or ("", "")
            row |= {f"{key}_low": low, f"{key}_high": high}
        rows.append(row)
    return _csv(rows)


def votes_csv(votes: Iterable[Vote]) -> str:
    """Return every answer as CSV with a head, one a line; raters are numbers."""
    return _csv(
        {
            "rater": vote.rater,
            "clip": vote.stem,
            "first": vote.first,
            "second": vote.second,
            "question": vote.question,
            "preferred": vote.preferred,
            "left": vote.left,
            "at": datetime.fromtimestamp(vote.at, timezone.utc).isoformat(timespec="seconds"),
        }
        for vote in votes
    )


def check_replaceable(file: Path, text: str) -> None:
    """Raise OutputError unless `file` is missing, empty, or a table with the head of `text`.

    A study makes its tables again at any time; nothing else is written over.
    """
    if not file.exists():
        return
    head = text.partition("\n")[0].encode()
    try:
        with file.open("rb") as existing:
            begin = existing.read(len(head) + 1)
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {error.strerror or error}") from error
    if begin and not (head and begin == head + b"\n"):
        raise OutputError(f"{file} is no such table of a study, and stays as it is; name another file")


def _csv(rows: Iterable[Mapping[str, object]]) -> str:
    rows = list(rows)
    if not rows:
        return ""
    text = io.StringIO()
    # Line ends as in all other files that AVLink writes; the module's own are CR LF.
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _table_4(cells: Sequence[Cell], questions: Sequence[Question]) -> Grid:
    by_methods: dict[tuple[str, str], dict[str, Cell]] = {}
    for cell in cells:
        by_methods.setdefault((cell.first, cell.second), {})[cell.question] = cell
    rows = [
        (
            f"{first} - {second}",
            *(_share(of[question.name]) if question.name in of else "-" for question in questions),
        )
        for (first, second), of in by_methods.items()
    ]
    return Grid(heads=("methods", *(question.head for question in questions)), rows=rows)


def _details(cells: Sequence[Cell], questions: Sequence[Question], *, resampled: str) -> Grid:
    heads = {question.name: question.head for question in questions}
    rows = [
        (
            f"{cell.first} - {cell.second}",
            heads[cell.question],
            f"{cell.for_first} : {cell.for_second}",
            str(cell.neither),
            str(cell.clips),
            str(cell.raters),
            _ends(cell.wilson),
            "-" if cell.resampled is None else _ends(cell.resampled),
            _p(cell.p_clips),
        )
        for cell in cells
    ]
    return Grid(
        heads=("methods", "question", "votes", "no pref.", "clips", "raters", "Wilson", resampled, "p"), rows=rows
    )


def _agreement_text(results: StudyResults, questions: Sequence[Question]) -> str:
    words = [
        f"{question.head} {'-' if alpha is None else f'{alpha:.2f}'}"
        for question in questions
        for alpha in (results.agreement[question.name],)
    ]
    return f"Agreement of raters (Krippendorff's alpha; 0 is chance, 1 is perfect): {', '.join(words)}"


def _share(cell: Cell) -> str:
    return f"{100 * cell.share:.1f} ({_ends(cell.interval)})"


def _ends(interval: Interval) -> str:
    return " to ".join(f"{100 * end:.1f}" for end in interval)


def _p(value: float) -> str:
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"
