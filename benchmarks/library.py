"""The sound library: seconds to read 2,403 files, by the processor and by the clock, and a search over 100,000 rows.

The files are those of `--sounds`, or of shared/sounds beside the checkout, which quick runs leave alone; else they are
generated.
"""

from __future__ import annotations

import os
import random
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from avlink.core.events import ignore
from avlink.core.values import Waveform
from avlink.library.index import FileRecord, LibraryIndex, open_library_index
from avlink.library.libraries import add_library, update_libraries
from avlink.library.search import WantedSounds, search_sounds
from avlink.library.ucs import vocabulary
from avlink.library.values import Analysis, Description, Library
from avlink.media.wave import write_float_wave
from benchmarks.figure import Figure, Wanted
from benchmarks.stopwatch import cpu_seconds, seconds

_FILES = 2403
_AT_MOST_S = 300.0
_AT_MOST_MS = 50.0
_QUERIES = ("door slam wood", "footsteps gravel", "metal impact", "rain", "glass break small", "thud", "走")


def measure(wanted: Wanted) -> list[Figure]:
    """Reading a library in as many processes as there are cores, and searches of several kinds."""
    return [*_reading(wanted), *_searching(wanted)]


def _reading(wanted: Wanted) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="avlink-bench-") as name:
        folder = Path(name)
        os.environ["AVLINK_DATA_DIR"] = str(folder / "data")
        sounds = wanted.sounds or wanted.shared("sounds")
        if sounds is not None:
            root, what = sounds, f"{sounds.parent.name}/{sounds.name}"
        else:
            root, what = folder / "sounds", "generated"
            make_sounds(root, 12 if wanted.quick else _FILES)
        before = _spent_s()
        began = time.perf_counter()
        report = add_library(root, "bench", ignore)
        wall_s, cpu_s = time.perf_counter() - began, _spent_s() - before
        assert report.new and not report.faults, report.faults[:3]
        again_s = seconds(lambda: update_libraries("bench", ignore))
    count = f"{report.new:,} files, {what}"
    cores = os.cpu_count() or 1
    return [
        Figure(name=f"library add, {count}, {cores} cores, wall time", value=wall_s, unit="s", at_most=_AT_MOST_S),
        Figure(name=f"library add, {count}, processor time", value=cpu_s, unit="s"),
        Figure(name=f"library add, {count}, processor time a file", value=1e3 * cpu_s / report.new, unit="ms"),
        Figure(name=f"library update, {count}, nothing changed, wall time", value=again_s, unit="s"),
    ]


def _searching(wanted: Wanted) -> list[Figure]:
    rows = 1000 if wanted.quick else 100_000
    figures = []
    with (
        tempfile.TemporaryDirectory(prefix="avlink-bench-") as name,
        open_library_index(Path(name) / "library.db", create=True) as index,
    ):
        _fill(index, rows)
        for filters, label in ((None, "all"), (WantedSounds(kinds=("one-shot",), max_length_s=4.0), "filtered")):
            times = {query: _fastest_ms(index, query, filters) for query in _QUERIES}
            slowest = max(times, key=lambda query: times[query])
            figures += [
                Figure(
                    name=f"library search, {rows:,} rows, {label}, slowest of {len(times)} queries ('{slowest}')",
                    value=times[slowest],
                    unit="ms",
                    at_most=_AT_MOST_MS,
                ),
                Figure(
                    name=f"library search, {rows:,} rows, {label}, mean",
                    value=sum(times.values()) / len(times),
                    unit="ms",
                ),
            ]
    return figures


def _fastest_ms(index: LibraryIndex, query: str, filters: WantedSounds | None) -> float:
    return 1e3 * min(cpu_seconds(lambda: search_sounds(index, query, filters)) for _ in range(5))


def _fill(index: LibraryIndex, rows: int) -> None:
    """Enter sounds whose names are words of UCS categories, as often as words of names are: few often, most seldom."""
    rng = random.Random(0)
    categories = list(vocabulary().values())
    weights = [1 / rank for rank in range(1, len(categories) + 1)]
    rng.shuffle(categories)
    analysis = Analysis(
        sample_rate=48000,
        channels=2,
        num_samples=96000,
        lufs=-20.0,
        peak_db=-1.0,
        kind="one-shot",
        brightness_hz=1000.0,
        noise=0.5,
        hits=(),
    )
    library = index.add_library("bench", Path("sounds"))
    with index.batch():
        for number, category in enumerate(rng.choices(categories, weights, k=rows)):
            words = [*category.category.lower().split(), *rng.sample(category.synonyms, min(3, len(category.synonyms)))]
            description = Description(
                name=" ".join([*words, f"{number % 100:02}"]),
                text=" ".join(rng.sample(category.synonyms, min(6, len(category.synonyms)))),
                category=f"{category.category} {category.subcategory} {category.catid}".lower(),
                place=f"pack {number % 40} bench",
                catid=category.catid,
                catid_from="words",
            )
            _put(index, library, number, description, analysis)


def _put(index: LibraryIndex, library: Library, number: int, description: Description, analysis: Analysis) -> None:
    record = FileRecord(size_bytes=1, mtime_ns=1, read_as="", digest=f"{number:040x}")
    index.put(library, f"pack/{number}.wav", record, description, analysis)


def make_sounds(root: Path, count: int) -> None:
    """Write files of hits that decay, one to five seconds long."""
    rng = np.random.default_rng(0)
    root.mkdir(parents=True)
    for number in range(count):
        length = 48000 * (1 + number % 5)
        sound = np.zeros(length, np.float32)
        for start in rng.integers(0, length - 24000, 1 + number % 3):
            tail = rng.standard_normal(length - start) * np.exp(-np.arange(length - start) / 4800)
            sound[start:] += 0.2 * tail.astype(np.float32)
        write_float_wave(root / f"hit_metal_{number:04}.wav", Waveform(samples=sound[None], sample_rate=48000))


def _spent_s() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
