"""The cost of a plan for each clip: processor time and memory of a dry run, against OTIO reading the same file.

Run as a module, it measures once in its own process: `python -m benchmarks.planning avlink|otio SMALL LARGE MODEL`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
from pathlib import Path

import opentimelineio as otio

from benchmarks.edits import EDITS, write_edit
from benchmarks.figure import Figure, Wanted
from benchmarks.process import run_alone, unit_bytes
from benchmarks.stopwatch import cpu_seconds

_TIMED_S = 1.0
_AT_MOST = 1.5
"""Ten times as many clips take no more than this for each of them."""


def measure(wanted: Wanted) -> list[Figure]:
    """Per clip, for each kind of edit at three lengths; and the longest against the one before it."""
    sizes = (5, 20) if wanted.quick else (100, 1000, 10000)
    figures = []
    for kind in EDITS:
        with tempfile.TemporaryDirectory(prefix="avlink-bench-") as name:
            folder = Path(name)
            small = write_edit(kind, 1, folder)
            planned: list[dict[str, float]] = []
            for clips in sizes:
                large = write_edit(kind, clips, folder)
                one, bare = (_once(what, small, large, wanted.model) for what in ("avlink", "otio"))
                planned.append({key: value / clips for key, value in one.items()})
                figures += [
                    Figure(
                        name=f"planning, {kind}, {clips:,} clips, {what}",
                        value=planned[-1][key] * scale,
                        unit=unit,
                        baseline=bare[key] * scale / clips,
                        baseline_name="OTIO reading the file",
                    )
                    for key, what, unit, scale in _KEYS
                ]
            figures += [
                Figure(
                    name=f"planning, {kind}, {what}, {sizes[-1]:,} against {sizes[-2]:,} clips",
                    value=planned[-1][key] / planned[-2][key] if planned[-2][key] > 0 else 1.0,
                    unit="per clip",
                    at_most=_AT_MOST,
                )
                for key, what, _, _ in _KEYS
            ]
    return figures


_KEYS = (
    ("first_s", "the first time", "ms/clip", 1e3),
    ("again_s", "time", "ms/clip", 1e3),
    ("growth_bytes", "peak memory", "KiB/clip", 1 / 1024),
)


def _once(what: str, small: Path, large: Path, model: str) -> dict[str, float]:
    # Each has a cache of its own, so that media is looked into when a plan is made for the first time.
    cache = {"AVLINK_CACHE_DIR": str(large.with_suffix(".cache"))}
    measured: dict[str, float] = json.loads(
        run_alone("-m", "benchmarks.planning", what, small, large, model, environment=cache).stdout
    )
    return measured


def _main(what: str, small: Path, large: Path, model: str) -> None:
    """Time and growth of the peak for `large`, after `small` has paid for everything that is paid once."""
    if what == "avlink":
        from avlink.core.recipe import load_recipe
        from avlink.edit.sonify import SonifyRequest, sonify
        from avlink.session import open_session

        recipe, session = load_recipe("foley", "sonify", Wanted(model=model).overrides), open_session(device="cpu")

        def work(path: Path) -> None:
            report = sonify(SonifyRequest(input=path, recipe=recipe, dry_run=True), session)
            assert report.counts["generated"] and not report.counts["failed"], report.items[0]
            json.dumps(report.to_json())
    else:

        def work(path: Path) -> None:
            otio.adapters.read_from_file(str(path))

    work(small)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    first_s = again_s = cpu_seconds(lambda: work(large))
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    # Short work is timed until it has taken a second: once is mostly what else the machine did.
    spent_s = 0.0
    while spent_s < _TIMED_S:
        once_s = cpu_seconds(lambda: work(large))
        again_s, spent_s = min(again_s, once_s), spent_s + once_s
    measured = {"first_s": first_s, "again_s": again_s, "growth_bytes": growth * unit_bytes()}
    sys.stdout.write(json.dumps(measured) + os.linesep)


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
