"""What a plan costs for each clip: time and memory of a dry run, against OpenTimelineIO reading the same file.

Run as a module, it measures once in its own process: `python -m benchmarks.planning avlink|otio SMALL LARGE MODEL`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from benchmarks.figure import Figure, Wanted
from benchmarks.process import run_alone, unit_bytes
from benchmarks.stopwatch import seconds

_RATE = 24
_MEDIA_S = 60
_TIMED_S = 1.0


def measure(wanted: Wanted) -> list[Figure]:
    """Per clip, for timelines of three lengths over one media file."""
    from benchmarks.footage import film

    figures = []
    with tempfile.TemporaryDirectory(prefix="avlink-bench-") as name:
        folder = Path(name)
        film(folder / "media.mp4", Fraction(_MEDIA_S))
        small = _write_timeline(folder, 1)
        for clips in (5, 20, 50) if wanted.quick else (100, 1000, 10000):
            large = _write_timeline(folder, clips)
            planned, bare = (_once(what, small, large, wanted.model) for what in ("avlink", "otio"))
            for key, unit, scale in (("seconds", "ms/clip", 1e3), ("growth_bytes", "KiB/clip", 1 / 1024)):
                figures.append(
                    Figure(
                        name=f"planning, {clips:,} clips, {'time' if unit == 'ms/clip' else 'peak memory'}",
                        value=planned[key] * scale / clips,
                        unit=unit,
                        baseline=bare[key] * scale / clips,
                        baseline_name="OTIO reading the file",
                    )
                )
    return figures


def _write_timeline(folder: Path, clips: int) -> Path:
    """Clips of about a second, one after the other, no two with the same span of the media."""
    track = otio.schema.Track("V1", kind=otio.schema.TrackKind.Video)
    whole = _range(0, _MEDIA_S * _RATE)
    starts = (_MEDIA_S - 2) * _RATE
    for index in range(clips):
        used = _range(index % starts, _RATE + index // starts)
        media = otio.schema.ExternalReference("media.mp4", whole)
        track.append(otio.schema.Clip(f"shot {index + 1}", media, used))
    timeline = otio.schema.Timeline("benchmark")
    timeline.tracks.append(track)
    path = folder / f"{clips}.otio"
    otio.adapters.write_to_file(timeline, str(path))
    return path


def _range(first_frame: int, num_frames: int) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(
        otio.opentime.RationalTime(first_frame, _RATE), otio.opentime.RationalTime(num_frames, _RATE)
    )


def _once(what: str, small: Path, large: Path, model: str) -> dict[str, float]:
    cache = {"AVLINK_CACHE_DIR": str(large.with_name("cache"))}
    measured: dict[str, float] = json.loads(
        run_alone("-m", "benchmarks.planning", what, small, large, model, environment=cache).stdout
    )
    return measured


def _main(what: str, small: Path, large: Path, model: str) -> None:
    """Time and growth of the peak for `large`, after `small` has paid for everything that is paid once."""
    if what == "avlink":
        from avlink.app.session import open_session
        from avlink.app.sonify import SonifyRequest, sonify
        from avlink.core.recipe import load_recipe

        recipe, session = load_recipe("foley", "sonify", Wanted(model=model).overrides), open_session(device="cpu")

        def work(path: Path) -> None:
            report = sonify(SonifyRequest(input=path, recipe=recipe, dry_run=True), session)
            assert all(item.status == "generated" for item in report.items), report.items[0]
    else:

        def work(path: Path) -> None:
            otio.adapters.read_from_file(str(path))

    work(small)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall_s = seconds(lambda: work(large))
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    # Short work is timed until it has taken a second: once is mostly what else the machine did.
    spent_s = wall_s
    while spent_s < _TIMED_S:
        again_s = seconds(lambda: work(large))
        wall_s, spent_s = min(wall_s, again_s), spent_s + again_s
    sys.stdout.write(json.dumps({"seconds": wall_s, "growth_bytes": growth * unit_bytes()}) + os.linesep)


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
