"""Names, files and comments of the events of an edit decision list, from the notes around them.

A note belongs to the line before it. After a transition or a key of two lines, FROM CLIP names the first and TO CLIP
or KEY CLIP the second. Notes after the last of several lines hold for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from avlink.timeline.formats.edl_grammar import EdlLine, EdlNote, EdlStatement
from avlink.timeline.media_refs import FILM_SUFFIXES, SOUND_SUFFIXES, is_still

_MOST_LINES = 24
"""More lines than an event has in any list."""
_BLACK = {"BL", "BLACK", "BLK"}
_GENERATED = {"BARS", "GEN", "SLUG", "COLOR", "TONE"}
_UNNAMED = {"", "AX", "AUX", "UNKNOWN", "NONE", *_BLACK, *_GENERATED}
_SIDE = r"(?P<side>FROM|TO|KEY)\s+CLIP"
_NAME = re.compile(rf"{_SIDE}\s+NAME\b\s*:?\s*(?P<value>.*)", re.IGNORECASE)
_STILL = re.compile(rf"{_SIDE}\s+IS\s+A\s+STILL\b", re.IGNORECASE)
_FILE = re.compile(
    r"(?:(?P<side>FROM|TO|KEY)\s+(?:CLIP|FILE)(?!\s+(?:IS|NAME)\b)|OTIO REFERENCE (?P<otio>FROM|TO)|SOURCE\s+FILE"
    r"(?:\s+(?:NAME|PATH))?|(?:CLIP\s+)?MEDIA(?:\s+FILE)?|FILE(?:\s*NAME|\s*PATH)?)\s*:\s*(?P<value>.*)",
    re.IGNORECASE,
)
_REEL_IS_CLIP = re.compile(r"(?:REEL\s+)?\S+\s+IS\s+CLIP\s+(?P<value>.*)", re.IGNORECASE)
_LONG_REEL = re.compile(
    r"OTIO TRUNCATED REEL NAME FROM\s*:\s*(?P<value>.*)|FINAL CUT PRO REEL\s*:\s*(?P<long>\S.{0,255}?)\s+REPLACED BY"
    r"\s*:\s*(?P<short>.*)",
    re.IGNORECASE,
)
_LOCATOR = re.compile(r"LOC\s*:?\s*(?=\+?\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class EdlNames:
    """All that notes say of one event line."""

    clip: str = ""
    file: str = ""
    reel: str = ""
    """The full name of its reel; empty where that names no source."""
    still: bool = False
    comments: tuple[str, ...] = ()
    """Notes of other kinds, as written."""
    locators: tuple[EdlNote, ...] = ()
    """Locators that follow it, wherever they lie."""


def is_black(reel: str) -> bool:
    """Return whether a reel stands for black."""
    return reel.upper() in _BLACK


def is_generated(reel: str) -> bool:
    """Return whether a reel stands for bars, tone or another picture that the editing program makes."""
    return reel.upper() in _GENERATED


def names_of(statements: Sequence[EdlStatement]) -> Mapping[EdlLine, EdlNames]:
    """Return what the notes of a list say of each of its event lines."""
    long_reels = dict(_long_reels(statements))
    found: dict[EdlLine, EdlNames] = {}
    for block in blocks_of(statements):
        found.update(_Block([one for one in block if isinstance(one, EdlLine)]).named(block))
    for line, names in found.items():
        reel = names.reel or long_reels.get(line.reel.casefold(), line.reel)
        found[line] = replace(names, reel="" if reel.upper() in _UNNAMED else reel)
    return found


def blocks_of(statements: Sequence[EdlStatement]) -> Iterator[list[EdlStatement]]:
    """Yield the statements of each event: its lines with the notes between and after them."""
    block: list[EdlStatement] = []
    lines: list[EdlLine] = []
    for one in statements:
        if isinstance(one, EdlLine):
            if lines and not _belong(lines, one):
                yield block
                block, lines = [], []
            lines.append(one)
        if lines:
            block.append(one)
    if block:
        yield block


def _belong(lines: Sequence[EdlLine], after: EdlLine) -> bool:
    """Return whether a line goes on with an event: sound to its picture, or the source after a transition."""
    if lines[-1].number != after.number or len(lines) > _MOST_LINES:
        return False
    shared = [line for line in lines if set(line.channels) & set(after.channels)]
    return not shared or (after.type != "cut" and after.times[2] in shared[-1].times[2:])


def _long_reels(statements: Sequence[EdlStatement]) -> Iterator[tuple[str, str]]:
    """Yield the short reel names that Final Cut Pro put in the place of long ones, with these."""
    for one in statements:
        found = _LONG_REEL.fullmatch(one.text) if isinstance(one, EdlNote) else None
        if found is not None and found["short"]:
            yield found["short"].strip().casefold(), found["long"].strip()


class _Block:
    """The lines of one event, and the names that its notes give them so far."""

    def __init__(self, lines: Sequence[EdlLine]) -> None:
        self.names = {line: EdlNames() for line in lines}
        self.comments: dict[EdlLine, list[str]] = {line: [] for line in lines}
        self.locators: dict[EdlLine, list[EdlNote]] = {line: [] for line in lines}
        self.at = lines[0]
        self.lines: list[EdlLine] = []
        self.subject: list[EdlLine] = [lines[0]]
        self.sides: set[str] = set()

    def named(self, block: Sequence[EdlStatement]) -> Mapping[EdlLine, EdlNames]:
        notes = [one for one in block if isinstance(one, EdlNote)]
        self.sides = {found["side"].upper() for note in notes if (found := _NAME.fullmatch(note.text))}
        in_order = self._files_in_order(notes)
        for one in block:
            if isinstance(one, EdlLine):
                self.at = one
                self.lines.append(one)
                self.subject = [one]
            elif isinstance(one, EdlNote):
                self._read(one, in_order)
        return {
            line: replace(names, comments=tuple(self.comments[line]), locators=tuple(self.locators[line]))
            for line, names in self.names.items()
        }

    def _read(self, note: EdlNote, in_order: Sequence[EdlNote]) -> None:
        text = note.text
        if _LOCATOR.match(text):
            self.locators[self.at].append(note)
        elif found := _STILL.match(text):
            for line in self._meant(found["side"], self.subject if found["side"].upper() == "FROM" else None):
                self._set(line, still=True)
        elif text.upper() == "FREEZE FRAME":
            for line in self.subject:
                self._set(line, still=True)
        elif found := _NAME.fullmatch(text):
            self.subject = self._meant(found["side"])
            self._name(found["value"])
        elif found := _FILE.fullmatch(text):
            side = found["side"] or found["otio"]
            if note in in_order:
                # An event of one line names the source that came before it too.
                at = in_order.index(note) - max(0, len(in_order) - len(self.lines))
                self.subject = [self.lines[at]] if 0 <= at < len(self.lines) else []
            elif side is not None:
                self.subject = self._meant(side, self.subject if side.upper() == "FROM" else None)
            self._file(found["value"], stated=text.upper().startswith("SOURCE"))
        elif found := _REEL_IS_CLIP.fullmatch(text):
            self._name(found["value"])
        elif found := _LONG_REEL.fullmatch(text):
            self._set(self.at, reel=(found["value"] or "").strip())
        elif text:
            self.comments[self.at].append(text)

    def _set(self, line: EdlLine, **changes: Any) -> None:
        self.names[line] = replace(self.names[line], **changes)

    def _meant(self, side: str, known: Sequence[EdlLine] | None = None) -> list[EdlLine]:
        """Return the lines that a note with FROM, TO or KEY is about."""
        if side.upper() != "FROM":
            return [self.at]
        if known is not None and any(self.names[line].clip for line in known):
            return list(known)
        earlier = [line for line in self.lines[:-1] if not self.names[line].clip]
        if self.at.type in {"dissolve", "wipe"} and len(self.lines) == 1 and "TO" in self.sides:
            # The source that came before it has an event of its own.
            return []
        if self.at.type == "cut" or not earlier:
            # Sound and picture of a split edit share their notes.
            return [self.at, *(line for line in earlier if not set(line.channels) & set(self.at.channels))]
        is_dark = all(is_black(line.reel) for line in earlier)
        return [self.at] if is_dark and not self.sides & {"TO", "KEY"} else earlier

    def _name(self, value: str) -> None:
        for line in self.subject:
            self._set(line, clip=self.names[line].clip or _unquoted(value))

    def _file(self, value: str, *, stated: bool) -> None:
        value = _unquoted(value)
        is_file = stated or value.lower().endswith((*FILM_SUFFIXES, *SOUND_SUFFIXES)) or is_still(value)
        if not (is_file or "/" in value or "\\" in value):
            self._name(value)
            return
        for line in self.subject:
            self._set(line, file=self.names[line].file or value)

    def _files_in_order(self, notes: Sequence[EdlNote]) -> list[EdlNote]:
        """Return the SOURCE FILE notes that name the sources of a transition one after another."""
        kinds = [
            "file" if note.text.upper().startswith("SOURCE") and _FILE.fullmatch(note.text) else "name"
            for note in notes
            if _NAME.fullmatch(note.text) or _FILE.fullmatch(note.text)
        ]
        files = [note for note in notes if note.text.upper().startswith("SOURCE") and _FILE.fullmatch(note.text)]
        first = kinds.index("file") if files else 0
        # More than one before the first line of an event belong to nothing.
        is_row = 1 < len(files) <= len(self.names) + 1 and kinds[first : first + len(files)] == ["file"] * len(files)
        return files if is_row and any(line.type != "cut" for line in self.names) else []


def _unquoted(value: str) -> str:
    value = value.strip()
    return value[1:-1] if len(value) > 2 and value[0] == value[-1] == '"' else value
