"""Decoding the sound of a media file, timed against its picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from avlink.core.clock import to_index
from avlink.core.errors import MediaError
from avlink.core.sound import FittedSound, ReversedSound, SpooledSound
from avlink.core.values import SoundSource, Waveform
from avlink.media.container import find_audio, find_video, open_input, read_packets
from avlink.media.probe import read_video_info
from avlink.media.resample import Resampler

# Containers whose index gives exact times; in a plain MP3 the time after a seek is a guess.
_EXACT_SEEK = ("mp4", "matroska", "wav")
# A container whose times are milliseconds: after a seek, frames are put where counting from the start puts them.
_MILLISECONDS = "matroska"
_FRAMES_FOR_THE_GRID = 4
_SEEK_BEYOND_S = 10
# Decoders need some packets after a seek before their output is right (Opus 80 ms, MP3 a few frames).
_PREROLL_S = 1
# Containers with times in milliseconds, and encoders with drifting times: below this, sound counts as continuous.
_JITTER_S = Fraction(1, 100)
_FINEST_EXACT, _FINEST_NEAR = 50_000, 20_000
_INT_SCALE = {"u8": 128.0, "s16": 32768.0, "s32": 2147483648.0, "s64": 9223372036854775808.0}


def read_audio(
    path: Path,
    *,
    sample_rate: int,
    mono: bool = True,
    start_s: Fraction = Fraction(0),
    duration_s: Fraction | None = None,
) -> Waveform:
    """Return the sound in [start_s, start_s + duration_s) of media time, or up to its end, at `sample_rate`.

    Media time 0 is the first picture, or the first sample of a file without picture: sound that starts late is preceded
    by silence, sound that starts early is cut. Beyond its end there is silence, so that exactly
    round(duration_s * sample_rate) samples are returned. `mono` averages the channels.

    Raises MediaError if the file cannot be opened, has no sound, or its sound is damaged (with the time reached).
    """
    blocks = _resampled(Path(path), Fraction(sample_rate), mono=mono, start_s=start_s, duration_s=duration_s)
    samples = np.concatenate(list(blocks), axis=1)
    if duration_s is not None:
        wanted = to_index(duration_s, sample_rate)
        samples = np.pad(samples[:, :wanted], ((0, 0), (0, max(0, wanted - samples.shape[1]))))
    return Waveform(samples=samples, sample_rate=sample_rate)


def open_audio(
    path: Path,
    *,
    sample_rate: int,
    mono: bool = True,
    start_s: Fraction = Fraction(0),
    duration_s: Fraction | None = None,
    speed: Fraction = Fraction(1),
) -> SoundSource:
    """Return what `read_audio` returns, played at `speed`, in constant memory by way of a temporary file.

    Pitch changes with speed, as on a tape; below 0 the span is played backwards from its end. With a `duration_s`,
    exactly round(duration_s / abs(speed) * sample_rate) samples are returned.

    Raises what `read_audio` raises, ValueError for a speed of 0, and OutputError if the temporary file cannot be
    written.
    """
    if not speed:
        raise ValueError("what stands still has no sound")
    # Resampled to rate / speed and played at the rate, sound is as much faster as it should be.
    blocks = _resampled(Path(path), sample_rate / abs(speed), mono=mono, start_s=start_s, duration_s=duration_s)
    first = next(blocks)
    heard: SoundSource = SpooledSound(chain([first], blocks), sample_rate=sample_rate, channels=first.shape[0])
    if duration_s is not None:
        heard = FittedSound(heard, to_index(duration_s / abs(speed), sample_rate))
    return heard if speed > 0 else ReversedSound(heard)


def _resampled(
    path: Path, sample_rate: Fraction, *, mono: bool, start_s: Fraction, duration_s: Fraction | None
) -> Iterator[NDArray[np.float32]]:
    """Yield blocks (channels, samples) at `sample_rate`, up to about a second beyond `duration_s`."""
    if start_s < 0 or (duration_s is not None and duration_s <= 0):
        raise MediaError(f"the stretch of sound from '{path}' must start at 0 or later and be longer than 0")
    origin_s = _picture_start(path)
    converter: Resampler | None = None
    with open_input(path) as container:
        for block, rate in _blocks(path, container, origin_s, start_s=start_s, duration_s=duration_s):
            kept = block.mean(axis=0, keepdims=True, dtype=np.float32) if mono else block
            if converter is None:
                converter = Resampler(*_ratio(path, rate, sample_rate), channels=kept.shape[0])
            yield converter.push(kept)
    if converter is None:
        raise MediaError(f"'{path}' holds no sound that can be decoded")
    yield converter.flush()


def _ratio(path: Path, rate_in: int, rate_out: Fraction) -> tuple[int, int]:
    """Return two rates in the ratio of the given ones, or in the nearest ratio whose filter has a reasonable size.

    The nearest ratio drifts by three milliseconds per minute at worst.
    """
    ratio = rate_out / rate_in
    if max(ratio.numerator, ratio.denominator) <= _FINEST_EXACT:
        return ratio.denominator, ratio.numerator
    coarse = min(ratio, 1 / ratio).limit_denominator(_FINEST_NEAR)
    if not coarse:
        raise MediaError(f"'{path}' is played so fast or slowly that no sound is left of it; render the clip")
    return (coarse.denominator, coarse.numerator) if ratio < 1 else (coarse.numerator, coarse.denominator)


def _picture_start(path: Path) -> Fraction | None:
    with open_input(path) as container:
        video = find_video(container)
        return None if video is None else read_video_info(path, container, video).start_s


def _blocks(
    path: Path,
    container: InputContainer,
    origin_s: Fraction | None,
    *,
    start_s: Fraction,
    duration_s: Fraction | None,
) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Yield contiguous blocks (channels, samples) from `start_s` on, with their sample rate."""
    stream = find_audio(container)
    if stream is None:
        raise MediaError(f"'{path}' has no sound; name a file that has some")
    if origin_s is None:
        origin_s = (stream.start_time or 0) * Fraction(stream.time_base or 0)
    rate = channels = 0
    grid: _Grid | None = None
    if start_s > _SEEK_BEYOND_S and any(name in container.format.name for name in _EXACT_SEEK) and stream.time_base:
        if _MILLISECONDS in container.format.name:
            grid = _grid(islice(_decode(path, container, stream), _FRAMES_FOR_THE_GRID), origin_s)
        # A seek beyond the end decodes nothing, and the silence then takes its format from the header.
        rate, channels = stream.rate, stream.channels
        container.seek(int((origin_s + start_s - _PREROLL_S) / stream.time_base), stream=stream, backward=True)
    # Index of the next sample to give, counted from media time 0.
    position: int | None = None
    decoded: int | None = None
    for frame in _decode(path, container, stream):
        if position is None:
            # The decoder overrides the header: HE-AAC states half its rate there.
            rate, channels = frame.sample_rate, frame.layout.nb_channels
            position = to_index(start_s, rate)
        block = _as_float(frame)
        if block.shape[0] != channels or frame.sample_rate != rate:
            raise MediaError(f"the sound of '{path}' changes its rate or channels on the way; convert it to WAV first")
        begin = _frame_start(frame, origin_s, decoded)
        if decoded is None and grid is not None:
            begin = grid.nearest(begin, rate)
        decoded = begin + block.shape[1]
        if begin > position:
            stop = begin if duration_s is None else min(begin, to_index(start_s + duration_s, rate) + 1)
            yield from _silence(stop - position, channels, rate)
            position = max(position, stop)
        block = block[:, position - begin :]
        if block.shape[1]:
            yield block, rate
            position += block.shape[1]
        # A second more than asked, as context for the filter of the resampler.
        if duration_s is not None and position > to_index(start_s + duration_s + 1, rate):
            return
    if rate:
        # Gives the caller the format of the silence where a span lies after the end of the sound.
        yield np.zeros((channels, 0), np.float32), rate


@dataclass(frozen=True, slots=True)
class _Grid:
    """The samples at which the frames of a stream begin: one of them, and the distance to the next."""

    begin: int
    step: int

    def nearest(self, index: int, rate: int) -> int:
        """Return the beginning of a frame that is stated within the jitter of times, else `index` itself."""
        begin = self.begin + round((index - self.begin) / self.step) * self.step
        return begin if abs(begin - index) <= _JITTER_S * rate else index


def _grid(frames: Iterable[AudioFrame], origin_s: Fraction) -> _Grid | None:
    """Return the grid of a stream by its first frames; None if they differ in length."""
    begins: list[int] = []
    sizes: list[int] = []
    for frame in frames:
        begins.append(_frame_start(frame, origin_s, begins[-1] + sizes[-1] if begins else None))
        sizes.append(frame.samples)
    # The first is shorter where samples of the encoder's delay are left out.
    constant = len(sizes) > 2 and len(set(sizes[1:])) == 1
    return _Grid(begins[1], sizes[1]) if constant else None


def _silence(samples: int, channels: int, rate: int) -> Iterator[tuple[NDArray[np.float32], int]]:
    while samples > 0:
        yield np.zeros((channels, min(samples, rate)), np.float32), rate
        samples -= rate


def _frame_start(frame: AudioFrame, origin_s: Fraction, expected: int | None) -> int:
    """Return the index of a frame's first sample from media time 0; timestamps count only where they jump."""
    if frame.pts is None or frame.time_base is None:
        return expected or 0
    said = to_index(frame.pts * Fraction(frame.time_base) - origin_s, frame.sample_rate)
    if expected is not None and abs(said - expected) <= _JITTER_S * frame.sample_rate:
        return expected
    return said


def _decode(path: Path, container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    reached: float | None = None
    packets = read_packets(container, stream)
    while True:
        try:
            packet = next(packets, None)
            frames = [] if packet is None else stream.codec_context.decode(packet)
        except av.error.EOFError:
            return
        except av.error.FFmpegError as error:
            # After a seek, and in cut recordings, the first packets may refer to some that are not there.
            if reached is None and isinstance(error, av.error.InvalidDataError):
                continue
            where = "its start" if reached is None else f"{reached:.3f} s"
            raise MediaError(
                f"the sound of '{path}' is damaged: decoding stopped after {where}; copy or convert it again"
            ) from error
        if packet is None:
            return
        for frame in frames:
            reached = (frame.time or 0.0) + frame.samples / frame.sample_rate
            yield frame


def _samples(frame: AudioFrame) -> NDArray[Any]:
    """Return the samples of a frame as `to_ndarray` does, which PyAV refuses for 64-bit integers."""
    if not frame.format.name.startswith("s64"):
        return frame.to_ndarray()
    count = frame.samples * (1 if frame.format.is_planar else frame.layout.nb_channels)
    planes: Iterable[Any] = frame.planes
    return np.stack([np.frombuffer(plane, np.int64, count) for plane in planes])


def _as_float(frame: AudioFrame) -> NDArray[np.float32]:
    """Return (channels, samples) with full scale at +-1, from any sample format."""
    data = _samples(frame)
    if not frame.format.is_planar:
        data = data.reshape(-1, frame.layout.nb_channels).T
    kind = frame.format.name.removesuffix("p")
    if kind not in _INT_SCALE:
        return np.ascontiguousarray(data, np.float32)
    scale = _INT_SCALE[kind]
    centred = data.astype(np.float64) - (scale if kind == "u8" else 0.0)
    return np.ascontiguousarray(centred / scale, np.float32)
