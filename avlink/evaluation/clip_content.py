"""One clip of a folder: its sound and its pictures, decoded when they are asked for, and each once."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property

from avlink.core.errors import MediaError
from avlink.core.file_digest import file_digest
from avlink.core.frames import ResampledFrames, fit_shorter_side
from avlink.core.store import Store
from avlink.core.values import FrameSource, PictureSpec, Waveform
from avlink.evaluation.pairs import ClipFiles
from avlink.media.audio import read_audio
from avlink.media.frames import open_frames
from avlink.media.probe import AudioInfo, MediaInfo, require_video
from avlink.media.resample import resample

RESAMPLER = "AVLink's Kaiser sinc"
_SANE_RATES = (Fraction(1), Fraction(120))


class ClipContent:
    """The first `max_s` seconds of a clip, in mono. Sound comes by way of its own rate, pictures of their own."""

    def __init__(self, files: ClipFiles, store: Store, *, max_s: Fraction) -> None:
        self._files, self._store, self._max_s = files, store, max_s
        self._pictures: dict[int, FrameSource] = {}
        self._resampled: dict[int, Waveform] = {}

    @property
    def has_sound(self) -> bool:
        """Whether it can be heard."""
        return self._files.sound is not None

    @property
    def has_pictures(self) -> bool:
        """Whether it can be seen."""
        return self._files.pictures is not None

    def digest(self, medium: str) -> str:
        """The name of what the clip's sound or pictures come from."""
        return file_digest(self._file(medium).path, self._store)

    @cached_property
    def sound_end_s(self) -> Fraction:
        """Where the whole file's sound ends, in seconds from its first picture or sample."""
        info = self._file("sound")
        return _sound_end(info, _audio(info))

    def sound(self, sample_rate: int) -> Waveform:
        """The sound in mono. Raises MediaError for what cannot be decoded."""
        if sample_rate not in self._resampled:
            self._resampled[sample_rate] = resample(self._native, sample_rate)
        return self._resampled[sample_rate]

    @cached_property
    def _native(self) -> Waveform:
        info = self._file("sound")
        length_s = min(self._max_s, self.sound_end_s)
        return read_audio(info.path, sample_rate=_audio(info).sample_rate, duration_s=length_s)

    def native_frames(self, side: int) -> FrameSource:
        """All pictures at the film's own rate, no shorter side longer than `side` pixels. Raises MediaError."""
        if side not in self._pictures:
            info = self._file("pictures")
            video = require_video(info)
            width, height = fit_shorter_side(video.width, video.height, side)
            rate = min(max(video.rate, _SANE_RATES[0]), _SANE_RATES[1])
            spec = PictureSpec(rate=rate, width=width, height=height)
            length_s = min(self._max_s, info.duration_s)
            self._pictures[side] = open_frames(info.path, start_s=Fraction(0), duration_s=length_s, spec=spec)
        return self._pictures[side]

    def frames(self, rate: Fraction, side: int) -> FrameSource:
        """The pictures that are seen at each tick of `rate`."""
        return ResampledFrames(self.native_frames(side), rate=rate)

    def _file(self, medium: str) -> MediaInfo:
        found = self._files.sound if medium == "sound" else self._files.pictures
        if found is None:
            raise MediaError(f"a clip that has no {medium} was asked for it")
        return found


def _audio(info: MediaInfo) -> AudioInfo:
    assert info.audio is not None
    return info.audio


def _sound_end(info: MediaInfo, audio: AudioInfo) -> Fraction:
    if audio.duration_s is None:
        return info.duration_s
    origin_s = audio.start_s if info.video is None else info.video.start_s
    return max(Fraction(1, audio.sample_rate), audio.start_s - origin_s + audio.duration_s)
