"""Films with an alpha channel, for tests of what is seen under them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

RATE = Fraction(24)
KINDS: Mapping[str, tuple[str, str, dict[str, str]]] = {
    "animation.mov": ("qtrle", "argb", {}),
    "prores.mov": ("prores_ks", "yuva444p10le", {"profile": "4444"}),
    "png.mov": ("png", "rgba", {}),
    "cineform.mov": ("cfhd", "gbrap12le", {}),
    "vp9.webm": ("libvpx-vp9", "yuva420p", {"auto-alt-ref": "0"}),
    "vp8.webm": ("libvpx", "yuva420p", {"auto-alt-ref": "0"}),
    "ffv1.mkv": ("ffv1", "yuva420p", {}),
    "uncompressed.avi": ("rawvideo", "bgra", {}),
}


def write_overlay(path: Path, alphas: Sequence[int | None], *, grey: int = 200) -> Path:
    """Write grey pictures of 64x32, whose left half has the alpha given for each; None leaves the channel empty."""
    codec, pixels, options = KINDS[path.name]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 32, pixels
        for index, alpha in enumerate(alphas):
            colours = np.full((32, 64, 4), grey, np.uint8)
            colours[:, :, 3] = 0 if alpha is None else 255
            colours[:, :32, 3] = alpha or 0
            frame = VideoFrame.from_ndarray(colours, format="rgba").reformat(format=pixels)
            frame.pts, frame.time_base = index, 1 / RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
