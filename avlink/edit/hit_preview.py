"""A movie of an edit with its hits drawn in, and a click at each: a check by eye and ear in the time of one viewing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avlink.core import clock
from avlink.core.hits import Hit
from avlink.core.paths import Writer, atomic_write
from avlink.core.sound import AmplifiedSound
from avlink.core.values import SoundSource
from avlink.edit.preview import edit_pictures, own_sound
from avlink.edit.sources import Locate
from avlink.media.clicks import ClickTrack
from avlink.media.drawing import Mark, drawn
from avlink.media.mix import Mixdown, PlacedSound, within_full_scale
from avlink.media.movie import write_movie
from avlink.session import Session
from avlink.timeline.hit_markers import hit_colour
from avlink.timeline.read import TimelineFile
from avlink.timeline.resolve import MediaRoots

SUFFIX = ".mp4"
HEIGHT = 540

_SAMPLE_RATE = 48000
_SHOWN_FRAMES = 6
_OWN_SOUND = 10 ** (-12 / 20)
"""The sound of the edit is 12 dB below its level, so that clicks are heard through it."""

_SLACK_FRAMES = Fraction(1, 1000)
_COLOURS = {
    "RED": (235, 64, 52),
    "ORANGE": (245, 150, 40),
    "YELLOW": (245, 215, 60),
    "GREEN": (100, 200, 80),
    "BLUE": (80, 140, 245),
    "PURPLE": (170, 110, 235),
    "PINK": (245, 140, 190),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownHit:
    """A hit at its moment of the timeline."""

    at_s: Fraction
    hit: Hit


def write_hit_preview(
    file: TimelineFile,
    hits: Sequence[ShownHit],
    path: Path,
    session: Session,
    *,
    folder: Path,
    roots: MediaRoots,
    production: bool = True,
    locate: Locate | None = None,
    write: Writer = atomic_write,
) -> None:
    """Write the visible pictures of a timeline, at its frame rate, with its hits and a click at each.

    Each hit has a ring at its place, or at the lower edge, its name and a bar as long as its confidence, for six frames
    or as long as it lasts. With `production`, the edit's own sound is heard below the clicks. Memory stays constant.

    Raises OutputError when the movie cannot be written.
    """
    shown = edit_pictures(file, session, folder=folder, roots=roots, height=HEIGHT, locate=locate)
    images = draw_hits(shown.images, hits, rate=shown.rate)
    own = own_sound(file, session, folder, roots, _SAMPLE_RATE) if production else []
    sound = _clicked(own, hits, clock.to_index(shown.duration_s, _SAMPLE_RATE))
    with write(path) as temporary:
        write_movie(temporary, images, sound, rate=shown.rate, width=shown.width, height=shown.height)


def draw_hits(
    images: Iterator[NDArray[np.uint8]], hits: Sequence[ShownHit], *, rate: Fraction
) -> Iterator[NDArray[np.uint8]]:
    """Yield pictures at `rate` per second with hits drawn in, each from the picture in which it lies on."""
    waiting = sorted(hits, key=lambda one: one.at_s, reverse=True)
    now: list[tuple[int, int, Hit]] = []
    for index, image in enumerate(images):
        while waiting and (first := floor(waiting[-1].at_s * rate + _SLACK_FRAMES)) <= index:
            hit = waiting.pop().hit
            now.append((first, first + max(_SHOWN_FRAMES, clock.to_index(hit.duration_s, rate)), hit))
        now = [one for one in now if one[1] > index]
        yield drawn(image, [_mark(hit, index - first) for first, _, hit in now])


def _mark(hit: Hit, age: int) -> Mark:
    name = hit.words or hit.kind
    return Mark(
        label=f"{name} {hit.strength:.2f}" + (" heard" if hit.heard else ""),
        share=hit.confidence,
        colour=_COLOURS.get(hit_colour(hit.kind), _COLOURS["PINK"]),
        place=hit.place,
        # The ring is smallest at the moment itself, which so is told from the frames after it.
        radius=0.05 + 0.008 * min(age, _SHOWN_FRAMES),
    )


def _clicked(own: Sequence[PlacedSound], hits: Sequence[ShownHit], num_samples: int) -> SoundSource | None:
    """Return a click at the sample of each hit, over the edit's own sound; None where there is nothing to hear."""
    if not num_samples or not (own or hits):
        return None
    clicks = ClickTrack(
        [clock.to_index(one.at_s, _SAMPLE_RATE) for one in hits], sample_rate=_SAMPLE_RATE, num_samples=num_samples
    )
    parts = [PlacedSound(sound=clicks, at=0, num_samples=num_samples)]
    channels = 1
    if own:
        channels = max(part.sound.channels for part in own)
        below = Mixdown(own, sample_rate=_SAMPLE_RATE, channels=channels, num_samples=num_samples)
        parts.append(PlacedSound(sound=AmplifiedSound(below, _OWN_SOUND), at=0, num_samples=num_samples))
    return within_full_scale(Mixdown(parts, sample_rate=_SAMPLE_RATE, channels=channels, num_samples=num_samples))
