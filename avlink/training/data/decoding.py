"""Decoding the clips of a shard into its columns."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av.error
import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from avlink.core.errors import AvlinkError, InputError, MediaChanged, MediaError
from avlink.core.file_digest import FileIdentity, file_identity
from avlink.core.paths import atomic_write, write_text
from avlink.core.values import PictureSpec
from avlink.media.audio import read_audio
from avlink.media.frames import open_frames
from avlink.media.probe import probe
from avlink.metrics.onsets import detect_onsets
from avlink.training.data.clip_spec import ClipSpec
from avlink.training.data.prepared import ShardJob, column_report, has_column
from avlink.training.data.source_clips import SourceClip
from avlink.training.data.webdataset import as_file

# Cut and whole files are told apart by length: a film that contains the stretch lasts at least until the stretch's
# end, give or take the inexact ends of lossy files.
_TOLERANCE_S = Fraction(1, 2)


def decode_shard(job: ShardJob, on_row: Callable[[int], None]) -> None:
    """Decode the columns that the shard lacks; `on_row` is called before each row.

    Rows of bad clips are zeros, and no store shows them. Raises OutputError where the columns cannot be written.
    """
    spec, rows = job.spec, len(job.clips)
    columns = [
        _Column(spec.pictures_file, (rows, spec.frames, spec.height, spec.width, 3), np.uint8, _decode_pictures),
        _Column(spec.sound_file, (rows, spec.samples), np.int16, _decode_sound),
    ]
    missing = [column for column in columns if column.name in spec.columns and not has_column(job.folder, column.name)]
    with ExitStack() as open_files:
        for column in missing:
            hidden = open_files.enter_context(atomic_write(job.folder / column.name))
            column.array = open_memmap(hidden, mode="w+", dtype=column.dtype, shape=column.shape)
            _allocate(hidden)
        for row, clip in enumerate(job.clips):
            on_row(row)
            reason = "the file is there no more" if clip is None else job.crashed.get(row)
            identity = None if clip is None or not clip.path.exists() else file_identity(clip.path)
            for column in missing:
                if clip is None or reason is not None:
                    column.bad[row] = str(reason)
                else:
                    column.fill(row, clip, spec)
            if clip is not None and reason is None and identity is not None:
                _check_same(clip, row, identity, missing)
        for column in missing:
            column.close()
    # Last: a column without its report does not count as there.
    for column in missing:
        report = {"bad": column.bad, "onsets": column.onsets}
        write_text(column_report(job.folder, column.name), json.dumps(report))


def _allocate(path: Path) -> None:
    """Reserve the space of a file that was made by its length alone.

    A process that writes to a mapped file of which a full disk has no block is ended by SIGBUS, which cannot be told
    from a decoder that crashes. Raises OSError.
    """
    size = path.stat().st_size
    if hasattr(os, "posix_fallocate"):
        with path.open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, size)


_Decode = Callable[[Path, SourceClip, Fraction, ClipSpec], tuple[Any, list[float] | None]]
"""(file, clip, start in seconds, spec) to a row and its onsets in seconds, None where none are detected."""


class _Column:
    """One column while it is decoded."""

    def __init__(self, name: str, shape: tuple[int, ...], dtype: type, decode: _Decode) -> None:
        self.name, self.shape, self.dtype, self.decode = name, shape, dtype, decode
        self.array: NDArray[Any] | None = None
        self.bad: dict[int, str] = {}
        self.onsets: dict[int, list[float]] = {}

    def fill(self, row: int, clip: SourceClip, spec: ClipSpec) -> None:
        """Decode one clip into its row, or record the reason why that is not possible."""
        assert self.array is not None
        try:
            self.array[row], onsets = _decode_clip(clip, spec, self.decode)
        except MediaError as error:
            self.bad[row] = str(error)
            return
        if onsets is not None:
            self.onsets[row] = onsets

    def close(self) -> None:
        """Flush the array to the disk."""
        if isinstance(self.array, np.memmap):
            self.array.flush()
        self.array = None


def _check_same(clip: SourceClip, row: int, identity: FileIdentity, columns: Sequence[_Column]) -> None:
    """Set a clip aside if its file changed while it was decoded, or since it was listed: its key has the size."""
    listed = clip.member is not None or identity.size_bytes == clip.size
    try:
        identity.check()
    except MediaChanged:
        reason = "the file changed while it was read"
    else:
        reason = "" if listed else "the file has changed since it was listed"
    for column in columns:
        if reason:
            column.bad[row] = reason
            column.onsets.pop(row, None)


def _decode_clip(clip: SourceClip, spec: ClipSpec, decode: _Decode) -> tuple[Any, list[float] | None]:
    """Call `decode`. Raises as `opened` does."""
    with opened(clip) as path:
        return decode(path, clip, start_of(path, clip, spec.window_s), spec)


@contextmanager
def opened(clip: SourceClip) -> Iterator[Path]:
    """Yield the file of a clip. Raises MediaError where that is at fault, OSError or AvlinkError where the machine is.

    The message of a MediaError is a reason, without the path.
    """
    path = clip.path
    try:
        with as_file(clip) as path:
            yield path
    except MediaError as error:
        if not clip.path.exists():
            raise InputError(
                f"'{clip.path}' was there when this began, and is there no more; "
                "see whether its disk is still there, and begin again: what is done is kept"
            ) from None
        raise MediaError(short_reason(error, path)) from None
    except (OSError, MemoryError, AvlinkError) as error:
        # PyAV's errors derive from OSError where their code is one of errno's.
        if isinstance(error, av.error.FFmpegError):
            raise MediaError(f"the file cannot be decoded ({error.strerror})") from None
        raise
    except Exception as error:
        # Files from the web fail in ways that nobody foresaw; one of them must not end the work of hours.
        raise MediaError(f"the file cannot be decoded ({type(error).__name__}: {error})") from None


def short_reason(error: MediaError, path: Path) -> str:
    """Return the error without the path, which stands beside it in lists, and without its advice."""
    said = str(error).replace(f"the media file '{path}'", "the file").replace(f"'{path}'", "the file")
    return said.partition("; ")[0]


def start_of(path: Path, clip: SourceClip, window_s: Fraction) -> Fraction:
    """Return the start of the clip in its file, in seconds."""
    if clip.cut_s is None and clip.crop is None:
        return clip.start_s
    length_s, start_s = probe(path).duration_s, clip.start_s
    if clip.cut_s is not None:
        is_whole = length_s >= start_s + clip.cut_s - _TOLERANCE_S
        start_s = start_s if is_whole else Fraction(0)
        length_s = min(length_s, start_s + clip.cut_s)
    if clip.crop is None:
        return start_s
    # Of the clip's own key: the same place in every run, whatever else is prepared.
    share = Fraction(int(clip.key, 16), 1 << 64)
    room_s = max(Fraction(0), length_s - start_s - window_s)
    # To the millisecond, as fractions of large denominators are slow.
    return start_s + Fraction(int(share * room_s * 1000), 1000)


def _decode_pictures(path: Path, clip: SourceClip, start_s: Fraction, spec: ClipSpec) -> tuple[Any, list[float] | None]:
    pictures = PictureSpec(rate=Fraction(spec.fps), width=spec.width, height=spec.height)
    frames = open_frames(path, start_s=start_s, duration_s=spec.window_s, spec=pictures)
    return frames.read(0, frames.num_frames), None


def _decode_sound(path: Path, clip: SourceClip, start_s: Fraction, spec: ClipSpec) -> tuple[Any, list[float] | None]:
    wave = read_audio(
        path,
        sample_rate=spec.sample_rate,
        mono=True,
        start_s=start_s,
        duration_s=Fraction(spec.samples, spec.sample_rate),
    )
    samples = wave.samples[0]
    if not np.isfinite(samples).all():
        raise MediaError(f"the sound of '{path}' holds values that are no numbers; convert it again")
    # Without labels, the onsets of a clip's own sound stand for its events.
    onsets = None
    if clip.spans is None:
        onsets = [round(float(time_s), 6) for time_s in detect_onsets(samples, spec.sample_rate).times_s]
    # Rounded: the conversion truncates towards zero, which would bias quiet sounds. -1 and 1 are as far from 0.
    return np.round(samples.clip(-1, 1) * 32767).astype(np.int16), onsets
