"""Record times of a list that runs over midnight, where timecode begins again at zero."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def past_midnight(spans: Sequence[tuple[int, int]], day: int) -> list[int]:
    """Return the frames to add to each span, in the order of the list, so that all lie on one line of time.

    A list runs over midnight where one of its events does, or where the next begins more than half a day earlier. Then
    it begins behind the longest stretch of the day that has no events. `day` is the number of frames of 24 hours.
    """
    none = [0] * len(spans)
    if any(start >= day for start, _ in spans):
        # The list itself counts past 24 hours.
        return none
    crosses = any(end >= day for _, end in spans) or any(one[0] - after[0] > day // 2 for one, after in pairwise(spans))
    if not crosses:
        return none
    ordered = sorted(spans)
    first, longest, end = ordered[0][0], -1, max(end for _, end in ordered) - day
    for start, stop in ordered:
        if start - end > longest:
            first, longest = start, start - end
        end = max(end, stop)
    return [day if start < first else 0 for start, _ in spans]
