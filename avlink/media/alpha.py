"""Alpha channels of video streams: which have one, and decoders that read it."""

from __future__ import annotations

from av.codec.codec import Codec, codecs_available
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

# In VP8 and VP9 alpha is a second picture beside the first, which only these decoders join to it.
_OF_TWO_PICTURES = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_PALETTE = "pal8"


def may_have_alpha(stream: VideoStream) -> bool:
    """Return whether a stream has an alpha channel, of whatever content; palettes may have transparent entries."""
    layout = stream.codec_context.format
    if layout is None:
        return False
    return layout.name == _PALETTE or any(part.is_alpha for part in layout.components) or _is_of_two_pictures(stream)


def alpha_decoder(stream: VideoStream) -> VideoCodecContext | None:
    """Return a decoder of its own for a stream whose usual one drops alpha; None if it does not, or there is none."""
    name = _OF_TWO_PICTURES.get(stream.codec_context.name, "")
    if not _is_of_two_pictures(stream) or name not in codecs_available or not Codec(name, "r").is_decoder:
        return None
    return Codec(name, "r").create("video")


def _is_of_two_pictures(stream: VideoStream) -> bool:
    tags = {name.lower(): text for name, text in stream.metadata.items()}
    return stream.codec_context.name in _OF_TWO_PICTURES and tags.get("alpha_mode") == "1"
