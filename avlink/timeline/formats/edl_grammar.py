"""Grammar of edit decision lists (CMX 3600): from bytes to frozen statements. Times are text, as it knows no rate.

An event line holds a number, a reel, channels, an edit type with the frames of its transition, and four timecodes:
source in and out, record in and out. All other lines are notes, of which a few change their event: FCM, M2 and AUD.
Programs bend the fixed columns of the standard (reels of 32 characters, with spaces, or none), so that a line is read
from its timecodes to the left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, TypeAlias

EditType: TypeAlias = Literal["cut", "dissolve", "wipe", "key background", "key", "key out"]

_TIMECODE = re.compile(r"\d{1,2}[:;.,]\d{1,2}[:;.,]\d{1,2}[:;.,]\d{1,3}")
_NUMBER = re.compile(r"\d{1,8}[A-Za-z]?")
_LETTERS: dict[str, EditType] = {"C": "cut", "D": "dissolve", "K": "key", "KB": "key background", "KO": "key out"}
_WIPE = re.compile(r"W\d{0,4}")
_CHANNEL = re.compile(r"V(?P<picture>\d{0,2})|AA(?![A\d])|A(?P<sound>\d{0,2})")
_SPEED = re.compile(r"[+-]?\d{1,5}(?:[.,]\d{1,6})?")
_TITLE = re.compile(r"TITLE\s*:\s*(.*)", re.IGNORECASE)
_FRAME_CODE = re.compile(r"\bFCM\s*:?\s*(N|D)", re.IGNORECASE)
_MOTION = re.compile(r"M2\s+(.*)", re.IGNORECASE)
_SOUNDS = re.compile(r"AUD\b(.*)", re.IGNORECASE)


class EdlError(ValueError):
    """A list cannot be read, for a reason in one sentence that names its line."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")


@dataclass(frozen=True, slots=True, order=True)
class EdlChannel:
    """A channel of the record side: V is video 1, A2 is sound 2."""

    kind: Literal["V", "A"]
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EdlLine:
    """An event line. An event has one, or two where one source comes after another.

    `times` are source in and out, record in and out, as written. `drop_frame` is what the last FCM line before it says,
    None where there is none. `fade_frames` is the length of its transition.
    """

    line: int
    number: str
    reel: str
    channels: tuple[EdlChannel, ...]
    spelling: str
    """The channels as the list spells them."""
    type: EditType
    fade_frames: int
    times: tuple[str, str, str, str]
    drop_frame: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EdlMotion:
    """A speed (M2) in frames per second for the event of a reel; `trigger` is the source time that it starts at."""

    line: int
    reel: str
    frames_per_second: Fraction
    digits: int
    """Digits behind the decimal point of the speed."""
    trigger: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EdlNote:
    """A comment, without its asterisks."""

    line: int
    text: str


EdlStatement: TypeAlias = EdlLine | EdlMotion | EdlNote


@dataclass(frozen=True, slots=True, kw_only=True)
class EdlList:
    """One list of a file, with its statements in order. `drop_frame` is what its first FCM line says."""

    title: str
    drop_frame: bool | None
    statements: tuple[EdlStatement, ...]

    @property
    def lines(self) -> tuple[EdlLine, ...]:
        """Its event lines."""
        return tuple(one for one in self.statements if isinstance(one, EdlLine))


def decode_edl(content: bytes) -> str:
    """Return the text of a list: in UTF-8 or UTF-16, with or without a byte order mark, else in Windows' Latin."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    # Without a mark, ASCII in UTF-16 has a zero in every pair.
    if content[1:2] == b"\0" and content[:1] != b"\0":
        return content.decode("utf-16-le", errors="replace")
    if content[:1] == b"\0" and content[1:2] not in {b"", b"\0"}:
        return content.decode("utf-16-be", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def parse_edl(text: str) -> tuple[EdlList, ...]:
    """Return the lists of a file that have events; each TITLE after an event begins another.

    Raises EdlError for an event line that is malformed, and ValueError for a text without events.
    """
    lists = tuple(found for found in _lists(text) if found.lines)
    if not lists:
        raise ValueError("it holds no events (a number, a reel, a channel, an edit type and four timecodes)")
    return lists


def _lists(text: str) -> Iterator[EdlList]:
    title, first_code, code = "", None, None
    statements: list[EdlStatement] = []
    # Form feeds and the like end no line of a text editor, whose numbers the user sees.
    for number, raw in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        line = raw.replace("\0", "").replace("\x1a", "").strip()
        if found := _TITLE.match(line):
            if any(isinstance(one, EdlLine) for one in statements):
                yield EdlList(title=title, drop_frame=first_code, statements=tuple(statements))
                first_code, code, statements = None, None, []
            title = found[1].strip()
        elif codes := _FRAME_CODE.findall(line) if line[:3].upper() == "FCM" else []:
            # Two on a line are those of the two sources of a transition, of which the second is seen longer.
            code = codes[-1].upper() == "D"
            first_code = code if first_code is None else first_code
        elif found := _SOUNDS.match(line):
            _add_sounds(statements, found[1])
        elif line:
            statements.append(_statement(number, line, code))
    yield EdlList(title=title, drop_frame=first_code, statements=tuple(statements))


def _statement(number: int, line: str, code: bool | None) -> EdlStatement:
    words = line.split()
    if _NUMBER.fullmatch(words[0]) and _is_event(words):
        return _event_line(number, words, code)
    if found := _MOTION.match(line):
        motion = _motion(number, found[1].split())
        if motion is not None:
            return motion
    return EdlNote(line=number, text=line.lstrip("* \t").strip())


def _is_event(words: Sequence[str]) -> bool:
    """Return whether a line that begins with a number is meant as an event, also where that is cut off."""
    # A comment may begin with a number too, and name a moment or two.
    if sum(_TIMECODE.fullmatch(word) is not None for word in words) > 2:
        return True
    types = [at for at, word in enumerate(words) if at > 1 and (word.upper() in _LETTERS or _WIPE.fullmatch(word))]
    return any(_channels(words[at - 1]) is not None for at in types)


def _event_line(number: int, words: Sequence[str], code: bool | None) -> EdlLine:
    at = _first_time(words)
    if at is None:
        count = sum(bool(_TIMECODE.fullmatch(word)) for word in words)
        raise EdlError(
            number, f"an event has four timecodes (source in and out, record in and out), and this one has {count}"
        )
    source_in, source_out, record_in, record_out = words[at : at + 4]
    rest = list(words[1:at])
    fade_frames = int(rest.pop()) if len(rest) > 1 and re.fullmatch(r"\d{1,6}", rest[-1]) else 0
    type, rest = _edit_type(number, rest)
    spelling = rest[-1] if rest else ""
    channels = _channels(spelling)
    if channels is None:
        raise EdlError(
            number, f"'{spelling[:20]}' is no channel; known are V, V2, A, A2, AA, B, NONE and several such as A2/V"
        )
    return EdlLine(
        line=number,
        number=words[0].lstrip("0") or "0",
        reel=" ".join(rest[:-1]),
        channels=channels,
        spelling=spelling.upper(),
        type=type,
        fade_frames=fade_frames,
        times=(source_in, source_out, record_in, record_out),
        drop_frame=code,
    )


def _first_time(words: Sequence[str]) -> int | None:
    """Return the place of the first of four times in a row, which are timecodes, or else frame counts at the end."""
    for at in range(1, len(words) - 3):
        if all(_TIMECODE.fullmatch(word) for word in words[at : at + 4]):
            return at
    counts = words[-4:] if len(words) > 6 else []
    is_counted = len(counts) == 4 and all(re.fullmatch(r"\d{1,9}", word) for word in counts)
    return len(words) - 4 if is_counted else None


def _edit_type(number: int, words: list[str]) -> tuple[EditType, list[str]]:
    """Return the edit type at the end of the words before the timecodes, and the words before that."""
    last = words[-1].upper() if words else ""
    if last == "(F)":
        # A key's background that fades, in some lists.
        return _edit_type(number, words[:-1])
    if last in {"B", "O"} and len(words) > 1 and words[-2].upper() == "K":
        return _LETTERS[f"K{last}"], words[:-2]
    if last in _LETTERS:
        return _LETTERS[last], words[:-1]
    if _WIPE.fullmatch(last):
        return "wipe", words[:-1]
    raise EdlError(number, f"'{last[:20]}' is no edit type; known are C, D, W with a number, K, K B and K O")


def _channels(text: str) -> tuple[EdlChannel, ...] | None:
    """Return the channels of a word such as V, A2, AA/V or B; None for a word that names none."""
    text = text.upper()
    if text == "NONE":
        return ()
    if text == "B":
        return (EdlChannel("V", 1), EdlChannel("A", 1))
    found: list[EdlChannel] = []
    at = 0
    while at < len(text):
        match = _CHANNEL.match(text, at)
        if match is None:
            return None
        if match["picture"] is not None:
            found.append(EdlChannel("V", int(match["picture"] or 1)))
        elif match["sound"] is not None:
            found.append(EdlChannel("A", int(match["sound"] or 1)))
        else:
            found += (EdlChannel("A", 1), EdlChannel("A", 2))
        at = match.end()
        if at < len(text) - 1 and text[at] in "/+,&":
            at += 1
    return tuple(dict.fromkeys(found)) if found and all(one.number for one in found) else None


def _motion(number: int, words: Sequence[str]) -> EdlMotion | None:
    """Return the speed in the words behind M2 (a reel, frames per second, a trigger); None where there is none."""
    last = words[-1].lstrip("+") if words else ""
    trigger = last if _TIMECODE.fullmatch(last) else None
    known = words if trigger is None else words[:-1]
    speeds = [at for at, word in enumerate(known) if _SPEED.fullmatch(word)]
    # Reels may be numbers, and switcher settings may follow the speed.
    at = next((at for at in reversed(speeds) if re.search(r"[.,+-]", known[at])), speeds[-1] if speeds else None)
    if at is None:
        return None
    text = known[at].replace(",", ".")
    return EdlMotion(
        line=number,
        reel=" ".join(known[:at]),
        frames_per_second=Fraction(text),
        digits=len(text.partition(".")[2]),
        trigger=trigger,
    )


def _add_sounds(statements: list[EdlStatement], numbers: str) -> None:
    """Give the last event the sound channels of an AUD line, in place: NONE with AUD 3 4 is A3 and A4."""
    for at in range(len(statements) - 1, -1, -1):
        event = statements[at]
        if isinstance(event, EdlLine):
            more = [EdlChannel("A", int(one)) for one in re.findall(r"\d{1,2}", numbers) if int(one)]
            statements[at] = replace(event, channels=tuple(dict.fromkeys((*event.channels, *more))))
            return
