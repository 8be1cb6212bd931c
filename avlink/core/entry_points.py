"""Entry points of installed plugins, with their origin, found without importing any plugin."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

GROUP = "avlink"
"""The entry-point group of all plugins, first and third party."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Origin of a plugin; unknown fields are empty.

    `module` is the value of its entry point, `file` the file of that module, `places` the folders (or the file) of
    the package around it.
    """

    distribution: str = ""
    version: str = ""
    module: str = ""
    file: Path | None = None
    places: tuple[Path, ...] = ()

    @property
    def package(self) -> str:
        """Distribution and version, for people."""
        return f"{self.distribution} {self.version}".strip()

    @property
    def is_ours(self) -> bool:
        """True if the plugin is part of AVLink's own distribution."""
        return self.distribution == "avlink"


UNKNOWN = Origin()
"""The origin of a plugin that was passed as an object, not installed."""


def plugin_points() -> list[EntryPoint]:
    """Return the entry points of all plugins, sorted, so that the order of installation has no effect."""
    found = entry_points(group=GROUP)
    return sorted(found, key=lambda point: (point.name, (point.dist.name if point.dist else "") or "", point.value))


def origin_of(point: EntryPoint) -> Origin:
    """Return the origin of the plugin of an entry point."""
    file, places = _find(point)
    return Origin(
        distribution=(point.dist.name if point.dist else "") or "",
        version=(point.dist.version if point.dist else "") or "",
        module=point.value,
        file=file,
        places=places,
    )


def changed_ns(point: EntryPoint) -> int:
    """Return the modification time of a plugin's module in nanoseconds since the epoch; 0 if it is not known."""
    file, _ = _find(point)
    try:
        return 0 if file is None else os.stat(file).st_mtime_ns
    except OSError:
        return 0


def unmet_need(point: EntryPoint, version: str) -> str | None:
    """Return the requirement of a plugin's distribution that `version` of AVLink does not meet, such as "avlink>=2".

    None if all are met.
    """
    needs = [need for need in (point.dist.requires if point.dist else None) or () if need[:6].lower() == "avlink"]
    if not needs:
        return None
    from packaging.requirements import InvalidRequirement, Requirement

    for text in needs:
        try:
            need = Requirement(text)
        except InvalidRequirement:
            continue
        applies = need.marker is None or need.marker.evaluate({"extra": ""})
        if need.name.lower() == "avlink" and applies and not need.specifier.contains(version, prereleases=True):
            return f"avlink{need.specifier}"
    return None


def _find(point: EntryPoint) -> tuple[Path | None, tuple[Path, ...]]:
    """Return the file of a plugin's module, and the places of the package around it."""
    try:
        top, *below = point.module.split(".")
        # find_spec imports the parents of a dotted name, so only the top-level name is given to it.
        spec = importlib.util.find_spec(top)
        if spec is None:
            return None, ()
        folders = tuple(Path(place) for place in spec.submodule_search_locations or ())
        own = [Path(spec.origin)] if spec.origin and spec.origin != "built-in" and not below else []
    except (ImportError, ValueError, OSError, AttributeError):
        return None, ()
    stems = [folder.joinpath(*below) for folder in folders]
    files = [*own, *(stem.with_suffix(".py") for stem in stems), *(stem / "__init__.py" for stem in stems)]
    return next((file for file in files if file.is_file()), None), folders or tuple(own)
