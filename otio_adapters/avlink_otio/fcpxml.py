"""The OTIO adapter `avlink_fcpxml`: FCPXML of a timeline's sound, for Final Cut Pro and Logic.

Times are fractions of a second, so every clip lies on its sample, at NTSC rates too, which OTIO's own adapter cannot
write with sound. The tracks become lanes below one long gap, with the track's name as a role. Takes become an audition.
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as xml

import opentimelineio as otio

from avlink import FlatClip, FlatMedia, FlatTimeline, FlatTrack, clock
from avlink_otio.files import file_url, url_beside
from avlink_otio.sound import flat, sound_of
from avlink_otio.xml_text import document_text

_RATES = {32000: "32k", 44100: "44.1k", 48000: "48k", 88200: "88.2k", 96000: "96k", 176400: "176.4k", 192000: "192k"}


def write(timeline: FlatTimeline, path: Path) -> tuple[FlatTrack, ...]:
    """Write the project, and return the tracks in it; media beside it or below is named relative to its folder."""
    sound = sound_of(timeline, hits=True)
    path.write_text(project_text(sound, path.absolute().parent), encoding="utf-8", newline="\n")
    return sound.sound_tracks


def write_to_file(input_otio: otio.schema.Timeline, filepath: str) -> None:
    """Write the project as an OTIO adapter."""
    write(flat(input_otio), Path(filepath))


def write_to_string(input_otio: otio.schema.Timeline) -> str:
    """Return the text of the project; relative media paths count from the current folder."""
    return project_text(sound_of(flat(input_otio), hits=True), None)


def project_text(sound: FlatTimeline, folder: Path | None) -> str:
    """Return a project as text; media in or below its `folder` is named relative to it, so that both can be moved."""
    root = xml.Element("fcpxml", version="1.8")
    resources = xml.SubElement(root, "resources")
    xml.SubElement(resources, "format", id="r1", frameDuration=_time(1 / sound.rate), width="1920", height="1080")
    # Whole frames around everything, as the storyline itself must have.
    length_s = Fraction(-(-sound.end_s * sound.rate // 1)) / sound.rate
    event = xml.SubElement(xml.SubElement(root, "library"), "event", name="AVLink")
    sequence = xml.SubElement(
        xml.SubElement(event, "project", name=sound.name or "foley"),
        "sequence",
        format="r1",
        duration=_time(length_s),
        tcStart=_time(sound.origin_s),
        tcFormat="DF" if sound.drop_frame else "NDF",
        audioLayout="stereo",
        audioRate=_RATES.get(sound.sample_rate, "48k"),
    )
    spine = xml.SubElement(sequence, "spine")
    gap = xml.SubElement(spine, "gap", name="Gap", offset=_time(sound.origin_s), start="0s", duration=_time(length_s))
    assets: dict[str, str] = {}
    lane = 0
    for track in sound.sound_tracks:
        lane -= 1
        for clip in track.clips:
            place = {"lane": str(lane), "offset": _samples(clip.heard_start_s, sound.sample_rate)}
            # Other media of a clip that AVLink did not make may be proxies.
            others = [one for at, one in enumerate(clip.media) if at != clip.active and track.ours]
            takes = [clip.active_media, *others]
            # The first clip of an audition is the one that plays.
            parent, own = (gap, place) if len(takes) == 1 else (xml.SubElement(gap, "audition", place), {})
            for media in takes:
                asset = _asset(resources, assets, clip, media, folder)
                _clip(parent, sound, clip, media, {"ref": asset, **own}, track.name, muted=track.muted)
    for marker in sound.markers:
        span_s = max(marker.duration_s, 1 / sound.rate)
        at = {"start": _time(marker.start_s), "duration": _time(span_s)}
        note = {} if marker.hit is None else {"note": marker.comment}
        xml.SubElement(gap, "marker", at, value=marker.shown_name, **note)
    return document_text(root, doctype="fcpxml")


def _clip(
    parent: xml.Element,
    sound: FlatTimeline,
    clip: FlatClip,
    media: FlatMedia,
    place: dict[str, str],
    role: str,
    *,
    muted: bool,
) -> None:
    rate = sound.sample_rate
    element = xml.SubElement(
        parent,
        "asset-clip",
        place,
        name=clip.name if media is clip.active_media else media.name,
        start=_samples(media.offset_s, rate),
        duration=_time(Fraction(clock.count(clip.heard_start_s, clip.heard_duration_s, rate), rate)),
        audioRole=f"effects.{re.sub(r'[.?]', ' ', role).strip() or 'foley'}",
    )
    if clip.muted or muted:
        element.set("enabled", "0")
    if clip.fade_in_s or clip.fade_out_s:
        volume = xml.SubElement(xml.SubElement(element, "adjust-volume"), "param", name="amount")
        for tag, fade_s in (("fadeIn", clip.fade_in_s), ("fadeOut", clip.fade_out_s)):
            if fade_s:
                xml.SubElement(
                    volume, tag, type="easeIn" if tag == "fadeIn" else "easeOut", duration=_samples(fade_s, rate)
                )
    # Hits outside of the range that the clip plays are not heard.
    for hit in media.hits:
        if media.offset_s <= hit.start_s < media.offset_s + clip.heard_duration_s:
            at = {"start": _time(hit.start_s), "duration": _time(1 / sound.rate)}
            xml.SubElement(element, "marker", at, value=hit.name, note=hit.comment)


def _asset(
    resources: xml.Element, assets: dict[str, str], clip: FlatClip, media: FlatMedia, folder: Path | None
) -> str:
    if folder is None:
        url = file_url(media.url, Path()).replace("file://localhost/", "file:///")
    else:
        url = url_beside(media.url, folder)
    if url not in assets:
        assets[url] = f"r{len(assets) + 2}"
        duration_s = media.duration_s or media.offset_s + clip.heard_duration_s
        xml.SubElement(
            resources,
            "asset",
            id=assets[url],
            name=clip.name if media is clip.active_media else media.name,
            src=url,
            start="0s",
            duration=_time(Fraction(clock.to_index(duration_s, media.sample_rate), media.sample_rate)),
            hasAudio="1",
            audioSources="1",
            audioChannels=str(media.channels),
            audioRate=str(media.sample_rate),
        )
    return assets[url]


def _samples(time_s: Fraction, rate: int) -> str:
    return _time(Fraction(clock.to_index(time_s, rate), rate))


def _time(value: Fraction) -> str:
    """Return seconds as the format writes them: a whole number, or a fraction."""
    return f"{value.numerator}s" if value.denominator == 1 else f"{value.numerator}/{value.denominator}s"
