"""Stems, from generated sound: the rate, the exact length, the post chain, and the file with its time stamp.

A stem's edges are the sample positions nearest to the clip's absolute edges, so that stems of neighbours meet. A file
that is already right is left alone; a receipt in the cache says what was written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from avlink.core import clock
from avlink.core.errors import OutputError
from avlink.core.hashing import JsonValue, digest, fraction_text
from avlink.core.paths import atomic_write
from avlink.core.sound import AmplifiedSound, FadedSound, FittedSound
from avlink.core.store import Store
from avlink.core.values import Hit, SoundSource
from avlink.edit.ducking import Ducking
from avlink.edit.receipts import read_receipt, write_receipt
from avlink.edit.report import WrittenStem
from avlink.hooks import ReadyProcessor, apply_chain
from avlink.media.broadcast import BroadcastInfo, CuePoint
from avlink.media.bwf import write_bwf
from avlink.media.loudness import measure_loudness
from avlink.media.resample import resample_spooled
from avlink.metrics.hits import VERSION as SPOTS
from avlink.metrics.hits import Spotted, spot_hits
from avlink.timeline.hits import hit_name, hit_note
from avlink.timeline.timecode import time_reference
from avlink.timeline.values import Job

_FILE_VERSION = 2
"""Version of the metadata in stem files. Files of another version are written again, not generated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StemTarget:
    """The finish and the place of stems. `origin_s` is the real time from midnight to the timeline's start.

    `path_of` overrides the file of a job; without it stems go to `folder` under the names of the plan.
    """

    folder: Path
    chain: tuple[ReadyProcessor, ...]
    sample_rate: int
    track_name: str
    ambience_track_name: str = "AMB"
    origin_s: Fraction = Fraction(0)
    timecode_rate: Fraction | None = None
    drop_frame: bool = False
    project: str = ""
    handle_s: Fraction = Fraction(0)
    """Length of handles: files begin earlier and end later than the heard span, as far as sound was generated."""
    duck: Ducking | None = None
    """Ducking under the project's own sound."""
    spotting: bool = True
    """Mark the hits in stems of foley."""
    untouchable: frozenset[Path] = frozenset()
    """Resolved paths of the files that are read in this run, which are never overwritten."""
    path_of: Callable[[Job], Path] | None = None
    licence: str = ""
    """Permitted use of the model's weights, noted in the files; empty where there is no restriction."""

    def finish_key(self) -> JsonValue:
        """Return what a finished stem depends on, besides the generated sound."""
        return {
            "chain": [dict(step.key) for step in self.chain],
            "sample_rate": self.sample_rate,
            "format": "bwf/2",
            "spots": SPOTS if self.spotting else None,
        }

    def path(self, job: Job) -> Path:
        """Return the file of a job's stem."""
        return self.folder / f"{job.stem_name}.wav" if self.path_of is None else self.path_of(job)


def write_stem(
    job: Job,
    sound: Callable[[], SoundSource],
    target: StemTarget,
    store: Store,
    *,
    cached: bool,
    force: bool,
) -> WrittenStem:
    """Finish the sound of a job and write it as Broadcast Wave, unless the file is there and right.

    Raises OutputError when it cannot be written, PluginError when a processor of the chain fails.
    """
    path = target.path(job)
    if path.resolve() in target.untouchable:
        raise OutputError(f"{path} is an input and is never overwritten; give another name for the output")
    span = _span(job, target)
    info = _stamp(job, target, span)
    facts: list[JsonValue] = [
        span.samples,
        span.head_samples,
        info.time_reference,
        info.description,
        info.note,
        target.project,
        None if info.timecode_rate is None else fraction_text(info.timecode_rate),
        info.drop_frame,
    ]
    key = digest(["written", _FILE_VERSION, job.stem_key, *facts])
    known = None if force else read_receipt(store, key, path)
    if known is None:
        heard = finish(sound(), job, span, target)
        known = _write(heard, path, info, store, key, spotting=target.spotting and job.source.clip.role == "sync")
    return WrittenStem(
        job=job,
        path=path,
        sample_rate=target.sample_rate,
        channels=int(known["channels"]),
        samples=span.samples,
        head_samples=span.head_samples,
        tail_samples=span.tail_samples,
        start_s=span.start_s,
        time_reference=info.time_reference,
        lufs=known["lufs"],
        true_peak_dbtp=known["true_peak_dbtp"],
        cached=cached,
        hits=tuple(Hit(sample=sample, strength_db=strength_db) for sample, strength_db in known["hits"]),
        hits_left_out=known["hits_left_out"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """The span of a stem's file: `samples` of the generated sound from index `first`, at `start_s` of the timeline.

    The edges of the heard span are rounded independently; handles are counted from them.
    """

    start_s: Fraction
    first: int
    samples: int
    head_samples: int = 0
    tail_samples: int = 0


def _span(job: Job, target: StemTarget) -> _Span:
    clip, rate = job.source.clip, target.sample_rate
    first = clock.to_index(job.head_s, rate)
    heard = clock.count(clip.heard_start_s, clip.heard_duration_s, rate)
    # The time reference of bext is unsigned: nothing can lie before midnight.
    room = clock.to_index(target.origin_s + clip.heard_start_s, rate)
    head = min(first, room, clock.to_index(target.handle_s, rate))
    tail = clock.to_index(min(job.tail_s, target.handle_s), rate)
    return _Span(
        start_s=clip.heard_start_s - Fraction(head, rate),
        first=first - head,
        samples=head + heard + tail,
        head_samples=head,
        tail_samples=tail,
    )


def finish(sound: SoundSource, job: Job, span: _Span, target: StemTarget) -> SoundSource:
    """Return the finished sound of a stem: resampled, cut, gain, post chain, fades and ducking, in this order.

    The gain comes before the chain, so that a peak limit holds for sound that was amplified. Fades come after it,
    so that a processor that changes the level does not bend them.
    """
    clip, rate = job.source.clip, target.sample_rate
    heard: SoundSource = FittedSound(resample_spooled(sound, rate), span.samples, span.first)
    if clip.gain_db:
        heard = AmplifiedSound(heard, 10 ** (clip.gain_db / 20))
    heard = apply_chain(heard, target.chain)
    begin = clock.to_index(clip.heard_start_s, rate) - span.head_samples
    for fade in clip.fades:
        # A transition is shortened where the media is too short for it.
        start_s, end_s = max(fade.start_s, clip.heard_start_s), min(fade.end_s, clip.heard_end_s)
        start, length = clock.to_index(start_s, rate) - begin, clock.count(start_s, end_s - start_s, rate)
        heard = FadedSound(heard, start, length, rising=fade.rising)
    return heard if target.duck is None else target.duck.under(heard, clip, span.start_s)


def _write(
    sound: SoundSource, path: Path, info: BroadcastInfo, store: Store, key: str, *, spotting: bool
) -> dict[str, Any]:
    level = measure_loudness(sound)
    spotted = _spot(sound) if spotting else Spotted()
    lufs, peak = _rounded(level.lufs), round(level.true_peak_dbtp, 2)
    measured = replace(
        info,
        lufs=lufs,
        true_peak_dbtp=peak,
        range_lu=_rounded(level.range_lu),
        momentary_lufs=_rounded(level.momentary_lufs),
        short_term_lufs=_rounded(level.short_term_lufs),
        cues=_cues(spotted.hits),
    )
    with atomic_write(path) as temporary:
        write_bwf(temporary, sound, measured)
    facts = {
        "channels": sound.channels,
        "lufs": lufs,
        "true_peak_dbtp": peak,
        "hits": [[hit.sample, hit.strength_db] for hit in spotted.hits],
        "hits_left_out": spotted.left_out,
    }
    return write_receipt(store, key, path, facts)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _spot(sound: SoundSource) -> Spotted:
    try:
        return spot_hits(sound)
    except ValueError:
        # Invalid sound is refused with a sentence by the writer.
        return Spotted()


def _cues(hits: Sequence[Hit]) -> tuple[CuePoint, ...]:
    """Return cue points at hits. Positions are 32-bit in the cue chunk, which is a day at 48 kHz."""
    return tuple(
        CuePoint(position_samples=hit.sample, label=hit_name(number), note=hit_note(hit))
        for number, hit in enumerate(hits, start=1)
        if hit.sample < 1 << 32
    )


def _stamp(job: Job, target: StemTarget, span: _Span) -> BroadcastInfo:
    clip = job.source.clip
    return BroadcastInfo(
        description=clip.name,
        originator_reference=job.stem_key[:32],
        time_reference=_time_reference(job, target, span),
        track_names=(target.track_name if clip.role == "sync" else target.ambience_track_name,),
        timecode_rate=target.timecode_rate,
        drop_frame=target.drop_frame,
        project=target.project,
        note="; ".join(word for word in (job.prompt.text, target.licence) if word),
    )


def _time_reference(job: Job, target: StemTarget, span: _Span) -> int:
    """Return the time stamp of the file's first sample: that of the heard span, less the handle."""
    return time_reference(target.origin_s, job.source.clip.heard_start_s, target.sample_rate) - span.head_samples
