"""The OTIO adapter `avlink_rpp`: a Reaper project of a timeline's sound.

Items lie on the samples of the stems, takes are Reaper takes, crossfades overlap, hits are markers of their takes,
other markers and ranges become markers and regions. Time 0 of the project is the start of the timeline, which the
ruler shows by its timecode. The same timeline gives the same file. Reaper's own format: lines of words, blocks in
angle brackets.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from avlink import FlatClip, FlatMedia, FlatTimeline, FlatTrack, Marker, clock, marker_rgb, nominal_rate
from avlink_otio.files import relative_path
from avlink_otio.sound import flat, sound_of

_NAMESPACE = uuid.UUID("6f1f1f5e-7b1c-5c0e-9d53-6b1d3a1b5a10")
_PLAIN = re.compile(r"[\w.+-]+", re.ASCII)
_LINEAR, _PARABOLA = 0, 1
_WAVE = {"wav": "WAVE", "wave": "WAVE", "bwf": "WAVE", "aif": "WAVE", "aiff": "WAVE", "mp3": "MP3", "flac": "FLAC"}


def write(timeline: FlatTimeline, path: Path) -> tuple[FlatTrack, ...]:
    """Write the project, and return the tracks in it; media is named relative to its folder."""
    sound = sound_of(timeline, hits=True)
    path.write_text(project_text(sound, path.absolute().parent), encoding="utf-8", newline="\n")
    return sound.sound_tracks


def write_to_file(input_otio: otio.schema.Timeline, filepath: str) -> None:
    """Write the project as an OTIO adapter."""
    write(flat(input_otio), Path(filepath))


def write_to_string(input_otio: otio.schema.Timeline) -> str:
    """Return the text of the project; media is named as the timeline names it."""
    return project_text(sound_of(flat(input_otio), hits=True), None)


def project_text(sound: FlatTimeline, folder: Path | None) -> str:
    """Return a Reaper project as text. Without a folder, media is named as it is in the timeline."""
    return "\n".join(_lines(sound, folder)) + "\n"


def quote(text: str) -> str:
    """Return a text as Reaper quotes it: bare, or in the first kind of quotes that it does not contain.

    A text that holds all three kinds loses its backticks, and line breaks become spaces: Reaper has no escapes.
    """
    flat = " ".join(text.splitlines()) if re.search(r"[\r\n]", text) else text
    if _PLAIN.fullmatch(flat):
        return flat
    for sign in ('"', "'", "`"):
        if sign not in flat:
            return f"{sign}{flat}{sign}"
    return "`" + flat.replace("`", "'") + "`"


def _lines(sound: FlatTimeline, folder: Path | None) -> Iterator[str]:
    yield '<REAPER_PROJECT 0.1 "6.0/avlink" 0'
    yield "  RIPPLE 0"
    yield "  AUTOXFADE 1"
    yield f"  PROJOFFS {_number(sound.origin_s)} 0 0"
    yield f"  TIMEMODE 5 5 -1 {nominal_rate(sound.rate)} {_counting(sound)} 0 -1"
    yield f"  SMPTESYNC 0 {_number(sound.rate)} 100 40 1000 300 0 0 1 0 0"
    yield f"  SAMPLERATE {sound.sample_rate} 1 0"
    yield "  TEMPO 120 4 4"
    for number, marker in enumerate(sound.markers, start=1):
        yield from _marker(number, marker)
    for index, track in enumerate(sound.sound_tracks):
        yield from _track(sound, index, track, folder)
    yield ">"


def _counting(sound: FlatTimeline) -> int:
    """Return Reaper's mode of counting frames: 0 whole rates, 1 drop-frame, 2 rates a thousandth below whole ones."""
    if sound.rate.denominator == 1:
        return 0
    return 1 if sound.drop_frame else 2


def _marker(number: int, marker: Marker) -> Iterator[str]:
    region = 1 if marker.duration_s > 0 else 0
    colour = "" if marker.hit is None else f" {_colour(marker.colour)}"
    yield f"  MARKER {number} {_number(marker.start_s)} {quote(marker.shown_name)} {region}{colour}"
    if region:
        yield f'  MARKER {number} {_number(marker.start_s + marker.duration_s)} "" 1'


def _colour(name: str) -> int:
    """Return a colour as Reaper's number: red in the lowest byte, and a bit that says that there is one."""
    red, green, blue = marker_rgb(name)
    return 1 << 24 | blue << 16 | green << 8 | red


def _track(sound: FlatTimeline, index: int, track: FlatTrack, folder: Path | None) -> Iterator[str]:
    identity = _guid(sound.name, "track", index, track.name)
    yield f"  <TRACK {identity}"
    yield f"    NAME {quote(track.name)}"
    yield "    VOLPAN 1 0 -1 -1 1"
    yield f"    MUTESOLO {int(track.muted)} 0 0"
    yield "    NCHAN 2"
    yield f"    TRACKID {identity}"
    yield "    MAINSEND 1 0"
    for number, clip in enumerate(track.clips):
        yield from _item(sound, (index, number), clip, folder)
    yield "  >"


def _item(sound: FlatTimeline, place: tuple[int, int], clip: FlatClip, folder: Path | None) -> Iterator[str]:
    rate = sound.sample_rate
    first = clock.to_index(clip.heard_start_s, rate)
    samples = clock.count(clip.heard_start_s, clip.heard_duration_s, rate)
    yield "    <ITEM"
    # Whole samples: Reaper keeps seconds as floats, and neighbours that meet must not overlap.
    yield f"      POSITION {_number(Fraction(first, rate))}"
    # Reaper moves items by their transient then.
    yield f"      SNAPOFFS {_number(Fraction(clock.to_index(clip.sync_s or Fraction(0), rate), rate))}"
    yield f"      LENGTH {_number(Fraction(samples, rate))}"
    yield "      LOOP 0"
    yield "      ALLTAKES 0"
    yield f"      FADEIN {_fade(clip.fade_in_s)}"
    yield f"      FADEOUT {_fade(clip.fade_out_s)}"
    yield f"      MUTE {int(clip.muted)} 0"
    yield f"      IGUID {_guid(sound.name, 'item', *place)}"
    for number, media in enumerate(clip.media):
        if number:
            yield "      TAKE SEL" if number == clip.active else "      TAKE"
        yield from _take(media, rate, _guid(sound.name, "take", *place, number), folder)
    yield "    >"


def _take(media: FlatMedia, rate: int, identity: str, folder: Path | None) -> Iterator[str]:
    path = media.url if folder is None else relative_path(media.url, folder)
    kind = _WAVE.get(path.rpartition(".")[2].lower(), "VIDEO")
    yield f"      NAME {quote(media.name)}"
    yield "      VOLPAN 1 0 1 -1"
    yield f"      SOFFS {_number(Fraction(clock.to_index(media.offset_s, rate), rate))}"
    yield "      PLAYRATE 1 1 0 -1 0 0.0025"
    yield "      CHANMODE 0"
    yield f"      GUID {identity}"
    yield f"      <SOURCE {kind}"
    yield f"        FILE {_quoted(path)}"
    yield "      >"
    for hit in media.hits:
        # In seconds of the source, and in the colour that the program has for markers of takes.
        yield f"      TKM {_number(hit.start_s)} {quote(hit.name)} 0"


def _quoted(text: str) -> str:
    """Return a file name, which Reaper always puts in quotes."""
    shown = quote(text)
    return f'"{shown}"' if shown == text else shown


def _fade(length_s: Fraction) -> str:
    """Return a fade: its shape, its length, and the length of the crossfade that Reaper keeps by itself."""
    # Reaper has no quarter sine; its parabola stays within half a decibel of one.
    shape = _PARABOLA if length_s > 0 else _LINEAR
    return f"{shape} {_number(length_s)} 0 {shape} 0 0 0"


def _number(value: Fraction) -> str:
    """Return seconds with enough digits for one sample at 192 kHz after a day."""
    return f"{float(value):.12f}".rstrip("0").rstrip(".")


def _guid(*parts: object) -> str:
    """Return a unique identifier that is the same for the same place in every run."""
    return "{" + str(uuid.uuid5(_NAMESPACE, "\0".join(map(str, parts)))).upper() + "}"
