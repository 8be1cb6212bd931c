"""Laws on runs and projects: a dry run tells the truth, times are exact, and exports say what the project says."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from avlink.core import clock
from avlink.core.errors import AvlinkError
from avlink.core.recipe.schema import ReadTable
from avlink.timeline.flat import FlatTimeline
from avlink.timeline.flatten import flatten_timeline
from avlink.timeline.read import read_timeline
from fuzz.case import Case, Fault
from fuzz.command import Ran
from fuzz.exported import FORMATS, Heard, expected, read

_MEDIA = {"wav", "mp4", "bundle"}
"""Formats with media inside, which only the real run reads to its end."""
_ROUNDED_S = Fraction(2, 10**6)
_SAMPLE_S = Fraction(1, 48000)
_SHOWN = 3
_READABLE = {"xml", "fcpxml", "edl"}
"""Formats of exports that AVLink reads as well."""


def check_dry_run(case: Case, plan: Ran, real: Ran) -> Iterator[Fault]:
    """Yield the differences between a dry run and the real one: exit code, refusal, reasons."""
    if max(plan.code, real.code) > 3 or min(plan.code, real.code) < 0 or 1 in (plan.code, real.code):
        return
    if case.format in _MEDIA and case.places is None and plan.code != 2:
        # What is wrong with a picture or a sound in the middle of a file shows when it is decoded.
        return
    if plan.code != real.code:
        yield Fault("dry run", f"exit code {plan.code} instead of {real.code}: {plan.message} / {real.message}")
    elif _settled(plan.message) != _settled(real.message):
        yield Fault("dry run", f"another refusal: {plan.message} / {real.message}")
    elif real.message is None and _reasons(plan) != _reasons(real):
        yield Fault("dry run", f"other reasons: {_reasons(plan)} / {_reasons(real)}")


def check_places(case: Case, report: dict[str, Any]) -> Iterator[Fault]:
    """Yield differences between the clips of a report and those that are known of the input."""
    if case.places is None:
        return
    named = all(place.name for place in case.places)
    found = sorted(
        (item["timeline_start_s"], item["timeline_duration_s"], item["name"] if named else "")
        for item in report["items"]
    )
    wanted = [(float(place.start_s), float(place.duration_s), place.name) for place in case.places]
    same = len(found) == len(wanted) and all(
        one[2] == other[2] and all(abs(a - b) <= _ROUNDED_S for a, b in zip(one[:2], other[:2], strict=True))
        for one, other in zip(found, wanted, strict=True)
    )
    if not same:
        yield Fault("places", f"{_first_difference(found, wanted)}")
    unmade = [item["reason"] for item in report["items"] if item["status"] not in ("generated", "cached")]
    if unmade:
        yield Fault("places", f"a whole clip got no sound: {unmade[0]}")


def check_stems(report: dict[str, Any], timeline: FlatTimeline) -> Iterator[Fault]:
    """Yield stems of a report that do not lie on their samples in the project, or whose file is of another length."""
    placed = {(clip.id, clip.start_s): clip for track in timeline.sound_tracks if track.ours for clip in track.clips}
    ids = {id for id, _ in placed}
    for item in report["items"]:
        for stem in item.get("stems", []):
            rate = stem["sample_rate"]
            if item["id"] not in ids:
                yield Fault("stems", f"a stem is not in the project: {item['name']!a}")
                continue
            clips = [clip for (id, _), clip in placed.items() if id == item["id"]]
            heard = min(clips, key=lambda clip: abs(float(clip.heard_start_s) - item["heard_start_s"]))
            first = clock.to_index(timeline.origin_s + heard.heard_start_s, rate)
            samples = clock.count(heard.heard_start_s, heard.heard_duration_s, rate)
            if abs(float(heard.heard_start_s) - item["heard_start_s"]) > _ROUNDED_S:
                yield Fault("stems", f"a stem starts at {float(heard.heard_start_s)}, not at {item['heard_start_s']}")
            if stem["time_reference"] != first - stem["head_samples"]:
                yield Fault("stems", f"a stem is stamped {stem['time_reference']}, not {first - stem['head_samples']}")
            if stem["samples"] - stem["head_samples"] - stem["tail_samples"] != samples:
                yield Fault("stems", f"a stem has {stem['samples']} samples, not {samples}")


def check_export(ran: Ran, to: str, project: Path, folder: Path) -> Iterator[Fault]:
    """Yield the differences between an exported file and the project that it was made of."""
    if to not in FORMATS:
        return
    file = read_timeline(project)
    timeline = flatten_timeline(file.timeline, drop_frame=file.drop_frame)
    if ran.code != 0:
        # A project that holds its media inside cannot be written without it.
        possible = to != "otio" or project.suffix == ".otio"
        possible = possible and not ran.json.get("missing")
        if possible and any(track.ours and track.clips for track in timeline.sound_tracks):
            yield Fault("export", f"{to} is refused: {ran.message}", str(ran.words))
        return
    wanted = expected(timeline, to)
    if wanted is None:
        return
    path = folder / ran.json["output"]
    try:
        found = read(path, to, timeline)
    except (ValueError, KeyError, TypeError, SyntaxError, OSError) as error:
        yield Fault("read back", f"{to} cannot be read: {type(error).__name__} {error}", str(ran.words))
        return
    if found != wanted:
        yield Fault("read back", f"{to}: {_first_difference(_pairs(found), _pairs(wanted))}", str(ran.words))
    elif to in _READABLE and timeline.rate.denominator in (1, 1001):
        yield from _check_own_reader(path, to, timeline, wanted)


def _check_own_reader(path: Path, to: str, timeline: FlatTimeline, wanted: Sequence[Heard]) -> Iterator[Fault]:
    """Yield the differences between a project and what AVLink itself reads in its export."""
    try:
        file = read_timeline(path, ReadTable(rate=str(timeline.rate)))
    except AvlinkError as error:
        yield Fault("read back", f"avlink cannot read its own {to}: {error}")
        return
    again = flatten_timeline(file.timeline, drop_frame=file.drop_frame)
    found = expected(replace(again, rate=timeline.rate, sample_rate=timeline.sample_rate), to) or []
    # A list does not say where it starts, but by its first event.
    begin = wanted[0].first if to == "edl" and wanted else 0
    places = [(one.first - begin, one.last - begin) for one in wanted]
    if [(one.first, one.last) for one in found] != places:
        yield Fault("read back", f"avlink reads {to}: {_first_difference(_pairs(found), _pairs(wanted))}")


def check_bundle(path: Path) -> Iterator[Fault]:
    """Yield media that a bundle names and does not hold."""
    if path.suffix == ".otioz":
        with zipfile.ZipFile(path) as archive:
            text, held = archive.read("content.otio").decode("utf-8"), set(archive.namelist())
    elif path.is_dir():
        text = (path / "content.otio").read_text("utf-8")
        held = {f"media/{file.name}" for file in (path / "media").iterdir()}
    else:
        return
    for url in re.findall(r'"target_url": ("(?:[^"\\]|\\.)*")', text):
        if json.loads(url) not in held:
            yield Fault("read back", f"a bundle does not hold {Path(json.loads(url)).suffix}", url)


def check_requests(case: Case, sheet: Path) -> Iterator[Fault]:
    """Yield requests of a sheet that are not in the sheet of the project that they were applied to."""
    if case.requests is None:
        return
    if not sheet.exists():
        yield Fault("read back", "a good sheet is refused")
        return
    rows = list(csv.DictReader(io.StringIO(sheet.read_text("utf-8-sig"), newline="")))
    by_id = {row["id"].removeprefix("c") if row["id"][1:2].isdigit() else row["id"]: row for row in rows}
    for id, wanted in case.requests.items():
        row = by_id.get(id)
        if row is None:
            yield Fault("read back", f"csv: the clip {id} is missing")
            continue
        for name, value in wanted.items():
            cell = row[name].removeprefix("'") if name != "gain_db" else row[name]
            if cell != str(value).removeprefix("'"):
                yield Fault("read back", f"csv: {name} is {cell!a} instead of {value!a}")


def check_duration(case: Case, report: dict[str, Any]) -> Iterator[Fault]:
    """Yield the difference between the length of a media file and the one in a report."""
    if case.duration_s is None:
        return
    for item in report["items"]:
        found = item["source_duration_s"]
        if found is None or abs(Fraction(found) - case.duration_s) > _SAMPLE_S / 2 + _ROUNDED_S:
            yield Fault("places", f"the file lasts {found} s instead of {float(case.duration_s)}")


def open_project(path: Path) -> FlatTimeline | Fault:
    """Return a project that was written, as values, or the fault that it cannot be read."""
    try:
        return flatten_timeline(read_timeline(path).timeline)
    except AvlinkError as error:
        return Fault("read back", f"the project cannot be read: {error}")


def _settled(message: str | None) -> str | None:
    # Of several mistakes in a file OTIO names now one, now another.
    return None if message is None else message.partition(" is no OTIO file")[0]


def _reasons(ran: Ran) -> list[tuple[str, str | None]]:
    same = {"cached": "generated"}
    return [(same.get(item["status"], item["status"]), item["reason"]) for item in ran.json.get("items", [])]


def _pairs(heard: Sequence[Heard]) -> list[tuple[int, int, str]]:
    return [(one.first, one.last, one.name) for one in heard]


def _first_difference(found: Sequence[object], wanted: Sequence[object]) -> str:
    """Return the first values that differ, of two lists."""
    if len(found) != len(wanted):
        return f"{len(found)} clips instead of {len(wanted)}: {list(found)[:_SHOWN]!a} / {list(wanted)[:_SHOWN]!a}"
    pairs = ((one, other) for one, other in zip(found, wanted, strict=True) if one != other)
    one, other = next(pairs, ("", ""))
    return f"{one!a} instead of {other!a}"
