"""A movie of a whole timeline as it is seen, with the stems where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from avlink.app.report import Item
from avlink.core import clock
from avlink.core.paths import atomic_write
from avlink.core.values import Waveform
from avlink.media.audio import read_audio
from avlink.media.movie import Segment, write_preview


def preview_timeline(items: Sequence[Item], path: Path, *, rate: Fraction, width: int, height: int) -> None:
    """Write the clips of a report one after the other, black where there is none, with take 1 of their stems.

    Where clips of several tracks overlap, the picture of the one that begins first goes on to its end; the stems
    are all heard. Raises MediaError for media that cannot be read, OutputError when the movie cannot be written.
    """
    segments: list[Segment] = []
    reached_s = Fraction(0)
    for item in items:
        if not item.jobs:
            continue
        source = item.jobs[0].source
        late_s = max(reached_s - source.clip.timeline_start_s, Fraction(0))
        if late_s >= source.seen_s:
            continue
        if source.clip.timeline_start_s > reached_s:
            segments.append(Segment(path=None, duration_s=source.clip.timeline_start_s - reached_s))
        # What runs backwards begins at the end of its stretch, so a later start leaves out that end.
        start_s = source.start_s + late_s * max(source.speed, Fraction(0))
        shown_s = source.seen_s - late_s
        segments.append(Segment(path=source.picture, start_s=start_s, duration_s=shown_s, speed=source.speed))
        reached_s = source.clip.timeline_end_s
    with atomic_write(path) as temporary:
        write_preview(temporary, segments, mix_stems(items, reached_s), rate=rate, width=width, height=height)


def mix_stems(items: Sequence[Item], duration_s: Fraction) -> Waveform | None:
    """The sum of all stems (take 1) at their places, mono, of the timeline's length; None when there are none.

    Stems are added as they are; when the sum exceeds full scale all of it is turned down together.
    """
    stems = [item.stems[0] for item in items if item.stems]
    if not stems:
        return None
    rate = stems[0].sample_rate
    mix = np.zeros((1, clock.to_index(duration_s, rate)), np.float32)
    for stem in stems:
        wave = read_audio(stem.path, sample_rate=rate, mono=True).samples
        wave = wave[:, stem.head_samples : wave.shape[1] - stem.tail_samples]
        at = clock.to_index(stem.job.source.clip.heard_start_s, rate)
        length = min(wave.shape[1], mix.shape[1] - at)
        mix[:, at : at + length] += wave[:, :length]
    loudest = float(np.abs(mix).max(initial=0.0))
    return Waveform(samples=mix / max(1.0, loudest), sample_rate=rate)
