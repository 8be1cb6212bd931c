"""The built-in spotters: the networks `motion-stem` and `motion-flow`, and `motion-peaks`, which has no weights.

`motion-peaks` is the fallback where a model has no stem, and the baseline that a network has to beat. Its delays were
chosen on 48 real clips with known events: there a sound is heard a little after the motion is fastest, when it has come
to rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avlink import FrameSource, Hit, Peak, PictureSpec, bundle_fingerprint, change_map, digest, find_bundle, find_peaks
from avlink_fusion.sight import Sight, look
from avlink_fusion.spotter_options import FlowOptions, PeakOptions, StemOptions

if TYPE_CHECKING:
    from avlink import OnsetNet

_STEM_VERSION, _FLOW_VERSION, _PEAKS_VERSION = 1, 1, 1
"""Raise them when the same pictures and options give other hits."""

_TIME_GRID = 10_000
"""Times are told to a tenth of a millisecond: finer digits differ between machines."""


class StemSpotter:
    """Spots with the motion stem of a bundle, which has learned from drawings."""

    # The training counts a bin of an onset six times, so that the network is too sure of it by this much.
    _ODDS = np.log(6.0)

    def __init__(self, net: OnsetNet, options: StemOptions) -> None:
        self.picture = net.picture
        self._net, self._options = net, options

    def spot(self, frames: FrameSource) -> list[Hit]:
        """Return the moments at which the network sees an onset."""
        reading = self._net.read(frames)
        sure = 1 / (1 + np.exp(self._ODDS - reading.logits.astype(np.float64)))
        # 0.6, 0.15 and 0.04 for a sensitivity of 0, 0.5 and 1.
        least = self._least(0.6 * 0.0625**self._options.sensitivity, sure)
        peaks = find_peaks(sure, least=least, gap=self._options.min_gap_s * float(reading.rate))
        times_s = [(peak.at + 0.5) / float(reading.rate) for peak in peaks]
        frames_at = [min(len(reading.classes) - 1, int(time_s * float(self.picture.rate))) for time_s in times_s]
        kinds = [kind_of(dict(zip(self._net.names, reading.classes[at], strict=False))) for at in frames_at]
        changes = change_map(frames)
        sights = [look(changes, time_s, float(self.picture.rate)) for time_s in times_s]
        return hits_of(times_s, [peak.height for peak in peaks], sights, kinds, late_s=self._options.late_s)

    def _least(self, usual: float, sure: NDArray[np.float64]) -> float:
        """Return the least confidence of a hit, `usual` for most clips."""
        return usual


class FlowHitSpotter(StemSpotter):
    """Spots with the flow spotter of a bundle, which has learned from rendered scenes."""

    _ODDS = np.log(4.0)

    def _least(self, usual: float, sure: NDArray[np.float64]) -> float:
        # Of film that it has seen nothing like it is never sure: there half of the clip's highest confidence counts.
        return min(usual, max(usual / 4, 0.5 * float(sure.max(initial=0.0))))


class PeakSpotter:
    """Spots the moments at which motion comes to rest after a peak."""

    # At any rate of the film its frames are held here, and none is blended with another.
    picture = PictureSpec(rate=Fraction(60), width=160, height=90)
    _REST_S = 0.06

    def __init__(self, options: PeakOptions) -> None:
        self._options = options

    def spot(self, frames: FrameSource) -> list[Hit]:
        """Return the moments at which clearly more moves than in the second around them."""
        changes, rate = change_map(frames), float(self.picture.rate)
        curve = changes.novelty(rate)
        spread = float(curve.std()) if len(curve) else 0.0
        if spread <= 0:
            return []
        # 4, 2 and 1 times the spread of the clip for a sensitivity of 0, 0.5 and 1.
        least = 4.0 * 0.25**self._options.sensitivity * spread
        peaks = find_peaks(curve, least=least, gap=self._options.min_gap_s * rate)
        # Entry n of the curve is the change into frame n + 1, which begins there.
        times_s = [(self._rest(curve, peak, rate) + 1) / rate for peak in peaks]
        sights = [look(changes, (peak.at + 1) / rate, rate) for peak in peaks]
        # The share of peaks of that height near which something sounds, on clips with known events.
        sure = [(peak.height / spread) ** 2 / ((peak.height / spread) ** 2 + 7.0) for peak in peaks]
        return hits_of(times_s, sure, sights, ["hit"] * len(peaks), late_s=self._options.late_s)

    def _rest(self, curve: NDArray[np.float64], peak: Peak, rate: float) -> float:
        """Return where the curve falls most steeply after a peak: what moved has struck."""
        first = round(peak.at)
        falls = np.diff(curve[first : first + int(self._REST_S * rate) + 2])
        return first + int(np.argmin(falls)) + 0.5 if len(falls) else peak.at


def stem_fingerprint(options: StemOptions) -> str:
    """Return a digest of the weights and the options; the path of the bundle is not part of it."""
    return _net_fingerprint("stem", _STEM_VERSION, options)


def flow_fingerprint(options: FlowOptions) -> str:
    """Return a digest of the weights and the options; the path of the bundle is not part of it."""
    return _net_fingerprint("flow", _FLOW_VERSION, options)


def _net_fingerprint(name: str, version: int, options: StemOptions) -> str:
    chosen = options.model_dump(exclude={"model"})
    return digest([name, version, bundle_fingerprint(find_bundle(options.model)), chosen])


def peak_fingerprint(options: PeakOptions) -> str:
    """Return a digest of the options."""
    return digest(["peaks", _PEAKS_VERSION, options.model_dump()])


def load_stem(options: StemOptions, device: str) -> StemSpotter:
    """Return the spotter with the motion stem of a bundle. Raises BundleError."""
    from avlink import load_onset_net, read_bundle

    return StemSpotter(load_onset_net(read_bundle(find_bundle(options.model)), device), options)


def load_flow(options: FlowOptions, device: str) -> FlowHitSpotter:
    """Return the spotter with the flow spotter of a bundle. Raises BundleError."""
    from avlink import load_flow_net, read_bundle

    return FlowHitSpotter(load_flow_net(read_bundle(find_bundle(options.model)), device), options)


def load_peaks(options: PeakOptions, device: str) -> PeakSpotter:
    """Return the spotter without weights, which needs no device."""
    return PeakSpotter(options)


def kind_of(classes: dict[str, np.float32]) -> str:
    """Return the kind that the classes of a network mean: their own name, or that of contact with water."""
    name = max(classes, key=lambda one: classes[one], default="")
    if not name or classes[name] < 0.5:
        return "hit"
    return _KINDS_OF_CLASSES.get(name, "hit")


_KINDS_OF_CLASSES = {"water": "splash", **{kind: kind for kind in ("step", "drop", "slide", "splash", "flash")}}


def hits_of(
    times_s: Sequence[float], sure: Sequence[float], sights: Sequence[Sight], kinds: Sequence[str], *, late_s: float
) -> list[Hit]:
    """Return hits whose strength is what moves at them, compared with the liveliest of the clip."""
    most = max((sight.motion for sight in sights), default=0.0)
    return [
        Hit(
            time_s=Fraction(round((time_s + late_s) * _TIME_GRID), _TIME_GRID),
            strength=0.5 if most <= 0 else round(max(0.05, (sight.motion / most) ** 0.5), 2),
            kind="flash" if kind == "hit" and sight.flash else kind,
            confidence=round(min(1.0, max(0.0, confidence)), 3),
            place=sight.place,
        )
        for time_s, confidence, sight, kind in zip(times_s, sure, sights, kinds, strict=True)
    ]
