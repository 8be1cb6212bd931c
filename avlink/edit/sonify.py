"""Sonify: give every clip of a timeline, or one media file, its generated sound (V2A)."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np

from avlink.core import clock
from avlink.core.errors import MediaError, PluginError
from avlink.core.events import Listener, ignore
from avlink.core.hits import Hit
from avlink.core.sound import read_blocks
from avlink.core.store import Store
from avlink.core.values import Frames, ItemSound, SoundGenerator, SoundRequest, SoundSource
from avlink.edit.credits import write_credits
from avlink.edit.direction import Direction
from avlink.edit.disk_use import SOUND_RATES
from avlink.edit.file_stems import FileStems
from avlink.edit.origins import keep_origin, origin_of
from avlink.edit.pipeline import run
from avlink.edit.report import SonifyReport
from avlink.edit.request import EditRequest, SonifyRequest
from avlink.edit.timeline_stems import TimelineStems
from avlink.media.frames import open_frames
from avlink.media.wave import WaveFile, write_float_wave
from avlink.session import Session, open_session
from avlink.timeline.values import HitItem, Job

__all__ = ["SonifyReport", "SonifyRequest", "sonify"]


def sonify(request: SonifyRequest, session: Session | None = None, *, listener: Listener = ignore) -> SonifyReport:
    """Give every selected clip of a timeline its generated stems, or one media file its sound.

    Raises InputError for input, recipe and output places that are wrong, before anything is generated. Failures of
    single clips are in the report.
    """
    session = open_session(device=request.device, listener=listener) if session is None else session
    report = cast(SonifyReport, run(_SOUND, request, session))
    if request.credits is not None and not request.dry_run:
        write_credits(request, report, session)
    return report


def check_sound(answer: SoundSource, request: SoundRequest, generator: SoundGenerator) -> None:
    """Raise PluginError unless a generator answered with finite samples, as many as it was asked for."""
    expected = clock.to_index(request.duration_s, generator.sample_rate)
    if answer.sample_rate != generator.sample_rate or answer.num_samples != expected:
        raise PluginError(
            f"it gave {answer.num_samples} samples at {answer.sample_rate} Hz instead of {expected} at "
            f"{generator.sample_rate} Hz"
        )
    if not _is_finite(answer):
        raise PluginError("it gave sound with samples that are no numbers")
    origin_of(answer)


def _ask(job: Job, generator: SoundGenerator) -> SoundRequest:
    source = job.source
    if job.item is not None and job.sound is not None:
        return _ask_item(job, job.item, job.sound, generator)
    frames = open_frames(
        source.picture,
        start_s=source.made_start_s,
        duration_s=source.made_s,
        spec=generator.picture,
        speed=source.speed,
    )
    hits, base_hits = (_after(found, source.before_s) for found in (job.hits, source.clip.base_hits))
    return SoundRequest(
        frames=frames,
        duration_s=source.made_s,
        prompt=job.prompt,
        seed=job.seed,
        hits=hits,
        base_hits=base_hits,
        # Handles are not seen, so nobody has marked what happens in them.
        known_s=None if hits is None else (source.before_s, source.before_s + source.seen_s),
        is_ambience=source.clip.role == "ambience",
        material=job.material,
    )


def _ask_item(job: Job, item: HitItem, sound: ItemSound, generator: SoundGenerator) -> SoundRequest:
    """Return the request for one sound that the backend has chosen; it needs no pictures."""
    spec, (first_s, last_s) = generator.picture, item.core_s
    lasts_s = last_s - first_s if item.hit.duration_s else Fraction(0)
    return SoundRequest(
        frames=Frames(pixels=np.zeros((0, spec.height, spec.width, 3), np.uint8), rate=spec.rate),
        duration_s=item.length_s,
        prompt=job.prompt,
        seed=job.seed,
        hits=(replace(item.hit, time_s=item.at_s, duration_s=lasts_s),),
        known_s=item.core_s,
        item=sound.item,
    )


def _after(hits: tuple[Hit, ...] | None, seconds: Fraction) -> tuple[Hit, ...] | None:
    return None if hits is None else tuple(replace(hit, time_s=hit.time_s + seconds) for hit in hits)


def _keep(store: Store, key: str, sound: SoundSource) -> None:
    keep_origin(store, key, origin_of(sound))
    # Floating point, so that finishing later from the cache gives the same bits as finishing now.
    store.put_file(key, ".wav", lambda path: write_float_wave(path, sound=sound))


def _kept(store: Store, job: Job) -> SoundSource | None:
    def opened(path: Path) -> SoundSource | None:
        try:
            sound = WaveFile(path)
        except MediaError:
            return None
        expected = clock.to_index(job.made_s, sound.sample_rate)
        return sound if sound.num_samples == expected else None

    def valid(path: Path) -> bool:
        sound = opened(path)
        return sound is not None and _is_finite(sound)

    path = store.get(job.raw_key, valid=valid)
    return None if path is None else opened(path)


def _is_finite(sound: SoundSource) -> bool:
    return all(bool(np.isfinite(block).all()) for block in read_blocks(sound))


def _batch_s(request: EditRequest) -> float:
    return cast(SonifyRequest, request).recipe.run.max_batch_s


_SOUND: Direction[SoundRequest, SoundSource] = Direction(
    open_timeline=TimelineStems,
    open_file=FileStems,
    ask=_ask,
    check=check_sound,
    keep=_keep,
    kept=_kept,
    batch_s=_batch_s,
    report=SonifyReport,
    disk=SOUND_RATES,
)
