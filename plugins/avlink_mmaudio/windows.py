"""Long clips: windows of one length that overlap, and their sounds joined where they do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from avlink import to_index

RATE = 25
"""Windows start on pictures at this rate, the finer of the two that MMAudio looks at."""

SHORTEST_S = Fraction(16, RATE)
"""Below this there is no segment for MMAudio's synchronisation: the last picture is held, and the sound is cut."""


def plan_windows(
    duration_s: Fraction, window_s: Fraction, overlap_s: Fraction
) -> tuple[tuple[Fraction, Fraction], ...]:
    """(start, length) in seconds of windows that cover `duration_s`; starts are on pictures.

    A clip up to `window_s` is one window of its own length. All windows of a longer one are `window_s` long, spread
    evenly, and overlap by `overlap_s` or more, less a picture; the last may end up to one picture after the clip.
    """
    if duration_s <= window_s:
        return ((Fraction(0), max(duration_s, SHORTEST_S)),)
    last = -((window_s - duration_s) * RATE // 1)
    gaps = -((overlap_s - duration_s) // (window_s - overlap_s)) - 1
    starts = (to_index(Fraction(index * last, gaps * RATE), RATE) for index in range(gaps + 1))
    return tuple((Fraction(start, RATE), window_s) for start in starts)


def join(pieces: Iterable[tuple[int, NDArray[np.float32]]], total: int, fade: int) -> Iterator[NDArray[np.float32]]:
    """Sounds of (1, samples), each with its first sample's place, as one of `total` samples, a stretch at a time.

    In the middle of where two overlap, one gives way to the other over `fade` samples with equal power: what two
    windows make of one moment is alike in character, not in phase. Holds one piece at a time.
    """
    held, at = np.zeros((1, 0), np.float32), 0
    for start, piece in pieces:
        shared = at + held.shape[1] - start
        length = max(0, min(fade, shared))
        begin = start + (shared - length) // 2 if length else start
        angle = (
            (np.arange(length, dtype=np.float32) + np.float32(0.5)) / np.float32(max(1, length)) * np.float32(np.pi / 2)
        )
        leaving = held[:, begin - at : begin - at + length] * np.cos(angle)
        yield held[:, : begin - at]
        yield leaving + piece[:, begin - start : begin - start + length] * np.sin(angle)
        held, at = piece[:, begin - start + length :], begin + length
    yield held[:, : total - at]
