"""Whole frames, for formats that count nothing finer."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import floor

from avlink import FlatClip, FlatTimeline, clock


def frame_of(time_s: Fraction, rate: Fraction) -> int:
    """Return the frame in which a moment lies; a thousandth of a frame before its start counts as within."""
    return floor(time_s * rate + Fraction(1, 1000))


def on_frames(clip: FlatClip, rate: Fraction) -> tuple[int, int]:
    """Return the frames nearest to a clip's start and end; at least one lies between."""
    # Both edges from absolute times, so that neighbours meet.
    first = clock.to_index(clip.heard_start_s, rate)
    return first, max(first + 1, clock.to_index(clip.heard_end_s, rate))


def warn_of_moves(sound: FlatTimeline, rate: Fraction, format_name: str) -> None:
    """Warn of clips that lie between frames, where a format that counts frames cannot put them."""
    moved_s = []
    for track in sound.sound_tracks:
        for clip in track.clips:
            off_s = abs(clip.heard_start_s - on_frames(clip, rate)[0] / rate)
            if clock.to_index(off_s, sound.sample_rate):
                moved_s.append(off_s)
    if moved_s:
        count = "1 clip lies" if len(moved_s) == 1 else f"{len(moved_s)} clips lie"
        warnings.warn(
            f"{count} between frames, which {format_name} cannot say: moved by up to "
            f"{float(max(moved_s)) * 1000:.1f} ms",
            stacklevel=2,
        )


def lanes(
    clips: Sequence[FlatClip],
    edges: Iterable[tuple[int, int]],
    format_name: str,
    *,
    crossfades: str = "without their crossfades",
) -> list[list[tuple[FlatClip, int, int]]]:
    """Return clips, with their edges, in as many rows as it takes for none to overlap; warns when that is two or more.

    Formats without crossfades hold clips that overlap on further tracks; `crossfades` says what becomes of these.
    """
    rows: list[list[tuple[FlatClip, int, int]]] = []
    for clip, (first, last) in zip(clips, edges, strict=True):
        row = next((row for row in rows if row[-1][2] <= first), None)
        if row is None:
            rows.append([(clip, first, last)])
        else:
            row.append((clip, first, last))
    if len(rows) > 1:
        warnings.warn(f"clips that overlap lie on further tracks in {format_name}, {crossfades}", stacklevel=2)
    return rows or [[]]
