"""Films whose pictures show their own number, for tests of times and seeks: a wrong picture shows another number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from avlink.media.pictures import decode_pictures

_BLOCK, _COLUMNS, _ROWS = 16, 6, 2
WIDTH, HEIGHT = _BLOCK * _COLUMNS, _BLOCK * _ROWS


def picture(number: int) -> NDArray[np.uint8]:
    """Return a picture of 12 blocks, white for each bit of `number`."""
    bits = np.array([number >> bit & 1 for bit in range(_COLUMNS * _ROWS)]).reshape(_ROWS, _COLUMNS)
    blocks = np.kron(bits, np.ones((_BLOCK, _BLOCK))) * 200 + 28
    return np.repeat(blocks[:, :, None], 3, axis=2).astype(np.uint8)


def number_of(pixels: NDArray[np.uint8]) -> int:
    """Return the number that a picture of any brightness shows."""
    means = pixels.mean(axis=2).reshape(_ROWS, _BLOCK, _COLUMNS, _BLOCK).mean(axis=(1, 3)).ravel()
    return sum(1 << bit for bit, mean in enumerate(means) if mean > 128)


def write_numbered(
    path: Path,
    count: int,
    *,
    codec: str,
    rate: Fraction = Fraction(25),
    pixels: str = "yuv420p",
    gop: int = 12,
    options: Mapping[str, str] | None = None,
    format: str | None = None,
    muxer: Mapping[str, str] | None = None,
    first: int = 0,
) -> Path:
    """Write the pictures 0, 1, ... as a film; `first` is the time of the first in pictures."""
    with av.open(str(path), "w", format=format, options=dict(muxer or {})) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        stream.codec_context.gop_size = gop
        stream.options = dict(options or {})
        for index in range(count):
            frame = VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame.pts, frame.time_base = index + first, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


Shown = tuple[Fraction, Fraction, int]


def numbers(path: Path, start_s: Fraction, stop_s: Fraction) -> list[Shown]:
    """Return the begin, end and number of the pictures that are shown in a span."""
    shown = decode_pictures(path, start_s=start_s, stop_s=stop_s, width=WIDTH, height=HEIGHT)
    return [(one.begin_s, one.end_s, number_of(one.pixels)) for one in shown]


def wrong_seeks(path: Path, duration_s: Fraction, *, positions: int = 23) -> Sequence[str]:
    """Return the spans of half a second in which decoding gives other pictures than decoding the whole film."""
    whole = numbers(path, Fraction(0), duration_s + 2)
    wrong = []
    for index in range(positions):
        start_s = duration_s * index / positions
        stop_s = start_s + Fraction(1, 2)
        want = [one for one in whole if one[1] > start_s and one[0] < stop_s]
        got = [one for one in numbers(path, start_s, stop_s) if one[1] > start_s and one[0] < stop_s]
        if got != want:
            wrong.append(f"at {float(start_s):.3f} s: {got[:2]}, not {want[:2]}")
    return wrong
