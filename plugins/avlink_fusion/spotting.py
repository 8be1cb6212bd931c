"""The spotter for any picture, and sound that follows its hits where nobody has told them.

The motion stem has learned from drawings, and is sure of them. On film it is not: there other spotters tell better when
things sound (docs/spotting.md has figures), and a hit makes a sound that is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from avlink import (
    FrameSource,
    Hit,
    HitSpotter,
    OnStep,
    PictureSpec,
    SoundGenerator,
    SoundRequest,
    SoundSource,
    digest,
    find_bundle,
)
from avlink_fusion.spotter_options import FlowOptions, MotionOptions, PeakOptions, StemOptions
from avlink_fusion.spotters import (
    flow_fingerprint,
    load_flow,
    load_peaks,
    load_stem,
    peak_fingerprint,
    stem_fingerprint,
)

SURE = 0.65
"""Mean confidence of hits from which on the stem is sure: nine of ten drawings are above, nine of ten films below."""


_BLOCK_FRAMES = 32
_KEPT_BYTES = 64 << 20


class AveragedFrames:
    """Pictures of a `FrameSource` at a lower rate and size: means over `factor` pictures, and squares of `side`.

    A sampler reads them at every step: the first 64 MiB are kept.
    """

    def __init__(self, frames: FrameSource, factor: int, side: int = 1) -> None:
        self._frames, self._factor, self._side = frames, factor, side
        self.rate = frames.rate / factor
        # At least one, of any frames at all.
        self.num_frames = max(min(1, frames.num_frames), round(Fraction(frames.num_frames, factor)))
        self.height, self.width = frames.height // side, frames.width // side
        self._kept: dict[int, NDArray[np.uint8]] = {}

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return pictures [start, stop); indices as in a slice."""
        start, stop, _ = slice(start, stop).indices(self.num_frames)
        first, last = start // _BLOCK_FRAMES, -(-stop // _BLOCK_FRAMES)
        none = np.zeros((0, self.height, self.width, 3), np.uint8)
        blocks = [none, *(self._block(number) for number in range(first, last))]
        return np.concatenate(blocks)[start - first * _BLOCK_FRAMES : max(start, stop) - first * _BLOCK_FRAMES]

    def _block(self, number: int) -> NDArray[np.uint8]:
        kept = self._kept.get(number)
        if kept is None:
            start = number * _BLOCK_FRAMES
            kept = self._means(start, min(start + _BLOCK_FRAMES, self.num_frames))
            if (len(self._kept) + 1) * _BLOCK_FRAMES * self.height * self.width * 3 <= _KEPT_BYTES:
                self._kept[number] = kept
        return kept

    def _means(self, start: int, stop: int) -> NDArray[np.uint8]:
        fine = self._frames.read(start * self._factor, stop * self._factor)
        # The last mean may be of fewer.
        lacking = (stop - start) * self._factor - len(fine)
        fine = np.concatenate([fine, np.repeat(fine[-1:], max(0, lacking), axis=0)])
        side, (height, width) = self._side, fine.shape[1:3]
        # Sums of whole pictures, and then of slices: a mean over four axes at once takes many times as long.
        total = fine.reshape(-1, self._factor, height, width, 3).sum(axis=1, dtype=np.uint32)
        corners = (total[:, row::side, col::side] for row in range(side) for col in range(side))
        means = np.add.reduce([corner[:, : self.height, : self.width] for corner in corners]) / (self._factor * side**2)
        return np.round(means).astype(np.uint8)


class MotionSpotter:
    """Spots with the motion stem where it is sure of what it sees, as in drawings, and else with a spotter for film.

    Its pictures are those of `stem`, or those of `on_film` where these are a whole multiple of them.
    """

    def __init__(self, stem: HitSpotter, on_film: HitSpotter, *, late_s: float = 0.0) -> None:
        self._stem, self._on_film, self._late_s = stem, on_film, Fraction(late_s).limit_denominator(10_000)
        own, film = stem.picture, on_film.picture
        side = film.width // own.width
        whole = side > 0 and (film.width, film.height) == (own.width * side, own.height * side)
        self._side = side if whole else 1
        self.picture = PictureSpec(
            rate=Fraction(int(np.lcm(int(own.rate), int(film.rate)))),
            width=own.width * self._side,
            height=own.height * self._side,
        )

    def spot(self, frames: FrameSource) -> list[Hit]:
        """Return the hits of the spotter that suits the pictures."""
        hits = self.sure_hits(self.seen_by_stem(frames))
        hits = self.hits_on_film(frames) if hits is None else hits
        return [replace(hit, time_s=hit.time_s + self._late_s) for hit in hits]

    def sure_hits(self, seen: FrameSource) -> list[Hit] | None:
        """Return the hits of the stem in what it sees, or None where it is not sure of them."""
        hits = list(self._stem.spot(seen))
        return hits if hits and np.mean([hit.confidence for hit in hits]) >= SURE else None

    def hits_on_film(self, frames: FrameSource) -> list[Hit]:
        """Return the hits of the spotter for film."""
        return list(self._on_film.spot(AveragedFrames(frames, self._factor(self._on_film.picture))))

    def seen_by_stem(self, frames: FrameSource) -> FrameSource:
        """Return pictures at the rate and the size of the stem."""
        return AveragedFrames(frames, self._factor(self._stem.picture), self._side)

    def _factor(self, picture: PictureSpec) -> int:
        return int(self.picture.rate / picture.rate)


class SpottingGenerator:
    """A `SoundGenerator` that spots hits where they are not known, unless the stem is sure of what it sees.

    The stem of `motion` sees the pictures of the generator, which knows by it when things sound.
    """

    def __init__(self, generator: SoundGenerator, motion: MotionSpotter) -> None:
        self._generator, self._motion = generator, motion
        self.sample_rate, self.picture = generator.sample_rate, motion.picture

    def generate(self, requests: Sequence[SoundRequest], *, on_step: OnStep | None = None) -> Sequence[SoundSource]:
        """Return one sound per request; see `SoundGenerator`."""
        return self._generator.generate([self._told(request) for request in requests], on_step=on_step)

    def _told(self, request: SoundRequest) -> SoundRequest:
        """Return a request at the generator's own picture, with hits where they were not known."""
        hits, frames = request.hits, self._motion.seen_by_stem(request.frames)
        unknown = hits is None and not request.is_ambience and frames.num_frames
        if unknown and self._motion.sure_hits(frames) is None:
            # Where nothing moves, the model says what it likes.
            hits = tuple(self._motion.hits_on_film(request.frames)) or None
        return replace(request, frames=frames, hits=hits)


def motion_fingerprint(options: MotionOptions) -> str:
    """Return a digest of the weights and the options; the path of the bundle is not part of it."""
    stem, flow, peaks = _options_of(options)
    own = options.model_dump(exclude={"model"})
    return digest(["motion", own, stem_fingerprint(stem), flow_fingerprint(flow), peak_fingerprint(peaks)])


def load_motion(options: MotionOptions, device: str) -> MotionSpotter:
    """Return the spotter with the networks of a bundle; one without a flow spotter has peaks of motion for film.

    Raises BundleError for a bundle without a motion stem.
    """
    from avlink import read_bundle

    stem, flow, peaks = _options_of(options)
    has_flow = read_bundle(find_bundle(options.model)).config.flow_spotter is not None
    on_film = load_flow(flow, device) if has_flow else load_peaks(peaks, device)
    return MotionSpotter(load_stem(stem, device), on_film, late_s=options.late_s)


def _options_of(options: MotionOptions) -> tuple[StemOptions, FlowOptions, PeakOptions]:
    """Return the options of each spotter, with those that all have in common."""
    shared = {"sensitivity": options.sensitivity, "min_gap_s": options.min_gap_s}
    stem, flow = StemOptions(model=options.model, **shared), FlowOptions(model=options.model, **shared)
    return stem, flow, PeakOptions(**shared)
