"""Metadata of MP4 and MOV files: kept byte for byte when a movie is rewritten, with new tags added.

Two schemes are in use for texts under `moov/udta/meta`. "mdir" has iTunes' fixed names, such as `©cmt` for a comment.
"mdta" has free names: ComfyUI stores its `workflow` and `prompt` there. libavformat reads both and writes only one of
them, and tools that look for the other would lose their data; so boxes are copied here as they are.

Sources: ISO/IEC 14496-12 (boxes), Apple's QuickTime File Format, "Metadata" (keys and ilst).
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
_UTF_8 = 1
_MOST_32 = (1 << 32) - 1
# A larger index is taken for a broken file.
_LARGEST_MOOV = 1 << 30
_FREEFORM = b"----"
_ENCODER = b"\xa9too"
_OWNER = b"org.avlink"


@dataclass(frozen=True, slots=True)
class _BoxHeader:
    """A box of a file: its kind, offset, size of its header, and whole size, in bytes."""

    kind: bytes
    start: int
    header: int
    size: int


def is_mp4(path: Path) -> bool:
    """Return whether a file is MP4 or QuickTime, by its first boxes."""
    try:
        with path.open("rb") as file:
            return any(place.kind in (b"ftyp", b"moov") for place, _ in zip(_places(file), range(3), strict=False))
    except (OSError, struct.error):
        return False


def read_user_data(path: Path) -> list[bytes]:
    """Return the `udta` and `meta` boxes in a file's `moov` as they are; none if it has no `moov`."""
    moov = _read_moov(path)
    return [] if moov is None else [whole for kind, whole in _children(moov[8:]) if kind in (b"udta", b"meta")]


def rewrite_with_user_data(written: Path, result: Path, user_data: list[bytes], tags: Mapping[str, str]) -> None:
    """Copy the movie `written`, whose `moov` is its last box, to `result` with the `moov` in front of the media.

    `user_data` replaces the movie's own metadata boxes, and `tags` are added to it or replaced in it.
    """
    moov = _read_moov(written)
    if moov is None:
        shutil.copyfile(written, result)
        return
    kept = [whole for kind, whole in _children(moov[8:]) if kind not in (b"udta", b"meta")]
    body = b"".join([*kept, *_tagged(user_data, tags)])
    with written.open("rb") as file, result.open("wb") as out:
        places = list(_places(file))
        head = [place for place in places if place.kind == b"ftyp"]
        rest = [place for place in places if place.kind not in (b"ftyp", b"moov")]
        # Media data moves behind the new index, which holds its offsets. Offsets that no longer fit into 32 bits are
        # written with 64, which makes the index longer and shifts the data again: hence up to three rounds.
        shift, new = 0, b""
        for _ in range(3):
            new = _box(b"moov", _shifted(body, shift))
            needed = sum(place.size for place in head) + len(new) - (rest[0].start if rest else 0)
            if needed == shift:
                break
            shift = needed
        for place in head:
            _copy(file, place, out)
        out.write(new)
        for place in rest:
            _copy(file, place, out)


def _copy(file: BinaryIO, place: _BoxHeader, out: BinaryIO) -> None:
    file.seek(place.start)
    left = place.size
    while left > 0:
        block = file.read(min(left, 1 << 20))
        if not block:
            return
        out.write(block)
        left -= len(block)


def _places(file: BinaryIO) -> Iterator[_BoxHeader]:
    """Yield the outermost boxes of a file, up to the first malformed one."""
    file.seek(0, 2)
    end, start = file.tell(), 0
    while start + 8 <= end:
        file.seek(start)
        size, kind = struct.unpack(">I4s", file.read(8))
        header = 8
        if size == 1:
            size, header = struct.unpack(">Q", file.read(8))[0], 16
        elif size == 0:
            size = end - start
        if size < header or start + size > end:
            return
        yield _BoxHeader(kind, start, header, size)
        start += size


def _read_moov(path: Path) -> bytes | None:
    with path.open("rb") as file:
        for place in _places(file):
            if place.kind == b"moov" and place.header == 8 and place.size <= _LARGEST_MOOV:
                file.seek(place.start)
                return file.read(place.size)
    return None


def _children(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (kind, whole box) for the boxes in a body, up to the first malformed one; QuickTime may end with zeros."""
    at = 0
    while at + 8 <= len(body):
        size, kind = struct.unpack_from(">I4s", body, at)
        if size < 8 or at + size > len(body):
            return
        yield kind, body[at : at + size]
        at += size


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _shifted(body: bytes, shift: int) -> bytes:
    """Return the boxes of an index whose media data lies `shift` bytes further back."""
    parts = []
    for kind, whole in _children(body):
        if kind in _CONTAINERS:
            parts.append(_box(kind, _shifted(whole[8:], shift)))
        elif kind in (b"stco", b"co64"):
            parts.append(_offsets(kind, whole, shift))
        else:
            parts.append(whole)
    return b"".join(parts)


def _offsets(kind: bytes, whole: bytes, shift: int) -> bytes:
    (count,) = struct.unpack_from(">I", whole, 12)
    offsets = struct.unpack_from(f">{count}{'I' if kind == b'stco' else 'Q'}", whole, 16)
    moved = [offset + shift for offset in offsets]
    wide = kind == b"co64" or any(offset > _MOST_32 for offset in moved)
    numbers = struct.pack(f">{count}{'Q' if wide else 'I'}", *moved)
    return _box(b"co64" if wide else b"stco", whole[8:16] + numbers)


def _tagged(user_data: list[bytes], tags: Mapping[str, str]) -> list[bytes]:
    """Return user data with tags added, in the scheme of an existing `meta` box, else in a new one of kind mdta."""
    if not tags:
        return user_data
    for index, whole in enumerate(user_data):
        if whole[4:8] == b"meta" and (changed := _tag_meta(whole, tags)) is not None:
            return [*user_data[:index], changed, *user_data[index + 1 :]]
        if whole[4:8] == b"udta":
            boxes = list(_children(whole[8:]))
            for place, (kind, box) in enumerate(boxes):
                if kind == b"meta" and (changed := _tag_meta(box, tags)) is not None:
                    inner = [*(b for _, b in boxes[:place]), changed, *(b for _, b in boxes[place + 1 :])]
                    return [*user_data[:index], _box(b"udta", b"".join(inner)), *user_data[index + 1 :]]
    new = _meta_of(tags)
    for index, whole in enumerate(user_data):
        if whole[4:8] == b"udta":
            inside = b"".join(box for _, box in _children(whole[8:]))
            return [*user_data[:index], _box(b"udta", inside + new), *user_data[index + 1 :]]
    return [*user_data, _box(b"udta", new)]


def _tag_meta(whole: bytes, tags: Mapping[str, str]) -> bytes | None:
    """Return a `meta` box with the tags added; None if it is of an unknown kind."""
    # MP4's has four bytes of version and flags in front of its boxes, QuickTime's has not.
    head = b"" if whole[12:16] == b"hdlr" else whole[8:12]
    boxes = dict(_children(whole[8 + len(head) :]))
    handler = boxes.get(b"hdlr", b"")[16:20]
    if handler == b"mdta":
        names = _keys(boxes.get(b"keys", b""))
        names += [name for name in tags if name not in names]
        ours = {(names.index(name) + 1).to_bytes(4, "big"): _data(text) for name, text in tags.items()}
        boxes[b"keys"], boxes[b"ilst"] = _keys_box(names), _items(boxes.get(b"ilst", b""), ours)
    elif handler == b"mdir":
        encoder = _encoder_alone(boxes.get(b"ilst", b""))
        if encoder is not None:
            # It holds nothing of the user's, and other programs find free names more easily than iTunes' freeform ones.
            return _meta_of({"encoder": encoder, **tags} if encoder else tags)
        ours = {_FREEFORM + _name_of(name): _data(text) for name, text in tags.items()}
        boxes[b"ilst"] = _items(boxes.get(b"ilst", b""), ours)
    else:
        return None
    return _box(b"meta", head + b"".join(boxes.values()))


def _encoder_alone(ilst: bytes) -> str | None:
    """Return the encoder's name in a list that holds nothing else, "" for an empty list; None if there is more."""
    items = list(_children(ilst[8:]))
    if any(kind != _ENCODER for kind, _ in items):
        return None
    return items[0][1][24:].decode("utf-8", "replace") if items else ""


def _meta_of(tags: Mapping[str, str]) -> bytes:
    items = {index.to_bytes(4, "big"): _data(text) for index, text in enumerate(tags.values(), start=1)}
    handler = _box(b"hdlr", bytes(8) + b"mdta" + bytes(13))
    return _box(b"meta", bytes(4) + handler + _keys_box(list(tags)) + _items(b"", items))


def _keys(whole: bytes) -> list[str]:
    """Return the names in a `keys` box, in order: items of the list refer to them by number from 1."""
    return [entry[8:].decode("utf-8", "surrogateescape") for _, entry in _children(whole[16:])]


def _keys_box(names: list[str]) -> bytes:
    entries = b"".join(_box(b"mdta", name.encode("utf-8", "surrogateescape")) for name in names)
    return _box(b"keys", struct.pack(">II", 0, len(names)) + entries)


def _items(whole: bytes, ours: Mapping[bytes, bytes]) -> bytes:
    """Return an `ilst` box with `ours` appended, replacing old items that begin like a key of `ours`."""
    old = [box for _, box in _children(whole[8:]) if not any(box[4:].startswith(start) for start in ours)]
    new = [_box(start[:4], start[4:] + data) for start, data in ours.items()]
    return _box(b"ilst", b"".join([*old, *new]))


def _name_of(name: str) -> bytes:
    """Return the name of a freeform item, iTunes' form for names that are not its own."""
    return _box(b"mean", bytes(4) + _OWNER) + _box(b"name", bytes(4) + name.encode())


def _data(text: str) -> bytes:
    return _box(b"data", struct.pack(">II", _UTF_8, 0) + text.encode())
