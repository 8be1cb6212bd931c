"""Media of FCPXML elements: assets with their files, and the contents of compound, multicam and synchronised clips."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from xml.etree.ElementTree import Element

import opentimelineio as otio

from avlink.timeline.formats.fcpxml_time import time_of

_ZERO = Fraction(0)
_VIDEO, _AUDIO = otio.schema.TrackKind.Video, otio.schema.TrackKind.Audio
_ORIGINAL = "original-media"
_MEDIA = frozenset({"video", "audio"})
_HELD = frozenset({"asset-clip", "audio", "clip", "mc-clip", "ref-clip", "spine", "sync-clip", "title", "video"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The contents of a clip that holds others, whose own time begins with `zero_s`.

    `pictures` and `sounds` are the elements that hold them, `shape` the one that names their format.
    """

    shape: Element
    pictures: tuple[Element, ...]
    sounds: tuple[Element, ...]
    zero_s: Fraction = _ZERO
    silent: frozenset[str] = frozenset()
    """Sounds of a synchronised clip that are off: of its storyline, of what is connected to that."""

    def holders(self, kind: str) -> tuple[Element, ...]:
        """Return the elements that hold what is seen, or heard."""
        return self.pictures if kind == _VIDEO else self.sounds

    def silent_lanes(self, lane: int) -> bool:
        """Return whether the sound of a lane is off."""
        return ("connected" if lane else "storyline") in self.silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """The medium that an element shows: the innermost `element` that names it, and where its time 0 lies."""

    element: Element | None
    asset: Element | None
    offset_s: Fraction = _ZERO

    def kinds(self, asked: str) -> list[str]:
        """Return the kinds of tracks that it belongs to: films have sound of their own, which lies under them."""
        if self.element is not None and self.element.tag == "audio":
            return [_AUDIO]
        asset, picture, sound = self.asset, True, False
        if asset is not None and asset.tag == "asset" and "1" in (asset.get("hasVideo"), asset.get("hasAudio")):
            picture, sound = asset.get("hasVideo") == "1", asset.get("hasAudio") == "1"
            named = self.element
            sound = sound and (named is None or named.tag != "video" or named.find("audio") is not None)
        return [
            *([_VIDEO] if picture and asked != "audio" else []),
            *([_AUDIO] if sound and asked != "video" else []),
        ]


def contents_of(element: Element, known: Mapping[str, Element]) -> Contents | None:
    """Return the contents of a clip that holds others; None for one of a single medium.

    They are empty where the document does not tell them.
    """
    media = known.get(element.get("ref", ""))
    if element.tag == "ref-clip":
        sequence = None if media is None else media.find("sequence")
        if sequence is None:
            return Contents(shape=element, pictures=(), sounds=())
        return Contents(shape=sequence, pictures=(sequence,), sounds=(sequence,), zero_s=time_of(sequence, "tcStart"))
    if element.tag == "mc-clip":
        multicam = None if media is None else media.find("multicam")
        if multicam is None:
            return Contents(shape=element, pictures=(), sounds=())
        pictures, sounds = (_angles(element, multicam, kind) for kind in ("video", "audio"))
        return Contents(shape=multicam, pictures=pictures[:1], sounds=sounds, zero_s=time_of(multicam, "tcStart"))
    if element.tag == "sync-clip" or _holds_many(element):
        silent = frozenset(
            source.get("sourceID", "") for source in element.findall("sync-source") if sound_is_off(source)
        )
        return Contents(shape=element, pictures=(element,), sounds=(element,), silent=silent)
    return None


def medium_of(element: Element, known: Mapping[str, Element]) -> Medium:
    """Return the medium of an element; sound alone may be connected to a gap inside of it."""
    inside, offset_s = (element, _ZERO) if element.tag != "clip" else _in_clip(element)
    asset = None if inside is None else known.get(inside.get("ref", ""))
    return Medium(element=inside, asset=asset, offset_s=offset_s)


def reference_to(
    asset: Element | None, span: Callable[[Fraction, Fraction], otio.opentime.TimeRange]
) -> dict[str, otio.core.MediaReference]:
    """Return the references to the files of an asset: its original under OTIO's own key, others by their kind."""
    default = otio.schema.Clip.DEFAULT_MEDIA_KEY
    if asset is None or asset.tag != "asset":
        return {default: otio.schema.GeneratorReference(generator_kind="Final Cut Pro")}
    duration_s = time_of(asset, "duration")
    there = span(time_of(asset, "start"), duration_s) if duration_s else None
    files: dict[str, str] = {_ORIGINAL: asset.get("src", "")} if asset.get("src") else {}
    for one in asset.findall("media-rep"):
        if one.get("src"):
            files.setdefault(one.get("kind", _ORIGINAL), one.get("src", ""))
    if not files:
        return {default: otio.schema.MissingReference()}
    first = _ORIGINAL if _ORIGINAL in files else next(iter(files))
    return {
        default if kind == first else kind: otio.schema.ExternalReference(target_url=url, available_range=there)
        for kind, url in files.items()
    }


def sound_is_off(element: Element) -> bool:
    """Return whether all sound of an element is switched off, by channels or by roles."""
    sources = [one for one in element if one.tag in {"audio-channel-source", "audio-role-source"}]
    return bool(sources) and all("0" in (one.get("enabled"), one.get("active")) for one in sources)


def _angles(element: Element, multicam: Element, kind: str) -> tuple[Element, ...]:
    """Return the angles of a multicam clip that are seen, or heard; the first where it does not say."""
    angles = multicam.findall("mc-angle")
    sources = element.findall("mc-source")
    if not sources:
        return tuple(angles[:1])
    chosen = {one.get("angleID") for one in sources if one.get("srcEnable", "all") in {"all", kind}}
    return tuple(angle for angle in angles if angle.get("angleID") in chosen)


def _in_clip(clip: Element) -> tuple[Element | None, Fraction]:
    """Return the medium in a `clip` and its start in the clip's own time."""
    for child in clip:
        if child.tag in _MEDIA and "lane" not in child.attrib:
            return child, time_of(child, "offset")
        if child.tag == "gap" and "lane" not in child.attrib:
            zero_s = time_of(child, "offset") - time_of(child, "start")
            inside = next((one for one in child if one.tag in _MEDIA), None)
            if inside is not None:
                return inside, zero_s + time_of(inside, "offset")
    return None, _ZERO


def _holds_many(element: Element) -> bool:
    inside = [child for child in element if child.tag in _HELD and "lane" not in child.attrib]
    return element.tag == "clip" and (len(inside) > 1 or any(child.tag not in _MEDIA for child in inside))
