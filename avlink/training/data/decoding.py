"""Decoding the clips of a shard into its columns."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av.error
import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from avlink.core.errors import AvlinkError, InputError, MediaError
from avlink.core.paths import atomic_write, write_text
from avlink.core.values import PictureSpec
from avlink.media.audio import read_audio
from avlink.media.frames import open_frames
from avlink.media.probe import probe
from avlink.metrics.onsets import detect_onsets
from avlink.training.data.columns import Clips, ShardWork, has_column, notes_file
from avlink.training.data.entries import Entry
from avlink.training.data.tars import as_file

# A stretch that was cut out is as long as it was cut; a film that holds it reaches its end.
_TOLERANCE_S = Fraction(1, 2)


def make_shard(work: ShardWork, tell: Callable[[int], None]) -> None:
    """Make the columns that the shard lacks; `tell` is called before each row.

    Raises OutputError where they cannot be written.
    """
    clips, rows = work.clips, len(work.entries)
    columns = [
        _Column(clips.pictures_file, (rows, clips.frames, clips.height, clips.width, 3), np.uint8, _see),
        _Column(clips.sound_file, (rows, clips.samples), np.int16, _hear),
    ]
    lacking = [c for c in columns if c.name in clips.columns and not has_column(work.folder, c.name)]
    with ExitStack() as open_files:
        for column in lacking:
            hidden = open_files.enter_context(atomic_write(work.folder / column.name))
            column.array = open_memmap(hidden, mode="w+", dtype=column.kind, shape=column.shape)
        for row, entry in enumerate(work.entries):
            tell(row)
            reason = "the file is there no more" if entry is None else work.deadly.get(row)
            for column in lacking:
                if entry is None or reason is not None:
                    column.bad[row] = str(reason)
                else:
                    column.take(row, entry, clips)
        for column in lacking:
            column.close()
    # Last: a column counts from when it says what is bad in it.
    for column in lacking:
        notes = {"bad": column.bad, "onsets": column.onsets}
        write_text(notes_file(work.folder, column.name), json.dumps(notes))


_Decode = Callable[[Path, Entry, Fraction, Clips], tuple[Any, list[float] | None]]


class _Column:
    """One column while it is made."""

    def __init__(self, name: str, shape: tuple[int, ...], kind: type, decode: _Decode) -> None:
        self.name, self.shape, self.kind, self.decode = name, shape, kind, decode
        self.array: NDArray[Any] | None = None
        self.bad: dict[int, str] = {}
        self.onsets: dict[int, list[float]] = {}

    def take(self, row: int, entry: Entry, clips: Clips) -> None:
        """Decode one clip into its row, or note why that is not possible."""
        assert self.array is not None
        try:
            self.array[row], heard = _decoded(entry, clips, self.decode)
        except MediaError as error:
            self.bad[row] = str(error)
            return
        if heard is not None:
            self.onsets[row] = heard

    def close(self) -> None:
        """Hand the array to the disk."""
        if isinstance(self.array, np.memmap):
            self.array.flush()
        self.array = None


def _decoded(entry: Entry, clips: Clips, decode: _Decode) -> tuple[Any, list[float] | None]:
    """What `decode` gives. Raises MediaError where the file is at fault, and OSError or ours where the machine is."""
    path = entry.path
    try:
        with as_file(entry) as path:
            return decode(path, entry, _start(path, entry), clips)
    except MediaError as error:
        if not entry.path.exists():
            raise InputError(
                f"'{entry.path}' was there when this began, and is there no more; "
                "see whether its disk is still there, and begin again: what is done is kept"
            ) from None
        raise MediaError(reason_of(error, path)) from None
    except (OSError, MemoryError, AvlinkError) as error:
        if isinstance(error, av.error.FFmpegError):
            raise MediaError(f"the file cannot be decoded ({error.strerror})") from None
        raise
    except Exception as error:
        # Wild files are wild in ways that nobody foresaw; one of them must not end the work of hours.
        raise MediaError(f"the file cannot be decoded ({type(error).__name__}: {error})") from None


def reason_of(error: MediaError, path: Path) -> str:
    """What is wrong, without the path, which stands beside it, and without what an editor should do about it."""
    said = str(error).replace(f"the media file '{path}'", "the file").replace(f"'{path}'", "the file")
    return said.partition("; ")[0]


def _start(path: Path, entry: Entry) -> Fraction:
    """Where the clip begins in its file."""
    if entry.cut_s is None or probe(path).duration_s >= entry.start_s + entry.cut_s - _TOLERANCE_S:
        return entry.start_s
    return Fraction(0)


def _see(path: Path, entry: Entry, start_s: Fraction, clips: Clips) -> tuple[Any, list[float] | None]:
    spec = PictureSpec(rate=Fraction(clips.fps), width=clips.width, height=clips.height)
    seen = open_frames(path, start_s=start_s, duration_s=clips.window_s, spec=spec)
    return seen.read(0, seen.num_frames), None


def _hear(path: Path, entry: Entry, start_s: Fraction, clips: Clips) -> tuple[Any, list[float] | None]:
    heard = read_audio(
        path,
        sample_rate=clips.sample_rate,
        mono=True,
        start_s=start_s,
        duration_s=Fraction(clips.samples, clips.sample_rate),
    )
    wave = heard.samples[0]
    if not np.isfinite(wave).all():
        raise MediaError(f"the sound of '{path}' holds values that are no numbers; convert it again")
    # Without ground truth, the onsets of a clip's own sound stand for its events.
    onsets = None
    if entry.spans is None:
        onsets = [round(float(time_s), 6) for time_s in detect_onsets(wave, clips.sample_rate).times_s]
    return np.round(wave.clip(-1, 1) * 32767).astype(np.int16), onsets
