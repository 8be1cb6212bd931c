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

from avlink import FlatClip, FlatTimeline, FlatTrack, clock, nominal_rate, timecode_of_frames
from avlink_otio.files import file_url
from avlink_otio.frames import frame_of, lanes, on_frames, warn_of_moves
from avlink_otio.sound import flat, sound_of
from avlink_otio.xml_text import document_text

_NAME = "FCP 7 XML"
_TICKS = 254_016_000_000
"""Premiere's own clock, which it writes beside frames."""


def write(timeline: FlatTimeline, path: Path) -> tuple[FlatTrack, ...]:
    """Write the sequence, and return the tracks in it; media is named by whole paths, which is all the format knows."""
    sound = sound_of(timeline, hits=True)
    path.write_text(sequence_text(sound, path.absolute().parent), encoding="utf-8", newline="\n")
    return sound.sound_tracks


def write_to_file(input_otio: otio.schema.Timeline, filepath: str) -> None:
    """Write the sequence as an OTIO adapter."""
    write(flat(input_otio), Path(filepath))


def write_to_string(input_otio: otio.schema.Timeline) -> str:
    """Return the text of the sequence; relative media paths count from the current folder."""
    return sequence_text(sound_of(flat(input_otio), hits=True), Path())


def sequence_text(sound: FlatTimeline, folder: Path) -> str:
    """Return a sequence of sound tracks as text."""
    rate = sound.rate
    warn_of_moves(sound, rate, _NAME)
    root = xml.Element("xmeml", version="4")
    sequence = xml.SubElement(root, "sequence", id="sequence-1")
    start = clock.to_index(sound.origin_s, rate)
    tracks = sound.sound_tracks
    length = max((on_frames(clip, rate)[1] for track in tracks or sound.tracks for clip in track.clips), default=0)
    _put(sequence, name=sound.name or "foley", duration=length)
    _rate(sequence, rate)
    _timecode(sequence, sound, start)
    media = xml.SubElement(sequence, "media")
    look = xml.SubElement(xml.SubElement(xml.SubElement(media, "video"), "format"), "samplecharacteristics")
    _rate(look, rate)
    _put(look, width=1920, height=1080)
    audio = xml.SubElement(media, "audio")
    _put(audio, numOutputChannels=2)
    _sound(xml.SubElement(audio, "format"), sound.sample_rate)
    files: dict[str, str] = {}
    number = 0
    for track in tracks:
        edges = [on_frames(clip, rate) for clip in track.clips]
        for lane, row in enumerate(lanes(track.clips, edges, _NAME), start=1):
            name = track.name if lane == 1 else f"{track.name} {lane}"
            channels = max((clip.active_media.channels for clip, _, _ in row), default=1)
            rows = [xml.SubElement(audio, "track", {"MZ.TrackName": name}) for _ in range(channels)]
            for clip, first, last in row:
                for channel in range(clip.active_media.channels):
                    item = xml.SubElement(rows[channel], "clipitem", id=f"clipitem-{number + channel + 1}")
                    _clip(item, sound, clip, (first, last), folder, files)
                    _put(xml.SubElement(item, "sourcetrack"), mediatype="audio", trackindex=channel + 1)
                    for hit in clip.active_media.hits if channel == 0 else ():
                        # The frame of the file in which it is heard; a point has no out.
                        mark_at = {"in": frame_of(hit.start_s, rate), "out": -1}
                        _put(xml.SubElement(item, "marker"), name=hit.name, comment=hit.comment, **mark_at)
                    for other in range(clip.active_media.channels if clip.active_media.channels > 1 else 0):
                        link = xml.SubElement(item, "link")
                        _put(link, linkclipref=f"clipitem-{number + other + 1}", mediatype="audio")
                number += clip.active_media.channels
            for index, element in enumerate(rows, start=1):
                _put(element, enabled=_truth(not track.muted), locked="FALSE", outputchannelindex=1 + (index - 1) % 2)
    for marker in sound.markers:
        is_hit = marker.hit is not None
        # A hit is on the frame in which it is seen.
        first = frame_of(marker.start_s, rate) if is_hit else clock.to_index(marker.start_s, rate)
        end = clock.to_index(marker.start_s + marker.duration_s, rate)
        last = max(end, first + 1) if marker.duration_s > 0 else -1
        comment = marker.comment if is_hit else ""
        _put(xml.SubElement(sequence, "marker"), name=marker.shown_name, comment=comment, **{"in": first, "out": last})
    return document_text(root, doctype="xmeml")


def _clip(
    item: xml.Element, sound: FlatTimeline, clip: FlatClip, edges: tuple[int, int], folder: Path, files: dict[str, str]
) -> None:
    media, rate = clip.active_media, sound.rate
    first, last = edges
    begin = clock.to_index(media.offset_s, rate)
    length = clock.to_index(media.duration_s or media.offset_s + clip.heard_duration_s, rate)
    # Rounding both edges of a clip must not let it reach beyond the length of its file.
    length = max(length, begin + last - first)
    _put(item, name=clip.name, enabled=_truth(not clip.muted), duration=length)
    _rate(item, rate)
    _put(item, start=first, end=last, **{"in": begin, "out": begin + last - first})
    ticks = clock.to_index(media.offset_s, _TICKS)
    _put(item, pproTicksIn=ticks, pproTicksOut=ticks + clock.to_index(clip.heard_duration_s, _TICKS))
    url = file_url(media.url, folder)
    # A file is described once; after that its id is enough.
    if url in files:
        xml.SubElement(item, "file", id=files[url])
        return
    files[url] = f"file-{len(files) + 1}"
    file = xml.SubElement(item, "file", id=files[url])
    _put(file, name=url.rpartition("/")[2], pathurl=url)
    _rate(file, rate)
    _put(file, duration=length)
    _timecode(file, sound, clock.to_index(media.start_s, rate))
    description = xml.SubElement(xml.SubElement(file, "media"), "audio")
    _sound(description, media.sample_rate)
    _put(description, channelcount=media.channels)


def _timecode(parent: xml.Element, sound: FlatTimeline, frame: int) -> None:
    element = xml.SubElement(parent, "timecode")
    _rate(element, sound.rate)
    text = timecode_of_frames(frame, sound.rate, drop=sound.drop_frame)
    _put(element, string=text, frame=frame, displayformat="DF" if sound.drop_frame else "NDF")


def _rate(parent: xml.Element, rate: Fraction) -> None:
    base = nominal_rate(rate)
    _put(xml.SubElement(parent, "rate"), timebase=base, ntsc=_truth(rate == Fraction(base * 1000, 1001)))


def _sound(parent: xml.Element, sample_rate: int) -> None:
    _put(xml.SubElement(parent, "samplecharacteristics"), depth=24, samplerate=sample_rate)


def _truth(value: bool) -> str:
    return "TRUE" if value else "FALSE"


def _put(parent: xml.Element, **texts: object) -> None:
    for tag, value in texts.items():
        xml.SubElement(parent, tag).text = str(value)
