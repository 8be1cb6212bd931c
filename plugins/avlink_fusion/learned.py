"""The spotter `learned`: what `avlink spot --learn` has fitted to a user's footage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from avlink import (
    FrameSource,
    Hit,
    HitSpotter,
    LearnedTable,
    PictureSpec,
    change_map,
    digest,
    fit_frames,
    read_learned,
    standing_out,
)
from avlink.hooks import ReadySpotter, load_registry
from avlink_fusion.sight import look
from avlink_fusion.spotter_options import LearnedOptions
from avlink_fusion.spotters import hits_of, kind_of

if TYPE_CHECKING:
    from avlink import LearnedNet

_VERSION = 1
"""Raise it when the same pictures, weights and options give other hits."""

_LEAST, _GAP_S = 0.05, 0.1


class HeadSpotter:
    """Spots the peaks of the curve that heads see."""

    # That of the map of changes; the stem gets these pictures in its own size.
    picture = PictureSpec(rate=Fraction(60), width=160, height=90)

    def __init__(self, net: LearnedNet, *, times: float, late_s: float, sensitivity: float) -> None:
        # Half as high peaks count for a sensitivity of 1, twice as high ones for 0.
        self._net, self._times, self._late_s = net, times * 4.0 ** (0.5 - sensitivity), late_s

    def spot(self, frames: FrameSource) -> list[Hit]:
        """Return the moments at which the curve clearly exceeds its surroundings."""
        changes, rate = change_map(frames), float(self.picture.rate)
        small = fit_frames(frames, spec=self._net.picture)
        reading = self._net.read(small, changes.novelty(rate), frames.num_frames)
        curve = reading.logits.astype(np.float64)
        peaks = standing_out(curve, rate, times=self._times, least=_LEAST, gap_s=_GAP_S)
        times_s = [(peak.at + 0.5) / rate for peak in peaks]
        shown = [min(len(reading.classes) - 1, int(time_s * float(self._net.picture.rate))) for time_s in times_s]
        kinds = [kind_of(dict(zip(self._net.names, reading.classes[at], strict=False))) for at in shown]
        sights = [look(changes, time_s, rate) for time_s in times_s]
        return hits_of(times_s, [peak.height for peak in peaks], sights, kinds, late_s=self._late_s)


class RetimedSpotter:
    """Another spotter with times and a threshold of its own."""

    def __init__(self, spotter: HitSpotter, *, late_s: float, least: float) -> None:
        self.picture = spotter.picture
        self._spotter, self._late_s, self._least = spotter, Fraction(round(late_s * 10_000), 10_000), least

    def spot(self, frames: FrameSource) -> Sequence[Hit]:
        """Return the hits that are sure enough."""
        found = self._spotter.spot(frames)
        return [replace(hit, time_s=hit.time_s + self._late_s) for hit in found if hit.confidence >= self._least]


def learned_fingerprint(options: LearnedOptions) -> str:
    """Return a digest of the weights and the options; the path of the folder is not part of it."""
    _, table = read_learned(options.model)
    chosen = options.model_dump(exclude={"model"})
    kept = table.model_dump(mode="json", include={"built_in", "head"})
    base = None if table.built_in is None else _built_in(table, options).fingerprint()
    return digest(["learned", _VERSION, kept, base, chosen])


def load_learned(options: LearnedOptions, device: str) -> HitSpotter:
    """Return the spotter of a folder. Raises BundleError."""
    folder, table = read_learned(options.model)
    if table.built_in is not None:
        least = table.built_in.min_confidence
        spotter = _built_in(table, options).load(device)
        least = 0.0 if least is None else min(1.0, least * 4.0 ** (0.5 - options.sensitivity))
        return RetimedSpotter(spotter, late_s=options.late_s, least=least)
    from avlink import load_learned as load_net

    assert table.head is not None
    head = table.head
    return HeadSpotter(
        load_net(folder, head, device),
        times=head.times,
        late_s=head.late_s + options.late_s,
        sensitivity=options.sensitivity,
    )


def _built_in(table: LearnedTable, options: LearnedOptions) -> ReadySpotter:
    """Return the built-in spotter of a table, which finds all that it can where the table has a threshold."""
    assert table.built_in is not None
    spotter = load_registry().spotter(table.built_in.name)
    late = {} if table.built_in.late_s is None else {"late_s": table.built_in.late_s}
    sensitivity = options.sensitivity if table.built_in.min_confidence is None else 1.0
    return ReadySpotter(spotter=spotter, options=spotter.options.model_validate({"sensitivity": sensitivity, **late}))
