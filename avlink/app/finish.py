"""From generated sound to a finished stem: the rate, the exact length, the post chain, and the file with its stamp.

A stem's edges are the sample positions nearest to the clip's absolute edges, so that stems of neighbours meet. Its
file is left alone when it is already what would be written; a note in the cache remembers what was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from avlink.app.duck import Ducking
from avlink.app.report import WrittenStem
from avlink.app.written import recall, remember
from avlink.core import clock
from avlink.core.errors import OutputError
from avlink.core.hashing import JsonValue, digest
from avlink.core.paths import atomic_write
from avlink.core.sound import AmplifiedSound, FittedSound
from avlink.core.store import Store
from avlink.core.values import SoundSource
from avlink.hooks import ReadyProcessor, apply_chain
from avlink.media.broadcast import BroadcastInfo
from avlink.media.bwf import write_bwf
from avlink.media.loudness import measure_loudness
from avlink.media.resample import resample_spooled
from avlink.timeline.timecode import time_reference
from avlink.timeline.values import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class StemTarget:
    """How stems are finished, and where they go. `origin_s` is the real time from midnight to the timeline's start.

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
    duck: Ducking | None = None
    """Lowers stems under the project's own sound."""
    untouchable: frozenset[Path] = frozenset()
    """Files that are read in this run, resolved: never written over."""
    path_of: Callable[[Job], Path] | None = None

    def finish_key(self) -> JsonValue:
        """What the finished sound depends on besides what was generated."""
        return {"chain": [dict(step.key) for step in self.chain], "sample_rate": self.sample_rate, "format": "bwf/1"}

    def path(self, job: Job) -> Path:
        """The stem's file."""
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
    clip = job.source.clip
    path = target.path(job)
    if path.resolve() in target.untouchable:
        raise OutputError(f"{path} is an input and is never overwritten; give another name for the output")
    samples = clock.count(clip.timeline_start_s, clip.timeline_duration_s, target.sample_rate)
    info = _stamp(job, target)
    key = digest(["written", job.stem_key, samples, info.time_reference, info.description, info.note, target.project])
    known = None if force else recall(store, key, path)
    if known is None:
        heard = finish(sound(), samples, target, gain_db=clip.gain_db or 0.0)
        heard = heard if target.duck is None else target.duck.under(heard, clip)
        known = _write(heard, path, info, store, key)
    return WrittenStem(
        job=job,
        path=path,
        sample_rate=target.sample_rate,
        channels=int(known["channels"]),
        samples=samples,
        time_reference=info.time_reference,
        lufs=known["lufs"],
        true_peak_dbtp=known["true_peak_dbtp"],
        cached=cached,
    )


def finish(sound: SoundSource, samples: int, target: StemTarget, *, gain_db: float = 0.0) -> SoundSource:
    """Generated sound at the stem's rate and exact length, louder by `gain_db`, after the post chain.

    The edges of a stem are rounded by themselves, which moves its end by a sample. The gain comes before the chain,
    so that a cap of peaks holds for what was made louder.
    """
    fitted: SoundSource = FittedSound(resample_spooled(sound, target.sample_rate), samples)
    return apply_chain(AmplifiedSound(fitted, 10 ** (gain_db / 20)) if gain_db else fitted, target.chain)


def _write(sound: SoundSource, path: Path, info: BroadcastInfo, store: Store, key: str) -> dict[str, Any]:
    level = measure_loudness(sound)
    lufs = None if level.lufs is None else round(level.lufs, 2)
    peak = round(level.true_peak_dbtp, 2)
    with atomic_write(path) as temporary:
        write_bwf(temporary, sound, replace(info, lufs=lufs, true_peak_dbtp=peak))
    return remember(store, key, path, {"channels": sound.channels, "lufs": lufs, "true_peak_dbtp": peak})


def _stamp(job: Job, target: StemTarget) -> BroadcastInfo:
    clip = job.source.clip
    return BroadcastInfo(
        description=clip.name,
        originator_reference=job.stem_key[:32],
        time_reference=time_reference(target.origin_s, clip.timeline_start_s, target.sample_rate),
        track_names=(target.track_name if clip.role == "sync" else target.ambience_track_name,),
        timecode_rate=target.timecode_rate,
        drop_frame=target.drop_frame,
        project=target.project,
        note=job.prompt.text,
    )
