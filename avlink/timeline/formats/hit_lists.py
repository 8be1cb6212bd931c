"""Lists of hits as other programs give them back: WebVTT, the text of Pro Tools, and markers of a Reaper project."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from avlink.core.clock import exact_number

_MARKERS_HEAD = re.compile(r"^\s*M A R K E R S\s+L I S T I N G\s*$", re.MULTILINE)
_RATE = re.compile(r"^SAMPLE RATE:\s*(\d{1,7}(?:\.\d{1,9})?)\s*$", re.MULTILINE)
_VTT_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2}(?:[.,]\d{1,9})?)"
_VTT_SPAN = re.compile(rf"^{_VTT_TIME}\s+-->\s+{_VTT_TIME}")
_RPP_MARKER = re.compile(r"^\s*MARKER\s+(\d{1,9})\s+(-?\d{1,9}(?:\.\d{1,18})?)\s+(.*)$")
_RPP_NAME = re.compile(r"(?:\"([^\"]*)\"|'([^']*)'|`([^`]*)`|(\S+))(?:\s+(\d{1,9}))?")
# A cue of a moment is shown for a while all the same.
_POINT_S = Fraction(1, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedMark:
    """A marker of a list, by its name and note, in seconds from the start of the timeline."""

    start_s: Fraction
    duration_s: Fraction
    name: str
    note: str = ""


def read_vtt(text: str) -> list[ListedMark]:
    """Return the cues of a WebVTT file: the first line of each is a name, the others are a note.

    Raises ValueError for a text that is no WebVTT.
    """
    if not text.lstrip("\ufeff").startswith("WEBVTT"):
        raise ValueError("it does not begin with WEBVTT")
    marks = []
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        lines = block.strip().split("\n")
        at = next((number for number, line in enumerate(lines) if _VTT_SPAN.match(line)), None)
        if at is None:
            continue
        found = _VTT_SPAN.match(lines[at])
        assert found is not None, "it was matched above"
        start_s, end_s = _vtt_seconds(*found.groups()[:3]), _vtt_seconds(*found.groups()[3:])
        said = [html.unescape(re.sub(r"<[^>]*>", "", line)).strip() for line in lines[at + 1 :]]
        length_s = max(Fraction(0), end_s - start_s)
        marks.append(
            ListedMark(
                start_s=start_s,
                duration_s=length_s if length_s >= _POINT_S else Fraction(0),
                name=said[0] if said else "",
                note=" ".join(said[1:]),
            )
        )
    return marks


def is_protools_text(text: str) -> bool:
    """Return whether a text is what Pro Tools exports of the markers of a session."""
    return _MARKERS_HEAD.search(text) is not None


def read_protools(text: str) -> list[ListedMark]:
    """Return the markers in the text of a session, placed by their samples. Raises ValueError for other text."""
    head = _MARKERS_HEAD.search(text)
    rate = _RATE.search(text)
    if head is None or rate is None:
        raise ValueError("it has no list of markers, or no sample rate; export the session info as text with both")
    samples_per_s = exact_number(rate[1])
    if samples_per_s <= 0:
        raise ValueError(f"its sample rate is {rate[1]}")
    marks = []
    for line in text[head.end() :].splitlines():
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) < 5 or not cells[0].isdigit():
            continue
        if not cells[2].isdigit():
            raise ValueError(f"marker {cells[0]} has no time in samples; export with the time scale Samples as well")
        note = cells[5] if len(cells) > 5 else ""
        start_s = Fraction(int(cells[2])) / samples_per_s
        marks.append(ListedMark(start_s=start_s, duration_s=Fraction(0), name=cells[4], note=note))
    return marks


def read_reaper(text: str) -> list[ListedMark]:
    """Return the markers and regions of a Reaper project. Raises ValueError for other text."""
    if not text.lstrip("\ufeff \r\n").startswith("<REAPER_PROJECT"):
        raise ValueError("it does not begin with <REAPER_PROJECT")
    return list(_reaper_marks(text))


def _reaper_marks(text: str) -> Iterator[ListedMark]:
    open_regions: dict[str, tuple[Fraction, str]] = {}
    for line in text.splitlines():
        found = _RPP_MARKER.match(line)
        if found is None:
            continue
        said = _RPP_NAME.match(found[3])
        if said is None:
            continue
        number, at_s = found[1], exact_number(found[2])
        name = next((one for one in said.groups()[:4] if one is not None), "")
        if not int(said[5] or 0) & 1:
            yield ListedMark(start_s=at_s, duration_s=Fraction(0), name=name)
        elif number in open_regions:
            start_s, shown = open_regions.pop(number)
            yield ListedMark(start_s=start_s, duration_s=max(Fraction(0), at_s - start_s), name=shown)
        else:
            open_regions[number] = (at_s, name)


def _vtt_seconds(hours: str | None, minutes: str, seconds: str) -> Fraction:
    return int(hours or 0) * 3600 + int(minutes) * 60 + exact_number(seconds.replace(",", "."))
