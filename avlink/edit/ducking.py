"""Ducking: lower foley under the sound that a project already has, as a compressor with a side chain does.

Off by default. The side chain is the project's sound at its own level: the faders of the editing program are not
known. Times are relative to the stem's start, so that a stem that moves together with that sound keeps its key.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avlink.core.errors import MediaError
from avlink.core.events import Listener, Message, ignore
from avlink.core.file_digest import check_unchanged
from avlink.core.hashing import JsonValue, fraction_text
from avlink.core.recipe.schema import StemsTable
from avlink.core.values import SoundSource
from avlink.edit.production import ProductionSound, find_production
from avlink.media.audio import read_audio
from avlink.session import Session
from avlink.timeline.formats.otioz import unpack_sound
from avlink.timeline.read import TimelineFile
from avlink.timeline.resolve import MediaRoots
from avlink.timeline.values import ClipRef

_HOP_S = Fraction(1, 100)
_BEFORE_S = 2
"""Time before a stem that is analysed, too: a loud sound may still hold the gain down when the stem begins."""
_CHUNK_HOPS = 3000
_LISTEN_HZ = 16000
_THRESHOLD_DB, _KNEE_DB = -45.0, 10.0
"""Levels as RMS of full scale. Below the threshold nothing is lowered; one knee above it the full depth is reached."""
_ATTACK_S, _RELEASE_S = 0.03, 0.4
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ducking:
    """The depth by which stems are lowered, in dB, and the sounds that lower them."""

    depth_db: float
    sounds: tuple[ProductionSound, ...]
    """Sorted by start, for a binary search: a timeline may have thousands."""
    longest_s: Fraction
    """Duration of the longest of them."""
    handle_s: Fraction = Fraction(0)
    """Length of the handles that stems may have."""
    listener: Listener = ignore

    def key(self, clip: ClipRef) -> JsonValue:
        """Return the part of a stem's key that ducking adds; None for a clip without production sound around it."""
        near = [
            [
                sound.digest,
                fraction_text(sound.timeline_start_s - clip.heard_start_s),
                fraction_text(sound.duration_s),
                fraction_text(sound.source_start_s),
                fraction_text(sound.speed),
            ]
            for sound in self._near(clip.heard_start_s - self.handle_s, clip.heard_end_s + self.handle_s)
        ]
        return {"duck": [_VERSION, self.depth_db, *sorted(near)]} if near else None

    def under(self, stem: SoundSource, clip: ClipRef, start_s: Fraction) -> SoundSource:
        """Return the stem of a clip, lowered under the project's sound; it begins at `start_s`."""
        duration_s = Fraction(stem.num_samples, stem.sample_rate)
        near = self._near(start_s, start_s + duration_s)
        if not near:
            return stem
        gain_db = self._gain_db(near, clip, start_s, duration_s)
        # The key names the sounds by content: a stem that was lowered under another one must not be kept under it.
        check_unchanged(sound.state for sound in near)
        return _Lowered(stem, gain_db)

    def _near(self, start_s: Fraction, end_s: Fraction) -> list[ProductionSound]:
        first = bisect_left(self.sounds, start_s - _BEFORE_S - self.longest_s, key=_start_s)
        last = bisect_left(self.sounds, end_s, key=_start_s)
        return [
            sound
            for sound in self.sounds[first:last]
            if start_s - _BEFORE_S < sound.timeline_start_s + sound.duration_s
        ]

    def _gain_db(
        self, near: Sequence[ProductionSound], clip: ClipRef, start_s: Fraction, duration_s: Fraction
    ) -> NDArray[np.float32]:
        """Return the gain at each hop, from the stem's start on."""
        before = int(_BEFORE_S / _HOP_S)
        power = np.zeros(before + ceil(duration_s / _HOP_S) + 1)
        for sound in near:
            try:
                _add_power(power, sound, start_s - _BEFORE_S)
            except MediaError as error:
                said = f"{clip.name} on {clip.track} is not lowered under all of {sound.path.name}: {error}"
                self.listener(Message(text=said, level="warning"))
        level_db = 10 * np.log10(power + 1e-12)
        wanted = -self.depth_db * np.clip((level_db - _THRESHOLD_DB) / _KNEE_DB, 0, 1)
        return _followed(wanted)[before:]


def ducking_for(
    stems: StemsTable, file: TimelineFile, folder: Path, roots: MediaRoots, session: Session
) -> Ducking | None:
    """Return the ducking that a recipe's `[stems]` asks for, or None. Relative media of the file lies in `folder`."""
    depth_db = stems.duck_db
    if not depth_db:
        return None
    if file.bundle is not None:
        unpack_sound(file.bundle, file.timeline.audio_tracks(), folder)
    sounds, lost = find_production(file.timeline, folder=folder, roots=roots, store=session.store)
    for clip, reason in lost:
        said = f"nothing is lowered under {clip.name} on {clip.track}: {reason}"
        session.tell(Message(text=said, level="warning"))
    handle_s = stems.handle
    sounds = tuple(sorted(sounds, key=_start_s))
    longest_s = max((sound.duration_s for sound in sounds), default=Fraction(0))
    return Ducking(depth_db=depth_db, sounds=sounds, longest_s=longest_s, handle_s=handle_s, listener=session.tell)


def _start_s(sound: ProductionSound) -> Fraction:
    return sound.timeline_start_s


class _Lowered:
    """A `SoundSource` with a gain over time: `gain_db` holds one value per hop, interpolated linearly."""

    def __init__(self, sound: SoundSource, gain_db: NDArray[np.float32]) -> None:
        self._sound, self._gain_db = sound, gain_db
        self.sample_rate, self.channels, self.num_samples = sound.sample_rate, sound.channels, sound.num_samples

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop) of shape (channels, samples); indices as in a slice."""
        start, stop, _ = slice(start, stop).indices(self.num_samples)
        heard = self._sound.read(start, stop)
        hops = np.arange(start, start + heard.shape[1]) / float(self.sample_rate * _HOP_S)
        gain_db = np.interp(hops, np.arange(len(self._gain_db)), self._gain_db)
        return np.asarray(heard * 10 ** (gain_db / 20), np.float32)


def _add_power(power: NDArray[np.float64], sound: ProductionSound, first_s: Fraction) -> None:
    """Add the mean square of a sound to each hop that lies whole within it, in place."""
    begin_s = sound.timeline_start_s - first_s
    first = max(0, ceil(begin_s / _HOP_S))
    last = min(len(power), int((begin_s + sound.duration_s) / _HOP_S))
    for low in range(first, last, _CHUNK_HOPS):
        high = min(last, low + _CHUNK_HOPS)
        inside_s = (low * _HOP_S - begin_s, high * _HOP_S - begin_s)
        if sound.speed < 0:
            inside_s = (sound.duration_s - inside_s[1], sound.duration_s - inside_s[0])
        wave = read_audio(
            sound.path,
            sample_rate=_LISTEN_HZ,
            mono=True,
            start_s=sound.source_start_s + inside_s[0] * abs(sound.speed),
            duration_s=(inside_s[1] - inside_s[0]) * abs(sound.speed),
        ).samples[0]
        heard = wave[::-1] if sound.speed < 0 else wave
        for index, part in enumerate(np.array_split(heard, high - low)):
            if part.size:
                power[low + index] += float(np.mean(np.square(part, dtype=np.float64)))


def _followed(wanted_db: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the smoothed gain: down with the time constant of the attack, up with that of the release."""
    down, up = (1 - np.exp(-float(_HOP_S) / time_s) for time_s in (_ATTACK_S, _RELEASE_S))
    gain_db = 0.0
    followed = np.empty(len(wanted_db), np.float32)
    for index, wanted in enumerate(wanted_db):
        gain_db += (down if wanted < gain_db else up) * (wanted - gain_db)
        followed[index] = gain_db
    return followed
