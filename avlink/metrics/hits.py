"""The hits of a finished stem that are worth a mark: what an editor would call one, and not every ripple of rain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avlink.core.values import Hit, SoundSource
from avlink.metrics.onsets import find_onsets

VERSION = 1
"""Goes up when the same sound gives other hits, so that stems that are there are spotted anew."""

MIN_STRENGTH_DB = 5.0
"""What rises less is heard by the detector, and is no hit to an editor.

Of the 106 points in the true sounds of 150 scenes of the foundry that only last, this leaves 17, and of 1115 true hits
in others all but 18. On stems of the built-in model, everything from 5 to 7 dB is equally right.
"""

MAX_HITS = 500
"""More of them in one stem are a texture to an editor, and no list to work by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spotted:
    """Hits in the order of time; `left_out` is how many softer ones were heard beyond the most that are marked."""

    hits: tuple[Hit, ...] = ()
    left_out: int = 0


def spot_hits(sound: SoundSource, *, most: int = MAX_HITS) -> Spotted:
    """The hits in a sound, in memory that does not grow with it; the `most` strongest when there are more.

    The same sound has the same hits. What already sounds in the first 16 ms is none: a cut into a sound is no hit.
    Raises ValueError if it holds values that are not finite.
    """
    onsets = find_onsets(sound)
    strong = np.flatnonzero(onsets.strengths >= MIN_STRENGTH_DB)
    # Of equals the earlier ones stay.
    kept = np.sort(strong[np.argsort(-onsets.strengths[strong], kind="stable")][:most])
    return Spotted(
        hits=tuple(
            Hit(
                sample=min(round(onsets.times_s[index] * sound.sample_rate), sound.num_samples - 1),
                # Tenths are what anybody reads; finer digits are those of the machine.
                strength_db=round(float(onsets.strengths[index]), 1),
            )
            for index in kept
        ),
        left_out=len(strong) - len(kept),
    )
