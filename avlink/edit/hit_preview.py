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
from avlink.core.errors import MediaError
from avlink.core.events import Message
from avlink.core.hits import Hit
from avlink.core.sound import AmplifiedSound
from avlink.core.values import SoundSource
from avlink.edit.preview import edit_pictures, own_sound
from avlink.edit.sources import Locate
from avlink.edit.spot_input import SpotInput
from avlink.edit.spot_plan import SpotPlan
from avlink.edit.spot_report import SpotItem
from avlink.media.audio import open_audio
from avlink.media.clicks import ClickTrack
from avlink.media.drawing import Mark, drawn
from avlink.media.mix import Mixdown, PlacedSound, within_full_scale
from avlink.media.movie import write_movie
from avlink.media.probe import probe
from avlink.session import Session
from avlink.timeline.hit_markers import hit_colour
from avlink.timeline.marker_colours import marker_rgb
from avlink.timeline.values import ClipRef
from avlink.timeline.write import refuse_overwrite

SUFFIX = ".mp4"
HEIGHT = 540

SAMPLE_RATE = 48000
_SHOWN_FRAMES = 6
_OWN_SOUND = 10 ** (-12 / 20)
"""The sound of the edit is 12 dB below its level, so that clicks are heard through it."""

_SLACK_FRAMES = Fraction(1, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownHit:
    """A hit at its moment of the timeline."""

    at_s: Fraction
    hit: Hit


def preview_path(output: Path) -> Path:
    """Return the place of the preview of a spotted timeline: cut.spotted.mp4 beside cut.spotted.otio."""
    return output.with_suffix(SUFFIX)


def check_hit_preview(opened: SpotInput, plan: SpotPlan) -> None:
    """Raise OutputError for a preview that cannot be written, or would replace a film that it shows."""
    path = preview_path(opened.output)
    refuse_overwrite(path, inputs=(opened.file.path, *dict.fromkeys(job.source.path for job in plan.jobs)))
    opened.outputs.check(path)


def preview_hits(
    opened: SpotInput, plan: SpotPlan, items: Sequence[SpotItem], session: Session, *, find: Locate | None = None
) -> Path:
    """Write the visible pictures of a timeline, at its frame rate, with the hits of `items`, and return the movie.

    Each hit has a ring at its place, or at the lower edge, its name and a bar as long as its confidence, for six frames
    or as long as it lasts, and a click at its first sample. Below the clicks is the sound of the timeline's own tracks,
    or of its clips where it has no such tracks. Memory stays constant.

    Raises OutputError when the movie cannot be written.
    """
    path = preview_path(opened.output)
    hits = [
        ShownHit(at_s=item.clip.timeline_start_s + hit.time_s, hit=hit)
        for item in items
        if isinstance(item.clip, ClipRef)
        for hit in item.hits
    ]
    shown = edit_pictures(opened.file, session, folder=opened.folder, roots=opened.roots, height=HEIGHT, locate=find)
    images = draw_hits(shown.images, hits, rate=shown.rate)
    sound = clicked(_own(opened, plan, session), hits, clock.to_index(shown.duration_s, SAMPLE_RATE))
    with opened.outputs.write(path, source=opened.file.path) as temporary:
        write_movie(temporary, images, sound, rate=shown.rate, width=shown.width, height=shown.height)
    return path


def _own(opened: SpotInput, plan: SpotPlan, session: Session) -> list[PlacedSound]:
    if opened.file.timeline.audio_tracks():
        return own_sound(opened.file, session, opened.folder, opened.roots, SAMPLE_RATE)
    placed = []
    for source in (job.source for job in plan.jobs):
        if source.images is not None or not source.speed or probe(source.path).audio is None:
            continue
        at = clock.to_index(source.clip.timeline_start_s, SAMPLE_RATE)
        try:
            heard = open_audio(
                source.path,
                sample_rate=SAMPLE_RATE,
                start_s=source.start_s,
                duration_s=source.duration_s,
                speed=source.speed,
            )
        except MediaError as error:
            text = f"{source.clip.name} is not heard in the preview: {error}"
            session.tell(Message(text=text, level="warning"))
            continue
        placed.append(PlacedSound(sound=heard, at=at, num_samples=heard.num_samples))
    return placed


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
        colour=marker_rgb(hit_colour(hit.kind)),
        place=hit.place,
        # The ring is smallest at the moment itself, which so is told from the frames after it.
        radius=0.05 + 0.008 * min(age, _SHOWN_FRAMES),
    )


def clicked(own: Sequence[PlacedSound], hits: Sequence[ShownHit], num_samples: int) -> SoundSource | None:
    """Return a click at the sample of each hit, over the edit's own sound; None where there is nothing to hear."""
    if not num_samples or not (own or hits):
        return None
    clicks = ClickTrack(
        [clock.to_index(one.at_s, SAMPLE_RATE) for one in hits], sample_rate=SAMPLE_RATE, num_samples=num_samples
    )
    parts = [PlacedSound(sound=clicks, at=0, num_samples=num_samples)]
    channels = 1
    if own:
        channels = max(part.sound.channels for part in own)
        below = Mixdown(own, sample_rate=SAMPLE_RATE, channels=channels, num_samples=num_samples)
        parts.append(PlacedSound(sound=AmplifiedSound(below, _OWN_SOUND), at=0, num_samples=num_samples))
    return within_full_scale(Mixdown(parts, sample_rate=SAMPLE_RATE, channels=channels, num_samples=num_samples))
