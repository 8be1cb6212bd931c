"""Stems, from generated sound: measured, and written as a file with a time stamp.

A stem is named after its content, and a file that is there is never written again: it is used as it is, also where a
person edited its sound, or the stem gets another name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from avlink.core.errors import AvlinkError, OutputError
from avlink.core.hashing import JsonValue, digest, fraction_text
from avlink.core.outputs import content_names
from avlink.core.values import SoundSource, StemHit
from avlink.edit.report import WrittenStem
from avlink.edit.stem_sound import StemSpan, cut_facts, finished, span_of
from avlink.edit.stem_spots import Spot, spots_of
from avlink.edit.stem_target import StemTarget
from avlink.media.broadcast import BroadcastInfo, CuePoint
from avlink.media.bwf import write_bwf
from avlink.media.loudness import Loudness, measure_loudness
from avlink.media.wave import WaveFile
from avlink.metrics.silence import Silence, measure_silence
from avlink.timeline.stem_hits import hit_name, hit_note
from avlink.timeline.timecode import time_reference
from avlink.timeline.values import Job

_FILE_VERSION = 4
"""Version of the metadata in stem files. Files of another version are written again, not generated."""
UNDATED = "1970-01-01T00:00:00"
"""Origination of stems whose media has no date: EBU Tech 3285 has no way to leave it out, and the zero of clocks tells
that it is not known. The moment of the run would make two stems of the same content differ."""


def write_stem(
    job: Job, sound: Callable[[], SoundSource], target: StemTarget, *, cached: bool, force: bool
) -> WrittenStem:
    """Finish the sound of a job and write it as Broadcast Wave, unless the file is there and right.

    Raises OutputError when it cannot be written, PluginError when a processor of the chain fails.
    """
    span = span_of(job, target)
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
    key = digest(["written", _FILE_VERSION, job.stem_key, *facts, *cut_facts(job, target)])
    spot = spots_of(job, span, target)
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
        of = receipt.facts if receipt is not None else measure_stem(WaveFile(path), spot)
        edited = receipt is None and target.outputs.receipt(path) is not None
    else:
        heard = finished(job, sound, span, target)
        path, of = _write(heard, names(), info, target, key, spot)
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


def _fits(path: Path, *, target: StemTarget, span: StemSpan) -> bool:
    """Return whether a file with the name of a stem's content can stand for it: readable, of its rate and length."""
    if target.path_of is not None:
        return False
    try:
        sound = WaveFile(path)
    except (AvlinkError, OSError, ValueError, EOFError):
        return False
    return (sound.sample_rate, sound.num_samples) == (target.sample_rate, span.samples)


def _write(
    sound: SoundSource, names: Iterator[Path], info: BroadcastInfo, target: StemTarget, key: str, spot: Spot
) -> tuple[Path, dict[str, Any]]:
    facts, level = _measure(sound, spot)
    measured = replace(
        info,
        lufs=facts["lufs"],
        true_peak_dbtp=facts["true_peak_dbtp"],
        range_lu=rounded(level.range_lu),
        momentary_lufs=rounded(level.momentary_lufs),
        short_term_lufs=rounded(level.short_term_lufs),
        cues=_cues([StemHit(sample=sample, strength_db=strength_db) for sample, strength_db in facts["hits"]]),
    )
    facts["key"] = key
    if target.path_of is None:
        return target.outputs.write_new(names, lambda path: write_bwf(path, sound, measured), facts=facts), facts
    path = next(names)
    with target.outputs.write(path, source=target.source, facts=facts) as temporary:
        write_bwf(temporary, sound, measured)
    return path, facts


def measure_stem(sound: SoundSource, spot: Spot) -> dict[str, Any]:
    """Return the facts on a stem that its report and its receipt hold: channels, loudness, true peak and hits."""
    return _measure(sound, spot)[0]


def _measure(sound: SoundSource, spot: Spot) -> tuple[dict[str, Any], Loudness]:
    level = measure_loudness(sound)
    spotted = spot(sound)
    facts = {
        "channels": sound.channels,
        "lufs": rounded(level.lufs),
        "true_peak_dbtp": round(level.true_peak_dbtp, 2),
        "hits": [[hit.sample, hit.strength_db] for hit in spotted.hits],
        "hits_left_out": spotted.left_out,
        "silence": asdict(measure_silence(sound)),
    }
    return facts, level


def rounded(value: float | None) -> float | None:
    """Return a level in hundredths of a decibel."""
    return None if value is None else round(value, 2)


def _cues(hits: Sequence[StemHit]) -> tuple[CuePoint, ...]:
    """Return cue points at hits. Positions are 32-bit in the cue chunk, which is a day at 48 kHz."""
    return tuple(
        CuePoint(position_samples=hit.sample, label=hit_name(number), note=hit_note(hit))
        for number, hit in enumerate(hits, start=1)
        if hit.sample < 1 << 32
    )


def _stamp(job: Job, target: StemTarget, span: StemSpan) -> BroadcastInfo:
    clip = job.clip
    # As of production sound that was recorded with the picture, and known by the content alone.
    date, _, time = (job.source.recorded or UNDATED).partition("T")
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


def _time_reference(job: Job, target: StemTarget, span: StemSpan) -> int:
    """Return the time stamp of the file's first sample: that of the heard span, less the handle."""
    return time_reference(target.origin_s, job.clip.heard_start_s, target.sample_rate) - span.head_samples
