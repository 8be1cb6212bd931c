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

from avlink import clock
from avlink_otio.files import relative_path
from avlink_otio.frames import drops
from avlink_otio.project import Item, Mark, SoundProject, SoundTrack, Take
from avlink_otio.sound import read_sound

_NAMESPACE = uuid.UUID("6f1f1f5e-7b1c-5c0e-9d53-6b1d3a1b5a10")
_PLAIN = re.compile(r"[\w.+-]+", re.ASCII)
_LINEAR, _PARABOLA = 0, 1
_WAVE = {"wav": "WAVE", "wave": "WAVE", "bwf": "WAVE", "aif": "WAVE", "aiff": "WAVE", "mp3": "MP3", "flac": "FLAC"}


def write_to_file(input_otio: otio.schema.Timeline, filepath: str) -> None:
    """Write the project; media is named relative to its folder."""
    text = project_text(read_sound(input_otio), Path(filepath).absolute().parent)
    Path(filepath).write_text(text, encoding="utf-8", newline="\n")


def write_to_string(input_otio: otio.schema.Timeline) -> str:
    """The text of the project; media is named as the timeline names it."""
    return project_text(read_sound(input_otio), None)


def project_text(project: SoundProject, folder: Path | None) -> str:
    """A Reaper project as text. Without a folder, media is named as it is in the timeline."""
    return "\n".join(_lines(project, folder)) + "\n"


def quote(text: str) -> str:
    """A text as Reaper quotes it: bare, or in the first kind of quotes that it does not hold itself.

    A text that holds all three kinds loses its backticks, and line breaks become spaces: Reaper has no escapes.
    """
    flat = " ".join(text.splitlines()) if re.search(r"[\r\n]", text) else text
    if _PLAIN.fullmatch(flat):
        return flat
    for sign in ('"', "'", "`"):
        if sign not in flat:
            return f"{sign}{flat}{sign}"
    return "`" + flat.replace("`", "'") + "`"


def _lines(project: SoundProject, folder: Path | None) -> Iterator[str]:
    base, mode = _timebase(project)
    yield '<REAPER_PROJECT 0.1 "6.0/avlink" 0'
    yield "  RIPPLE 0"
    yield "  AUTOXFADE 1"
    yield f"  PROJOFFS {_number(project.origin_s)} 0 0"
    yield f"  TIMEMODE 5 5 -1 {base} {mode} 0 -1"
    yield f"  SMPTESYNC 0 {_number(project.rate)} 100 40 1000 300 0 0 1 0 0"
    yield f"  SAMPLERATE {project.sample_rate} 1 0"
    yield "  TEMPO 120 4 4"
    for number, mark in enumerate(project.marks, start=1):
        yield from _mark(number, mark)
    for index, track in enumerate(project.tracks):
        yield from _track(project, index, track, folder)
    yield ">"


def _timebase(project: SoundProject) -> tuple[int, int]:
    """Frames per second and Reaper's mode of counting: 0 whole, 1 drop-frame, 2 a thousandth slower."""
    base = clock.to_index(project.rate, 1)
    if project.rate.denominator == 1:
        return base, 0
    return base, 1 if drops(project) else 2


def _mark(number: int, mark: Mark) -> Iterator[str]:
    region = 1 if mark.duration_s > 0 else 0
    yield f"  MARKER {number} {_number(mark.start_s)} {quote(mark.name)} {region}"
    if region:
        yield f'  MARKER {number} {_number(mark.start_s + mark.duration_s)} "" 1'


def _track(project: SoundProject, index: int, track: SoundTrack, folder: Path | None) -> Iterator[str]:
    identity = _guid(project.name, "track", index, track.name)
    yield f"  <TRACK {identity}"
    yield f"    NAME {quote(track.name)}"
    yield "    VOLPAN 1 0 -1 -1 1"
    yield f"    MUTESOLO {int(track.muted)} 0 0"
    yield "    NCHAN 2"
    yield f"    TRACKID {identity}"
    yield "    MAINSEND 1 0"
    for number, item in enumerate(track.items):
        yield from _item(project, (index, number), item, folder)
    yield "  >"


def _item(project: SoundProject, place: tuple[int, int], item: Item, folder: Path | None) -> Iterator[str]:
    rate = project.sample_rate
    first, samples = clock.to_index(item.start_s, rate), clock.count(item.start_s, item.duration_s, rate)
    yield "    <ITEM"
    yield f"      POSITION {_number(Fraction(first, rate))}"
    yield "      SNAPOFFS 0"
    yield f"      LENGTH {_number(Fraction(samples, rate))}"
    yield "      LOOP 0"
    yield "      ALLTAKES 0"
    yield f"      FADEIN {_fade(item.fade_in_s)}"
    yield f"      FADEOUT {_fade(item.fade_out_s)}"
    yield f"      MUTE {int(item.muted)} 0"
    yield f"      IGUID {_guid(project.name, 'item', *place)}"
    for number, take in enumerate(item.takes):
        if number:
            yield "      TAKE SEL" if number == item.heard else "      TAKE"
        yield from _take(take, rate, _guid(project.name, "take", *place, number), folder)
    yield "    >"


def _take(take: Take, rate: int, identity: str, folder: Path | None) -> Iterator[str]:
    path = take.url if folder is None else relative_path(take.url, folder)
    kind = _WAVE.get(path.rpartition(".")[2].lower(), "VIDEO")
    yield f"      NAME {quote(take.name)}"
    yield "      VOLPAN 1 0 1 -1"
    yield f"      SOFFS {_number(Fraction(clock.to_index(take.offset_s, rate), rate))}"
    yield "      PLAYRATE 1 1 0 -1 0 0.0025"
    yield "      CHANMODE 0"
    yield f"      GUID {identity}"
    yield f"      <SOURCE {kind}"
    yield f"        FILE {_quoted(path)}"
    yield "      >"
    for hit in take.hits:
        # In seconds of the source, and in the colour that the program has for markers of takes.
        yield f"      TKM {_number(hit.at_s)} {quote(hit.name)} 0"


def _quoted(text: str) -> str:
    """A file name: Reaper puts these in quotes always."""
    shown = quote(text)
    return f'"{shown}"' if shown == text else shown


def _fade(length_s: Fraction) -> str:
    """A fade: its shape, its length, and the length of the crossfade that the program keeps by itself."""
    # Reaper has no quarter sine; its parabola stays within half a decibel of one.
    shape = _PARABOLA if length_s > 0 else _LINEAR
    return f"{shape} {_number(length_s)} 0 {shape} 0 0 0"


def _number(value: Fraction) -> str:
    """Seconds so that a sample at 192 kHz is found again after a day."""
    return f"{float(value):.12f}".rstrip("0").rstrip(".")


def _guid(*parts: object) -> str:
    """A name that Reaper takes as unique, the same for the same place."""
    return "{" + str(uuid.uuid5(_NAMESPACE, "\0".join(map(str, parts)))).upper() + "}"
