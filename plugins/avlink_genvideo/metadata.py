"""Metadata that a generator left with a video: texts in the file, or in a file of the same name beside it.

| writer | location |
| --- | --- |
| ComfyUI SaveVideo, SaveWEBM; VideoHelperSuite from 2026 on | tags `prompt` and `workflow` |
| ComfyUI SaveAnimatedWEBP | EXIF `Model` and `Make` as "prompt:{...}", "workflow:{...}" |
| ComfyUI SaveAnimatedPNG | chunks `comf` behind the first picture; stills have `tEXt` |
| VideoHelperSuite before | tag `comment`: {"prompt": "{...}", "workflow": {...}} |
| Wan2GP | tag `comment`, or a .json beside: {"prompt": "...", "negative_prompt": "..."} |
| AnimateDiff for WebUI | tags `comment` and `title`, EXIF `UserComment`, GIF's comment; a .txt beside |
| Forge, stable-diffusion.cpp, ComfyUI Image Saver | tags `description`, `comment`, `parameters` |
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

from avlink_genvideo.animated_images import is_animated

# A longer text is no prompt.
_LARGEST_TEXT_BYTES = 64 << 20
_SIDECAR_SUFFIXES = (".json", ".txt")
# SaveAnimatedWEBP writes the prompt to Model, and further texts to Make and the tags below it.
# Others write to ImageDescription, Software or Artist.
_EXIF = {0x010D, 0x010E, 0x010F, 0x0110, 0x0131, 0x010C, 0x010B, 0x010A, 0x013B}
_EXIF_IFD, _USER_COMMENT = 0x8769, 0x9286
_COMFY_CHUNK = b"comf"
_XMP = re.compile(
    r"<((?:dc:description|exif:UserComment|\w+:(?:prompt|parameters|workflow)))\b[^>]*>(.*?)</\1>", re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataText:
    """A text, its key in lower case, and its location in words."""

    name: str
    text: str
    location: str


def read_metadata(path: Path, tags: Mapping[str, str]) -> list[MetadataText]:
    """Return all texts in a video or animated image, then those beside it.

    `tags` are the container's, as libav reads them. A text that cannot be read is left out: metadata is never a reason
    to fail.
    """
    suffix = path.suffix.lower().lstrip(".")
    texts = [
        MetadataText(name=name.lower(), text=text, location=f"the {suffix}'s tag {name.lower()}")
        for name, text in tags.items()
    ]
    if is_animated(path):
        # Pillow raises whatever its decoders raise at damaged files.
        with suppress(Exception):
            texts += list(_image_texts(path))
    texts += _sidecars(path)
    return [text for text in texts if text.text.strip() and len(text.text) <= _LARGEST_TEXT_BYTES]


def _image_texts(path: Path) -> Iterator[MetadataText]:
    from PIL import Image

    with Image.open(path) as image:
        exif, info = image.getexif(), dict(image.info)
    # Downwards, as SaveAnimatedWEBP fills them.
    for tag in sorted(_EXIF & set(exif), reverse=True):
        # "prompt:{...}": ComfyUI puts the key in front of the text.
        name, _, text = str(exif[tag]).partition(":")
        if name.isidentifier() and text:
            yield MetadataText(name=name.lower(), text=text, location=f"EXIF {name}")
        else:
            yield MetadataText(name="description", text=str(exif[tag]), location="EXIF")
    comment = exif.get_ifd(_EXIF_IFD).get(_USER_COMMENT)
    if comment is not None:
        yield MetadataText(name="usercomment", text=_user_comment(comment), location="EXIF UserComment")
    for key, value in info.items():
        named = str(key).lower()
        if named in ("exif", "icc_profile"):
            continue
        if isinstance(value, bytes) and named in ("xmp", "comment"):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str) and named == "xmp":
            yield MetadataText(name="xmp", text=_xmp_text(value), location="its XMP")
        elif isinstance(value, str):
            yield MetadataText(name=named, text=value, location=f"its text {named}")
    if path.suffix.lower() in (".png", ".apng"):
        yield from _comfy_chunks(path)


def _user_comment(value: Any) -> str:
    """Decode EXIF's UserComment (EXIF 2.32, 4.6.5), whose first eight bytes name the character code."""
    if not isinstance(value, bytes):
        return str(value)
    kind, body = value[:8], value[8:]
    if kind == b"UNICODE\0":
        # The standard leaves the byte order of UTF-16 open: of Latin text every second byte is zero.
        swapped = body[:1] == b"\0" or (body[1:2] != b"\0" and len(body) > 1)
        return body.decode("utf-16-be" if swapped else "utf-16-le", "replace").strip("\0\ufeff")
    return (body if kind[:5] in (b"ASCII", b"JIS\0\0", bytes(5)) else value).decode("utf-8", "replace").strip("\0")


def _xmp_text(text: str) -> str:
    """Return the text of the first element of an XMP packet that is known to hold a prompt; "" if there is none."""
    found = _XMP.search(text)
    return unescape(re.sub(r"<[^<>]+>", " ", found[2])).strip() if found else ""


def _comfy_chunks(path: Path) -> Iterator[MetadataText]:
    """Yield the texts of ComfyUI's own chunks, which follow the first picture, where PNG readers do not look."""
    try:
        with path.open("rb") as file:
            if file.read(8) != b"\x89PNG\r\n\x1a\n":
                return
            while len(head := file.read(8)) == 8:
                size, kind = struct.unpack(">I4s", head)
                if kind != _COMFY_CHUNK or size > _LARGEST_TEXT_BYTES:
                    file.seek(size + 4, 1)
                    continue
                body, check = file.read(size), file.read(4)
                name, _, text = body.partition(b"\0")
                # A chunk that was cut off by an interrupted copy fails its checksum.
                if check == struct.pack(">I", zlib.crc32(kind + body)):
                    named = name.decode("latin-1").lower()
                    yield MetadataText(name=named, text=text.decode("utf-8", "replace"), location=f"its chunk {named}")
    except OSError:
        return


def _sidecars(path: Path) -> Iterator[MetadataText]:
    """Yield the texts of clip.json and clip.mp4.json, then of clip.txt and clip.mp4.txt."""
    for suffix in _SIDECAR_SUFFIXES:
        for beside in (path.with_suffix(suffix), path.with_name(path.name + suffix)):
            try:
                # The size first: a file of that name may hold anything.
                if beside.stat().st_size <= _LARGEST_TEXT_BYTES:
                    text = beside.read_text(encoding="utf-8-sig", errors="replace")
                    yield MetadataText(name=suffix, text=text, location=beside.name)
            except (OSError, ValueError):
                continue
