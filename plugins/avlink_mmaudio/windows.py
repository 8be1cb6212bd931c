"""Long clips as overlapping windows of one length, and the crossfades between their sounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from avlink import to_index

RATE = 25
"""Windows start on pictures of this rate, the higher of MMAudio's two."""

SHORTEST_S = Fraction(16, RATE)
"""The length of one segment of MMAudio's synchronisation features. For shorter clips the last picture is held, and the
sound is cut."""


def plan_windows(
    duration_s: Fraction, window_s: Fraction, overlap_s: Fraction
) -> tuple[tuple[Fraction, Fraction], ...]:
    """Return (start, length) in seconds of windows that cover `duration_s`; starts are on pictures.

    A clip up to `window_s` is one window of its own length. The windows of a longer one are `window_s` long, evenly
    spaced, and overlap by `overlap_s` or more, less one picture; the last may end up to one picture after the clip.
    """
    if duration_s <= window_s:
        return ((Fraction(0), max(duration_s, SHORTEST_S)),)
    # In pictures, rounded up: the last window must reach the end of the clip.
    last = -((window_s - duration_s) * RATE // 1)
    gaps = -((overlap_s - duration_s) // (window_s - overlap_s)) - 1
    starts = (to_index(Fraction(index * last, gaps * RATE), RATE) for index in range(gaps + 1))
    return tuple((Fraction(start, RATE), window_s) for start in starts)


def join(pieces: Iterable[tuple[int, NDArray[np.float32]]], total: int, fade: int) -> Iterator[NDArray[np.float32]]:
    """Join (first sample, sound of (1, samples)) pieces into one sound of `total` samples, yielded in blocks.

    In the middle of each overlap is an equal-power crossfade of `fade` samples: two windows generate the same moment
    with a similar character, but not in phase. One piece is held in memory.
    """
    held, at = np.zeros((1, 0), np.float32), 0
    for start, piece in pieces:
        shared = at + held.shape[1] - start
        length = max(0, min(fade, shared))
        # Centred in the overlap, where both windows are away from their edges.
        begin = start + (shared - length) // 2 if length else start
        angle = (
            (np.arange(length, dtype=np.float32) + np.float32(0.5)) / np.float32(max(1, length)) * np.float32(np.pi / 2)
        )
        leaving = held[:, begin - at : begin - at + length] * np.cos(angle)
        yield held[:, : begin - at]
        yield leaving + piece[:, begin - start : begin - start + length] * np.sin(angle)
        held, at = piece[:, begin - start + length :], begin + length
    yield held[:, : total - at]
