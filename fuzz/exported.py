"""Readers of what `avlink export` writes, which share no code with the writers: clips with their places.

Places are counted as a format counts them: in samples, or in frames.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as xml

from avlink.core import clock
from avlink.timeline.flat import FlatClip, FlatTimeline

_SLACK = Fraction(1, 1000)
_QUOTED = re.compile(r"""NAME (?:"([^"]*)"|'([^']*)'|`([^`]*)`|(\S+))$""")


@dataclass(frozen=True, slots=True, order=True)
class Heard:
    """A clip of sound from one count to another, and its name, or that of its file."""

    first: int
    last: int
    name: str


@dataclass(frozen=True, slots=True)
class Format:
    """The unit that a format counts in, the name that it gives to clips, and what it leaves out."""

    frames: bool = False
    name: str = "clip"
    heard_only: bool = False


FORMATS = {
    "otio": Format(),
    "otioz": Format(),
    "otiod": Format(),
    "csv": Format(),
    "rpp": Format(name="media"),
    "fcpxml": Format(),
    "xml": Format(frames=True),
    "edl": Format(frames=True, name="file", heard_only=True),
    "kdenlive": Format(frames=True, name="file"),
}
"""Formats that are read back."""

_FASTEST = 100
"""Frames per second that have two digits in the timecode of an EDL."""


def expected(timeline: FlatTimeline, to: str) -> list[Heard] | None:
    """Return the clips that a file of a format holds; None where the format cannot hold them exactly."""
    form = FORMATS[to]
    if to == "edl" and timeline.rate > _FASTEST:
        return None
    rate = timeline.rate if form.frames else Fraction(timeline.sample_rate)
    found = []
    for track in timeline.sound_tracks:
        for clip in track.clips:
            if clip.media and clip.speed == 1 and not (form.heard_only and (clip.muted or track.muted)):
                first, last = (clock.to_index(at_s, rate) for at_s in (clip.heard_start_s, clip.heard_end_s))
                found.append(Heard(first, max(first + form.frames, last), _name(clip, form)))
    return sorted(found)


def read(path: Path, to: str, timeline: FlatTimeline) -> list[Heard]:
    """Return the clips in an exported file. `timeline` says its rates and its start."""
    if to in ("otio", "otioz", "otiod"):
        found = _of_otio(_otio(path, to), timeline)
    elif to == "csv":
        found = _of_csv(path)
    elif to == "edl":
        found = _of_edl(path.read_text("utf-8"), timeline)
    elif to == "rpp":
        found = _of_rpp(path.read_text("utf-8"))
    else:
        root = xml.parse(path).getroot()
        readers = {"fcpxml": _of_fcpxml, "xml": _of_fcp7, "kdenlive": _of_kdenlive}
        found = readers[to](root, timeline)
    return sorted(found)


def plain(name: str) -> str:
    """Return a name without what formats cannot carry: control characters, and spaces at ends or beside spaces."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in name).split())


def _name(clip: FlatClip, form: Format) -> str:
    if form.name == "clip":
        return plain(clip.name)
    media = clip.active_media
    return plain(media.name.replace("`", "'") if form.name == "media" else _last(media.url))


def _last(url: str) -> str:
    return unquote(url).replace("\\", "/").rpartition("/")[2]


def _otio(path: Path, to: str) -> Any:
    if to == "otioz":
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("content.otio"))
    return json.loads((path / "content.otio" if to == "otiod" else path).read_text("utf-8"))


def _of_otio(content: Any, timeline: FlatTimeline) -> Iterator[Heard]:
    """Yield the clips of AVLink's sound tracks, or of all if it has none."""
    sounds = [track for track in content["tracks"]["children"] if track.get("kind") == "Audio"]
    ours = [track for track in sounds if "avlink" in track["metadata"]]
    cut = content["tracks"]["source_range"]
    begin_s = Fraction(0) if cut is None else _otio_s(cut["start_time"])
    for track in ours or sounds:
        at_s = -begin_s
        for item in track["children"]:
            end_s = at_s + _otio_s(item["source_range"]["duration"])
            if item["OTIO_SCHEMA"].startswith("Clip"):
                first, last = (clock.to_index(one, timeline.sample_rate) for one in (at_s, end_s))
                yield Heard(first, last, plain(item["name"]))
            at_s = end_s


def _otio_s(time: Any) -> Fraction:
    return Fraction(time["value"]) / clock.exact_rate(float(time["rate"]))


def _of_csv(path: Path) -> Iterator[Heard]:
    for row in csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")):
        # Rows without samples are of pictures that have no sound.
        if row["samples"]:
            first = int(row["start_samples"])
            yield Heard(
                first, first + int(row["samples"]), plain(re.sub(r"^'(?=[=+\-@'\t\r]|\d{16})", "", row["clip"]))
            )


def _of_rpp(text: str) -> Iterator[Heard]:
    rate = Fraction(re.search(r"^  SAMPLERATE (\d+)", text, re.MULTILINE)[1])  # type: ignore[index]
    for item in text.split("    <ITEM\n")[1:]:
        lines = [line.strip() for line in item.partition("\n    >")[0].split("\n")]
        values = {line.partition(" ")[0]: line.partition(" ")[2] for line in reversed(lines)}
        first, length = (Fraction(values[name]) * rate for name in ("POSITION", "LENGTH"))
        names = [line for line in lines if line.startswith("NAME ")]
        takes = ["TAKE", *(line for line in lines if line.startswith("TAKE"))]
        at = takes.index("TAKE SEL") if "TAKE SEL" in takes else 0
        quoted = _QUOTED.match(names[at])
        name = next(one for one in quoted.groups() if one is not None) if quoted else names[at]
        yield Heard(_whole(first), _whole(first + length), plain(name.replace("`", "'")))


def _of_fcpxml(root: xml.Element, timeline: FlatTimeline) -> Iterator[Heard]:
    for placed in root.iter():
        # The first clip of an audition plays, and the others have no place.
        if placed.tag not in ("asset-clip", "audition") or "offset" not in placed.attrib:
            continue
        clip = placed[0] if placed.tag == "audition" else placed
        first, length = (
            _fcpx_s(one.get(name, "")) * timeline.sample_rate for one, name in ((placed, "offset"), (clip, "duration"))
        )
        yield Heard(_whole(first), _whole(first + length), plain(clip.get("name", "")))


def _fcpx_s(text: str) -> Fraction:
    return Fraction(text.removesuffix("s"))


def _of_fcp7(root: xml.Element, timeline: FlatTimeline) -> Iterator[Heard]:
    for item in root.iter("clipitem"):
        if item.findtext("sourcetrack/trackindex") == "1":
            first, last = (int(item.findtext(tag, "")) for tag in ("start", "end"))
            yield Heard(first, last, plain(item.findtext("name", "")))


def _of_edl(text: str, timeline: FlatTimeline) -> Iterator[Heard]:
    base = max(1, round(timeline.rate))
    day = base * 86400 - (base // 15 * 9 * 144 if timeline.drop_frame else 0)
    origin = clock.to_index(timeline.origin_s, timeline.rate)
    for event in re.split(r"\n(?=\d{3,}  )", text)[1:]:
        begin, end = (_frame(one, base) for one in event.partition("\n")[0].split()[-2:])
        found = re.search(r"^\* SOURCE FILE: (.*)$", event, re.MULTILINE)
        first = (begin - origin) % day
        yield Heard(first, first + (end - begin) % day, "" if found is None else plain(_last(found[1])))


def _frame(timecode: str, base: int) -> int:
    hours, minutes, seconds, frame = (int(part) for part in re.split("[:;]", timecode))
    minutes += 60 * hours
    dropped = base // 15 * (minutes - minutes // 10) if ";" in timecode else 0
    return (60 * minutes + seconds) * base + frame - dropped


def _of_kdenlive(root: xml.Element, timeline: FlatTimeline) -> Iterator[Heard]:
    files = {chain.get("id"): chain.findtext("property[@name='resource']", "") for chain in root.iter("chain")}
    for playlist in root.iter("playlist"):
        if playlist.get("id") == "main_bin":
            continue
        at = 0
        for entry in playlist:
            if entry.tag == "blank":
                at += int(entry.get("length", ""))
            elif entry.tag == "entry":
                length = int(entry.get("out", "")) - int(entry.get("in", "")) + 1
                yield Heard(at, at + length, plain(_last(files[entry.get("producer")])))
                at += length


def _whole(count: Fraction) -> int:
    """Return a count that is whole but for its digits; -1 for one that is not."""
    nearest = clock.to_index(count, 1)
    return nearest if abs(count - nearest) < _SLACK else -1
