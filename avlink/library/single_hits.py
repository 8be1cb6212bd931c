"""The single hits of a sound: their transients, to the sample, and the spans that belong to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from avlink.core.sound import FittedSound, read_blocks
from avlink.core.values import SoundSource
from avlink.library.heard import ChosenChannel, Levels
from avlink.library.values import SoundHit
from avlink.metrics.onsets import Onsets, find_onsets

MIN_STRENGTH_DB = 5.0
"""The least rise of a hit, as for the hits of stems (`avlink.metrics.stem_hits`)."""

MOST_HITS = 2000
"""Hits of one file that are kept, the strongest: an hour of footsteps has some more."""

_BELOW_LOUDEST_DB = 36.0
"""Hits further below the loudest of the file are traces of handling."""

_SAME_S = 0.03
"""An onset this near to a transient is its own."""

_MOST_RISES, _MOST_HEARD_S = 100, 4.0
"""Files of more hits are not listened to hit by hit, and of a hit its first seconds are."""

_LEAD_S = 0.05
"""Silence before the sound: a file that begins with its hit has it at 0."""

_BEFORE_S, _AFTER_S, _RISE_S = 0.012, 0.040, 0.030
"""The peak of a hit is looked for in this span around its onset, the transient in a span before the peak."""

_ATTACK = 0.25
"""The transient is the first sample of the rise that reaches this part of the peak: before, a hit is not heard."""

_EARLIER_S, _ABOVE_EARLIER, _MOST_ATTACK = 0.015, 1.4, 0.6
_MOST_PREROLL_S = 0.5
_TAIL_DB = 60.0
"""A tail ends where it is this far below the peak, or at the level of the file's quiet parts."""

_FLOOR_PERCENTILE, _ABOVE_FLOOR_DB = 5, 3.0
_LEAST_FALL_DB = 12.0
_SMOOTHED_STEPS, _TOP_STEPS = 4, 8
_NEARLY_DB = 3.0
_LEAST_TAIL_S = 0.03
_CUT_IN_S, _LEAST_DECAY_DB, _LEAST_EVEN_S = 0.01, 8.0, 1.0


def find_hits(sound: SoundSource, levels: Levels) -> tuple[SoundHit, ...]:
    """Return the single hits of a sound in the order of time, each with its pre-roll and its tail.

    The end of a hit is the start of the next at the latest. Memory does not grow with the sound.
    """
    rate = sound.sample_rate
    heard = ChosenChannel(sound, levels.channel)
    onsets = _onsets(sound, levels)
    strong = np.flatnonzero(onsets.strengths >= MIN_STRENGTH_DB)
    strong = np.sort(strong[np.argsort(-onsets.strengths[strong], kind="stable")][:MOST_HITS])
    found: dict[int, float] = {}
    for time_s in onsets.times_s[strong]:
        transient, peak = _transient(heard, round(float(time_s) * rate))
        # Two onsets may lead to one peak.
        found[transient] = max(peak, found.get(transient, 0.0))
    if _is_cut_in(levels, sorted(found), round(_CUT_IN_S * rate)):
        del found[min(found)]
    return _spans(sound, levels, found)


def softest_hit(sound: SoundSource, levels: Levels) -> tuple[SoundHit, ...]:
    """Return the one hit of a sound in which `find_hits` finds none.

    It is at the strongest onset, however weak; in a sound that swells, where it first is nearly at its peak. A heel
    that rolls, a howl or a heavy breath is used by this moment.
    """
    onsets, level_db = _onsets(sound, levels), smoothed_db(levels.power)
    at = int(np.argmax(level_db >= level_db.max() - _NEARLY_DB)) * levels.hop
    if len(onsets):
        at = round(float(onsets.times_s[np.argmax(onsets.strengths)]) * sound.sample_rate)
    transient, peak = _transient(ChosenChannel(sound, levels.channel), at)
    return _spans(sound, levels, {transient: peak})


def heard_as_one(hits: tuple[SoundHit, ...], sound: SoundSource, levels: Levels) -> tuple[SoundHit, ...]:
    """Return hits of which the loudest has the rises of all that lies from the first to the last, used as one sound."""
    rate, loudest = sound.sample_rate, max(hits, key=lambda hit: hit.peak_db)
    start, end = int(hits[0].start_s * rate), int(max(hit.end_s for hit in hits) * rate)
    heard = ChosenChannel(sound, levels.channel)
    rise_db, other_db = _rises(heard, start, int(loudest.transient_s * rate), end)
    whole = replace(loudest, rise_db=rise_db, other_rise_db=other_db)
    return tuple(whole if hit is loudest else hit for hit in hits)


def _onsets(sound: SoundSource, levels: Levels) -> Onsets:
    """Return the onsets of a sound after silence, so that a sound which begins with its hit has it."""
    lead = round(_LEAD_S * sound.sample_rate)
    found = find_onsets(ChosenChannel(sound, levels.channel, silence=lead))
    return Onsets(times_s=found.times_s - lead / sound.sample_rate, strengths=found.strengths)


def _is_cut_in(levels: Levels, transients: list[int], start: int) -> bool:
    """Return whether the first transient only is that of a file which begins within a sound: nothing falls after it."""
    if not transients or transients[0] > start:
        return False
    stop = transients[1] // levels.hop if len(transients) > 1 else len(levels.power)
    level_db = smoothed_db(levels.power[:stop])
    # A short sound that is even, such as a beep, is one hit all the same.
    return (
        len(level_db) * levels.step_s >= _LEAST_EVEN_S
        and float(level_db[:_TOP_STEPS].max() - level_db.min()) < _LEAST_DECAY_DB
    )


def _spans(sound: SoundSource, levels: Levels, found: Mapping[int, float]) -> tuple[SoundHit, ...]:
    """Return hits with their spans, of transients and magnitudes of their peaks; traces of handling are left out."""
    rate, heard = sound.sample_rate, ChosenChannel(sound, levels.channel)
    loudest = max(found.values(), default=0.0)
    kept = sorted(one for one, peak in found.items() if peak > loudest * 10 ** (-_BELOW_LOUDEST_DB / 20))
    level_db = smoothed_db(levels.power)
    floor_db = _floor_db(level_db)
    starts = [
        _start(level_db, floor_db, transient, levels, kept[number - 1] if number else None)
        for number, transient in enumerate(kept)
    ]
    hits = []
    for number, transient in enumerate(kept):
        latest = starts[number + 1] if number + 1 < len(kept) else sound.num_samples
        end = max(_end(level_db, floor_db, transient, levels, latest), min(transient + 1, latest))
        if number + 1 < len(kept) and end == latest and end - transient < _LEAST_TAIL_S * rate:
            # Cut off by the next one at once, it is a part of that, and of no use alone.
            continue
        # In a file of very many hits each is one of many, and its clarity decides nothing.
        rise_db, other_db = _rises(heard, starts[number], transient, end) if len(kept) <= _MOST_RISES else (0.0, 0.0)
        hits.append(
            SoundHit(
                start_s=Fraction(starts[number], rate),
                transient_s=Fraction(transient, rate),
                end_s=Fraction(end, rate),
                peak_db=_peak_db(heard, transient, end),
                rise_db=rise_db,
                other_rise_db=other_db,
            )
        )
    return tuple(hits)


def _rises(heard: SoundSource, start: int, transient: int, end: int) -> tuple[float, float]:
    """Return the rise of the onset at a transient, and the greatest of another one, of what lies from start to end.

    It is heard alone, as it will be used: in its file, the next hit hides what rings shortly before.
    """
    rate, length = heard.sample_rate, min(end - start, round(_MOST_HEARD_S * heard.sample_rate))
    lead = round(_LEAD_S * rate)
    alone = FittedSound(heard, length, start)
    onsets = find_onsets(ChosenChannel(alone, None, silence=lead))
    near = np.abs(onsets.times_s - (transient - start + lead) / rate) <= _SAME_S
    # The end of what is cut is faded when it is used.
    within = onsets.times_s < (length + lead) / rate - _SAME_S
    return (
        float(onsets.strengths[near].max(initial=0.0)),
        float(onsets.strengths[within & ~near].max(initial=0.0)),
    )


def smoothed_db(power: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the level of every step in decibels of full scale, as the mean over 20 ms around it."""
    sums = np.cumsum(np.concatenate(([0.0], power)), dtype=np.float64)
    steps = np.arange(len(power))
    low = np.maximum(0, steps - _SMOOTHED_STEPS // 2)
    high = np.minimum(len(power), steps + _SMOOTHED_STEPS // 2)
    return np.asarray(10 * np.log10((sums[high] - sums[low]) / np.maximum(1, high - low) + 1e-12))


def _transient(heard: SoundSource, onset: int) -> tuple[int, float]:
    """Return the sample at which the hit near an onset strikes, and the magnitude of its peak."""
    rate = heard.sample_rate
    first = max(0, onset - round(_BEFORE_S * rate))
    last = min(heard.num_samples, max(onset, 0) + round(_AFTER_S * rate))
    begin = max(0, first - round((_RISE_S + _EARLIER_S) * rate))
    magnitude = np.abs(heard.read(begin, last)[0])
    if not len(magnitude):
        return min(max(onset, 0), heard.num_samples - 1), 0.0
    at = first - begin + int(np.argmax(magnitude[first - begin :]))
    peak = float(magnitude[at])
    # Back from the peak, and no further: before it may ring another hit.
    foot = max(0, at - round(_RISE_S * rate))
    earlier = magnitude[max(0, first - begin - round(_EARLIER_S * rate)) : first - begin]
    # Where it is loud before, as between a latch and the door, the rise begins above that.
    needed = max(_ATTACK * peak, min(_ABOVE_EARLIER * float(earlier.max(initial=0.0)), _MOST_ATTACK * peak))
    reached = int(np.argmax(magnitude[foot : at + 1] >= needed)) if peak > 0 else at - foot
    return begin + foot + reached, peak


def _peak_db(heard: SoundSource, transient: int, end: int) -> float:
    """Return the sample peak from a transient to the end of its tail, in dBFS."""
    blocks = read_blocks(FittedSound(heard, end - transient, transient))
    return float(20 * np.log10(max(float(np.abs(block).max()) for block in blocks) + 1e-12))


def _floor_db(level_db: NDArray[np.float64]) -> float:
    """Return the level that counts as quiet: that of the quietest steps, and not above a tail's own end."""
    return float(np.percentile(level_db, _FLOOR_PERCENTILE)) if len(level_db) else 0.0


def _start(level_db: NDArray[np.float64], floor_db: float, transient: int, levels: Levels, before: int | None) -> int:
    """Return the first sample of what leads to a transient: back to the quiet before it, or to the lowest level.

    `before` is the transient of the hit before, None for the first.
    """
    step = min(transient // levels.hop, len(level_db) - 1)
    earliest = max(0 if before is None else before // levels.hop + 1, step - round(_MOST_PREROLL_S / levels.step_s), 0)
    span = level_db[earliest:step]
    if not len(span):
        return min(transient, earliest * levels.hop)
    quiet = np.flatnonzero(span <= _quiet_db(level_db, floor_db, step))
    if len(quiet):
        cut = int(quiet[-1])
    elif before is None and earliest == 0:
        cut = 0
    else:
        # The valley between two hits that ring into each other is the cut that is heard least.
        cut = len(span) - 1 - int(np.argmin(span[::-1]))
    return min(transient, (earliest + cut) * levels.hop)


def _end(level_db: NDArray[np.float64], floor_db: float, transient: int, levels: Levels, latest: int) -> int:
    """Return the sample after the tail of a hit, at most `latest`."""
    step = min(transient // levels.hop, len(level_db) - 1)
    loud = np.flatnonzero(level_db[step : -(-latest // levels.hop)] > _quiet_db(level_db, floor_db, step))
    # The last loud step, not the first quiet one: tails beat. One more for the smoothing.
    return min(latest, (step + int(loud[-1]) + 2) * levels.hop) if len(loud) else latest


def _quiet_db(level_db: NDArray[np.float64], floor_db: float, step: int) -> float:
    """Return the level at which the hit at a step is over: its own minus 60 dB, or the quiet of the file."""
    top_db = float(level_db[step : step + _TOP_STEPS].max())
    # A tone without a pause is its own quiet, and ends with the file.
    return max(min(floor_db + _ABOVE_FLOOR_DB, top_db - _LEAST_FALL_DB), top_db - _TAIL_DB)
