"""The descriptions inside of a sound file: bext, iXML (with ASWG and UCS fields), RIFF INFO, ID3, Vorbis comments, MP4.

Every program names the same thing in its own way; `Tags` has the names of UCS.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from avlink.core.errors import MediaError
from avlink.library.chunks import decode_text, info_texts, read_chunks
from avlink.library.words import distinct
from avlink.media.broadcast import unpack_bext
from avlink.media.container import open_input

_MOST_LETTERS = 2000
"""Longer texts are cut: a description has some sentences."""

# Fields in the order of their rank: where several tags name one field, texts of a later one follow the first.
_FIELDS: dict[str, tuple[str, ...]] = {
    "catid": ("catid",),
    "category": ("category", "fullcategory", "icat"),
    "subcategory": ("subcategory",),
    "user_category": ("usercategory", "vendorcategory"),
    "title": ("fxname", "title", "tracktitle", "inam", "name"),
    "description": (
        *("bwfdescription", "bextdescription", "description", "comment", "icmt", "anno", "note", "notes", "subject"),
        *("isbj", "userdata", "usercomments", "shortid", "synopsis"),
    ),
    "keywords": ("keywords", "ikey", "tags", "genre", "ignr", "mood", "effect", "location", "material", "action"),
    "library": ("library", "album", "iprd", "show"),
    "author": (
        *("designer", "artist", "author", "iart", "auth", "albumartist", "composer", "creator", "performer"),
        *("recordist", "recordedby", "originator", "manufacturer", "rightsowner", "organization"),
    ),
    "licence": ("license", "licence", "copyright", "icop", "cprt", "rights", "usageterms", "wcop", "c"),
}
_FIELD_OF = {name: field for field, names in _FIELDS.items() for name in names}
_TRUE = frozenset(("1", "true", "yes", "y"))
# Names of programs that write files, which stand where the author should.
_PROGRAMS = re.compile(r"(?i)^(lavf|lavc|libsndfile|pro ?tools|reaper|soundminer|avlink|ffmpeg|adobe|sound forge)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """The texts of a sound file by field, each in the order of their rank; "" where a file has none.

    Texts of one field that differ stand one after the other, as "a; b". `is_loop` is what the file says of itself.
    """

    catid: str = ""
    category: str = ""
    subcategory: str = ""
    user_category: str = ""
    title: str = ""
    description: str = ""
    keywords: str = ""
    library: str = ""
    author: str = ""
    licence: str = ""
    is_loop: bool = False


def read_tags_of_sound(path: Path) -> Tags:
    """Return the tags of a sound file. Damaged ones are passed over: the sound may be whole.

    Raises MediaError where the file cannot be opened.
    """
    try:
        found = [pair for name, body in read_chunks(path) for pair in _pairs_of_chunk(name, body)]
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror or error}") from error
    own = tags_of(found)
    with open_input(path) as container:
        holders: list[Any] = [container, *container.streams.audio]
        theirs = tags_of([(key, text) for holder in holders for key, text in holder.metadata.items()])
    # libav reads some of the same chunks, and drops letters that are not UTF-8.
    return replace(theirs, **{name: value for name, value in asdict(own).items() if value})


def tags_of(pairs: list[tuple[str, str]]) -> Tags:
    """Return the tags of (name, text) in any order; names count without case, spaces and signs."""
    texts: dict[str, list[tuple[int, str]]] = {field: [] for field in _FIELDS}
    is_loop = False
    for raw, text in pairs:
        name = re.sub(r"[\W_]+", "", raw).casefold()
        text = " ".join(text.split())[:_MOST_LETTERS]
        field = _FIELD_OF.get(name)
        if name in ("isloop", "loop"):
            is_loop = is_loop or text.casefold() in _TRUE
        elif text and field is not None and not (field == "author" and _PROGRAMS.match(text)):
            texts[field].append((_FIELDS[field].index(name), text))
    joined: dict[str, Any] = {}
    for field, found in texts.items():
        ordered = distinct(text for _, text in sorted(found, key=lambda pair: pair[0]))
        # The author is one person, by the first of the tags; descriptions add to each other.
        joined[field] = "; ".join(ordered if field in ("description", "keywords") else ordered[:1])
    return Tags(**joined, is_loop=is_loop)


def _pairs_of_chunk(name: str, body: bytes) -> Iterator[tuple[str, str]]:
    if name == "INFO":
        with suppress(struct.error):
            yield from info_texts(body)
    elif name == "iXML":
        yield from ixml_texts(body)
    elif name == "bext":
        with suppress(ValueError):
            bext = unpack_bext(body)
            # Unlike `unpack_bext`, which reads ASCII: libraries write their own language here.
            yield "bextdescription", decode_text(body[:256])
            yield "originator", bext.originator
    elif name == "smpl":
        # The seventh number of the chunk counts its loops.
        with suppress(struct.error):
            yield "isloop", "yes" if struct.unpack_from("<I", body, 28)[0] else "no"
    else:
        yield name, decode_text(body)


def ixml_texts(body: bytes) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of an iXML chunk at any depth: those of ASWG, of Soundminer's USER and of others.

    Nothing is given of one that is no XML, or that defines entities, which no recorder writes.
    """
    body = body.rstrip(b"\0 \r\n\t")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        return
    try:
        root = ElementTree.fromstring(body)
    except (ElementTree.ParseError, LookupError, ValueError):
        return
    for element in root.iter():
        if isinstance(element.tag, str) and element.text and element.text.strip() and not len(element):
            yield element.tag.rpartition("}")[2], element.text.strip()
