"""Events of an edit decision list in frames: where each lies, what it shows, and how fast. Knows no OTIO.

Record times give each event its place and length, and M2 its speed; the source in says where in its media it begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from avlink.timeline.formats.edl_grammar import EditType, EdlChannel, EdlError, EdlLine, EdlList, EdlNote
from avlink.timeline.formats.edl_midnight import past_midnight
from avlink.timeline.formats.edl_names import EdlNames, is_black, is_generated, names_of
from avlink.timeline.formats.edl_speeds import motions_of, speed_of_motion, starts_at
from avlink.timeline.formats.edl_timebase import EdlClock

# Sources that count at other rates than the list end a frame earlier or later.
_SLACK_FRAMES = 1
_LOCATOR = re.compile(r"LOC\s*:?\s*\+?(?P<time>\d[\d:;.,]*)\s*(?P<text>.*)", re.IGNORECASE)
_COLOUR = re.compile(r"(?P<colour>[A-Za-z]+)(?P<gap>\s+|$)(?P<text>.*)")
_COLOURS = frozenset(
    (
        *("RED", "GREEN", "BLUE", "CYAN", "MAGENTA", "YELLOW", "BLACK", "WHITE", "PINK", "ORANGE", "PURPLE", "VIOLET"),
        *("FOREST", "DENIM", "GREY", "GRAY", "GOLD", "NAVY", "BROWN", "MINT", "TEAL", "LAVENDER", "FUCHSIA", "ROSE"),
        *("SAND", "COCOA", "CREAM", "LEMON", "SKY"),
    )
)


# Resolve exports markers as a list of their own: an event of a frame each, with a note in this form.
_MARKER = re.compile(
    r"(?P<note>.*?)\s*\|C:(?:ResolveColor)?(?P<colour>\w{1,20})\s*\|M:(?P<name>.*?)\s*\|D:(?P<frames>\d{1,9})\s*"
)
_NOTE_OF_HIT = re.compile(r"(?P<name>.*\S)\s*\((?P<note>confidence [^()]*)\)")
_RESOLVE_COLOURS = {"SAND": "ORANGE", "FUCHSIA": "MAGENTA", "CREAM": "WHITE", "COCOA": "BLACK"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EdlLocator:
    """A marker in record time, over `frames` of it. `line` is that of the event line that it follows."""

    frame: int
    colour: str
    text: str
    line: int
    frames: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdlEvent:
    """A stretch of one source on the record side; all times are whole frames, from midnight.

    `source_low` is the earliest frame of its media, also where it runs backwards; `speed` is frames of media per frame.
    `clip` is the name that it has, `file` the media that it names, and `reel` a name that its media may have.
    """

    line: int
    number: str
    type: EditType
    channels: tuple[EdlChannel, ...]
    spelling: str
    record_in: int
    record_out: int
    source_low: Fraction
    speed: Fraction
    fade_frames: int = 0
    black: bool = False
    generated: bool = False
    clip: str = ""
    file: str = ""
    reel: str = ""
    comments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """A name to show: that of its clip, else of its file or reel, else its number."""
        base = re.split(r"[\\/]", self.file)[-1]
        return self.clip or base.rpartition(".")[0] or base or self.reel or self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class EdlRun:
    """The events of one list in its order, its locators, and sentences on what had to be assumed."""

    title: str
    events: tuple[EdlEvent, ...]
    locators: tuple[EdlLocator, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def start(self) -> int:
        """The first record frame."""
        return min(event.record_in for event in self.events) if self.events else min(one.frame for one in self.locators)

    @property
    def end(self) -> int:
        """The frame behind its last."""
        return (
            max(event.record_out for event in self.events) if self.events else max(one.frame for one in self.locators)
        )


def run_of(one: EdlList, rate: Fraction) -> EdlRun:
    """Return the events of a list at a frame rate.

    Raises EdlError for a time that the rate does not have, and for a record out before its record in.
    """
    return _RunReader(one, rate).read()


class _RunReader:
    def __init__(self, one: EdlList, rate: Fraction) -> None:
        self.list = one
        self.rate = rate
        self.clock = EdlClock(one, rate)
        self.names = names_of(one.statements)
        self.motions, self.lost = motions_of(one.statements, self.names)
        self.notes: dict[str, list[str]] = {"lost": [], "filled": [], "locators": []}

    def read(self) -> EdlRun:
        markers = dict(self._markers())
        lines = [line for line in self.list.lines if line not in markers]
        events = [event for line in lines if (event := self._event(line)) is not None]
        if not events and markers:
            return EdlRun(title=self.list.title, events=(), locators=tuple(markers.values()))
        if not events:
            raise EdlError(self.list.lines[0].line, "none of its events has a length and a channel")
        shifts = past_midnight([(event.record_in, event.record_out) for event in events], self.clock.day)
        events = [
            replace(event, record_in=event.record_in + shift, record_out=event.record_out + shift)
            for event, shift in zip(events, shifts, strict=True)
        ]
        found = EdlRun(title=self.list.title, events=tuple(events))
        noted = [(line, note) for line, names in self.names.items() for note in names.locators]
        locators = [locator for line, note in noted for locator in self._locator(line, note)]
        locators += markers.values()
        if any(shifts):
            day = self.clock.day
            locators = [replace(one, frame=one.frame + day) if one.frame < found.start else one for one in locators]
        for motion in self.lost:
            self.notes["lost"].append(
                f"line {motion.line}: its M2 is for a reel ('{motion.reel}') of no event beside it"
            )
        return replace(found, locators=tuple(locators), notes=tuple(_counted(self.notes.values())))

    def _markers(self) -> Iterator[tuple[EdlLine, EdlLocator]]:
        """Yield the events that stand for markers, as Resolve exports them."""
        line = None
        for one in self.list.statements:
            if isinstance(one, EdlLine):
                line = one
            elif line is not None and isinstance(one, EdlNote) and (found := _MARKER.fullmatch(one.text)):
                frames, colour = int(found["frames"]), found["colour"].upper()
                yield (
                    line,
                    EdlLocator(
                        frame=self.clock.times(line)[2],
                        colour=_RESOLVE_COLOURS.get(colour, colour),
                        text=found["name"],
                        line=line.line,
                        frames=frames if frames > 1 else 0,
                        note=found["note"],
                    ),
                )

    def _event(self, line: EdlLine) -> EdlEvent | None:
        source_in, source_out, record_in, record_out = self.clock.times(line)
        if record_out < record_in:
            record_out += self.clock.day
            if record_out - record_in > self.clock.day // 2:
                raise EdlError(line.line, f"the record out {line.times[3]} lies before the record in {line.times[2]}")
        length = record_out - record_in
        if not length or not line.channels:
            # The first line of a transition says only what comes before it.
            return None
        names = self.names[line]
        speed, low = self._played(line, names, source_in, source_out, length)
        clip = names.clip
        if not speed and clip.upper().endswith(" FF"):
            # Avid adds the letters to the names of freeze frames.
            clip = clip[:-3]
        return EdlEvent(
            line=line.line,
            number=line.number,
            type=line.type,
            channels=line.channels,
            spelling=line.spelling,
            record_in=record_in,
            record_out=record_out,
            source_low=low,
            speed=speed,
            fade_frames=min(line.fade_frames, length),
            black=is_black(line.reel),
            generated=is_generated(line.reel),
            clip=clip,
            file=names.file,
            reel=names.reel,
            comments=names.comments,
        )

    def _played(
        self, line: EdlLine, names: EdlNames, source_in: int, source_out: int, length: int
    ) -> tuple[Fraction, Fraction]:
        """Return the speed of an event and the earliest frame of its media."""
        motion = self.motions.get(line)
        speed = None if motion is None else speed_of_motion(motion, self.rate)
        descends = source_out < source_in
        if descends and source_in - source_out > self.clock.day // 2:
            # Its tape runs over midnight.
            source_out, descends = source_out + self.clock.day, False
        used = abs(source_out - source_in)
        if names.still:
            speed = Fraction(0)
        elif speed is None:
            speed = self._unsaid_speed(line, used, length)
            speed = -speed if descends else speed
        elif descends and speed > 0:
            speed = -speed
        if speed >= 0:
            return speed, Fraction(source_in)
        starts_high = motion is not None and used > 0 and starts_at(motion, line.times[1])
        if descends or starts_high:
            # It begins at the highest of its frames.
            return speed, (source_in if descends else source_out) + length * speed
        return speed, Fraction(source_in)

    def _unsaid_speed(self, line: EdlLine, used: int, length: int) -> Fraction:
        """Return the speed of an event without an M2: its source fills its place."""
        if is_black(line.reel) or abs(used - length) <= _SLACK_FRAMES:
            return Fraction(1)
        if used <= 1:
            return Fraction(0)
        self.notes["filled"].append(
            f"line {line.line}: {used} frames of source fill {length} of the record, and no M2 says the speed; "
            f"it is read as {float(Fraction(used, length)) * 100:.1f} %"
        )
        return Fraction(used, length)

    def _locator(self, line: EdlLine, note: EdlNote) -> list[EdlLocator]:
        found = _LOCATOR.fullmatch(note.text)
        if found is None:
            return []
        try:
            frame = self.clock.record_frame(found["time"])
        except ValueError:
            self.notes["locators"].append(f"line {note.line}: its locator has no valid time and is left out")
            return []
        text, colour = found["text"], ""
        word = _COLOUR.fullmatch(text)
        # The column of the colour has eight places; some lists leave it out.
        if word is not None and (word["colour"].upper() in _COLOURS or len(word["gap"]) > 1):
            colour, text = word["colour"].upper(), word["text"]
        text, comment = text.strip(), ""
        if hit := _NOTE_OF_HIT.fullmatch(text):
            text, comment = hit["name"], hit["note"]
        return [EdlLocator(frame=frame, colour=colour, text=text, line=line.line, note=comment)]


def _counted(notes: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the first note of each kind, with the count of its like."""
    for kind in notes:
        if kind:
            yield kind[0] if len(kind) == 1 else f"{kind[0]} (and {len(kind) - 1} more lines of this kind)"
