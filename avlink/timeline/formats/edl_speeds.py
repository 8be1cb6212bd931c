"""Speeds of the events of an edit decision list: which M2 line is whose, and what it means at a frame rate."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil

from avlink.timeline.formats.edl_grammar import EdlLine, EdlMotion, EdlStatement
from avlink.timeline.formats.edl_names import EdlNames, blocks_of
from avlink.timeline.timecode import nominal_rate

_SHORTEST_REEL = 4
"""Characters of a reel that M2 lines may cut off."""


def motions_of(
    statements: Sequence[EdlStatement], names: Mapping[EdlLine, EdlNames]
) -> tuple[dict[EdlLine, EdlMotion], list[EdlMotion]]:
    """Return the M2 line of each event line that has one, and those that belong to none.

    An M2 stands after its event in most programs and before it in some. It names the reel (in some lists the clip), and
    its trigger is the source in of its event, by which two sources of one reel are told apart.
    """
    blocks = list(blocks_of(statements))
    # Those before the first event are in no block.
    early = statements[: statements.index(blocks[0][0])] if blocks else statements
    comes_first = any(isinstance(one, EdlMotion) for one in early)
    found: dict[EdlLine, EdlMotion] = {}
    lost: list[EdlMotion] = []
    around: list[tuple[list[EdlLine], Sequence[EdlStatement]]] = [([], early)]
    around += [([one for one in block if isinstance(one, EdlLine)], block) for block in blocks]
    for at, (lines, block) in enumerate(around):
        after = around[at + 1][0] if at + 1 < len(around) else []
        for one in block:
            if isinstance(one, EdlMotion):
                mine = _owners(one, [line for line in lines if line.line < one.line], found, names)
                others = [line for line in lines if line.line > one.line] + after
                theirs = _owners(one, others, found, names)
                owners = _nearer(one, mine, theirs, comes_first=comes_first)
                owners = owners or [line for line in lines if line not in found and starts_at(one, line.times[0])]
                found.update(dict.fromkeys(owners, one))
                # Some programs repeat a line.
                is_again = any(found.get(line) is not None and _is_like(found[line], one) for line in lines)
                lost += [] if owners or is_again else [one]
    return found, lost


def speed_of_motion(motion: EdlMotion, rate: Fraction) -> Fraction:
    """Return the speed that an M2 line means: its frames per second over the frames that a second counts.

    At 24000/1001 and its like some programs write frames of real seconds, 47.9 for double speed, and all round: there a
    speed in whole percent that is written so is meant.
    """
    nominal = nominal_rate(rate)
    speed = motion.frames_per_second / nominal
    if rate.denominator == 1 or (speed * 100).denominator == 1:
        return speed
    # Some programs round to the last digit, and some cut off behind it.
    step, written = Fraction(1, 10**motion.digits), abs(motion.frames_per_second)
    for frames in (Fraction(nominal), rate):
        percent = ceil((written - step / 2) * 100 / frames)
        if percent * frames < (written + step) * 100:
            return Fraction(percent if motion.frames_per_second > 0 else -percent, 100)
    return speed


def starts_at(motion: EdlMotion, time: str) -> bool:
    """Return whether the trigger of an M2 line is a source time, whichever signs either has."""
    return motion.trigger is not None and _digits(time) == _digits(motion.trigger)


def _is_like(motion: EdlMotion, other: EdlMotion) -> bool:
    return (motion.reel, motion.frames_per_second, motion.trigger) == (
        other.reel,
        other.frames_per_second,
        other.trigger,
    )


def _owners(
    motion: EdlMotion, lines: Sequence[EdlLine], found: Mapping[EdlLine, EdlMotion], names: Mapping[EdlLine, EdlNames]
) -> list[EdlLine]:
    """Return those of the lines that a motion may belong to, those that begin at its trigger first."""
    free = [line for line in lines if line not in found and _is_named(motion.reel, line, names[line])]
    exact = [line for line in free if starts_at(motion, line.times[0])]
    # The first line of a transition takes no time: it has its own M2, or none.
    return exact or [line for line in free if line.times[2] != line.times[3]]


def _nearer(
    motion: EdlMotion, mine: Sequence[EdlLine], theirs: Sequence[EdlLine], *, comes_first: bool
) -> Sequence[EdlLine]:
    def starts(lines: Sequence[EdlLine]) -> bool:
        return bool(lines) and starts_at(motion, lines[0].times[0])

    first, second = (theirs, mine) if comes_first else (mine, theirs)
    if starts(first) or (first and not starts(second)):
        return first
    return second if starts(second) or not mine else mine


def _is_named(reel: str, line: EdlLine, names: EdlNames) -> bool:
    if not reel:
        return True
    short = reel.casefold()
    for name in (line.reel.casefold(), names.reel.casefold(), names.clip.casefold()):
        shorter, longer = sorted((short, name), key=len)
        if short == name or (len(shorter) >= _SHORTEST_REEL and longer.startswith(shorter)):
            return True
    return False


def _digits(timecode: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.split(r"[:;.,]", timecode))
