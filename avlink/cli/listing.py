"""What `avlink --help` says of plugins' commands, remembered between runs so that nothing has to be imported."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import avlink
from avlink.core.errors import AvlinkError
from avlink.core.hashing import JsonValue, digest
from avlink.core.installed import changed_ns, plugin_points
from avlink.core.paths import cache_dir, write_text

_FILE = "commands.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Names of commands with what they do in a sentence, and what is wrong, by plugin."""

    commands: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


def installed_key() -> str:
    """A name for which plugins are installed and asked for, and for the state of their files; imports none of them."""
    found: list[JsonValue] = [[point.name, point.value, changed_ns(point)] for point in plugin_points()]
    return digest([avlink.__version__, os.environ.get("AVLINK_PLUGINS"), found])


def recall(key: str) -> Listing | None:
    """The listing that was remembered under this key."""
    try:
        known = json.loads((cache_dir() / _FILE).read_text(encoding="utf-8"))
        if known["key"] != key:
            return None
        return Listing(commands={str(name): str(summary) for name, summary in known["commands"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Whatever is wrong with it, the answer is the same: it is not there.
        return None


def remember(key: str, listing: Listing) -> None:
    """Keep a listing; where that cannot be written, the next run looks again."""
    with contextlib.suppress(AvlinkError, OSError):
        write_text(cache_dir() / _FILE, json.dumps({"key": key, "commands": dict(listing.commands)}))
