"""Wave files in constant memory: written in blocks as RIFF, or RF64 beyond 4 GiB, and read in blocks."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from threading import Lock

import numpy as np
import soundfile
from numpy.typing import NDArray

from avlink.core.disk import disk_full
from avlink.core.errors import MediaError, OutputError
from avlink.core.sound import read_blocks
from avlink.core.values import SoundSource

PCM = 1
FLOAT = 3
RIFF_LIMIT_BYTES = (1 << 32) - 1
SIZE_IN_DS64 = 0xFFFFFFFF


def write_wave(
    path: Path,
    sound: SoundSource,
    pack: Callable[[NDArray[np.float32]], bytes],
    *,
    format_tag: int,
    bytes_a_sample: int,
    before: bytes = b"",
    after: bytes = b"",
    riff_limit_bytes: int = RIFF_LIMIT_BYTES,
) -> None:
    """Write `sound` at its own rate; `pack` turns each block (channels, samples) into bytes.

    The chunks `before` and `after` are written around the format chunk. Files beyond `riff_limit_bytes` become RF64.
    Raises OutputError if the file cannot be written, and what `pack` raises.
    """
    frame_bytes = bytes_a_sample * sound.channels
    data_bytes = sound.num_samples * frame_bytes
    fmt = struct.pack(
        "<HHIIHH",
        format_tag,
        sound.channels,
        sound.sample_rate,
        sound.sample_rate * frame_bytes,
        frame_bytes,
        8 * bytes_a_sample,
    )
    chunks = before + chunk(b"fmt ", fmt) + after
    riff_bytes = 4 + len(chunks) + 8 + data_bytes + data_bytes % 2
    if riff_bytes + 8 <= riff_limit_bytes:
        head = b"RIFF" + struct.pack("<I", riff_bytes) + b"WAVE" + chunks + b"data" + struct.pack("<I", data_bytes)
    else:
        ds64 = chunk(b"ds64", struct.pack("<QQQI", riff_bytes + 36, data_bytes, sound.num_samples, 0))
        head = b"RF64" + struct.pack("<I", SIZE_IN_DS64) + b"WAVE" + ds64 + chunks
        head += b"data" + struct.pack("<I", SIZE_IN_DS64)
    try:
        with path.open("wb") as file:
            file.write(head)
            for block in read_blocks(sound):
                file.write(pack(block))
            file.write(b"\0" * (data_bytes % 2))
    except OSError as error:
        if full := disk_full(error, path.parent, subject=f"the sound file '{path}'"):
            raise full from error
        raise OutputError(f"the sound file '{path}' cannot be written: {error.strerror}") from error


def write_float_wave(path: Path, sound: SoundSource) -> None:
    """Write `sound` bit for bit, as 32-bit floating point. Raises OutputError if the file cannot be written."""
    # libsndfile could write it too, but hides the reason when a file cannot be written.
    write_wave(path, sound, lambda block: block.T.astype("<f4").tobytes(), format_tag=FLOAT, bytes_a_sample=4)


def chunk(name: bytes, body: bytes) -> bytes:
    """Return a RIFF chunk, padded to an even length."""
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


class WaveFile:
    """The sound of a WAV or other file that libsndfile reads, a span at a time (a `SoundSource`)."""

    def __init__(self, path: Path) -> None:
        """Open `path`. Raises MediaError if it is no sound file that can be read."""
        try:
            self._file = soundfile.SoundFile(path)
        except (OSError, soundfile.LibsndfileError) as error:
            raise MediaError(f"'{path}' is no sound file that can be read: {error}") from error
        self.sample_rate, self.channels = int(self._file.samplerate), int(self._file.channels)
        self.num_samples = int(self._file.frames)
        self._lock = Lock()

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop) of shape (channels, samples), full scale at +-1; indices as in a slice."""
        start, stop, _ = slice(start, stop).indices(self.num_samples)
        with self._lock:
            self._file.seek(start)
            samples = self._file.read(max(0, stop - start), dtype="float32", always_2d=True)
        return np.ascontiguousarray(samples.T)
