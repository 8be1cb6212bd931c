"""Pictures that let what lies under them show through.

Many films have an alpha channel that is opaque throughout, because the program that rendered them always writes one. So
a few pictures are looked at: where all of them are opaque, the film hides what lies under it.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avlink.core.errors import MediaError
from avlink.core.values import ImageSequence
from avlink.media.alpha import may_have_alpha
from avlink.media.container import find_video, open_input
from avlink.media.images import probe_images
from avlink.media.pictures import decode_pictures
from avlink.media.probe import MediaInfo, probe, require_video

_LOOKED_AT = (Fraction(0), Fraction(1, 2), Fraction(1, 4), Fraction(3, 4), Fraction(1))
"""Parts of a film that are looked at; 1 is its last picture."""
_OPAQUE = 250
_WIDTH = 160


def shows_through(media: Path | ImageSequence) -> bool:
    """Return whether a film or an image sequence has an alpha channel that is not opaque throughout.

    Five pictures are looked at, from the first to the last. In uncompressed video a channel that is empty in all of
    them is unused, as in AVI with 32 bits a pixel.

    Raises MediaError if the media cannot be read.
    """
    is_raw = False
    if isinstance(media, Path):
        with open_input(media) as container:
            stream = find_video(container)
            if stream is None or stream.codec_context is None or not may_have_alpha(stream):
                return False
            is_raw = stream.codec_context.name == "rawvideo"
    # Programs leave the channel out of an image that is opaque, so the first of a sequence tells nothing of the others.
    info = probe_images(media) if isinstance(media, ImageSequence) else probe(media)
    is_open = has_content = False
    for share in _LOOKED_AT:
        matte = _matte(media, info, info.duration_s * share)
        is_open = is_open or bool(matte.min() < _OPAQUE)
        has_content = has_content or bool(matte.max())
        if is_open and (has_content or not is_raw):
            return True
    return False


def _matte(media: Path | ImageSequence, info: MediaInfo, at_s: Fraction) -> NDArray[np.uint8]:
    """Return the alpha channel of the picture at a time as grey levels, 255 where it is opaque."""
    video = require_video(info)
    height = max(1, round(_WIDTH * video.height / video.width))
    stop_s = at_s + 1 / video.rate
    shown = decode_pictures(media, start_s=at_s, stop_s=stop_s, width=_WIDTH, height=height, matte=True)
    picture = next(shown, None)
    if picture is None:
        raise MediaError(f"'{media}' has no picture at {float(at_s):.3f} s")
    return picture.pixels
