"""Whether a media file is there to its last packet: all of it is read, and nothing is decoded.

That a file opens proves little. One whose index comes first opens with its full length from the first megabytes on; one
that was given its full size before it was filled holds zeros where its pictures will be. So the packets are counted to
the end, and held against what the file says of itself. What only speaks for more to come is told apart from that: a
recording that was broken off looks like a copy that still goes on, and only time tells.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.packet import Packet

from avlink.core.errors import MediaError
from avlink.media.container import find_video, open_input
from avlink.media.outline import ends_early
from avlink.media.probe import probe

# Here the header says how long the file is; elsewhere libav takes the length from what it finds.
_SAYS_ITS_LENGTH = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mxf"})
# Black is zeros in these.
_PLAIN_CODECS = ("rawvideo", "v210", "v410", "r210", "wrapped_avframe", "yuv4", "qtrle", "bmp")
# The last picture may last longer than its packet says, and sound ends where its blocks do.
_SLACK_S = Fraction(1)
_SLACK = Fraction(1, 50)
_PACKETS_BETWEEN_NEWS = 2000


def check_whole(path: Path, *, on_part: Callable[[float], None] | None = None) -> str | None:
    """Read a media file to its end. A sentence on why more of it may be to come; None if nothing speaks for that.

    `on_part` is called now and then with the seconds of media that were read. Raises MediaError in words for what
    cannot be opened (see `probe`) or breaks off: when it is cut short, when its length is not reached, and when
    pictures hold nothing but zeros, as in a file that was given its size before its content.
    """
    probe(path)
    with open_input(path) as container:
        reached = _read_all(path, container, on_part)
        declared, format_name = _declared_s(container), container.format.name
    if declared is not None and reached < declared - max(_SLACK_S, declared * _SLACK):
        raise MediaError(
            f"'{path}' breaks off at {float(reached):.1f} s, and says that it is {float(declared):.1f} s long; "
            "copy or render it again"
        )
    return ends_early(path, format_name)


def _read_all(path: Path, container: InputContainer, on_part: Callable[[float], None] | None) -> Fraction:
    """Seconds from the start of the file to the end of its last packet."""
    start = Fraction(container.start_time or 0, av.time_base)
    video = find_video(container)
    hollow = None if video is None or _is_plain(video) else video.index
    end, count = start, 0
    try:
        for packet in container.demux():
            if packet.pts is not None and packet.time_base is not None:
                length = (packet.duration or 0) * Fraction(packet.time_base)
                end = max(end, packet.pts * Fraction(packet.time_base) + length)
            if packet.stream_index == hollow and packet.size and _is_empty(packet):
                raise MediaError(
                    f"the picture of '{path}' at {float(end - start):.1f} s is empty, as of a file that is still being "
                    "filled; copy it again"
                )
            count += 1
            if on_part is not None and count % _PACKETS_BETWEEN_NEWS == 0:
                on_part(float(end - start))
    except av.error.FFmpegError as error:
        raise MediaError(
            f"'{path}' breaks off at {float(end - start):.1f} s ({error.strerror}); copy or render it again"
        ) from error
    return end - start


def _declared_s(container: InputContainer) -> Fraction | None:
    if container.format.name not in _SAYS_ITS_LENGTH or not container.duration:
        return None
    return Fraction(container.duration, av.time_base)


def _is_plain(stream: Any) -> bool:
    context = stream.codec_context
    return context is None or context.name.startswith(_PLAIN_CODECS)


def _is_empty(packet: Packet[Any]) -> bool:
    content = memoryview(packet)
    # Nearly every packet says something in its first bytes.
    return not any(content[:64]) and not bytes(content).strip(b"\0")
