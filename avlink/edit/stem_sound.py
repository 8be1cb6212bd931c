"""The sound of a stem: the rate, the exact length, the post chain, fades and ducking.

A stem's edges are the sample positions nearest to the clip's absolute edges, so that stems of neighbours meet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor

from avlink.core import clock
from avlink.core.hashing import JsonValue
from avlink.core.sound import AmplifiedSound, FadedSound, FittedSound
from avlink.core.values import SoundSource
from avlink.edit.stem_target import StemTarget
from avlink.hooks import apply_chain
from avlink.media.resample import resample_spooled
from avlink.timeline.values import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class StemSpan:
    """The span of a stem's file: `samples` of the generated sound from index `first`, at `start_s` of the timeline.

    The edges of the heard span are rounded independently; handles are counted from them.
    """

    start_s: Fraction
    first: int
    samples: int
    head_samples: int = 0
    tail_samples: int = 0


def span_of(job: Job, target: StemTarget) -> StemSpan:
    """Return the span of a job's file."""
    clip, rate = job.clip, target.sample_rate
    first = clock.to_index(job.head_s, rate)
    heard = clock.count(clip.heard_start_s, clip.heard_duration_s, rate)
    # The time reference of bext is unsigned: nothing can lie before midnight.
    earliest_s = target.origin_s + clip.heard_start_s
    if job.sound is None:
        head_s = _whole_frames(min(job.head_s, target.handle_s, earliest_s), target, floor)
        tail_s = _whole_frames(min(job.tail_s, target.handle_s), target, floor)
        # The outer edges are rounded as absolute times, too.
        head = min(first, clock.count(clip.heard_start_s - head_s, head_s, rate))
    else:
        # It was made with its handles, and may be an alternative that is longer than its item: silence fills the frame.
        head_s = min(_whole_frames(job.head_s, target, ceil), _whole_frames(earliest_s, target, floor))
        tail_s = _whole_frames(job.tail_s, target, ceil)
        head = clock.count(clip.heard_start_s - head_s, head_s, rate)
    tail = clock.count(clip.heard_end_s, tail_s, rate)
    return StemSpan(
        start_s=clip.heard_start_s - Fraction(head, rate),
        first=first - head,
        samples=head + heard + tail,
        head_samples=head,
        tail_samples=tail,
    )


def _whole_frames(length_s: Fraction, target: StemTarget, whole: Callable[[Fraction], int]) -> Fraction:
    """Return a handle that programs can address, which count frames of the timeline: as many as are in a length."""
    rate = target.timecode_rate
    return max(Fraction(0), length_s) if rate is None else Fraction(max(0, whole(length_s * rate))) / rate


def finished(job: Job, sound: Callable[[], SoundSource], span: StemSpan, target: StemTarget) -> SoundSource:
    """Return the finished sound of a stem. `sound` reads what was generated.

    An item that is a stretch of its clip is cut from the finished stem of that, so that items which meet sound as the
    stem does.
    """
    if not job.is_cut:
        return _finish(sound(), job, span, target)
    whole, place = _whole(job, target)
    key = (job.raw_key, job.finish_key, place.samples, place.head_samples)
    clip = target.last_clip.get(key, lambda: _finish(sound(), whole, place, target))
    return FittedSound(clip, span.samples, _begin(job, span, target) - _begin(whole, place, target))


def cut_facts(job: Job, target: StemTarget) -> list[JsonValue]:
    """Return key parts of the stem that an item is cut from; empty for all others."""
    if not job.is_cut:
        return []
    _, place = _whole(job, target)
    return [place.samples, place.head_samples]


def _whole(job: Job, target: StemTarget) -> tuple[Job, StemSpan]:
    """Return the job of the clip that an item is a stretch of, and the span of its stem."""
    source = job.source
    head_s, tail_s = source.before_s - source.clip.lead_s, source.after_s - source.clip.trail_s
    whole = replace(job, item=None, head_s=head_s, tail_s=tail_s)
    return whole, span_of(whole, target)


def _begin(job: Job, span: StemSpan, target: StemTarget) -> int:
    """Return the sample of the timeline at which a file begins."""
    return clock.to_index(job.clip.heard_start_s, target.sample_rate) - span.head_samples


def _finish(sound: SoundSource, job: Job, span: StemSpan, target: StemTarget) -> SoundSource:
    """Return the finished sound of a stem: resampled, cut, gain, post chain, fades and ducking, in this order.

    The gain comes before the chain, so that a peak limit holds for sound that was amplified. Fades come after it,
    so that a processor that changes the level does not bend them.
    """
    clip, rate = job.clip, target.sample_rate
    heard: SoundSource = FittedSound(resample_spooled(sound, rate), span.samples, span.first)
    if clip.gain_db:
        heard = AmplifiedSound(heard, 10 ** (clip.gain_db / 20))
    heard = apply_chain(heard, target.chain)
    begin = clock.to_index(clip.heard_start_s, rate) - span.head_samples
    for fade in clip.fades:
        # A transition is shortened where the media is too short for it, but not by the item of a hit in it.
        whole = job.source.clip
        start_s, end_s = max(fade.start_s, whole.heard_start_s), min(fade.end_s, whole.heard_end_s)
        start, length = clock.to_index(start_s, rate) - begin, clock.count(start_s, end_s - start_s, rate)
        heard = FadedSound(heard, start, length, rising=fade.rising)
    return heard if target.duck is None else target.duck.under(heard, clip, span.start_s)
