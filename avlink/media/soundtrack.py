"""Opening movies for writing, and encoding their sound at exact times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import cast

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer

from avlink.core.disk import disk_full
from avlink.core.errors import AvlinkError, MediaError, OutputError
from avlink.core.values import SoundSource
from avlink.media.resample import resample_spooled

# Container and sound codec by suffix: AAC where players expect it, lossless where they accept it.
_FORMATS = {
    ".mp4": ("mp4", "aac"),
    ".m4v": ("mp4", "aac"),
    ".mov": ("mov", "aac"),
    ".3gp": ("3gp", "aac"),
    ".mkv": ("matroska", "flac"),
    ".webm": ("webm", "libopus"),
    ".avi": ("avi", "pcm_s16le"),
    ".ts": ("mpegts", "aac"),
    ".m2ts": ("mpegts", "aac"),
    ".mts": ("mpegts", "aac"),
    ".flv": ("flv", "aac"),
}
_RATES = {"aac": (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000), "libopus": (48000,)}
_LAYOUTS = {1: "mono", 2: "stereo", 4: "quad", 6: "5.1", 8: "7.1"}
_BIT_RATE_A_CHANNEL = 128_000
_FRAME_SAMPLES = 1024
_WHOLE_RATE = 48000
_WITH_EDIT_LISTS = ("mp4", "mov", "3gp")
_MILLISECONDS = 1000
_FASTEST_CLOCK = 100_000_000


@contextmanager
def open_movie(path: Path, *, index_first: bool = True, clocks: Sequence[int] = ()) -> Iterator[OutputContainer]:
    """Open a movie for writing, with every failure in one sentence.

    With `index_first`, MP4 and MOV begin with their index, so that they play while they are downloaded. Their edit
    lists count time in a unit in which a tick of each of the `clocks`, in ticks per second, is a whole number; without
    any, in milliseconds.

    Raises OutputError for an unknown suffix or a place that cannot be written, MediaError if libav refuses the streams
    for this container.
    """
    if path.suffix.lower() not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise OutputError(f"'{path}' cannot be written: movies are written as {known}; choose one of these suffixes")
    name, _codec = _FORMATS[path.suffix.lower()]
    options = {}
    if name in _WITH_EDIT_LISTS:
        options = {"movie_timescale": str(_common_clock(clocks))} | ({"movflags": "+faststart"} if index_first else {})
    try:
        container = av.open(str(path.absolute()), "w", format=name, options=options)
        try:
            yield container
        finally:
            container.close()
    except AvlinkError:
        raise
    except OSError as error:
        if full := disk_full(error, path.parent, subject=f"the movie '{path}'"):
            raise full from error
        raise OutputError(f"the movie '{path}' cannot be written: {error.strerror}") from error
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(
            f"the movie '{path}' cannot be written: {path.suffix} does not take this picture or sound ({error}); "
            "name the output .mkv or .mov"
        ) from error


def sound_clock(sound: SoundSource | None, path: Path) -> int:
    """Return the sample rate with which `sound` is written into a movie of that name; 1 without sound."""
    if sound is None:
        return 1
    rates = _RATES.get(_FORMATS[path.suffix.lower()][1]) if path.suffix.lower() in _FORMATS else None
    return sound.sample_rate if rates is None or sound.sample_rate in rates else _WHOLE_RATE


def _common_clock(clocks: Sequence[int]) -> int:
    common = _MILLISECONDS
    for clock in clocks:
        # A clock that fits no other stays out: its edges are off by less than one of these ticks.
        both = lcm(common, clock)
        common = both if both <= _FASTEST_CLOCK else common
    return common


class SoundTrackWriter:
    """Encodes the sound of a movie that is being written, interleaved with the picture so that little is buffered."""

    def __init__(self, container: OutputContainer, sound: SoundSource, *, path: Path) -> None:
        """Add a stream for `sound`, whose first sample lies at time 0; the suffix of `path` gives the codec."""
        codec = _FORMATS[path.suffix.lower()][1]
        if sound.channels not in _LAYOUTS:
            raise MediaError(f"sound of {sound.channels} channels cannot go into '{path}'; mix it to mono or stereo")
        rate = sound_clock(sound, path)
        self._sound = sound if rate == sound.sample_rate else resample_spooled(sound, rate)
        self._container = container
        self._layout = _LAYOUTS[sound.channels]
        # PyAV's overloads know the stream's type by literal codec names only.
        self._stream = cast(AudioStream, container.add_stream(codec, rate=self._sound.sample_rate, layout=self._layout))
        if codec in ("aac", "libopus"):
            self._stream.bit_rate = _BIT_RATE_A_CHANNEL * sound.channels
        self._done = 0

    def mux_until(self, time_s: Fraction) -> None:
        """Write the sound up to about `time_s`."""
        while self._done < self._sound.num_samples:
            if Fraction(self._done, self._sound.sample_rate) > time_s:
                return
            self._mux_frame()

    def finish(self) -> None:
        """Write the rest."""
        while self._done < self._sound.num_samples:
            self._mux_frame()
        self._container.mux(self._stream.encode(None))

    def _mux_frame(self) -> None:
        block = np.ascontiguousarray(self._sound.read(self._done, self._done + _FRAME_SAMPLES))
        frame = AudioFrame.from_ndarray(block, format="fltp", layout=self._layout)
        frame.sample_rate = self._sound.sample_rate
        frame.time_base = Fraction(1, self._sound.sample_rate)
        # Without a pts the encoder's delay (21 ms for AAC) would shift the sound.
        frame.pts = self._done
        self._container.mux(self._stream.encode(frame))
        self._done += block.shape[1]
