"""Films in MP4 and QuickTime boxes (ISO/IEC 14496-12), with the facts in their boxes changed."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

from avlink.testing import make_movie
from fuzz.case import Case
from fuzz.damage import damaged_text
from fuzz.inputs import otio_values

_PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"udta"}
_NUMBERS = (0, 1, 2, 24, 1000, 2**15, 2**31 - 1, 2**31, 2**32 - 1)
_COMMANDS = (
    ("sonify", "s.mp4"),
    ("finish", "s.mp4"),
    ("visualize", "s.mp4"),
    ("sonify", "s.mp4", "--preview"),
    ("sonify", "cut.otio", "--duck=6"),
    ("sonify", "cut.otio", "--preview", "--production"),
    ("sonify", "cut.otio", "-o", "out.otioz"),
)


@dataclass(slots=True)
class Box:
    """A box: its type, and either its bytes or the boxes in it."""

    kind: bytes
    body: bytes = b""
    children: list[Box] = field(default_factory=list)

    def pack(self) -> bytes:
        """Return the box as bytes."""
        body = b"".join(child.pack() for child in self.children) or self.body
        return struct.pack(">I", 8 + len(body)) + self.kind + body

    def walk(self) -> Iterator[Box]:
        """Yield it and all boxes in it."""
        yield self
        for child in self.children:
            yield from child.walk()


@st.composite
def files(draw: st.DrawFn) -> Case:
    """Return a case of an .mp4 file."""
    kind = draw(st.sampled_from(["whole", "boxes", "boxes", "boxes", "damaged"]))
    rate = draw(st.sampled_from([24, 25, 30]))
    film = _film(rate)
    boxes = parse(film)
    if kind == "boxes":
        film = draw(_changed(boxes))
    elif kind == "damaged":
        film = draw(damaged_text(film))
    command = _COMMANDS[0] if kind == "whole" else draw(st.sampled_from(_COMMANDS))
    duration_s = Fraction(1) if kind == "whole" else None
    cut = otio_values.of_media("s.mp4", draw(st.integers(1, 24)))
    return Case(format="mp4", files={"s.mp4": film, "cut.otio": cut}, commands=(command,), duration_s=duration_s)


def parse(content: bytes) -> list[Box]:
    """Return the boxes of a film, as far as they are whole."""
    found, at = [], 0
    while at + 8 <= len(content):
        size, kind = struct.unpack(">I4s", content[at : at + 8])
        if not 8 <= size <= len(content) - at:
            break
        body = content[at + 8 : at + size]
        found.append(Box(kind, b"", parse(body)) if kind in _PARENTS else Box(kind, body))
        at += size
    return found


@cache
def _film(rate: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return make_movie(Path(folder) / "s.mp4", rate=rate, size=(48, 32)).read_bytes()


@st.composite
def _changed(draw: st.DrawFn, boxes: list[Box]) -> bytes:
    """Return a film with numbers in boxes replaced, and boxes left out, doubled, or put elsewhere."""
    for _ in range(draw(st.integers(1, 3))):
        every = [box for top in boxes for box in top.walk()]
        parents = [box for box in every if box.children]
        leaves = [box for box in every if not box.children and box.kind != b"mdat" and len(box.body) >= 4]
        kind = draw(st.sampled_from(["number", "number", "number", "remove", "double", "kind", "order"]))
        if kind == "number" and leaves:
            box = draw(st.sampled_from(leaves))
            at = draw(st.integers(0, (len(box.body) - 4) // 4)) * 4
            box.body = box.body[:at] + struct.pack(">I", draw(st.sampled_from(_NUMBERS))) + box.body[at + 4 :]
        elif parents:
            parent = draw(st.sampled_from(parents))
            child = draw(st.integers(0, len(parent.children) - 1))
            if kind == "remove":
                del parent.children[child]
            elif kind == "double":
                parent.children[child:child] = [parent.children[child]] * draw(st.sampled_from([1, 30]))
            elif kind == "kind":
                parent.children[child].kind = draw(st.sampled_from([b"free", b"stco", b"trak", b"tmcd", b"\0\0\0\0"]))
            else:
                parent.children.reverse()
    return b"".join(box.pack() for box in draw(st.permutations(boxes) | st.just(boxes)))
