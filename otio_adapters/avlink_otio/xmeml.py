"""The OTIO adapter `avlink_xmeml`: Final Cut Pro 7 XML of a timeline's sound, as Premiere and Resolve read it.

OTIO's own adapter for this format loses track names, source channels and sample rates of sound, and refuses media of
rates that have no SMPTE timecode, so this one writes itself. The format counts frames: what lies between two is moved
to the nearer one, with a warning. A stereo file takes two tracks, linked, as the format wants it.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as xml

import opentimelineio as otio

from avlink import clock
from avlink_otio.files import file_url
from avlink_otio.frames import drops, frame_of, lanes, on_frames, timebase, timecode, warn_of_moves
from avlink_otio.project import Item, SoundProject
from avlink_otio.sound import read_sound

_NAME = "FCP 7 XML"
_TICKS = 254_016_000_000
"""Premiere's own clock, which it writes beside frames."""


def write_to_file(input_otio: otio.schema.Timeline, filepath: str) -> None:
    """Write the sequence; media is named by whole paths, which is all that the format knows."""
    text = sequence_text(read_sound(input_otio), Path(filepath).absolute().parent)
    Path(filepath).write_text(text, encoding="utf-8", newline="\n")


def write_to_string(input_otio: otio.schema.Timeline) -> str:
    """The text of the sequence; relative media paths count from the current folder."""
    return sequence_text(read_sound(input_otio), Path())


def sequence_text(project: SoundProject, folder: Path) -> str:
    """A sequence of sound tracks as text."""
    warn_of_moves(project, _NAME)
    root = xml.Element("xmeml", version="4")
    sequence = xml.SubElement(root, "sequence", id="sequence-1")
    start = clock.to_index(project.origin_s, project.rate)
    length = max((on_frames(project, item)[1] for track in project.tracks for item in track.items), default=0)
    _put(sequence, name=project.name or "foley", duration=length)
    _rate(sequence, project)
    _timecode(sequence, project, start)
    media = xml.SubElement(sequence, "media")
    look = xml.SubElement(xml.SubElement(xml.SubElement(media, "video"), "format"), "samplecharacteristics")
    _rate(look, project)
    _put(look, width=1920, height=1080)
    audio = xml.SubElement(media, "audio")
    _put(audio, numOutputChannels=2)
    _sound(xml.SubElement(audio, "format"), project.sample_rate)
    files: dict[str, str] = {}
    number = 0
    for track in project.tracks:
        edges = [on_frames(project, item) for item in track.items]
        for lane, row in enumerate(lanes(track.items, edges, _NAME), start=1):
            name = track.name if lane == 1 else f"{track.name} {lane}"
            channels = max((item.take.channels for item, _, _ in row), default=1)
            rows = [xml.SubElement(audio, "track", {"MZ.TrackName": name}) for _ in range(channels)]
            for item, first, last in row:
                for channel in range(item.take.channels):
                    clip = xml.SubElement(rows[channel], "clipitem", id=f"clipitem-{number + channel + 1}")
                    _clip(clip, project, item, (first, last), folder, files)
                    _put(xml.SubElement(clip, "sourcetrack"), mediatype="audio", trackindex=channel + 1)
                    for hit in item.take.hits if channel == 0 else ():
                        # The frame of the file in which it is heard; a point has no out.
                        mark_at = {"in": frame_of(hit.at_s, project.rate), "out": -1}
                        _put(xml.SubElement(clip, "marker"), name=hit.name, comment=hit.note, **mark_at)
                    for other in range(item.take.channels if item.take.channels > 1 else 0):
                        link = xml.SubElement(clip, "link")
                        _put(link, linkclipref=f"clipitem-{number + other + 1}", mediatype="audio")
                number += item.take.channels
            for index, element in enumerate(rows, start=1):
                _put(element, enabled=_truth(not track.muted), locked="FALSE", outputchannelindex=1 + (index - 1) % 2)
    for mark in project.marks:
        first = clock.to_index(mark.start_s, project.rate)
        last = clock.to_index(mark.start_s + mark.duration_s, project.rate) if mark.duration_s > 0 else -1
        _put(xml.SubElement(sequence, "marker"), name=mark.name, comment="", **{"in": first, "out": last})
    xml.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE xmeml>\n{xml.tostring(root, encoding="unicode")}\n'


def _clip(
    clip: xml.Element, project: SoundProject, item: Item, edges: tuple[int, int], folder: Path, files: dict[str, str]
) -> None:
    take = item.take
    first, last = edges
    begin = clock.to_index(take.offset_s, project.rate)
    length = clock.to_index(take.media_s or take.offset_s + item.duration_s, project.rate)
    length = max(length, begin + last - first)
    _put(clip, name=item.name, enabled=_truth(not item.muted), duration=length)
    _rate(clip, project)
    _put(clip, start=first, end=last, **{"in": begin, "out": begin + last - first})
    ticks = clock.to_index(take.offset_s, _TICKS)
    _put(clip, pproTicksIn=ticks, pproTicksOut=ticks + clock.to_index(item.duration_s, _TICKS))
    url = file_url(take.url, folder)
    # A file is described once; after that its id is enough.
    if url in files:
        xml.SubElement(clip, "file", id=files[url])
        return
    files[url] = f"file-{len(files) + 1}"
    file = xml.SubElement(clip, "file", id=files[url])
    _put(file, name=url.rpartition("/")[2], pathurl=url)
    _rate(file, project)
    _put(file, duration=length)
    _timecode(file, project, clock.to_index(take.stamp_s, project.rate))
    sound = xml.SubElement(xml.SubElement(file, "media"), "audio")
    _sound(sound, take.sample_rate)
    _put(sound, channelcount=take.channels)


def _timecode(parent: xml.Element, project: SoundProject, frame: int) -> None:
    drop_frame = drops(project)
    element = xml.SubElement(parent, "timecode")
    _rate(element, project)
    text = timecode(frame, timebase(project), drop_frame=drop_frame)
    _put(element, string=text, frame=frame, displayformat="DF" if drop_frame else "NDF")


def _rate(parent: xml.Element, project: SoundProject) -> None:
    ntsc = project.rate == Fraction(timebase(project) * 1000, 1001)
    _put(xml.SubElement(parent, "rate"), timebase=timebase(project), ntsc=_truth(ntsc))


def _sound(parent: xml.Element, sample_rate: int) -> None:
    _put(xml.SubElement(parent, "samplecharacteristics"), depth=24, samplerate=sample_rate)


def _truth(value: bool) -> str:
    return "TRUE" if value else "FALSE"


def _put(parent: xml.Element, **texts: object) -> None:
    for tag, value in texts.items():
        # XML has no place for control characters, not even escaped.
        text = "".join(sign if sign >= " " or sign in "\t\n" else " " for sign in str(value))
        xml.SubElement(parent, tag).text = text
