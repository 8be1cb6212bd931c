"""The OTIO adapter `avlink_aaf`, experimental: an AAF for Pro Tools with the sound inside, as mono 24-bit stems.

OTIO's own adapter cannot embed sound, and what it writes is reported not to open. This one writes with pyaaf2: one
composition, a timecode track, and a sound track a channel, all counted in samples, so that nothing is moved. The same
timeline gives the same mobs, so a program that has imported it once knows its clips again.
"""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import opentimelineio as otio
import soundfile

from avlink import FlatClip, FlatTimeline, FlatTrack, clock, nominal_rate
from avlink_otio.files import local_path
from avlink_otio.frames import lanes
from avlink_otio.sound import flat, sound_of

_NAMESPACE = uuid.UUID("0f7c53c6-9d3e-5a0e-8d44-3f2d9a4e7a51")
_BLOCK = 1 << 18
_WIDTH = 3


def write(timeline: FlatTimeline, path: Path) -> tuple[FlatTrack, ...]:
    """Write the AAF, and return the tracks in it.

    Raises `otio.exceptions.NotSupportedError` when pyaaf2 is not installed or a timeline has no sound, and
    `otio.exceptions.OTIOError` for sound that is missing or cannot be read.
    """
    aaf2 = _pyaaf2()
    sound = sound_of(timeline)
    folder = path.absolute().parent
    _check_sound(sound, folder)
    with aaf2.open(str(path), "w") as file:
        _Writer(file, sound, folder).write()
    return sound.tracks


def write_to_file(input_otio: otio.schema.Timeline, filepath: str) -> None:
    """Write the AAF as an OTIO adapter."""
    write(flat(input_otio), Path(filepath))


class _Writer:
    """Writes one file. `file` is that of pyaaf2, whose classes have no types."""

    def __init__(self, file: Any, sound: FlatTimeline, folder: Path) -> None:
        self._file = file
        self._sound = sound
        self._folder = folder
        self._masters: dict[tuple[Path, int], tuple[Any, int, int]] = {}

    def write(self) -> None:
        sound, rate = self._sound, self._sound.sample_rate
        composition = self._mob("CompositionMob", sound.name or "foley", "composition", sound.name)
        composition.usage = "Usage_TopLevel"
        self._timecode(composition)
        number = 0
        for track in sound.tracks:
            heard = [clip for clip in track.clips if not (clip.muted or track.muted)]
            edges = [
                (clock.to_index(clip.heard_start_s, rate), clock.to_index(clip.heard_end_s, rate)) for clip in heard
            ]
            for lane, row in enumerate(lanes(heard, edges, "AAF"), start=1):
                name = track.name if lane == 1 else f"{track.name} {lane}"
                channels = max((self._channels(clip) for clip, _, _ in row), default=1)
                for channel in range(channels):
                    number += 1
                    side = "" if channels == 1 else f".{'LR'[channel] if channels == 2 else channel + 1}"
                    slot = composition.create_sound_slot(rate)
                    slot.name = f"{name}{side}"
                    slot["PhysicalTrackNumber"].value = number
                    self._fill(slot.segment, row, channel)

    def _fill(self, sequence: Any, row: list[tuple[FlatClip, int, int]], channel: int) -> None:
        """Append clips with silence between them, in samples of the project."""
        rate, at, parts = self._sound.sample_rate, 0, []
        for clip, first, last in row:
            if channel >= self._channels(clip):
                continue
            master, slot, frames = self._master(clip, channel)
            begin = clock.to_index(clip.active_media.offset_s, rate)
            length = min(last - first, frames - begin)
            if length < last - first:
                lost = (last - first - max(0, length)) / rate
                warnings.warn(f"'{clip.name}' is {lost:.3f} s longer than its file, and is cut there", stacklevel=2)
            if length <= 0:
                continue
            if first > at:
                parts.append(self._file.create.Filler("sound", first - at))
            parts.append(master.create_source_clip(slot, start=begin, length=length, media_kind="sound"))
            at = first + length
        sequence.components.extend(parts)
        sequence.length = at

    def _timecode(self, composition: Any) -> None:
        sound = self._sound
        slot = composition.create_timeline_slot(str(sound.rate))
        slot.name = "TC"
        # Resolve looks for the timecode on the first physical track.
        slot["PhysicalTrackNumber"].value = 1
        timecode = self._file.create.Timecode(nominal_rate(sound.rate), drop=sound.drop_frame)
        timecode.start = clock.to_index(sound.origin_s, sound.rate)
        timecode.length = max(1, clock.to_index(sound.end_s, sound.rate))
        sequence = self._file.create.Sequence(media_kind="Timecode")
        sequence.components.append(timecode)
        sequence.length = timecode.length
        slot.segment = sequence

    def _master(self, clip: FlatClip, channel: int) -> tuple[Any, int, int]:
        """Return the master mob of one channel of a file, its slot, and its length in samples of the project."""
        path = self._path(clip)
        known = self._masters.get((path, channel))
        if known is not None:
            return known
        info = _open(path)
        rate = self._sound.sample_rate
        with info:
            source = self._mob("SourceMob", f"{path.name}.PHYS", "source", path.name, str(channel))
            essence, slot = source.create_essence(info.samplerate, "sound")
            source.descriptor = self._descriptor(info)
            slot.segment.length = info.frames
            stream = essence.open("w")
            for block in _pcm24(info, channel):
                stream.write(block)
            frames = clock.to_index(clock.exact_time(info.frames, info.samplerate), rate)
            if info.samplerate != rate:
                warnings.warn(f"{path.name} has {info.samplerate} Hz and the project {rate} Hz", stacklevel=2)
            master = self._mob("MasterMob", path.stem, "master", path.name, str(channel))
            slot_of_master = master.create_timeline_slot(info.samplerate)
            slot_of_master.segment = source.create_source_clip(slot.slot_id, media_kind="sound")
            slot_of_master.segment.length = info.frames
        self._masters[path, channel] = (master, slot_of_master.slot_id, frames)
        return self._masters[path, channel]

    def _descriptor(self, info: soundfile.SoundFile) -> Any:
        descriptor = self._file.create.PCMDescriptor()
        values = {
            "Channels": 1,
            "BlockAlign": _WIDTH,
            "SampleRate": info.samplerate,
            "AverageBPS": info.samplerate * _WIDTH,
            "QuantizationBits": 8 * _WIDTH,
            "AudioSamplingRate": info.samplerate,
        }
        for name, value in values.items():
            descriptor[name].value = value
        descriptor.length = info.frames
        return descriptor

    def _mob(self, kind: str, name: str, *identity: str) -> Any:
        from aaf2.mobid import MobID

        mob = getattr(self._file.create, kind)(name)
        # Derived, not random: a program that imports the timeline again knows its clips.
        mob_id = MobID.new()
        mob_id.material = uuid.uuid5(_NAMESPACE, "\0".join(identity))
        mob.mob_id = mob_id
        self._file.content.mobs.append(mob)
        return mob

    def _path(self, clip: FlatClip) -> Path:
        return local_path(clip.active_media.url, self._folder)

    def _channels(self, clip: FlatClip) -> int:
        with _open(self._path(clip)) as info:
            return int(info.channels)


def _check_sound(sound: FlatTimeline, folder: Path) -> None:
    """Raise `otio.exceptions.OTIOError` with the names of missing files, before anything is written."""
    heard = [clip.active_media.url for track in sound.tracks for clip in track.clips if not (clip.muted or track.muted)]
    lost = [path for path in dict.fromkeys(local_path(url, folder) for url in heard) if not path.is_file()]
    if lost:
        are = "is" if len(lost) == 1 else "are"
        raise otio.exceptions.OTIOError(f"{', '.join(map(str, lost))} {are} missing, and AAF holds its sound")


def _open(path: Path) -> soundfile.SoundFile:
    try:
        return soundfile.SoundFile(path)
    except (soundfile.SoundFileError, OSError, RuntimeError) as error:
        raise otio.exceptions.OTIOError(f"{path} is no sound that can be embedded ({error})") from error


def _pcm24(file: soundfile.SoundFile, channel: int) -> Iterator[bytes]:
    """Yield one channel as 24-bit little-endian samples, block by block; 16 and 24 bits come out as they are."""
    while True:
        block = file.read(_BLOCK, dtype="int32", always_2d=True)
        if not len(block):
            return
        # The upper three of the four bytes of each sample.
        samples = np.ascontiguousarray(block[:, channel]).astype("<i4")
        yield samples.view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()


def _pyaaf2() -> Any:
    try:
        import aaf2
    except ImportError as error:
        raise otio.exceptions.NotSupportedError(
            "AAF needs pyaaf2, which is not installed; install it with `pip install avlink[aaf]`"
        ) from error
    return aaf2
