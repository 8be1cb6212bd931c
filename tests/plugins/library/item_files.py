"""Items as other programs read them: readers of five formats that share nothing with the writers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from urllib.parse import unquote, urlparse
from xml.etree import ElementTree as xml

import aaf2
import numpy as np
import opentimelineio as otio
import soundfile
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadItem:
    """An item as a format has it: its track, its place and its begin in the file in seconds, its file, its takes."""

    track: str
    name: str
    start_s: Fraction
    length_s: Fraction
    offset_s: Fraction
    sound: NDArray[np.float64]
    takes: int = 1

    def struck(self, rate: int = 48000) -> int:
        """The sample of the timeline on which what is heard of it is loudest."""
        first = round(self.offset_s * rate)
        heard = np.abs(self.sound[first : first + round(self.length_s * rate)])
        return round(self.start_s * rate) + int(np.argmax(heard))

    @property
    def end_s(self) -> Fraction:
        return self.start_s + self.length_s


def read_items(path: Path) -> list[ReadItem]:
    """The items of a project, in order of time."""
    found = _READERS[path.suffix](path)
    return sorted(found, key=lambda item: (item.start_s, item.name))


def _sound(path: Path) -> NDArray[np.float64]:
    return soundfile.read(path)[0]


def _otio(path: Path) -> list[ReadItem]:
    timeline = otio.adapters.read_from_file(str(path))
    folder = path if path.is_dir() else path.parent
    items = []
    for track in timeline.audio_tracks():
        for clip in track.find_clips():
            place, media = track.trimmed_range_of_child(clip), clip.media_reference
            offset = clip.source_range.start_time - media.available_range.start_time
            times = [_exact(one) for one in (place.start_time, place.duration, offset)]
            sound = _sound(folder / media.target_url)
            items.append(_item(track.name, clip.name, *times, sound, len(clip.media_references())))
    return items


def _exact(time: otio.opentime.RationalTime) -> Fraction:
    rate = Fraction(time.rate).limit_denominator(1001)
    return Fraction(time.value).limit_denominator(48000) / rate


def _item(track, name, start_s, length_s, offset_s, sound, takes=1) -> ReadItem:
    return ReadItem(
        track=track, name=name, start_s=start_s, length_s=length_s, offset_s=offset_s, sound=sound, takes=takes
    )


def _rpp(path: Path) -> list[ReadItem]:
    items = []
    for part in path.read_text(encoding="utf-8").split("<TRACK ")[1:]:
        track = re.search(r'NAME "?([^"\n]+)', part)[1]
        for text in part.split("<ITEM")[1:]:
            takes = re.split(r"\n      TAKE(?: SEL)?\n", text)
            picked = next((at for at, found in enumerate(re.findall(r"\n      TAKE( SEL)?\n", text), 1) if found), 0)
            numbers = {key: Fraction(re.search(rf"{key} ([\d.]+)", text)[1]) for key in ("POSITION", "LENGTH")}
            offset_s = Fraction(re.search(r"SOFFS ([\d.]+)", takes[picked])[1])
            file = re.search(r'FILE "([^"]+)"', takes[picked])[1]
            name = re.search(r'NAME "?([^"\n]+)', takes[picked])[1]
            sound = _sound(path.parent / file)
            items.append(_item(track, name, numbers["POSITION"], numbers["LENGTH"], offset_s, sound, len(takes)))
    return items


def _fcpxml(path: Path) -> list[ReadItem]:
    root = xml.parse(path).getroot()
    files = {asset.get("id"): path.parent / unquote(asset.get("src")) for asset in root.iter("asset")}
    items = []
    for element in next(root.iter("gap")):
        if element.tag not in ("asset-clip", "audition"):
            continue
        clips = [element] if element.tag == "asset-clip" else list(element)
        picked = clips[0]
        times = [_seconds(*one) for one in ((element, "offset"), (picked, "duration"), (picked, "start"))]
        sound = _sound(files[picked.get("ref")])
        items.append(_item(element.get("lane"), picked.get("name"), *times, sound, len(clips)))
    return items


def _seconds(element: xml.Element, key: str) -> Fraction:
    return Fraction(element.get(key).removesuffix("s"))


def _xmeml(path: Path) -> list[ReadItem]:
    root = xml.parse(path).getroot()
    rate = Fraction(int(root.findtext("sequence/rate/timebase")))
    rate *= Fraction(1000, 1001) if root.findtext("sequence/rate/ntsc") == "TRUE" else 1
    files = {one.get("id"): one.findtext("pathurl") for one in root.iter("file") if one.find("pathurl") is not None}
    items = []
    for track in root.findall("sequence/media/audio/track"):
        for clip in track.findall("clipitem"):
            first, last, begin = (int(clip.findtext(key)) for key in ("start", "end", "in"))
            sound = _sound(Path(unquote(urlparse(files[clip.find("file").get("id")]).path)))
            times = (first / rate, (last - first) / rate, begin / rate)
            items.append(_item(track.get("MZ.TrackName"), clip.findtext("name"), *times, sound))
    return items


def _aaf(path: Path) -> list[ReadItem]:
    items = []
    with aaf2.open(str(path), "r") as file:
        (composition,) = file.content.toplevel()
        for slot in composition.slots:
            if slot.name == "TC":
                continue
            at = 0
            for part in slot.segment.components:
                if isinstance(part, aaf2.components.SourceClip):
                    essence = part.mob.slots[0].segment.mob.essence.open("r").read()
                    data = np.frombuffer(essence, np.uint8).reshape(-1, 3)
                    samples = np.concatenate([np.zeros((len(data), 1), np.uint8), data], axis=1).view("<i4")[:, 0]
                    times = (Fraction(one, int(slot.edit_rate)) for one in (at, part.length, part.start))
                    items.append(_item(slot.name, part.mob.name, *times, samples / 2**31))
                at += part.length
    return items


_READERS = {
    ".otio": _otio,
    ".otiod": _otio,
    ".rpp": _rpp,
    ".fcpxml": _fcpxml,
    ".xml": _xmeml,
    ".aaf": _aaf,
}
