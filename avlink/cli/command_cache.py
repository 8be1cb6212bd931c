"""Commands and options of plugins as `--help` shows them, remembered between runs so that nothing is imported."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import avlink
from avlink.cli.terminal import visible, visible_line
from avlink.core.entry_points import changed_ns, plugin_points
from avlink.core.errors import AvlinkError
from avlink.core.hashing import JsonValue, digest
from avlink.core.paths import cache_dir, write_text

if TYPE_CHECKING:
    from avlink.hooks import Registry

_FILE = "commands.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedOption:
    """An option of a plugin without its functions: the fields of `avlink.hooks.CommandOption` that `--help` needs."""

    name: str
    commands: tuple[str, ...]
    help: str
    type: str
    default: str
    metavar: str
    multiple: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandListing:
    """Summaries of commands by name, options of AVLink's own commands, and reasons of failures by plugin."""

    commands: Mapping[str, str] = field(default_factory=dict)
    options: tuple[ListedOption, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)


def listing_of(registry: Registry) -> CommandListing:
    """Return what `--help` shows of the plugins of a registry."""
    problems = {failure.plugin: visible_line(failure.reason) for failure in registry.failures}
    problems |= {" and ".join(clash.plugins): visible_line(str(clash)) for clash in registry.clashes}
    options = [
        ListedOption(
            name=option.name,
            commands=option.commands,
            help=visible(option.help),
            type=option.type.__name__,
            default=option.default,
            metavar=option.metavar,
            multiple=option.multiple,
        )
        for option in registry.command_options.values()
    ]
    commands = {name: visible_line(item.summary) for name, item in registry.commands.items()}
    return CommandListing(commands=commands, options=tuple(options), problems=problems)


def plugins_key() -> str:
    """Return a key of the installed plugins, of AVLINK_PLUGINS and of the state of their files; imports no plugin."""
    found: list[JsonValue] = [[point.name, point.value, changed_ns(point)] for point in plugin_points()]
    return digest([avlink.__version__, os.environ.get("AVLINK_PLUGINS"), found])


def load_listing(key: str) -> CommandListing | None:
    """Return the listing that was remembered under this key, or None."""
    try:
        known = json.loads((cache_dir() / _FILE).read_text(encoding="utf-8"))
        if known["key"] != key:
            return None
        return CommandListing(
            commands={str(name): str(summary) for name, summary in known["commands"].items()},
            options=tuple(
                ListedOption(**option | {"commands": tuple(option["commands"])}) for option in known["options"]
            ),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # A file that cannot be read, or of another version, is made anew.
        return None


def save_listing(key: str, listing: CommandListing) -> None:
    """Keep a listing; where the file cannot be written, the next run loads the plugins again."""
    with contextlib.suppress(AvlinkError, OSError):
        known = {"key": key, "commands": dict(listing.commands), "options": [asdict(one) for one in listing.options]}
        write_text(cache_dir() / _FILE, json.dumps(known))
