"""Local changes: the sound about a changed hit is made anew, and the rest of the clip stays, sample for sample.

A model attends to the whole window, so a hit more or less changes everything a little. Both versions start from the
same noise, and differ audibly near the change alone: there one is cut into the other, from shortly before the change to
where both have become alike again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avlink.core.values import SoundSource

BEFORE_S = 0.12
"""Most time before a changed hit that is replaced."""
TAIL_S = 2.5
"""Most time after it: what rings on longer is cut off there."""
_FRAME_S = 0.005
_FADE_S = 0.02
_ALIKE_DB = -45.0
"""Versions are alike where their difference lies this far below its loudest frame."""
_SMOOTH_FRAMES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """Samples [start, stop) that are taken from another version, with a fade of `fade` samples inside of each end."""

    start: int
    stop: int
    fade: int
    sound: SoundSource


def find_patch(base: SoundSource, other: SoundSource, first_s: float, last_s: float) -> Patch:
    """Return the stretch of `other` that replaces that of `base` for a change from `first_s` to `last_s`."""
    rate, length = base.sample_rate, min(base.num_samples, other.num_samples)
    start, late = max(0, round((first_s - BEFORE_S) * rate)), min(length, round((last_s + TAIL_S) * rate))
    frame, fade = round(_FRAME_S * rate), round(_FADE_S * rate)
    difference = other.read(start, late).mean(axis=0) - base.read(start, late).mean(axis=0)
    frames = len(difference) // frame
    if frames == 0:
        return Patch(start=start, stop=late, fade=0, sound=other)
    levels = np.sqrt((difference[: frames * frame].reshape(frames, frame).astype(np.float64) ** 2).mean(axis=1))
    # The loudest of the next 100 ms: a tail that beats is not over in one of its gaps.
    ahead = np.array([levels[i : i + _SMOOTH_FRAMES].max() for i in range(frames)])
    begun = round((last_s * rate - start) / frame) + 2
    alike = np.flatnonzero(ahead[begun:] <= levels.max() * 10 ** (_ALIKE_DB / 20))
    stop = start + (begun + int(alike[0])) * frame + 2 * fade if len(alike) else late
    return Patch(start=start, stop=min(stop, late), fade=fade, sound=other)


class PatchedSound:
    """A `SoundSource` with patches of other versions, which do not overlap."""

    def __init__(self, base: SoundSource, patches: tuple[Patch, ...]) -> None:
        """Take `base`, of which stretches are replaced."""
        self._base, self._patches = base, patches
        self.sample_rate, self.channels, self.num_samples = base.sample_rate, base.channels, base.num_samples

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop) of shape (channels, samples); indices as in a slice."""
        start, stop, _ = slice(start, stop).indices(self.num_samples)
        heard = np.array(self._base.read(start, stop))
        for patch in self._patches:
            first, last = max(start, patch.start), min(stop, patch.stop)
            if first >= last:
                continue
            share = _share(patch, np.arange(first, last))
            span = slice(first - start, last - start)
            heard[:, span] = (1 - share) * heard[:, span] + share * patch.sound.read(first, last)
        return heard


def _share(patch: Patch, at: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the share of the patch in each sample: linear fades, as both versions are alike at its ends."""
    if not patch.fade:
        return np.ones(len(at), np.float32)
    # A patch at the very start has nothing to fade from.
    rising = np.ones(len(at)) if patch.start == 0 else (at - patch.start + 0.5) / patch.fade
    return np.clip(np.minimum(rising, (patch.stop - at - 0.5) / patch.fade), 0, 1).astype(np.float32)
