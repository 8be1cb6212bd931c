"""Processor time for each clip of writing stems into a project, and of a run of which every stem is there already.

Run as a module, it measures once in its own process: `python -m benchmarks.writing place|again EDIT`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from benchmarks.edits import EDITS, write_edit
from benchmarks.figure import Figure, Wanted
from benchmarks.footage import film
from benchmarks.process import run_alone, unit_bytes
from benchmarks.stopwatch import cpu_seconds

_AT_MOST = 1.5
"""Ten times as many clips take no more than this for each of them."""
_RATE = 24
_SHORT = 6
_PLAIN = ["backend.name=tone", "stems.post=[]", "stems.handle_s=0.0"]


def measure(wanted: Wanted) -> list[Figure]:
    """Per clip, at three lengths; and the longest against the one before it."""
    sizes: tuple[int, ...] = (5, 20) if wanted.quick else (100, 1000, 10000)
    figures = []
    with tempfile.TemporaryDirectory(prefix="avlink-bench-") as name:
        folder = Path(name)
        for kind in EDITS:
            each = [_once("place", write_edit(kind, clips, folder), clips) for clips in sizes]
            for clips, one in zip(sizes, each, strict=True):
                title = f"writing, {kind}, {clips:,} clips"
                figures += [
                    Figure(
                        name=f"{title}, time",
                        value=one["s"] * 1e3,
                        unit="ms/clip",
                        baseline=one["bare_s"] * 1e3,
                        baseline_name="OTIO reading and writing",
                    ),
                    Figure(name=f"{title}, peak memory", value=one["growth_bytes"] / 1024, unit="KiB/clip"),
                ]
            figures.append(_against(f"writing, {kind}, time", sizes, [one["s"] for one in each]))
        # Every stem is made, which takes long.
        sizes = sizes if wanted.quick else (100, 300, 1000)
        each = [_once("again", _short_edit(folder, clips), clips) for clips in sizes]
        for clips, one in zip(sizes, each, strict=True):
            title = f"a run whose stems are all there, {clips:,} clips"
            figures.append(Figure(name=title, value=one["s"] * 1e3, unit="ms/clip"))
        figures.append(_against("a run whose stems are all there", sizes, [one["s"] for one in each]))
    return figures


def _against(name: str, sizes: tuple[int, ...], each: list[float]) -> Figure:
    return Figure(
        name=f"{name}, {sizes[-1]:,} against {sizes[-2]:,} clips",
        value=each[-1] / each[-2],
        unit="per clip",
        at_most=_AT_MOST,
    )


def _short_edit(folder: Path, clips: int) -> Path:
    """Clips of a quarter of a second, no two alike."""
    if not (folder / "short.mp4").exists():
        film(folder / "short.mp4", Fraction(60))
    track = otio.schema.Track("V1", kind=otio.schema.TrackKind.Video)
    for index in range(clips):
        used = otio.opentime.TimeRange(
            otio.opentime.RationalTime(index % 1400, _RATE), otio.opentime.RationalTime(_SHORT + index // 1400, _RATE)
        )
        track.append(otio.schema.Clip(f"shot {index}", otio.schema.ExternalReference("short.mp4"), used))
    timeline = otio.schema.Timeline("short")
    timeline.tracks.append(track)
    path = folder / f"short_{clips}.otio"
    otio.adapters.write_to_file(timeline, str(path))
    return path


def _once(what: str, edit: Path, clips: int) -> dict[str, float]:
    cache = {"AVLINK_CACHE_DIR": str(edit.with_suffix(".cache"))}
    said = run_alone("-m", "benchmarks.writing", what, edit, environment=cache).stdout
    return {key: value / clips for key, value in json.loads(said).items()}


def _place(edit: Path) -> dict[str, float]:
    """Stems that need not be there, put into the project, which is written."""
    from avlink.core import clock
    from avlink.timeline.place import place_stems
    from avlink.timeline.read import read_timeline
    from avlink.timeline.select import select_clips
    from avlink.timeline.values import ClipRef, StemFile, StemPlacement
    from avlink.timeline.walk import list_clips
    from avlink.timeline.write import write_timeline

    timeline = read_timeline(edit).timeline
    tracks = [track.name for track in timeline.video_tracks() if track.find_clips()]
    placements = [
        StemPlacement(
            clip=clip,
            takes=(
                StemFile(
                    url=f"cut.stems/{clip.id}.wav",
                    take=1,
                    sample_rate=48000,
                    samples=clock.count(clip.heard_start_s, clip.heard_duration_s, 48000),
                    details={"prompt": "steps", "seed": 1, "raw_key": "0" * 40, "stem_key": "1" * 40, "channels": 1},
                ),
            ),
        )
        for clip in select_clips(list_clips(timeline), tracks)
        if isinstance(clip, ClipRef)
    ]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    output = edit.with_suffix(".foley.otio")

    def work() -> None:
        write_timeline(place_stems(timeline, placements), output)

    work()
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    def bare() -> None:
        otio.adapters.write_to_file(otio.adapters.read_from_file(str(output)), str(edit.with_suffix(".bare.otio")))

    return {"s": _least(work), "growth_bytes": growth * unit_bytes(), "bare_s": _least(bare)}


def _again(edit: Path) -> dict[str, float]:
    """A whole run with a backend that takes no time, when it has run before."""
    from avlink.core.recipe import load_recipe
    from avlink.edit.sonify import SonifyRequest, sonify
    from avlink.session import open_session
    from avlink.testing import fake_registry

    recipe, session = load_recipe("foley", "sonify", _PLAIN), open_session(registry=fake_registry())
    request = SonifyRequest(input=edit, recipe=recipe, device="cpu")
    assert not sonify(request, session).counts["failed"]
    return {"s": _least(lambda: sonify(request, session))}


def _least(work: Callable[[], object]) -> float:
    """Processor time of the quickest of three times."""
    return min(cpu_seconds(work) for _ in range(3))


if __name__ == "__main__":
    measured = {"place": _place, "again": _again}[sys.argv[1]](Path(sys.argv[2]))
    sys.stdout.write(json.dumps(measured) + os.linesep)
