"""Stems, from generated sound: the rate, the exact length, the post chain, and the file with its time stamp.

A stem's edges are the sample positions nearest to the clip's absolute edges, so that stems of neighbours meet. A stem
is named after its content, and a file that is there is never written again: it is used as it is, also where a person
edited its sound, or the stem gets another name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import partial
from math import floor
from pathlib import Path
from typing import Any

from avlink.core import clock
from avlink.core.errors import AvlinkError, OutputError
from avlink.core.hashing import JsonValue, digest, fraction_text
from avlink.core.outputs import Outputs, content_names
from avlink.core.sound import AmplifiedSound, FadedSound, FittedSound
from avlink.core.values import SoundSource, StemHit
from avlink.edit.ducking import Ducking
from avlink.edit.report import WrittenStem
from avlink.hooks import ReadyProcessor, apply_chain
from avlink.media.broadcast import BroadcastInfo, CuePoint
from avlink.media.bwf import write_bwf
from avlink.media.loudness import Loudness, measure_loudness
from avlink.media.resample import resample_spooled
from avlink.media.wave import WaveFile
from avlink.metrics.silence import Silence, measure_silence
from avlink.metrics.stem_hits import VERSION as SPOTS
from avlink.metrics.stem_hits import Spotted, spot_hits
from avlink.timeline.stem_hits import hit_name, hit_note
from avlink.timeline.timecode import time_reference
from avlink.timeline.values import Job

_FILE_VERSION = 4
"""Version of the metadata in stem files. Files of another version are written again, not generated."""
_UNDATED = "1970-01-01T00:00:00"
"""Origination of stems whose media has no date: EBU Tech 3285 has no way to leave it out, and the zero of clocks tells
that it is not known. The moment of the run would make two stems of the same content differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StemTarget:
    """The finish and the place of stems. `origin_s` is the real time from midnight to the timeline's start.

    `path_of` gives the file of a job its name, and an older file of that name is replaced. Without it stems go to
    `folder`, and are named after their content.
    """

    folder: Path
    outputs: Outputs
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
    source: Path | None = None
    """The media file that a single stem belongs to."""
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


def write_stem(
    job: Job, sound: Callable[[], SoundSource], target: StemTarget, *, cached: bool, force: bool
) -> WrittenStem:
    """Finish the sound of a job and write it as Broadcast Wave, unless the file is there and right.

    Raises OutputError when it cannot be written, PluginError when a processor of the chain fails.
    """
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
        list(info.track_names),
    ]
    key = digest(["written", _FILE_VERSION, job.stem_key, *facts])
    spotting = target.spotting and job.source.clip.role == "sync"
    if target.path_of is None:
        names = partial(content_names, target.folder, job.stem_name, key, ".wav")
    else:
        names = partial(iter, (target.path_of(job),))
    first = next(names())
    if first.resolve() in target.untouchable:
        raise OutputError(f"{first} is an input and is never overwritten; give another name for the output")
    fits = partial(_fits, target=target, span=span)
    there = None if force else target.outputs.find(names(), key=key, fits=fits)
    if there is not None:
        path, receipt = there
        # Without a receipt a file was edited, or written where this cache was not.
        of = receipt.facts if receipt is not None else measure_stem(WaveFile(path), spotting=spotting)
        edited = receipt is None and target.outputs.receipt(path) is not None
    else:
        heard = finish(sound(), job, span, target)
        path, of = _write(heard, names(), info, target, key, spotting=spotting)
        edited = False
    return WrittenStem(
        job=job,
        path=path,
        sample_rate=target.sample_rate,
        channels=int(of["channels"]),
        samples=span.samples,
        head_samples=span.head_samples,
        tail_samples=span.tail_samples,
        start_s=span.start_s,
        time_reference=info.time_reference,
        lufs=of["lufs"],
        true_peak_dbtp=of["true_peak_dbtp"],
        cached=cached,
        edited=edited,
        hits=tuple(StemHit(sample=sample, strength_db=strength_db) for sample, strength_db in of["hits"]),
        hits_left_out=of["hits_left_out"],
        # Receipts of earlier versions have none.
        silence=Silence(**of["silence"]) if of.get("silence") else None,
    )


def _fits(path: Path, *, target: StemTarget, span: _Span) -> bool:
    """Return whether a file with the name of a stem's content can stand for it: readable, of its rate and length."""
    if target.path_of is not None:
        return False
    try:
        sound = WaveFile(path)
    except (AvlinkError, OSError, ValueError, EOFError):
        return False
    return (sound.sample_rate, sound.num_samples) == (target.sample_rate, span.samples)


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
    head_s = _whole_frames(min(job.head_s, target.handle_s, target.origin_s + clip.heard_start_s), target)
    tail_s = _whole_frames(min(job.tail_s, target.handle_s), target)
    # The outer edges are rounded as absolute times, too.
    head = min(first, clock.count(clip.heard_start_s - head_s, head_s, rate))
    tail = clock.count(clip.heard_end_s, tail_s, rate)
    return _Span(
        start_s=clip.heard_start_s - Fraction(head, rate),
        first=first - head,
        samples=head + heard + tail,
        head_samples=head,
        tail_samples=tail,
    )


def _whole_frames(length_s: Fraction, target: StemTarget) -> Fraction:
    """Return the longest handle of up to a length that programs can address, which count frames of the timeline."""
    rate = target.timecode_rate
    return length_s if rate is None else Fraction(max(0, floor(length_s * rate))) / rate


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
    sound: SoundSource, names: Iterator[Path], info: BroadcastInfo, target: StemTarget, key: str, *, spotting: bool
) -> tuple[Path, dict[str, Any]]:
    facts, level = _measure(sound, spotting=spotting)
    measured = replace(
        info,
        lufs=facts["lufs"],
        true_peak_dbtp=facts["true_peak_dbtp"],
        range_lu=_rounded(level.range_lu),
        momentary_lufs=_rounded(level.momentary_lufs),
        short_term_lufs=_rounded(level.short_term_lufs),
        cues=_cues([StemHit(sample=sample, strength_db=strength_db) for sample, strength_db in facts["hits"]]),
    )
    facts["key"] = key
    if target.path_of is None:
        return target.outputs.write_new(names, lambda path: write_bwf(path, sound, measured), facts=facts), facts
    path = next(names)
    with target.outputs.write(path, source=target.source, facts=facts) as temporary:
        write_bwf(temporary, sound, measured)
    return path, facts


def measure_stem(sound: SoundSource, *, spotting: bool) -> dict[str, Any]:
    """Return the facts on a stem that its report and its receipt hold: channels, loudness, true peak and hits."""
    return _measure(sound, spotting=spotting)[0]


def _measure(sound: SoundSource, *, spotting: bool) -> tuple[dict[str, Any], Loudness]:
    level = measure_loudness(sound)
    spotted = _spot(sound) if spotting else Spotted()
    facts = {
        "channels": sound.channels,
        "lufs": _rounded(level.lufs),
        "true_peak_dbtp": round(level.true_peak_dbtp, 2),
        "hits": [[hit.sample, hit.strength_db] for hit in spotted.hits],
        "hits_left_out": spotted.left_out,
        "silence": asdict(measure_silence(sound)),
    }
    return facts, level


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _spot(sound: SoundSource) -> Spotted:
    try:
        return spot_hits(sound)
    except ValueError:
        # Invalid sound is refused with a sentence by the writer.
        return Spotted()


def _cues(hits: Sequence[StemHit]) -> tuple[CuePoint, ...]:
    """Return cue points at hits. Positions are 32-bit in the cue chunk, which is a day at 48 kHz."""
    return tuple(
        CuePoint(position_samples=hit.sample, label=hit_name(number), note=hit_note(hit))
        for number, hit in enumerate(hits, start=1)
        if hit.sample < 1 << 32
    )


def _stamp(job: Job, target: StemTarget, span: _Span) -> BroadcastInfo:
    clip = job.source.clip
    # As of production sound that was recorded with the picture, and known by the content alone.
    date, _, time = (job.source.recorded or _UNDATED).partition("T")
    return BroadcastInfo(
        description=clip.name,
        date=date,
        time=time,
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
