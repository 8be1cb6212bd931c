"""Metadata of Broadcast Wave: the bext chunk (EBU Tech 3285 v2) and the iXML chunk, as values and as bytes.

The file around them is in `avlink.media.bwf`.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from xml.etree import ElementTree

from avlink.core.clock import exact_number

_BEXT = struct.Struct("<256s32s32s10s8sQH64s5h180x")
_BEXT_VERSION = 2
_LOUDNESS_UNSET = 0x7FFF
_IXML_VERSION = "1.61"
# Letters that NFKD does not decompose into an ASCII letter and marks.
_SPELLED_OUT = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D"}
    | {"ð": "d", "þ": "th", "–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "…": "..."}  # noqa: RUF001
)
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class CuePoint:
    """A named position in the sound, for example an impact, in samples from its start, with an optional note."""

    position_samples: int
    label: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BroadcastInfo:
    """Content of the bext and iXML chunks; equal content and equal sound give equal files.

    `time_reference` is the time of the first sample in samples since midnight, at the sample rate of the file. `date`
    is yyyy-mm-dd, `time` hh:mm:ss, or both empty. bext holds ASCII of limited length: texts are folded and cut there,
    and complete in iXML. `timecode_rate` is in frames per second. `lufs` and the four levels after it are measured
    values of the sound, None if not known.
    """

    description: str = ""
    originator: str = "AVLink"
    originator_reference: str = ""
    date: str = ""
    time: str = ""
    time_reference: int = 0
    lufs: float | None = None
    true_peak_dbtp: float | None = None
    range_lu: float | None = None
    momentary_lufs: float | None = None
    short_term_lufs: float | None = None
    track_names: tuple[str, ...] = ()
    timecode_rate: Fraction | None = None
    drop_frame: bool = False
    project: str = ""
    note: str = ""
    cues: tuple[CuePoint, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.time_reference < 1 << 64:
            raise ValueError(f"a time reference is a count of samples since midnight, got {self.time_reference}")
        if self.date and not re.fullmatch(r"\d{4}-\d\d-\d\d", self.date):
            raise ValueError(f"a date is yyyy-mm-dd, got {self.date!r}")
        if self.time and not re.fullmatch(r"\d\d:\d\d:\d\d", self.time):
            raise ValueError(f"a time is hh:mm:ss, got {self.time!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bext:
    """The fields of a bext chunk as stored in a file, levels in LUFS, LU and dBTP."""

    version: int
    description: str
    originator: str
    originator_reference: str
    date: str
    time: str
    time_reference: int
    lufs: float | None
    true_peak_dbtp: float | None
    range_lu: float | None
    momentary_lufs: float | None
    short_term_lufs: float | None
    coding_history: str


def fold_to_ascii(text: str) -> str:
    """Return the nearest text in printable ASCII: accents are dropped, letters without an equivalent become '?'."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_SPELLED_OUT))
    kept = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return "".join(letter if " " <= letter <= "~" else "?" for letter in re.sub(r"\s+", " ", kept))


def pack_bext(info: BroadcastInfo, *, sample_rate: int, channels: int) -> bytes:
    """Return the body of a bext chunk, version 2."""
    mode = {1: "mono", 2: "stereo"}.get(channels, "multi")
    history = f"A=PCM,F={sample_rate},W=24,M={mode},T=AVLink\r\n"
    fixed = _BEXT.pack(
        *(
            _field(text, size)
            for text, size in (
                (info.description, 256),
                (info.originator, 32),
                (info.originator_reference, 32),
                (info.date, 10),
                (info.time, 8),
            )
        ),
        info.time_reference,
        _BEXT_VERSION,
        b"",
        _hundredths(info.lufs),
        _hundredths(info.range_lu),
        _hundredths(info.true_peak_dbtp),
        _hundredths(info.momentary_lufs),
        _hundredths(info.short_term_lufs),
    )
    return _even(fixed + history.encode("ascii"), b"\0")


def unpack_bext(body: bytes) -> Bext:
    """Return the fields of a bext chunk of any version. Raises ValueError if it is too short."""
    if len(body) < _BEXT.size:
        raise ValueError(f"a bext chunk has at least {_BEXT.size} bytes, this one {len(body)}")
    texts = [field.split(b"\0")[0].decode("ascii", "replace") for field in _BEXT.unpack_from(body)[:5]]
    time_reference, version, _umid, *levels = _BEXT.unpack_from(body)[5:]
    # The loudness fields came with version 2; before, these bytes were reserved.
    told = (None if version < _BEXT_VERSION or level == _LOUDNESS_UNSET else level / 100 for level in levels)
    lufs, range_lu, peak, momentary, short_term = told
    return Bext(
        version=version,
        description=texts[0],
        originator=texts[1],
        originator_reference=texts[2],
        date=texts[3],
        time=texts[4],
        time_reference=time_reference,
        lufs=lufs,
        true_peak_dbtp=peak,
        range_lu=range_lu,
        momentary_lufs=momentary,
        short_term_lufs=short_term,
        coding_history=body[_BEXT.size :].rstrip(b"\0").decode("ascii", "replace"),
    )


def to_ixml(info: BroadcastInfo, *, sample_rate: int, channels: int) -> bytes:
    """Return the body of an iXML chunk: UTF-8, with track names, timecode and the time reference."""
    root = ElementTree.Element("BWFXML")
    _put(root, "IXML_VERSION", _IXML_VERSION)
    _put(root, "PROJECT", info.project)
    _put(root, "NOTE", info.note)
    speed = ElementTree.SubElement(root, "SPEED")
    if info.timecode_rate is not None:
        ratio = f"{info.timecode_rate.numerator}/{info.timecode_rate.denominator}"
        for tag in ("MASTER_SPEED", "CURRENT_SPEED", "TIMECODE_RATE"):
            _put(speed, tag, ratio)
        _put(speed, "TIMECODE_FLAG", "DF" if info.drop_frame else "NDF")
    _put(speed, "FILE_SAMPLE_RATE", str(sample_rate))
    _put(speed, "AUDIO_BIT_DEPTH", "24")
    _put(speed, "DIGITIZER_SAMPLE_RATE", str(sample_rate))
    _put(speed, "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI", str(info.time_reference >> 32))
    _put(speed, "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO", str(info.time_reference & 0xFFFFFFFF))
    _put(speed, "TIMESTAMP_SAMPLE_RATE", str(sample_rate))
    tracks = ElementTree.SubElement(root, "TRACK_LIST")
    _put(tracks, "TRACK_COUNT", str(channels))
    for index in range(1, channels + 1):
        track = ElementTree.SubElement(tracks, "TRACK")
        _put(track, "CHANNEL_INDEX", str(index))
        _put(track, "INTERLEAVE_INDEX", str(index))
        _put(track, "NAME", info.track_names[index - 1] if index <= len(info.track_names) else "")
    bext = ElementTree.SubElement(root, "BEXT")
    _put(bext, "BWF_DESCRIPTION", info.description)
    _put(bext, "BWF_ORIGINATOR", info.originator)
    _put(bext, "BWF_ORIGINATOR_REFERENCE", info.originator_reference)
    ElementTree.indent(root, "")
    body = b'<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="utf-8") + b"\n"
    return _even(body, b"\n")


def from_ixml(body: bytes, bext: Bext, cues: tuple[CuePoint, ...]) -> BroadcastInfo:
    """Return the content that was given to `pack_bext` and `to_ixml`. Raises ValueError if the iXML is malformed."""
    try:
        # Some recorders pad iXML with NULs.
        root = ElementTree.fromstring(body.rstrip(b"\0"))
    except (ElementTree.ParseError, LookupError) as error:
        raise ValueError(f"the iXML chunk is no XML: {error}") from error
    rate = root.findtext("SPEED/TIMECODE_RATE")
    return BroadcastInfo(
        description=root.findtext("BEXT/BWF_DESCRIPTION") or bext.description,
        originator=root.findtext("BEXT/BWF_ORIGINATOR") or bext.originator,
        originator_reference=root.findtext("BEXT/BWF_ORIGINATOR_REFERENCE") or bext.originator_reference,
        date=bext.date,
        time=bext.time,
        time_reference=bext.time_reference,
        lufs=bext.lufs,
        true_peak_dbtp=bext.true_peak_dbtp,
        range_lu=bext.range_lu,
        momentary_lufs=bext.momentary_lufs,
        short_term_lufs=bext.short_term_lufs,
        track_names=tuple(track.findtext("NAME") or "" for track in root.iterfind("TRACK_LIST/TRACK")),
        timecode_rate=exact_number(rate) if rate else None,
        drop_frame=root.findtext("SPEED/TIMECODE_FLAG") == "DF",
        project=root.findtext("PROJECT") or "",
        note=root.findtext("NOTE") or "",
        cues=cues,
    )


def _put(parent: ElementTree.Element, tag: str, text: str) -> None:
    ElementTree.SubElement(parent, tag).text = _NOT_IN_XML.sub("", text)


def _even(body: bytes, filler: bytes) -> bytes:
    """Return the body padded to even length: libsndfile does not skip the pad byte after an odd chunk in RF64."""
    return body + filler * (len(body) % 2)


def _field(text: str, size: int) -> bytes:
    return fold_to_ascii(text).encode("ascii")[:size]


def _hundredths(value: float | None) -> int:
    if value is None:
        return _LOUDNESS_UNSET
    # EBU Tech 3285 allows -99.99 to 99.99.
    return max(-9999, min(9999, round(value * 100)))
