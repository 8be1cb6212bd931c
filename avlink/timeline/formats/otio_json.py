"""OTIO's JSON, checked before OpenTimelineIO reads it.

OpenTimelineIO 0.18 ends the process at schema versions below 1, at clips of version 1 with fields of version 2 or a
list for their media, at objects of the schema UnknownSchema, at a timeline without tracks once these are asked for, and
where nesting is deeper than its stack. It follows references between objects in circles, which no release of it writes.
"""

from __future__ import annotations

import re
from typing import Any

import opentimelineio as otio

from avlink.core.documents import parse_json
from avlink.core.errors import TimelineError
from avlink.core.limits import PROJECT_BYTES, PROJECT_DEPTH, PROJECT_VALUES, nested_in

_SCHEMA = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\.([0-9]{1,9})")
_NONE = object()
_REFUSED = {
    "SerializableObjectRef": "refers to another object, which no release of OpenTimelineIO writes",
    "UnknownSchema": "is of the schema UnknownSchema, which stands for no schema in particular",
}


def _lack_of_old_clip(found: dict[str, Any]) -> str:
    media = found.get("media_reference")
    if media is not None and not (isinstance(media, dict) and "OTIO_SCHEMA" in media):
        return "whose media_reference is no object"
    return "with media_references, which version 2 introduced" if "media_references" in found else ""


def _lack_of_old_marker(found: dict[str, Any]) -> str:
    return "with a marked_range, which version 2 introduced" if "marked_range" in found else ""


_OLD = {"Clip.1": _lack_of_old_clip, "Marker.1": _lack_of_old_marker}


def check_otio_json(text: str, where: object) -> None:
    """Check that OpenTimelineIO can read a text without harm; it may still refuse it in its own words.

    Raises TimelineError: too large, too deep, no JSON, no OTIO object, or an object that only a newer OpenTimelineIO
    reads or none.
    """
    PROJECT_BYTES.check(len(text), where, TimelineError)
    # Counted in the text, for parsed values take many times the memory. Texts may hold such characters too, but few.
    PROJECT_VALUES.check(text.count("{") + text.count("[") + text.count(",") // 4, where, TimelineError)
    value = parse_json(text, where, TimelineError, depth=PROJECT_DEPTH, strict=False, kind="OTIO file")
    if not isinstance(value, dict) or "OTIO_SCHEMA" not in value:
        raise TimelineError(
            f"{where} is not a timeline: its JSON does not begin with an object that has an OTIO_SCHEMA"
        )
    newer: set[str] = set()
    known: set[str] = set()
    row: list[Any] = [value]
    while row:
        for one in row:
            if type(one) is dict:
                schema = one.get("OTIO_SCHEMA", _NONE)
                if schema is not _NONE and not (isinstance(schema, str) and schema in known):
                    _check_object(one, where, newer)
                    if not str(schema).startswith("Timeline.") and schema not in _OLD:
                        known.add(str(schema))
        row = nested_in(row)
    if newer:
        raise TimelineError(
            f"{where} was written by a newer OpenTimelineIO (it holds {', '.join(sorted(newer))}, and the installed "
            f"version {otio.__version__} does not read that); update opentimelineio, or export for an older version"
        )


def _check_object(found: dict[str, Any], where: object, newer: set[str]) -> None:
    schema = found["OTIO_SCHEMA"]
    match = _SCHEMA.fullmatch(schema) if isinstance(schema, str) else None
    named = f"its object '{str(found.get('name') or schema)[:60]}'"
    if match is None or not int(match[2]):
        shown = str(schema)[:60]
        raise TimelineError(
            f"{where} is no OTIO file: {named} has the OTIO_SCHEMA {shown!r}; a schema is a name, a point and a "
            "version from 1 on, such as Clip.2"
        )
    name, version = match[1], int(match[2])
    if name in _REFUSED:
        raise TimelineError(f"{where} cannot be read: {named} {_REFUSED[name]}; export it again")
    if schema in _OLD and (lack := _OLD[schema](found)):
        raise TimelineError(f"{where} cannot be read: {named} is a {schema} {lack}; export it again")
    if version > otio.core.type_version_map().get(name, version):
        newer.add(schema)
    elif name == "Timeline" and not isinstance(found.get("tracks"), dict):
        raise TimelineError(f"{where} cannot be read: {named} has no tracks; export the timeline again")
