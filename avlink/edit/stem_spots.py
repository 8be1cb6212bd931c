"""The hits that are marked in the file of a stem: those that are heard in it, or the one that an item is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from avlink.core import clock
from avlink.core.values import SoundSource, StemHit
from avlink.edit.stem_sound import StemSpan
from avlink.edit.stem_target import StemTarget
from avlink.metrics.stem_hits import Spotted, spot_hits
from avlink.timeline.values import HitItem, Job

_NEAR_S = 0.03
"""Distance within which a detected onset is that of a transient whose sample is known."""

Spot: TypeAlias = Callable[[SoundSource], Spotted]
"""Finds the hits of a stem in its sound."""


def spots_of(job: Job, span: StemSpan, target: StemTarget) -> Spot:
    """Return the way in which the hits of a stem are found; none are marked in ambience.

    In an item these are the onsets of what is heard of it, without those of its handles, or the transient that was laid
    on its hit; a sound that lasts has none.
    """
    if not target.spotting or job.clip.role != "sync":
        return lambda sound: Spotted()
    item = job.item
    if item is None:
        return _spot
    if item.sound is None:
        last = span.samples - span.tail_samples
        return lambda sound: _within(_spot(sound), span.head_samples, last)
    if item.hit.duration_s:
        return lambda sound: Spotted()
    struck = _struck(job, item, span, target)
    return lambda sound: _at(_spot(sound), struck, sound.sample_rate)


def _struck(job: Job, item: HitItem, span: StemSpan, target: StemTarget) -> int:
    """Return the sample of a file that lies on the hit."""
    rate = target.sample_rate
    struck = clock.to_index(job.source.clip.timeline_start_s + item.hit.time_s, rate)
    return span.head_samples + struck - clock.to_index(job.clip.heard_start_s, rate)


def _spot(sound: SoundSource) -> Spotted:
    try:
        return spot_hits(sound)
    except ValueError:
        # Invalid sound is refused with a sentence by the writer.
        return Spotted()


def _within(spotted: Spotted, first: int, last: int) -> Spotted:
    return Spotted(hits=tuple(hit for hit in spotted.hits if first <= hit.sample < last), left_out=spotted.left_out)


def _at(spotted: Spotted, struck: int, rate: int) -> Spotted:
    near = [hit for hit in spotted.hits if abs(hit.sample - struck) <= _NEAR_S * rate]
    strength_db = max((hit.strength_db for hit in near), default=0.0)
    return Spotted(hits=(StemHit(sample=struck, strength_db=strength_db),))
