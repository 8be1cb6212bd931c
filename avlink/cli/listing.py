"""What `avlink --help` says of plugins' commands, remembered between runs so that nothing has to be imported."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import avlink
from avlink.core.errors import AvlinkError
from avlink.core.hashing import JsonValue, digest
from avlink.core.paths import cache_dir, write_text

_GROUP = "avlink"
_FILE = "commands.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Names of commands with what they do in a sentence, and what is wrong, by plugin."""

    commands: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


def installed_key() -> str:
    """A name for which plugins are installed and asked for, and for the state of their files; imports none of them."""
    points = sorted(entry_points(group=_GROUP), key=lambda point: (point.name, point.value))
    found: list[JsonValue] = [[point.name, point.value, _changed_ns(point)] for point in points]
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


def _changed_ns(point: EntryPoint) -> int:
    """When the file of a plugin's module was changed, in nanoseconds since the epoch; 0 where that is not known."""
    top, *below = point.module.split(".")
    try:
        # Only a module at the top is found without importing what is around it.
        spec = importlib.util.find_spec(top)
        places = list(spec.submodule_search_locations or []) if spec is not None else []
        files = [Path(place, *below) for place in places]
        origins = [Path(spec.origin)] if spec is not None and spec.origin and not below else []
        candidates = [*origins, *(file.with_suffix(".py") for file in files), *(file / "__init__.py" for file in files)]
        return next((os.stat(file).st_mtime_ns for file in candidates if os.path.isfile(file)), 0)
    except (ImportError, ValueError, OSError, AttributeError):
        return 0
