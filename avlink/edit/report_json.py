"""Parts of the object that `--json` prints: places, timecodes, recordings, and the items of a clip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from avlink.core.values import SoundOrigin, SoundUse
from avlink.timeline.timebase import Timebase
from avlink.timeline.values import ClipRef, Job, Skip


def hit_items_json(jobs: Sequence[Job], timebase: Timebase | None) -> Iterator[dict[str, Any]]:
    """Yield the items that the hits of a clip become, by time: their places, their hits and the sounds of their takes.

    Nothing for a clip with one stem. Known before anything is generated.
    """
    takes: dict[str, list[Job]] = {}
    for job in jobs:
        if job.item is not None:
            takes.setdefault(job.clip.id, []).append(job)
    for own in sorted(takes.values(), key=lambda own: (own[0].clip.timeline_start_s, own[0].clip.id)):
        item = own[0].item
        assert item is not None, "only items are here"
        hit, at_s = item.hit, own[0].source.clip.timeline_start_s + item.hit.time_s
        yield {
            **place_json(item.clip, timebase),
            "hit": {
                "time_s": exact_s(hit.time_s),
                "timeline_s": exact_s(at_s),
                "timeline_tc": timecode_json(timebase, at_s),
                "duration_s": exact_s(hit.duration_s),
                "kind": hit.kind,
                "words": hit.words,
                "strength": hit.strength,
            },
            "takes": [_take(job) for job in own],
        }


def _take(job: Job) -> dict[str, Any]:
    sound = job.sound
    use = None if sound is None or sound.use is None else use_json(sound.use)
    return {"take": job.take, "name": None if sound is None else sound.name, "sound": use}


def uses_json(origin: SoundOrigin) -> list[dict[str, Any]]:
    """Return the recordings in a sound as JSON; what is not stated is None."""
    return [use_json(use) for use in origin.uses]


def use_json(use: SoundUse) -> dict[str, Any]:
    """Return a recording as JSON; what is not stated is None."""
    return {"library": use.library, "name": use.name, "licence": use.licence or None, "author": use.author or None}


def exact_s(value: Fraction | None) -> float | None:
    """Return seconds rounded to the microsecond, as reports give them."""
    return None if value is None else round(float(value), 6)


def place_json(clip: ClipRef | Skip, timebase: Timebase | None) -> dict[str, str | float | None]:
    """Return the place of a clip, with its id, its name and its track."""
    start_s, duration_s = clip.timeline_start_s, clip.timeline_duration_s
    end_s = None if start_s is None or duration_s is None else start_s + duration_s
    return {
        "id": clip.id,
        "name": clip.name,
        "track": clip.track,
        "timeline_start_s": exact_s(start_s),
        "timeline_duration_s": exact_s(duration_s),
        "timeline_start_tc": timecode_json(timebase, start_s),
        "timeline_end_tc": timecode_json(timebase, end_s),
    }


def timecode_json(timebase: Timebase | None, time_s: Fraction | None) -> str | None:
    """Return the timecode of a moment, None where there is no timebase."""
    return None if timebase is None or time_s is None else timebase.timecode(time_s)
