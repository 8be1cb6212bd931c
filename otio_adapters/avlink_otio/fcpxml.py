"""The OTIO adapter `avlink_fcpxml`: FCPXML of a timeline's sound, for Final Cut Pro and Logic.

Times are fractions of a second, so every clip lies on its sample, at NTSC rates too, which OTIO's own adapter cannot
write with sound. The tracks become lanes below one long gap, with the track's name as a role.
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as xml

import opentimelineio as otio

from avlink import clock
from avlink_otio.files import file_url
from avlink_otio.frames import drops
from avlink_otio.project import Item, SoundProject
from avlink_otio.sound import read_sound

_RATES = {32000: "32k", 44100: "44.1k", 48000: "48k", 88200: "88.2k", 96000: "96k", 176400: "176.4k", 192000: "192k"}


def write_to_file(input_otio: otio.schema.Timeline, filepath: str) -> None:
    """Write the project; media is named by whole paths, which is all that the format knows."""
    text = project_text(read_sound(input_otio), Path(filepath).absolute().parent)
    Path(filepath).write_text(text, encoding="utf-8", newline="\n")


def write_to_string(input_otio: otio.schema.Timeline) -> str:
    """The text of the project; relative media paths count from the current folder."""
    return project_text(read_sound(input_otio), Path())


def project_text(project: SoundProject, folder: Path) -> str:
    """A project as text."""
    root = xml.Element("fcpxml", version="1.8")
    resources = xml.SubElement(root, "resources")
    xml.SubElement(resources, "format", id="r1", frameDuration=_time(1 / project.rate), width="1920", height="1080")
    # Whole frames around everything, as the storyline itself must have.
    length_s = Fraction(-(-project.end_s * project.rate // 1)) / project.rate
    event = xml.SubElement(xml.SubElement(root, "library"), "event", name="AVLink")
    sequence = xml.SubElement(
        xml.SubElement(event, "project", name=_clean(project.name) or "foley"),
        "sequence",
        format="r1",
        duration=_time(length_s),
        tcStart=_time(project.origin_s),
        tcFormat="DF" if drops(project) else "NDF",
        audioLayout="stereo",
        audioRate=_RATES.get(project.sample_rate, "48k"),
    )
    spine = xml.SubElement(sequence, "spine")
    gap = xml.SubElement(spine, "gap", name="Gap", offset=_time(project.origin_s), start="0s", duration=_time(length_s))
    assets: dict[str, str] = {}
    lane = 0
    for track in project.tracks:
        lane -= 1
        for item in track.items:
            asset = _asset(resources, assets, item, folder)
            _clip(gap, project, item, asset, lane, track.name, muted=track.muted)
    for mark in project.marks:
        span_s = max(mark.duration_s, 1 / project.rate)
        xml.SubElement(gap, "marker", start=_time(mark.start_s), duration=_time(span_s), value=_clean(mark.name))
    xml.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{xml.tostring(root, encoding="unicode")}\n'


def _clip(
    gap: xml.Element, project: SoundProject, item: Item, asset: str, lane: int, role: str, *, muted: bool
) -> None:
    rate = project.sample_rate
    clip = xml.SubElement(
        gap,
        "asset-clip",
        ref=asset,
        name=_clean(item.name),
        lane=str(lane),
        offset=_samples(item.start_s, rate),
        start=_samples(item.take.offset_s, rate),
        duration=_time(Fraction(clock.count(item.start_s, item.duration_s, rate), rate)),
        audioRole=f"effects.{re.sub(r'[.?]', ' ', _clean(role)).strip() or 'foley'}",
    )
    if item.muted or muted:
        clip.set("enabled", "0")
    if item.fade_in_s or item.fade_out_s:
        volume = xml.SubElement(xml.SubElement(clip, "adjust-volume"), "param", name="amount")
        for tag, fade_s in (("fadeIn", item.fade_in_s), ("fadeOut", item.fade_out_s)):
            if fade_s:
                xml.SubElement(
                    volume, tag, type="easeIn" if tag == "fadeIn" else "easeOut", duration=_samples(fade_s, rate)
                )
    for hit in item.take.hits:
        if item.take.offset_s <= hit.at_s < item.take.offset_s + item.duration_s:
            at = {"start": _time(hit.at_s), "duration": _time(1 / project.rate)}
            xml.SubElement(clip, "marker", at, value=hit.name, note=hit.note)


def _asset(resources: xml.Element, assets: dict[str, str], item: Item, folder: Path) -> str:
    take = item.take
    url = file_url(take.url, folder).replace("file://localhost/", "file:///")
    if url not in assets:
        assets[url] = f"r{len(assets) + 2}"
        media_s = take.media_s or take.offset_s + item.duration_s
        xml.SubElement(
            resources,
            "asset",
            id=assets[url],
            name=_clean(item.name),
            src=url,
            start="0s",
            duration=_time(Fraction(clock.to_index(media_s, take.sample_rate), take.sample_rate)),
            hasAudio="1",
            audioSources="1",
            audioChannels=str(take.channels),
            audioRate=str(take.sample_rate),
        )
    return assets[url]


def _samples(time_s: Fraction, rate: int) -> str:
    return _time(Fraction(clock.to_index(time_s, rate), rate))


def _time(value: Fraction) -> str:
    """Seconds as the format writes them: a whole number, or a fraction."""
    return f"{value.numerator}s" if value.denominator == 1 else f"{value.numerator}/{value.denominator}s"


def _clean(text: str) -> str:
    return "".join(sign if sign >= " " else " " for sign in text)
