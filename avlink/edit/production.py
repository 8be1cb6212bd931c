"""Production sound: the clips on a project's own audio tracks, and the files that they play."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from avlink.core import clock
from avlink.core.errors import AvlinkError, MediaError
from avlink.core.file_digest import FileState
from avlink.core.sound import FadedSound
from avlink.core.store import Store
from avlink.core.values import SoundSource
from avlink.edit.sources import SoundFiles
from avlink.media.audio import open_audio
from avlink.media.mix import PlacedSound
from avlink.media.probe import probe
from avlink.timeline.resolve import MediaRoots, Unresolved
from avlink.timeline.values import ClipRef
from avlink.timeline.walk import list_sounds

_STEREO = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductionSound:
    """A clip of production sound. `source_start_s` is the earliest time in the file that it plays."""

    clip: ClipRef
    state: FileState
    source_start_s: Fraction

    @property
    def path(self) -> Path:
        """The file."""
        return self.state.path

    @property
    def digest(self) -> str:
        """Digest of the file's content."""
        return self.state.digest

    @property
    def timeline_start_s(self) -> Fraction:
        """Start on the timeline."""
        return self.clip.timeline_start_s

    @property
    def duration_s(self) -> Fraction:
        """Duration on the timeline."""
        return self.clip.timeline_duration_s

    @property
    def speed(self) -> Fraction:
        """Seconds of media per second of timeline."""
        return self.clip.speed


def find_production(
    timeline: otio.schema.Timeline, *, folder: Path, roots: MediaRoots, store: Store
) -> tuple[tuple[ProductionSound, ...], tuple[tuple[ClipRef, AvlinkError | Unresolved], ...]]:
    """Return the production sound that can be heard, and each clip whose file cannot be used, with the reason."""
    files = SoundFiles(folder=folder, roots=roots, store=store)
    found: list[ProductionSound] = []
    lost: list[tuple[ClipRef, AvlinkError | Unresolved]] = []
    for clip in list_sounds(timeline):
        if not isinstance(clip, ClipRef) or not clip.speed:
            continue
        try:
            known = files.find(clip)
            if known is not None:
                info, start_s = known
                start_s = max(start_s, Fraction(0))
                found.append(ProductionSound(clip=clip, state=files.state(info), source_start_s=start_s))
        except (Unresolved, MediaError) as error:
            lost.append((clip, error))
    return tuple(found), tuple(lost)


def place_production(
    sounds: Sequence[ProductionSound], sample_rate: int
) -> Iterator[PlacedSound | tuple[ClipRef, AvlinkError]]:
    """Yield sounds at their places, at `sample_rate`, with transitions, or a clip and the reason of its failure.

    Faders and channel maps of editing programs are not known: each sound keeps its own level, mono or stereo.
    """
    for sound in sounds:
        clip = sound.clip
        try:
            heard, late_s = _opened(sound, sample_rate)
        except MediaError as error:
            yield clip, error
            continue
        start_s = clip.heard_start_s + late_s
        at = clock.to_index(start_s, sample_rate)
        for fade in clip.fades:
            start = clock.to_index(fade.start_s, sample_rate) - at
            length = clock.count(fade.start_s, fade.duration_s, sample_rate)
            heard = FadedSound(heard, start, length, rising=fade.rising)
        length = clock.count(start_s, clip.heard_end_s - start_s, sample_rate)
        yield PlacedSound(sound=heard, at=at, num_samples=min(length, heard.num_samples))


def _opened(sound: ProductionSound, sample_rate: int) -> tuple[SoundSource, Fraction]:
    """Return the sound of a clip including transitions, and the delay with which it begins where the file does."""
    clip, pace = sound.clip, abs(sound.speed)
    forward = sound.speed > 0
    before_s, after_s = (clip.lead_s, clip.trail_s) if forward else (clip.trail_s, clip.lead_s)
    wanted_s = sound.source_start_s - before_s * pace
    start_s = max(Fraction(0), wanted_s)
    audio = probe(sound.path).audio
    opened = open_audio(
        sound.path,
        sample_rate=sample_rate,
        mono=audio is None or audio.channels != _STEREO,
        start_s=start_s,
        duration_s=sound.source_start_s + clip.source_duration_s + after_s * pace - start_s,
        speed=sound.speed,
    )
    return opened, (start_s - wanted_s) / pace if forward else Fraction(0)
