"""Sound that follows hits which nobody has told: those of motion, where the motion stem is unsure of what it sees.

The stem has learned from drawings, and is sure of them. On film it is not: there motion alone tells better when things
sound (docs/spotting.md has figures), and a hit makes a sound that is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avlink import FrameSource, Hit, OnStep, PictureSpec, SoundGenerator, SoundRequest, SoundSource
from avlink_fusion.spotter_options import PeakOptions, StemOptions
from avlink_fusion.spotters import PeakSpotter, StemSpotter

if TYPE_CHECKING:
    from avlink import OnsetNet

SURE = 0.65
"""Mean confidence of hits from which on the stem is sure: nine of ten drawings are above, nine of ten films below."""


class AveragedFrames:
    """Pictures of a `FrameSource` at a lower rate: each is the mean of `factor` of its pictures."""

    def __init__(self, frames: FrameSource, factor: int) -> None:
        self._frames, self._factor = frames, factor
        self.rate = frames.rate / factor
        # At least one, of any frames at all.
        self.num_frames = max(min(1, frames.num_frames), round(Fraction(frames.num_frames, factor)))
        self.height, self.width = frames.height, frames.width

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return pictures [start, stop); indices as in a slice."""
        start, stop, _ = slice(start, stop).indices(self.num_frames)
        fine = self._frames.read(start * self._factor, stop * self._factor)
        # The last mean may be of fewer.
        lacking = (stop - start) * self._factor - len(fine)
        fine = np.concatenate([fine, np.repeat(fine[-1:], max(0, lacking), axis=0)])
        means = fine.reshape(stop - start, self._factor, *fine.shape[1:]).mean(axis=1, dtype=np.float32)
        return np.round(means).astype(np.uint8)


class SpottingGenerator:
    """A `SoundGenerator` that spots hits where they are not known, unless the stem of `net` is sure of what it sees."""

    def __init__(self, generator: SoundGenerator, net: OnsetNet) -> None:
        self._generator, self.sample_rate = generator, generator.sample_rate
        # The stem's own hits, the doubtful ones included.
        self._stem, self._peaks = StemSpotter(net, StemOptions()), PeakSpotter(PeakOptions())
        rate = np.lcm(int(generator.picture.rate), int(self._peaks.picture.rate))
        self.picture = PictureSpec(
            rate=Fraction(int(rate)), width=generator.picture.width, height=generator.picture.height
        )

    def generate(self, requests: Sequence[SoundRequest], *, on_step: OnStep | None = None) -> Sequence[SoundSource]:
        """Return one sound per request; see `SoundGenerator`."""
        return self._generator.generate([self._told(request) for request in requests], on_step=on_step)

    def _told(self, request: SoundRequest) -> SoundRequest:
        """Return a request at the generator's own picture, with hits where they were not known."""
        frames = self._at(request.frames, self._generator.picture)
        hits = request.hits
        if hits is None and not request.is_ambience and frames.num_frames:
            hits = self._spot(frames, request.frames)
        return replace(request, frames=frames, hits=hits)

    def _spot(self, seen: FrameSource, fine: FrameSource) -> tuple[Hit, ...] | None:
        """Return the hits of the motion; None where the stem is sure, or nothing moves."""
        own = self._stem.spot(seen)
        if own and np.mean([hit.confidence for hit in own]) >= SURE:
            return None
        return tuple(self._peaks.spot(self._at(fine, self._peaks.picture))) or None

    def _at(self, frames: FrameSource, picture: PictureSpec) -> FrameSource:
        return AveragedFrames(frames, int(self.picture.rate / picture.rate))
